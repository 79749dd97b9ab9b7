"""The tiny Anima's shape: exactly the real model's classes in small configurations, with random weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import torch

from benchmarks.miniature.tokenizing import CONDITIONER_LENGTH, load_tokenizers
from service.miniature.pipeline_index import write_pipeline_index

Size = Literal["nano", "shipped"]
SIZES: tuple[Size, ...] = get_args(Size)
LATENT_CHANNELS = 16
MODELS = ("transformer", "text_encoder", "text_conditioner", "vae")
"""The components that have weights."""


@dataclass(frozen=True)
class Shape:
    """The numbers that differ between sizes; widths are in channels."""

    heads: int
    head_dim: int
    layers: int
    adaln_dim: int
    text_dim: int
    text_layers: int
    text_heads: int
    text_intermediate: int
    conditioner_layers: int
    vae_base: int
    vae_multipliers: tuple[int, int, int, int]


SHAPES: dict[Size, Shape] = {
    "shipped": Shape(5, 64, 8, 32, 192, 3, 4, 512, 2, 24, (1, 2, 4, 6)),
    "nano": Shape(2, 16, 2, 8, 32, 1, 2, 48, 1, 4, (1, 1, 2, 2)),
}


def build_components(size: Size = "shipped", seed: int = 0) -> dict[str, Any]:
    """Every component of an Anima pipeline, untrained, in fp32 on the CPU.

    Args:
        size: ``shipped`` is what the project ships (17 million parameters); ``nano`` is for tests.
        seed: of the random weights; the same seed gives the same weights.

    Returns:
        Component name → object, as ``AnimaModularPipeline.update_components`` takes them.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler

    shape = SHAPES[size]
    tokenizers = load_tokenizers()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return {
            "transformer": _transformer(shape),
            "text_encoder": _text_encoder(shape, len(tokenizers["tokenizer"])),
            "text_conditioner": _text_conditioner(shape, len(tokenizers["t5_tokenizer"])),
            "vae": build_vae(size),
            **tokenizers,
            "scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0),
        }


def _transformer(shape: Shape) -> Any:
    from diffusers import CosmosTransformer3DModel

    model: Any = CosmosTransformer3DModel(
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        num_attention_heads=shape.heads,
        attention_head_dim=shape.head_dim,
        num_layers=shape.layers,
        mlp_ratio=4.0,
        text_embed_dim=shape.text_dim,
        adaln_lora_dim=shape.adaln_dim,
        max_size=(16, 64, 64),
        patch_size=(1, 2, 2),
        rope_scale=(1.0, 1.0, 1.0),
        concat_padding_mask=True,
        extra_pos_embed_type=None,
    )
    return model.eval()


def _text_encoder(shape: Shape, vocabulary: int) -> torch.nn.Module:
    from transformers import Qwen3Config, Qwen3Model

    config = Qwen3Config(
        vocab_size=vocabulary,
        hidden_size=shape.text_dim,
        intermediate_size=shape.text_intermediate,
        num_hidden_layers=shape.text_layers,
        num_attention_heads=shape.text_heads,
        num_key_value_heads=shape.text_heads // 2,
        head_dim=shape.text_dim // shape.text_heads,
        max_position_embeddings=512,
        use_cache=False,
        pad_token_id=0,
        bos_token_id=None,
        eos_token_id=0,
    )
    return Qwen3Model(config).eval()


def _text_conditioner(shape: Shape, vocabulary: int) -> Any:
    from diffusers import AnimaTextConditioner

    model: Any = AnimaTextConditioner(
        source_dim=shape.text_dim,
        target_dim=shape.text_dim,
        model_dim=shape.text_dim,
        num_layers=shape.conditioner_layers,
        num_attention_heads=shape.text_heads,
        target_vocab_size=vocabulary,
        min_sequence_length=CONDITIONER_LENGTH,
    )
    return model.eval()


def build_vae(size: Size) -> Any:
    """An untrained VAE alone, drawn from torch's global random state."""
    from diffusers import AutoencoderKLQwenImage

    shape = SHAPES[size]
    model: Any = AutoencoderKLQwenImage(
        base_dim=shape.vae_base,
        z_dim=LATENT_CHANNELS,
        dim_mult=list(shape.vae_multipliers),
        num_res_blocks=1,
        temperal_downsample=[False, False, False],  # three entries keep the factor at 8; False leaves out time layers
        latents_mean=[0.0] * LATENT_CHANNELS,
        latents_std=[1.0] * LATENT_CHANNELS,
    )
    return model.eval()


def start_from_zero(components: dict[str, Any]) -> None:
    """Prepare untrained weights for training, in place: every block starts as the identity, the output as zero."""
    transformer = components["transformer"]
    with torch.no_grad():
        for name, parameter in transformer.named_parameters():
            if name.endswith("norm1.linear_2.weight") or name.endswith(
                ("norm2.linear_2.weight", "norm3.linear_2.weight")
            ):
                parameter.zero_()
        for module in (transformer.norm_out.linear_2, transformer.proj_out, transformer.time_embed.t_embedder.linear_2):
            module.weight.zero_()
        components["text_conditioner"].embed.weight.mul_(0.02)  # the library's unit-variance rows would learn slowly


def save_pipeline(components: dict[str, Any], folder: Path, dtype: torch.dtype | None = None) -> None:
    """Write a folder that ``ModularPipeline.from_pretrained`` loads.

    Args:
        components: as :func:`build_components` returns them. A VAE in its single-frame form must be restored first.
        folder: created if missing; files in it are overwritten.
        dtype: of the weights in the files; their own where not given. The components keep theirs.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in MODELS:
        model = components[name]
        state = {k: v.detach().to(dtype or v.dtype).cpu().contiguous() for k, v in model.state_dict().items()}
        if name == "text_encoder":
            model.save_pretrained(folder / name, state_dict=state)
        else:
            _save_diffusers_model(model, folder / name, state)
    for name in ("tokenizer", "t5_tokenizer", "scheduler"):
        components[name].save_pretrained(folder / name)
    write_pipeline_index(folder, folder)


def _save_diffusers_model(model: Any, folder: Path, state: dict[str, torch.Tensor]) -> None:
    from safetensors.torch import save_file

    model.save_config(folder)
    save_file(state, folder / "diffusion_pytorch_model.safetensors", metadata={"format": "pt"})


def load_models(folder: Path, names: tuple[str, ...] = MODELS) -> dict[str, Any]:
    """The models of a saved folder in fp32 on the CPU, with the tokenizers and the scheduler."""
    from diffusers import (
        AnimaTextConditioner,
        AutoencoderKLQwenImage,
        CosmosTransformer3DModel,
        FlowMatchEulerDiscreteScheduler,
    )
    from transformers import Qwen3Model

    classes: dict[str, Any] = {
        "transformer": CosmosTransformer3DModel,
        "text_encoder": Qwen3Model,
        "text_conditioner": AnimaTextConditioner,
        "vae": AutoencoderKLQwenImage,
    }
    models = {name: classes[name].from_pretrained(str(folder / name)).float().eval() for name in names}
    scheduler = FlowMatchEulerDiscreteScheduler.from_pretrained(str(folder / "scheduler"))
    return {**models, **load_tokenizers(folder), "scheduler": scheduler}
