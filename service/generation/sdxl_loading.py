"""One SDXL file in the original format onto diffusers' and transformers' classes, no tensor left over.

diffusers' own single-file loader leaves text encoders empty where transformers has dropped the prefix ``text_model``,
and asks the hub for configurations; this one needs no network.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from service.checkpoints.header import read_header
from service.checkpoints.unet_names import original_unet_names
from service.generation.clip_tokenizers import clip_tokenizer
from service.generation.errors import UnusableBase
from service.generation.sdxl_files import SDXLBase, configuration, empty_models, scheduler_config

_PREFIXES = {
    "unet": "model.diffusion_model.",
    "text_encoder": "conditioner.embedders.0.transformer.",
    "text_encoder_2": "conditioner.embedders.1.model.",
    "vae": "first_stage_model.",
}
_NO_WEIGHT = re.compile(r"v_pred|ztsnr|.*\.position_ids|.*\.logit_scale|denoiser\..*|model_ema\..*")
_CLIP_ENDS = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
    "text_projection.weight": "text_projection",
}
_CLIP_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_VAE_WORDS = (
    (r"mid_block\.resnets\.0", "mid.block_1"),
    (r"mid_block\.resnets\.1", "mid.block_2"),
    (r"mid_block\.attentions\.0\.group_norm", "mid.attn_1.norm"),
    (r"mid_block\.attentions\.0\.to_([qkv])", r"mid.attn_1.\1"),
    (r"mid_block\.attentions\.0\.to_out\.0", "mid.attn_1.proj_out"),
    (r"down_blocks\.(\d)\.resnets\.(\d)", r"down.\1.block.\2"),
    (r"down_blocks\.(\d)\.downsamplers\.0", r"down.\1.downsample"),
    (r"conv_shortcut", "nin_shortcut"),
    (r"conv_norm_out", "norm_out"),
)

Names = Callable[[str], str]


def load_file(base: SDXLBase, dtype: torch.dtype) -> dict[str, Any]:
    """Every component of an SDXL pipeline from one file, on the CPU.

    Raises:
        UnusableBase: tensors are missing, left over, or of another shape (first ten named).
    """
    from diffusers import EulerDiscreteScheduler

    header = read_header(base.path, empty_tensors=True)
    shapes = {entry.name: entry.shape for entry in header.tensors if not _NO_WEIGHT.fullmatch(entry.name)}
    components: dict[str, Any] = dict(empty_models(base))
    used: set[str] = set()
    plans = {}
    for part, model in components.items():
        name_of = _names(part, model)
        plans[part] = {key: f"{_PREFIXES[part]}{name_of(key)}" for key in model.state_dict()}
        used |= set(plans[part].values())
    _check(base.path, shapes, used)
    try:
        with safe_open(base.path, framework="pt", device="cpu") as file:
            for part, model in components.items():
                expected = model.state_dict()
                state = {
                    key: fitted(base.path, name, key, file.get_tensor(name), expected[key]).to(dtype)
                    for key, name in plans[part].items()
                }
                model.load_state_dict(state, strict=True, assign=True)
                model.eval()
    except (SafetensorError, OSError) as error:
        raise UnusableBase(f"{base.path.name} cannot be read: {error}") from error
    scheduler = EulerDiscreteScheduler.from_config(scheduler_config(base.v_prediction))
    tokenizers = {"tokenizer": clip_tokenizer("<|endoftext|>"), "tokenizer_2": clip_tokenizer("!")}
    return {**components, **tokenizers, "scheduler": scheduler}


def _names(part: str, model: Any) -> Names:
    if part == "unet":
        originals = original_unet_names(name for name, _ in model.named_modules())
        return lambda key: f"{originals[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}"
    if part == "text_encoder":
        return lambda key: f"text_model.{key.removeprefix('text_model.')}"
    if part == "text_encoder_2":
        return _open_clip_name
    blocks = len(configuration("vae")["block_out_channels"])
    return lambda key: vae_name(key, blocks)


def _open_clip_name(key: str) -> str:
    """The name in open_clip's spelling; queries, keys and values lie there in one tensor."""
    key = key.removeprefix("text_model.")
    if key in _CLIP_ENDS:
        return _CLIP_ENDS[key]
    layer = re.fullmatch(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)", key)
    if layer is None:
        return key
    if layer[2] in _CLIP_LAYER:
        return f"transformer.resblocks.{layer[1]}.{_CLIP_LAYER[layer[2]]}.{layer[3]}"
    return f"transformer.resblocks.{layer[1]}.attn.in_proj_{layer[3]}"


def vae_name(key: str, blocks: int) -> str:
    """The original counts the decoder's blocks from the image, diffusers from the latent."""
    key = re.sub(r"up_blocks\.(\d)\.resnets\.(\d)", lambda m: f"up.{blocks - 1 - int(m[1])}.block.{m[2]}", key)
    key = re.sub(r"up_blocks\.(\d)\.upsamplers\.0", lambda m: f"up.{blocks - 1 - int(m[1])}.upsample", key)
    for pattern, word in _VAE_WORDS:
        key = re.sub(pattern, word, key)
    return key


def _check(path: Path, shapes: Mapping[str, tuple[int, ...]], used: set[str]) -> None:
    problems = [
        f"{len(found)} tensors {words}: {', '.join(map(ascii, sorted(found)[:10]))}"
        for found, words in ((used - set(shapes), "are missing"), (set(shapes) - used, "have no place"))
        if found
    ]
    if problems:
        raise UnusableBase(f"{path.name} is no SDXL model as it is known: {'; '.join(problems)}")


def fitted(path: Path, name: str, key: str, tensor: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """The part of a file's tensor that a weight is."""
    joined = re.search(r"self_attn\.([qkv])_proj\.(?:weight|bias)$", key)
    if ".in_proj_" in name and joined:
        tensor = tensor.chunk(3)["qkv".index(joined[1])]
    if name.endswith(".text_projection"):
        tensor = tensor.T
    if tensor.dim() == 4 and wanted.dim() == 2:
        tensor = tensor.flatten(1)
    if tensor.dim() == 2 and wanted.dim() == 4 and wanted.shape[2:] == (1, 1):
        tensor = tensor[:, :, None, None]
    if tensor.shape != wanted.shape:
        raise UnusableBase(f"{path.name}: {name!a} is {list(tensor.shape)} and should be {list(wanted.shape)}")
    return tensor.contiguous()
