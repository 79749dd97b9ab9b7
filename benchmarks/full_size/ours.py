"""Our way: the service's own executor over the same components, with detectors, storage and the ledger."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.full_size.timing import milliseconds, peak_gb, profile, reset_peak, wait, watched
from service.checkpoints import inspect_checkpoint
from service.evaluations.asking import make_request
from service.evaluations.executor import Detectors
from service.evaluations.requests import EvaluationRequest
from service.evaluations.workspace import Workspace
from service.generation import ImageRequest
from service.generation.diffusing import DiffusersGenerator
from service.generation.port import Generator, Pixels
from service.settings import Settings
from service.suites import Suite


class ReadyModels:
    """The port to models that are open already."""

    def __init__(self, generator: Generator, detectors: Detectors) -> None:
        self._generator, self._detectors = generator, detectors

    def generator(self, request: EvaluationRequest) -> Generator:
        """The one generator."""
        return self._generator

    def detectors(self, request: EvaluationRequest) -> Detectors:
        """The one set of detectors."""
        return self._detectors


def measure_ours(
    generator: DiffusersGenerator[Any],
    denoiser: torch.nn.Module,
    detectors: Detectors,
    suite: Suite,
    loras: Sequence[Path],
    folder: Path,
    flops: float,
    profiled: bool = False,
) -> dict[str, Any]:
    """A whole evaluation and its parts, once everything is compiled and the detectors have looked at a first batch.

    Args:
        generator: on the components to measure.
        denoiser: its transformer or U-Net.
        detectors: the real ones.
        suite: scenarios and seeds, in the size to measure.
        loras: files of one run.
        folder: for the data.
        flops: of one step of one image.
        profiled: add where the time of one batch goes.
    """
    device = generator._device
    requests = [ImageRequest(scenario.prompt, seed) for scenario, seed in suite.cells()]
    batch = requests[: generator.settings.batch_size]
    began = time.perf_counter()
    generator.use(None)
    made = generator.generate(batch)
    wait(device)
    first_s = time.perf_counter() - began
    # Once in a process, and 10 s of it: too much for a grid of 200 images, nothing for one of 10,000.
    expectation = suite.expectation(suite.scenarios[0].name)
    detectors.detect([image.pixels for image in made], [expectation] * len(made))

    step_ms = _step_ms(generator, denoiser, batch)
    reset_peak(device)
    space = Workspace(Settings(data_dir=folder / "data", image_format="webp"), ReadyModels(generator, detectors))
    try:
        checkpoints = [space.registry.register("run", inspect_checkpoint(lora)) for lora in loras]
        asked = make_request(space.settings, suite, checkpoints, batch_size=generator.settings.batch_size)
        evaluation = space.evaluations.start(asked)
        started = time.perf_counter()
        with watched(device) as busy:
            space.executor.run(evaluation.id)
        seconds = time.perf_counter() - started
        progress = space.evaluations.state(evaluation.id).progress
        stored = {
            (image.epoch, image.scenario, image.seed): image.key for image in space.evaluations.images(evaluation)
        }
        cells = [(checkpoints[-1].epoch, scenario.name, seed) for scenario, seed in suite.cells()[: len(batch)]]
        pictures = [space.images.load(str(stored[cell])) for cell in cells]
    finally:
        space.close()
    assert progress.failed == 0, f"{progress.failed} images failed"
    generator.use(loras[-1])
    alike = _alike(pictures, [image.pixels for image in generator.generate(batch)])
    spent = {"profile": profile(device, lambda: generator.generate(batch))} if profiled else {}
    return {
        **spent,
        "images": progress.judged,
        "ours_ms": round(1000 * seconds / progress.judged, 1),
        "batch_size": generator.settings.batch_size,
        "first_batch_s": round(first_s, 1),
        "transformer_step_ms": round(step_ms, 2),
        "transformer_tflops": round(flops / step_ms / 1e9, 1),
        "generate_ms": round(milliseconds(device, lambda: generator.generate(batch), 3) / len(batch), 1),
        "swap_ms": round(swap_ms(generator, loras), 2),
        "gpu_busy": busy.share,
        "peak_gb": peak_gb(device),
        "bit_equal": _bit_equal(generator, batch),
        "evaluation_bit_equal": alike,
    }


def vae_ms(vae: Any, latents: torch.Tensor) -> float:
    """Milliseconds to decode one image."""
    with torch.no_grad():
        return round(milliseconds(vae.device, lambda: vae.decode(latents)), 2)


def _step_ms(generator: DiffusersGenerator[Any], denoiser: torch.nn.Module, batch: Sequence[ImageRequest]) -> float:
    """Milliseconds an image of one call of the denoiser, replayed with what the pipeline gave it."""
    kept: list[Any] = []

    def keep(module: Any, arguments: Any, keywords: Any) -> None:
        if not kept:
            kept.extend((arguments, keywords))

    handle = denoiser.register_forward_pre_hook(keep, with_kwargs=True)
    try:
        generator.generate(batch)
    finally:
        handle.remove()
    arguments, keywords = kept
    with torch.no_grad():
        whole = milliseconds(generator._device, lambda: denoiser(*arguments, **keywords), repeats=10)
    return whole / len(batch)


def swap_ms(generator: DiffusersGenerator[Any], loras: Sequence[Path]) -> float:
    """Milliseconds that generation stands still for a swap, the file having been read ahead."""
    durations = []
    for lora in [*loras, *loras][:6]:
        generator.prefetch(lora)
        assert generator._ahead is not None
        generator._ahead[1].result()
        wait(generator._device)
        started = time.perf_counter()
        generator.use(lora)
        wait(generator._device)
        durations.append(1000 * (time.perf_counter() - started))
    return float(np.median(durations[1:]))


def _bit_equal(generator: DiffusersGenerator[Any], batch: Sequence[ImageRequest]) -> bool:
    first, second = ([image.pixels for image in generator.generate(batch)] for _ in range(2))
    return _alike(first, second)


def _alike(first: Sequence[Pixels], second: Sequence[Pixels]) -> bool:
    return all(np.array_equal(one, other) for one, other in zip(first, second, strict=True))
