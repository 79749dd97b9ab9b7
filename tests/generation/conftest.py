"""A tiny Anima of the real classes, and LoRA files for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.miniature.architecture import build_components
from service.checkpoints import write_anima_toolkit
from service.generation import GenerationSettings
from service.generation.anima import AnimaGenerator

SMALL = GenerationSettings(steps=3, width=32, height=48, batch_size=4)
ATTENTION = ("attn1.to_q", "attn1.to_v", "attn2.to_k", "ff.net.0.proj")

WriteLora = Callable[..., Path]


@pytest.fixture
def components() -> dict[str, Any]:
    return build_components("nano", seed=1)


@pytest.fixture
def generator(components: dict[str, Any]) -> AnimaGenerator:
    return AnimaGenerator.from_components(components, SMALL, identity="nano", device="cpu")


@pytest.fixture
def write_lora(tmp_path: Path) -> WriteLora:
    """Writes a random LoRA file for some linear modules of some components, in AnimaLoraToolkit's format."""
    reference = build_components("nano", seed=1)

    def write(name: str = "lora", parts: Sequence[str] = ("transformer",), size: float = 0.3, seed: int = 0) -> Path:
        noise = torch.Generator().manual_seed(seed)
        weights = {}
        for part in parts:
            for path, module in reference[part].named_modules():
                if isinstance(module, torch.nn.Linear) and (part != "transformer" or path.endswith(ATTENTION)):
                    down = torch.randn(4, module.in_features, generator=noise)
                    up = torch.randn(module.out_features, 4, generator=noise) * size
                    weights[f"{part}.{path}"] = (down, up)
        target = tmp_path / f"{name}.safetensors"
        write_anima_toolkit(target, weights, rank=4, alpha=4.0)
        return target

    return write
