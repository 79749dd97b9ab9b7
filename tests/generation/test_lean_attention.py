"""Attention without copies: the same bits as diffusers' own."""

from __future__ import annotations

import copy

import torch
from diffusers.models.transformers.transformer_cosmos import CosmosAttnProcessor2_0

from benchmarks.miniature.architecture import build_components
from service.generation.lean_attention import LeanAttention, use_lean_attention


def processors(denoiser: torch.nn.Module) -> list[type]:
    return [type(module.processor) for module in denoiser.modules() if hasattr(module, "processor")]


def test_the_denoiser_predicts_the_same_to_the_bit() -> None:
    theirs = build_components("nano", seed=1)["transformer"].eval()
    noise = torch.Generator().manual_seed(1)
    config = theirs.config
    inputs = {
        "hidden_states": torch.randn(2, config.in_channels, 1, 8, 8, generator=noise),
        "timestep": torch.full((2,), 0.5),
        "encoder_hidden_states": torch.randn(2, 5, config.text_embed_dim, generator=noise),
        "padding_mask": torch.zeros(1, 1, 64, 64),
        "return_dict": False,
    }
    for dtype in (torch.float32, torch.bfloat16):
        theirs.to(dtype)
        ours = copy.deepcopy(theirs)
        assert use_lean_attention(ours) == len(processors(theirs)) > 0
        typed = {name: value.to(dtype) if torch.is_tensor(value) else value for name, value in inputs.items()}
        with torch.no_grad():
            assert torch.equal(ours(**typed)[0], theirs(**typed)[0])
    assert set(processors(ours)) == {LeanAttention}
    assert use_lean_attention(ours) == 0


def test_attention_that_shares_keys_is_left_alone() -> None:
    denoiser = build_components("nano", seed=1)["transformer"]
    attention = next(module for module in denoiser.modules() if hasattr(module, "processor"))
    attention.to_k = torch.nn.Linear(attention.to_k.in_features, attention.to_k.out_features // 2)
    count = len(processors(denoiser))
    assert use_lean_attention(denoiser) == count - 1
    assert type(attention.processor) is CosmosAttnProcessor2_0
