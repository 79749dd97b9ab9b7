"""Which model an adapter was trained on, told by the modules that it names.

Files spell a module with dots or flattened with underscores, so both are compared flattened, without the words that
trainers put in front.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from service.checkpoints.roles import split_role

_FRONT = re.compile(
    r"(?:base_model_model_)?(?:lora_unet_|lora_transformer_|lycoris_|model_diffusion_model_|diffusion_model_|"
    r"transformer_(?!blocks_)|unet_|net_)?"
)
_FAMILIES: tuple[tuple[str, str], ...] = (
    ("chroma", r"distilled_guidance_layer_"),
    ("flux2", r"double_stream_modulation_|single_transformer_blocks_\d+_attn_to_qkv_mlp_proj"),
    ("hunyuan-video", r"double_blocks_\d+_(?:img|txt)_mlp_fc\d|txt_in_individual_token_refiner_"),
    ("flux", r"(?:double_blocks|single_blocks|single_transformer_blocks)_\d+_"),
    ("sd3", r"joint_blocks_\d+_"),
    ("anima", r"llm_adapter_|text_conditioner_|blocks_\d+_adaln_modulation_|blocks_\d+_mlp_layer\d"),
    ("anima", r"blocks_\d+_(?:self|cross)_attn_(?:q|k|v|output)_proj"),
    ("wan", r"blocks_\d+_(?:(?:self|cross)_attn_[qkvo](?:_img)?$|ffn_\d)"),
    ("qwen-image", r"transformer_blocks_\d+_(?:img|txt)_(?:mlp|mod)_"),
    ("z-image", r"(?:layers|noise_refiner|context_refiner)_\d+_(?:attention|feed_forward|adaLN_modulation)_"),
    ("anima", r"transformer_blocks_\d+_(?:attn[12]_to_[qkv]|norm\d_linear_\d)"),
)
"""Model and modules that only its adapters name; the first that is found counts."""
_UNET = r"(?:input|output|middle|down|up|mid)_blocks?_\d|mid_block_"
_JOINT = r"transformer_blocks_(?P<block>\d+)_attn_(?:to_|add_)"
"""Attention that Qwen-Image's, Flux's and Stable Diffusion 3's blocks name alike."""
_QWEN_BLOCKS = 38
"""More blocks of that kind than this has Qwen-Image alone; it has 60, Flux 19, Stable Diffusion 3 at most 38."""
_TEXT_WIDTHS: Mapping[int, str] = {768: "sd1", 1024: "sd2", 2048: "sdxl"}
_SD1_ATTENTION = r"(?:input_blocks_[12]_1|output_blocks_(?:9|1\d)_1|down_blocks_0_attentions|up_blocks_3_attentions)_"
_SDXL_ONLY = r"(?:input|output|middle|down|up|mid)_blocks?_.*_transformer_blocks_[1-9]"
_METADATA = (
    ("anima", r"anima"),
    ("sdxl", r"sdxl|stable-diffusion-xl"),
    ("flux2", r"flux-?2"),
    ("flux", r"flux"),
    ("qwen-image", r"qwen[-_]?image"),
    ("z-image", r"z[-_]?image"),
    ("sd3", r"sd3|stable-diffusion-3"),
    ("sd2", r"sd_v2|sd_2|stable-diffusion-v2"),
    ("sd1", r"sd_v1|sd_1|stable-diffusion-v1"),
    ("wan", r"\bwan"),
)
_BASE_KEYS = ("modelspec.architecture", "ss_base_model_version")


def adapter_family(shapes: Mapping[str, tuple[int, ...]], metadata: Mapping[str, str] | None = None) -> str:
    """The model an adapter was trained on.

    Args:
        shapes: each tensor of the file with its shape.
        metadata: the file's own strings, which are asked where no name tells.

    Returns:
        A key of :data:`service.checkpoints.recognising.MODELS`; empty if nothing tells.

    >>> adapter_family({"lora_unet_double_blocks_3_img_attn_qkv.lora_down.weight": (16, 3072)})
    'flux'
    """
    modules = {split_role(name)[0].replace(".", "_"): shape for name, shape in shapes.items()}
    inner = [_FRONT.sub("", module, count=1) for module in modules]
    for model, pattern in _FAMILIES:
        if _any(pattern, inner):
            return model
    if _any(_UNET, inner):
        return _unet(shapes, inner)
    blocks = {int(found["block"]) for module in inner if (found := re.match(_JOINT, module))}
    if len(blocks) > _QWEN_BLOCKS:
        return "qwen-image"
    stated = " ".join((metadata or {}).get(key, "") for key in _BASE_KEYS).lower()
    return next((model for model, pattern in _METADATA if re.search(pattern, stated)), "")


def _any(pattern: str, modules: Iterable[str]) -> bool:
    wanted = re.compile(pattern)
    return any(wanted.match(module) for module in modules)


def _unet(shapes: Mapping[str, tuple[int, ...]], modules: list[str]) -> str:
    """SDXL and Stable Diffusion share their names: the width of the text that attention reads tells them apart."""
    for name, shape in shapes.items():
        module, role = split_role(name)
        if role == "down" and re.search(r"attn2[._]to_[kv]$", module) and len(shape) > 1 and shape[1] in _TEXT_WIDTHS:
            return _TEXT_WIDTHS[shape[1]]
    if any(name.startswith(("lora_te2_", "lora_te1_", "text_encoder_2.")) for name in shapes):
        return "sdxl"
    if _any(_SD1_ATTENTION, modules):
        return "sd1"
    return "sdxl" if _any(_SDXL_ONLY, modules) else ""
