"""Anima's own classes with sizes that fold and run in milliseconds."""

from __future__ import annotations

import torch
from diffusers import AnimaTextConditioner, CosmosTransformer3DModel
from transformers import Qwen3Config, Qwen3Model


def tiny_components(seed: int = 0) -> dict[str, torch.nn.Module]:
    """Random transformer, conditioner and text encoder; the same weights for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        transformer = CosmosTransformer3DModel(
            in_channels=4,
            out_channels=4,
            num_attention_heads=2,
            attention_head_dim=16,
            num_layers=2,
            mlp_ratio=2,
            text_embed_dim=24,
            adaln_lora_dim=8,
            max_size=(4, 16, 16),
            patch_size=(1, 2, 2),
            extra_pos_embed_type=None,
        )
        conditioner = AnimaTextConditioner(
            source_dim=20, target_dim=24, model_dim=24, num_layers=2, num_attention_heads=2, target_vocab_size=50,
            min_sequence_length=8,
        )  # fmt: skip
        encoder = Qwen3Model(
            Qwen3Config(
                vocab_size=50, hidden_size=20, intermediate_size=40, num_hidden_layers=2, num_attention_heads=2,
                num_key_value_heads=1, head_dim=10,
            )
        )  # fmt: skip
        components = {
            "transformer": transformer,
            "text_conditioner": conditioner,
            "text_encoder": encoder,
        }
        for component in components.values():
            for parameter in component.parameters():
                torch.nn.init.normal_(parameter, std=0.2)
            component.eval().requires_grad_(False)
    return components


def weighted_modules(components: dict[str, torch.nn.Module]) -> dict[str, list[str]]:
    """The paths of all modules that own a ``weight``."""
    return {
        name: [path for path, module in component.named_modules() if getattr(module, "weight", None) is not None]
        for name, component in components.items()
    }


def linears(component: torch.nn.Module) -> dict[str, torch.nn.Linear]:
    """All linear layers by path."""
    return {path: module for path, module in component.named_modules() if isinstance(module, torch.nn.Linear)}


def run_transformer(transformer: torch.nn.Module) -> torch.Tensor:
    """The transformer's answer to one fixed input, shape (1, 4, 1, 8, 8)."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        result: torch.Tensor = transformer(
            hidden_states=torch.randn(1, 4, 1, 8, 8, generator=generator),
            timestep=torch.tensor([0.5]),
            encoder_hidden_states=torch.randn(1, 6, 24, generator=generator),
            padding_mask=torch.zeros(1, 1, 8, 8),
            return_dict=False,
        )[0]
    return result
