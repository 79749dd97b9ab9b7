"""The plain way: diffusers as its documentation shows it, eager, one image at a time, each checkpoint loaded anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.full_size.timing import wait
from service.generation import GenerationSettings, ImageRequest
from service.generation.port import Pixels

Draw = Callable[[ImageRequest], Any]


def anima_pipeline(components: dict[str, Any]) -> Any:
    """diffusers' Anima pipeline over components in memory."""
    from diffusers import AnimaAutoBlocks, ClassifierFreeGuidance

    blocks: Any = AnimaAutoBlocks()
    pipeline = blocks.init_pipeline()
    pipeline.update_components(**components, guider=ClassifierFreeGuidance(guidance_scale=1.0))
    return pipeline


def draw_anima(pipeline: Any, settings: GenerationSettings) -> Draw:
    """One image by a call as documented."""

    def draw(request: ImageRequest) -> Any:
        return pipeline(
            prompt=request.prompt,
            height=settings.height,
            width=settings.width,
            num_inference_steps=settings.steps,
            generator=torch.Generator("cpu").manual_seed(request.seed),
            output="images",
        )[0]

    return draw


def draw_sdxl(pipeline: Any, settings: GenerationSettings) -> Draw:
    """One image by a call as documented."""

    def draw(request: ImageRequest) -> Any:
        return pipeline(
            prompt=request.prompt,
            negative_prompt="",  # without one diffusers takes zeros, which no other program does
            height=settings.height,
            width=settings.width,
            num_inference_steps=settings.steps,
            guidance_scale=settings.guidance,
            generator=torch.Generator("cpu").manual_seed(request.seed),
        ).images[0]

    return draw


def measure_plain(
    pipeline: Any, draw: Draw, loras: Sequence[Path], requests: Sequence[ImageRequest], folder: Path
) -> dict[str, Any]:
    """Milliseconds an image, with everything that a person waits for: loading each LoRA, drawing, saving.

    Returns:
        ``plain_ms``, ``plain_swap_ms``, and ``pixels`` of the first image of the first LoRA.
    """
    device = pipeline.device if hasattr(pipeline, "device") else torch.device("cpu")
    draw(requests[0])  # the first call is not counted
    swaps, first = [], None
    wait(device)
    started = time.perf_counter()
    for lora in loras:
        before = time.perf_counter()
        pipeline.load_lora_weights(str(lora))
        wait(device)
        swaps.append(1000 * (time.perf_counter() - before))
        for request in requests:
            image = draw(request)
            image.save(folder / f"{lora.stem}_{request.seed}.png")
            first = np.asarray(image.convert("RGB")) if first is None else first
        pipeline.unload_lora_weights()
    wait(device)
    images = len(loras) * len(requests)
    total = 1000 * (time.perf_counter() - started) / images
    return {"plain_ms": round(total, 1), "plain_swap_ms": round(sum(swaps) / len(swaps), 1), "pixels": first}


def step_flops(denoiser: torch.nn.Module, draw: Draw, request: ImageRequest) -> float:
    """Arithmetic of one denoising step of one image, counted by torch; both passes where guidance asks for two."""
    totals: list[float] = []

    def count(module: Any, arguments: Any, keywords: Any) -> None:
        if not totals:
            totals.append(0.0)
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                module.forward(*arguments, **keywords)
            totals[0] = float(counter.get_total_flops())

    handle = denoiser.register_forward_pre_hook(count, with_kwargs=True)
    try:
        draw(request)
    finally:
        handle.remove()
    return totals[0]


def difference(ours: Pixels, theirs: Pixels) -> dict[str, float]:
    """How far two pictures are apart, in grey levels."""
    apart = np.abs(ours.astype(int) - theirs.astype(int))
    return {"max": int(apart.max()), "mean": round(float(apart.mean()), 3)}
