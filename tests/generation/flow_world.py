"""Tiny Flux, Qwen-Image and Z-Image pipelines of the real classes with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from benchmarks.miniature.tokenizing import load_tokenizers
from service.generation.clip_tokenizers import clip_tokenizer
from service.generation.families import FLOW_MATCHING, Family
from tests.checkpoints.families import transformer

SCHEDULERS: dict[str, dict[str, Any]] = {
    "flux": {"shift": 3.0, "use_dynamic_shifting": True},
    "qwen-image": {
        "shift": 1.0,
        "use_dynamic_shifting": True,
        "base_shift": 0.5,
        "max_shift": 0.9,
        "max_image_seq_len": 8192,
        "shift_terminal": 0.02,
    },
    "z-image": {"shift": 3.0},
}
"""As the published models have them."""
CHAT = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
BLOCKS = ([8, 8, 16, 16], 4)


def family_named(name: str) -> Family:
    return next(family for family in FLOW_MATCHING if family.name == name)


def build(name: str, seed: int = 0, **transformer_changes: Any) -> dict[str, Any]:
    """Every component of a family's pipeline; the same weights for the same seed."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    made = {
        "transformer": transformer(name, seed, **transformer_changes),
        "scheduler": FlowMatchEulerDiscreteScheduler(**SCHEDULERS[name]),
    }
    tokenizers = load_tokenizers()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name == "flux":
            made |= {"tokenizer": clip_tokenizer("<|endoftext|>"), "tokenizer_2": tokenizers["t5_tokenizer"]}
            made |= {"text_encoder": _clip(), "text_encoder_2": t5(len(tokenizers["t5_tokenizer"])), "vae": _vae()}
            return made
        made["tokenizer"] = tokenizers["tokenizer"]
        vocabulary = len(tokenizers["tokenizer"])
        if name == "z-image":
            made["tokenizer"].chat_template = CHAT
            return made | {"text_encoder": qwen3(vocabulary), "vae": _vae()}
        return _louder(made | {"text_encoder": _qwen_vl(vocabulary), "vae": _video_vae()})


def _louder(made: dict[str, Any]) -> dict[str, Any]:
    """Random weights barely hear the text and draw in grey: without this no test would notice a wrong text."""
    with torch.no_grad():
        made["vae"].decoder.conv_out.weight.mul_(6)
        for name, weight in made["transformer"].named_parameters():
            if name.endswith(("attn.add_v_proj.weight", "attn.to_out.0.weight")):
                weight.mul_(8)
    return made


def save(folder: Path, name: str, components: dict[str, Any]) -> Path:
    import diffusers

    getattr(diffusers, family_named(name).pipeline)(**components).save_pretrained(folder)
    return folder


def _vae() -> Any:
    from diffusers import AutoencoderKL

    channels, latents = BLOCKS
    return AutoencoderKL(
        block_out_channels=channels,
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        latent_channels=latents,
        norm_num_groups=4,
        scaling_factor=0.36,
        shift_factor=0.11,
        use_quant_conv=False,
        use_post_quant_conv=False,
    ).eval()


def _video_vae() -> Any:
    from diffusers import AutoencoderKLQwenImage

    model: Any = AutoencoderKLQwenImage(
        base_dim=4,
        z_dim=16,
        dim_mult=[1, 1, 2, 2],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.1] * 16,
        latents_std=[1.5] * 16,
    )
    return model.eval()


def _clip() -> torch.nn.Module:
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        bos_token_id=49406,
        eos_token_id=49407,
        pad_token_id=1,
    )
    return CLIPTextModel(config).eval()


def t5(vocabulary: int) -> torch.nn.Module:
    from transformers import T5Config, T5EncoderModel

    sizes = {"d_model": 24, "d_kv": 12, "d_ff": 32, "num_layers": 2, "num_heads": 2}
    return T5EncoderModel(T5Config(vocab_size=vocabulary, feed_forward_proj="gated-gelu", **sizes)).eval()


def qwen3(vocabulary: int) -> torch.nn.Module:
    from transformers import Qwen3Config, Qwen3Model

    sizes = {"hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2}
    rotary = {"rope_theta": 1_000_000.0, "rope_type": "default"}
    config = Qwen3Config(
        vocab_size=vocabulary, num_key_value_heads=1, head_dim=12, rms_norm_eps=1e-6, rope_parameters=rotary, **sizes
    )
    return Qwen3Model(config).eval()


def _qwen_vl(vocabulary: int) -> torch.nn.Module:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    text = {
        "vocab_size": vocabulary,
        "hidden_size": 24,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "rope_parameters": {"rope_type": "default", "mrope_section": [2, 2, 2], "rope_theta": 1e6},
    }
    vision = {"depth": 1, "hidden_size": 16, "num_heads": 2, "intermediate_size": 16, "out_hidden_size": 24}
    config = Qwen2_5_VLConfig(text_config=text, vision_config=vision)
    return Qwen2_5_VLForConditionalGeneration(config).eval()
