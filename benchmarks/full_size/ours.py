"""Our way: the service's own executor over the same components, with detectors, storage and the ledger."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.full_size.profiling import profile_batch, profile_swap, read_ahead, said
from benchmarks.full_size.recording import Record, recorded
from benchmarks.full_size.timing import Busy, milliseconds, peak_gb, reset_peak, wait, watched
from benchmarks.full_size.waiting import summarise
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


@dataclass(frozen=True)
class Evaluated:
    """What came of a whole evaluation.

    Attributes:
        seconds: from the executor's start to its end.
        images: how many were judged.
        busy: how busy the GPU was.
        pictures: the first ones of the last checkpoint.
        waits: where the card waited, if that was recorded.
    """

    seconds: float
    images: int
    busy: Busy
    pictures: list[Pixels]
    waits: dict[str, Any] | None


def measure_ours(
    generator: DiffusersGenerator[Any],
    denoiser: torch.nn.Module,
    detectors: Detectors,
    suite: Suite,
    loras: Sequence[Path],
    folder: Path,
    flops: float,
    profiled: bool = False,
    again: bool = False,
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
        profiled: add where the time of the evaluation, of one batch and of one swap goes.
        again: evaluate once more with nothing of the first time but the process, and add that.
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
    done = evaluate(generator, denoiser, detectors, suite, loras, folder, profiled)
    generator.use(loras[-1])
    alike = _alike(done.pictures, [image.pixels for image in generator.generate(batch)])
    spent: dict[str, Any] = {}
    if profiled:
        spent = said(lambda: profile_batch(generator, batch))
        spent |= {"swap": said(lambda: profile_swap(generator, loras)), "waits": done.waits}
    if again:
        once_more = evaluate(generator, denoiser, detectors, suite, loras, folder / "again", profiled)
        spent["again"] = {
            "ours_ms": round(1000 * once_more.seconds / once_more.images, 1),
            "gpu_busy": once_more.busy.share,
        } | ({"waits": once_more.waits} if profiled else {})
    return {
        **spent,
        "images": done.images,
        "ours_ms": round(1000 * done.seconds / done.images, 1),
        "batch_size": generator.settings.batch_size,
        "first_batch_s": round(first_s, 1),
        "transformer_step_ms": round(step_ms, 2),
        "transformer_tflops": round(flops / step_ms / 1e9, 1),
        "generate_ms": round(milliseconds(device, lambda: generator.generate(batch), 3) / len(batch), 1),
        "swap_ms": round(swap_ms(generator, loras), 2),
        "gpu_busy": done.busy.share,
        "peak_gb": peak_gb(device),
        "bit_equal": _bit_equal(generator, batch),
        "evaluation_bit_equal": alike,
    }


def evaluate(
    generator: DiffusersGenerator[Any],
    denoiser: torch.nn.Module,
    detectors: Detectors,
    suite: Suite,
    loras: Sequence[Path],
    folder: Path,
    profiled: bool,
) -> Evaluated:
    """A whole evaluation by the service's own executor; arguments as for :func:`measure_ours`."""
    device = generator._device
    record = Record(device)
    watching = recorded(record, generator, denoiser) if profiled else nullcontext()
    space = Workspace(Settings(data_dir=folder / "data", image_format="webp"), ReadyModels(generator, detectors))
    try:
        checkpoints = [space.registry.register("run", inspect_checkpoint(lora)) for lora in loras]
        asked = make_request(space.settings, suite, checkpoints, batch_size=generator.settings.batch_size)
        evaluation = space.evaluations.start(asked)
        with watched(device) as busy, watching:
            wait(device)
            record.start()
            started = time.perf_counter()
            space.executor.run(evaluation.id)
            seconds = time.perf_counter() - started
            record.stop()
        progress = space.evaluations.state(evaluation.id).progress
        stored = {
            (image.epoch, image.scenario, image.seed): image.key for image in space.evaluations.images(evaluation)
        }
        first = suite.cells()[: generator.settings.batch_size]
        cells = [(checkpoints[-1].epoch, scenario.name, seed) for scenario, seed in first]
        pictures = [space.images.load(str(stored[cell])) for cell in cells]
    finally:
        space.close()
    assert progress.failed == 0, f"{progress.failed} images failed"
    waits = said(lambda: summarise(record)) if profiled else None
    return Evaluated(seconds, progress.judged, busy, pictures, waits)


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
        read_ahead(generator, lora)
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
