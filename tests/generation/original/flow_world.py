"""Tiny Flux, Qwen-Image and Z-Image written out as ComfyUI keeps them: names spelled out apart from what is tested."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import torch

from benchmarks.miniature.tokenizing import load_tokenizers
from service.generation.clip_tokenizers import clip_tokenizer
from tests.checkpoints.families import original_path, transformer

from ..flow_world import CHAT, SCHEDULERS, qwen3, t5
from .world import save, vae_state

HEADS = {
    "flux": {"attention_head_dim": 128, "num_attention_heads": 1, "axes_dims_rope": [16, 56, 56]},
    "qwen-image": {"attention_head_dim": 128, "num_attention_heads": 1, "axes_dims_rope": [16, 56, 56]},
    "z-image": {"dim": 128, "n_heads": 1, "n_kv_heads": 1, "axes_dims": [32, 48, 48], "axes_lens": [1536, 512, 512]},
}
"""What no shape of a tensor tells is as in the published models."""
TEXT_WIDTHS = {
    "flux": {"pooled_projection_dim": 64, "joint_attention_dim": 24, "in_channels": 64, "guidance_embeds": True},
    "qwen-image": {"joint_attention_dim": 256},
    "z-image": {"cap_feat_dim": 24, "in_channels": 16},
}


def denoiser(name: str, **changes: Any) -> Any:
    return transformer(name, **{**HEADS[name], **TEXT_WIDTHS[name], **changes})


def build_real(name: str, **changes: Any) -> dict[str, Any]:
    """Every component, with the published settings wherever no shape of a tensor tells them."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    tokenizers = load_tokenizers()
    model = denoiser(name, **changes)
    scheduler = SCHEDULERS[name] if changes.get("guidance_embeds", True) else {"shift": 1.0}
    made: dict[str, Any] = {"transformer": model, "scheduler": FlowMatchEulerDiscreteScheduler(**scheduler)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        if name == "flux":
            made |= {"tokenizer": clip_tokenizer("<|endoftext|>"), "tokenizer_2": tokenizers["t5_tokenizer"]}
            return made | {"text_encoder": _clip(), "text_encoder_2": t5(len(made["tokenizer_2"])), "vae": _vae()}
        made["tokenizer"] = tokenizers["tokenizer"]
        if name == "z-image":
            made["tokenizer"].chat_template = CHAT
            return made | {"text_encoder": qwen3(len(made["tokenizer"])), "vae": _vae()}
        return made | {"text_encoder": _qwen_vl(len(made["tokenizer"])), "vae": _video_vae()}


def denoiser_state(name: str, model: Any, prefix: str = "") -> dict[str, torch.Tensor]:
    """The model's own names; queries, keys and values in one layer where it has them so."""
    state: dict[str, torch.Tensor] = {}
    joined: dict[str, list[torch.Tensor]] = {}
    for key, tensor in model.state_dict().items():
        path, dot, kind = key.rpartition(".")
        original = original_path(name, path) if dot else ""
        if name == "z-image":
            original = re.sub(r"\.attention\.norm_([qk])$", r".attention.\1_norm", original)
        joined.setdefault(f"{original}{dot}{kind}", []).append(tensor)
    for key, tensors in joined.items():
        state[f"{prefix}{key}"] = tensors[0] if len(tensors) == 1 else torch.cat(tensors)
    if name == "z-image":
        state[f"{prefix}norm_final.weight"] = torch.ones(128)
    return state


_VAE = (
    ("mid_block.resnets.0", "mid.block_1"),
    ("mid_block.resnets.1", "mid.block_2"),
    ("mid_block.attentions.0.group_norm", "mid.attn_1.norm"),
    ("mid_block.attentions.0.to_q", "mid.attn_1.q"),
    ("mid_block.attentions.0.to_k", "mid.attn_1.k"),
    ("mid_block.attentions.0.to_v", "mid.attn_1.v"),
    ("mid_block.attentions.0.to_out.0", "mid.attn_1.proj_out"),
    ("conv_shortcut", "nin_shortcut"),
    ("conv_norm_out", "norm_out"),
)


def flux_vae_state(vae: Any) -> dict[str, torch.Tensor]:
    """The decoder's blocks are counted from the picture, and attention is a convolution of one pixel."""
    state = {}
    for key, tensor in vae.state_dict().items():
        key = re.sub(r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2", key)
        key = re.sub(r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample", key)
        key = re.sub(r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{3 - int(m[1])}.block.{m[2]}", key)
        key = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{3 - int(m[1])}.upsample", key)
        for ours, theirs in _VAE:
            key = key.replace(ours, theirs)
        pixel = re.search(r"attn_1\.(?:q|k|v|proj_out)\.weight", key)
        state[key] = tensor[:, :, None, None] if pixel else tensor
    return state


def write_comfyui(root: Path, name: str, parts: dict[str, Any]) -> Path:
    """A ComfyUI folder with the files of one model; Flux's diffusion model in diffusers' names."""
    models = root / "models"
    file = {"flux": "flux1-dev", "qwen-image": "qwen_image_bf16", "z-image": "z_image_turbo_bf16"}[name]
    state = parts["transformer"].state_dict() if name == "flux" else denoiser_state(name, parts["transformer"])
    save(state, models / "diffusion_models" / f"{file}.safetensors")
    texts = models / "text_encoders"
    encoder = parts["text_encoder"].state_dict()
    if name == "flux":
        clip = {f"text_model.{key.removeprefix('text_model.')}": tensor for key, tensor in encoder.items()}
        save({**clip, "logit_scale": torch.ones(1)}, texts / "clip_l.safetensors")
        t5 = parts["text_encoder_2"].state_dict()
        save({key: tensor for key, tensor in t5.items() if "embed_tokens" not in key}, texts / "t5xxl_fp16.safetensors")
    elif name == "z-image":
        save({f"model.{key}": tensor for key, tensor in encoder.items()}, texts / "qwen_3_4b.safetensors")
    else:
        old = {re.sub(r"^model\.(language_model\.)?", _old_prefix, key): tensor for key, tensor in encoder.items()}
        save(old, texts / "qwen_2.5_vl_7b.safetensors")
    vae = vae_state(parts["vae"]) if name == "qwen-image" else flux_vae_state(parts["vae"])
    save(vae, models / "vae" / ("qwen_image_vae.safetensors" if name == "qwen-image" else "ae.safetensors"))
    kept = root / "kept"
    parts["tokenizer_2" if name == "flux" else "tokenizer"].save_pretrained(kept)
    (kept / "chat_template.jinja").unlink(missing_ok=True)
    target = root / "comfy" / "text_encoders" / ("t5_tokenizer" if name == "flux" else "qwen25_tokenizer")
    target.parent.mkdir(parents=True)
    shutil.move(kept, target)
    return root


def _old_prefix(match: re.Match[str]) -> str:
    return "model." if match[1] else ""


def _vae() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=[32, 32, 64, 64],
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        latent_channels=16,
        scaling_factor=0.3611,
        shift_factor=0.1159,
        use_quant_conv=False,
        use_post_quant_conv=False,
    ).eval()


def _video_vae() -> Any:
    from diffusers import AutoencoderKLQwenImage

    sizes: dict[str, Any] = {"dim_mult": [1, 1, 2, 2], "temperal_downsample": [False, True, True]}
    made: Any = AutoencoderKLQwenImage(base_dim=4, z_dim=16, num_res_blocks=1, **sizes)
    return made.eval()


def _clip() -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    sizes = {"hidden_size": 64, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 1}
    return CLIPTextModel(CLIPTextConfig(vocab_size=49408, bos_token_id=0, eos_token_id=2, **sizes)).eval()


def _qwen_vl(vocabulary: int) -> Any:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    text = {
        "vocab_size": vocabulary,
        "hidden_size": 256,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "rms_norm_eps": 1e-6,
        "rope_parameters": {"rope_type": "default", "mrope_section": [16, 24, 24], "rope_theta": 1_000_000.0},
        "bos_token_id": None,
        "eos_token_id": None,
    }
    vision = {"depth": 1, "hidden_size": 32, "num_heads": 16, "intermediate_size": 16, "out_hidden_size": 256}
    config = Qwen2_5_VLConfig(text_config=text, vision_config=vision, tie_word_embeddings=False)
    return Qwen2_5_VLForConditionalGeneration(config).eval()
