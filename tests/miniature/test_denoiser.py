"""Training and the real pipeline read captions and denoise alike; the base's training runs from start to end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.miniature.architecture import build_components, save_pipeline
from benchmarks.miniature.denoiser import PARTS, Denoiser, Tokens, mix, sample_latents, sample_sigmas, weighted_loss


@pytest.fixture(scope="module")
def components() -> dict[str, Any]:
    return build_components("nano", seed=5)


def test_sampling_equals_the_anima_pipeline(components: dict[str, Any], tmp_path: Path) -> None:
    from diffusers import ClassifierFreeGuidance, ModularPipeline

    save_pipeline(components, tmp_path)
    pipe = ModularPipeline.from_pretrained(str(tmp_path))
    pipe.load_components(dtype=torch.float32)
    pipe.update_components(guider=ClassifierFreeGuidance(guidance_scale=1.0))
    captions, seeds = ["2girls, keichan, kanachan, hug", ""], [7, 13]
    theirs = pipe(
        prompt=captions,
        height=64,
        width=64,
        num_inference_steps=8,
        generator=[torch.Generator().manual_seed(seed) for seed in seeds],
        output="latents",
    )
    ours = sample_latents(Denoiser(*(components[name] for name in PARTS)), captions, seeds, steps=8, cells=8)
    assert torch.allclose(ours, theirs[:, :, 0], atol=2e-4), (ours - theirs[:, :, 0]).abs().max()


def test_padding_does_not_change_how_a_caption_is_read(components: dict[str, Any]) -> None:
    model = Denoiser(*(components[name] for name in PARTS))
    qwen, t5 = Tokens.of(["1girl, solo, park"], torch.device("cpu")).take(torch.tensor([0]))
    with torch.no_grad():
        padded = model.read(qwen, t5)
        bare = model.read(qwen[:, : int((qwen >= 0).sum())], t5[:, : int((t5 >= 0).sum())])
    assert torch.allclose(padded, bare, atol=1e-5)


def test_no_caption_has_finite_gradients(components: dict[str, Any]) -> None:
    model = Denoiser(*(components[name] for name in PARTS))
    tokens = Tokens.of(["", "hug"], torch.device("cpu")).take(torch.arange(2))
    model(torch.randn(2, 16, 8, 8), torch.rand(2), *tokens).square().mean().backward()
    assert all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())
    model.zero_grad()


def test_noise_levels_cover_the_schedule() -> None:
    levels = sample_sigmas(20_000, torch.device("cpu"), torch.Generator().manual_seed(0))
    assert levels.min() >= 0
    assert levels.max() <= 1
    assert (levels > 0.98).float().mean() > 0.005, "sampling starts at pure noise"
    assert 0.6 < levels.median() < 0.85


def test_mixing_and_the_weighted_loss() -> None:
    pictures, noise = torch.zeros(2, 1, 2, 2), torch.ones(2, 1, 2, 2)
    assert torch.equal(mix(pictures, noise, torch.tensor([0.0, 1.0])), torch.stack([pictures[0], noise[0]]))
    weights = torch.tensor([[[3.0, 1.0], [1.0, 1.0]]])
    error = torch.zeros(1, 1, 2, 2)
    error[0, 0, 0, 0] = 1.0
    assert weighted_loss(error, torch.zeros_like(error), weights).item() == pytest.approx(3 / 6)
    assert np.isclose(weighted_loss(error.flip(-1), torch.zeros_like(error), weights).item(), 1 / 6)
