"""What a safetensors file is, told by its header alone: names, shapes and dtypes of its tensors.

People have folders full of files that look alike. Whatever takes one says what came instead: ``recognise`` gives the
words. Names decide; a shape is asked only where two models share their names (the width of SDXL's and SD 1.5's text,
of Z-Image and Lumina 2, the channels of a VAE's latent).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from service.checkpoints.adapter_families import adapter_family
from service.checkpoints.header import Header, read_header
from service.checkpoints.roles import split_role

Shapes = Mapping[str, tuple[int, ...]]
PREFIXES = ("model.diffusion_model.", "diffusion_model.", "net.", "model.", "transformer.", "unet.")
"""What may stand before the names of a diffusion model."""
PREFIX = rf"(?:{'|'.join(map(re.escape, PREFIXES))})?"
_TEXT = (
    r"(?:(?:text_encoders\.\w+|conditioner\.embedders\.\d|cond_stage_model|text_encoder(?:_\d)?|qwen3_06b|"
    r"language_model)\.)?(?:transformer\.)?(?:model\.)?(?:language_model\.)?"
)
_VAE = r"(?:first_stage_model\.|vae\.)?"
_EMBEDDING = re.compile(r"emb_params|string_to_param.*|clip_[lg]|t5xxl|qwen\w*|<.+>|\*")
_EMBEDDING_TENSORS = 4


class Role(StrEnum):
    """What a file is good for."""

    ADAPTER = "adapter"
    DIFFUSION = "diffusion model"
    WHOLE = "whole model"
    TEXT_ENCODER = "text encoder"
    VAE = "VAE"
    OTHER = "other"


@dataclass(frozen=True)
class FileKind:
    """What a file is.

    Attributes:
        role: what it is good for.
        model: whose it is, a key of :data:`MODELS` (of an adapter: the model it was trained on); empty if unknown.
        title: the same for people, with an article: "a LoRA for SDXL", "the diffusion model of Flux".
        quantised: how its weights are packed, for files that have to be unpacked before they are numbers again.
        is_rounded: its weights are 8-bit floats (fp8) that are numbers as they are.
        in_diffusers_names: a diffusion model in diffusers' names, as a part of a diffusers folder has them.
        width: of a text encoder: numbers in each of its vectors; 0 if unknown.
    """

    role: Role
    model: str
    title: str
    quantised: str = ""
    is_rounded: bool = False
    in_diffusers_names: bool = False
    width: int = 0

    def __str__(self) -> str:
        """The title, and how it is packed."""
        return f"{self.title}, quantised ({self.quantised})" if self.quantised else self.title


MODELS: Mapping[str, str] = {
    "anima": "Anima",
    "cosmos": "Cosmos-Predict2",
    "sdxl": "SDXL",
    "sd1": "Stable Diffusion 1.5",
    "sd2": "Stable Diffusion 2",
    "sd3": "Stable Diffusion 3",
    "flux": "Flux",
    "flux2": "Flux.2",
    "chroma": "Chroma",
    "qwen-image": "Qwen-Image",
    "z-image": "Z-Image",
    "lumina2": "Lumina 2",
    "wan": "Wan",
    "ltx": "LTX-Video",
    "hunyuan-video": "HunyuanVideo",
}
_DIFFUSION: tuple[tuple[str, str, bool], ...] = (
    ("chroma", r"distilled_guidance_layer\.", False),
    ("flux2", r"double_stream_modulation_(?:img|txt)\.", False),
    ("hunyuan-video", r"txt_in\.individual_token_refiner\.|double_blocks\.\d+\.img_attn_qkv\.", False),
    ("flux", r"double_blocks\.\d+\.img_attn\.qkv\.", False),
    ("flux", r"single_transformer_blocks\.\d+\.proj_mlp\.", True),
    ("anima", r"llm_adapter\.(?:blocks|embed)\.", False),
    ("cosmos", r"blocks\.\d+\.adaln_modulation_self_attn\.", False),
    ("cosmos", r"transformer_blocks\.\d+\.norm1\.linear_1\.", True),
    ("wan", r"blocks\.\d+\.(?:self|cross)_attn\.q\.weight", False),
    ("qwen-image", r"transformer_blocks\.\d+\.img_mod\.1\.", False),
    ("z-image", r"(?:noise|context)_refiner\.\d+\.attention\.qkv\.", False),
    ("z-image", r"(?:noise|context)_refiner\.\d+\.attention\.to_q\.", True),
    ("sd3", r"joint_blocks\.\d+\.", False),
    ("ltx", r"patchify_proj\.", False),
    ("sdxl", r"label_emb\.0\.0\.weight", False),
    ("sd1", r"input_blocks\.\d+\.", False),
    ("sdxl", r"add_embedding\.linear_1\.", True),
    ("sd1", r"time_embedding\.linear_1\.", True),
)
"""Model, a name that only it has, and whether that is diffusers' spelling; the first that is found counts."""
_TEXT_ENCODERS: tuple[tuple[str, str, str], ...] = (
    ("qwen2.5-vl", r"(?:model\.)?visual\.(?:blocks|patch_embed)\.", "Qwen2.5-VL, Qwen-Image's text encoder"),
    ("clip-vision", r"(?:model\.)?(?:vision_model|visual)\.", "a CLIP for pictures"),
    ("t5", _TEXT + r"(?:encoder\.)?block\.0\.layer\.0\.SelfAttention\.", "T5, a text encoder of Flux"),
    ("clip", _TEXT + r"text_model\.encoder\.layers\.", ""),
    ("clip", _TEXT + r"(?:encoder\.)?layers\.\d+\.self_attn\.out_proj\.", ""),
    ("clip-g", _TEXT + r"transformer\.resblocks\.", "CLIP-G, a text encoder of SDXL"),
    ("clip-g", _TEXT + r"resblocks\.", "CLIP-G, a text encoder of SDXL"),
    ("qwen3", _TEXT + r"layers\.\d+\.self_attn\.q_norm\.", "a Qwen3 text encoder"),
    ("llm", _TEXT + r"layers\.\d+\.(?:self_attn|mlp)\.", "a language model"),
)
_BEFORE_MODELS: tuple[tuple[str, str], ...] = (
    (r"control_model\.|zero_convs\.|input_hint_block\.|controlnet_|control_(?:layers|noise_refiner)\.", "a ControlNet"),
    (r"ip_adapter\.|image_proj\.", "an IP-Adapter"),
    (r"(?:down|up)_blocks\.\d+\.motion_modules\.", "a motion module"),
    (r"(?:double|single)_blocks\.\d+\.processor\.", "a file in XLabs' own format for Flux, which is not understood"),
    (r"(?:lora_|lycoris_).*\.(?:oft_\w+|on_input|[ab][12]\.weight)$", "an adapter of a kind that is not understood"),
)
"""Names that say it whatever else is in the file."""
_AFTER_MODELS: tuple[tuple[str, str], ...] = (
    (r"model\.\d+\.(?:sub\.|weight)|conv_first\.|(?:params(?:_ema)?\.)?body\.\d+\.", "an upscaler"),
)
_SCALED = r"\.(?:scale_weight|weight_scale|scale_input|input_scale|comfy_quant)$|scaled_fp8"
_PACKED: tuple[tuple[str, str], ...] = (
    (r"\.quant_state\.bitsandbytes__nf4$", "nf4 of bitsandbytes"),
    (r"\.quant_state\.bitsandbytes__fp4$", "fp4 of bitsandbytes"),
    (r"\.(?:absmax|quant_map|SCB)$", "bitsandbytes"),
    (r"\.(?:wscales|smooth_factor)$", "SVDQuant of Nunchaku"),
    (r"\.(?:qweight|qzeros)$", "GPTQ or AWQ"),
    (r"\.weight_scale_2$", "nvfp4"),
)
_DIFFUSERS_VAE = r"(?:down|up)_blocks\.\d+\."
_HIDDEN: Mapping[int, str] = {
    1024: " (0.6B, Anima's)",
    2048: " (1.7B)",
    2560: " (4B, Z-Image's)",
    4096: " (8B)",
}
_LUMINA_WIDTH = 2304
_CLIPS: Mapping[int, tuple[str, str]] = {
    768: ("clip-l", "CLIP-L, a text encoder of SDXL and Flux"),
    1280: ("clip-g", "CLIP-G, a text encoder of SDXL"),
}


def recognise_file(path: Path) -> FileKind:
    """What a file is.

    Raises:
        NotFound, UnreadableCheckpoint: see :func:`service.checkpoints.header.read_header`; the latter's message names
            pickles and GGUF files too.
    """
    return recognise(read_header(path, empty_tensors=True))


def recognise(header: Header) -> FileKind:
    """What a file with this header is."""
    names = _Names({tensor.name: tensor.shape for tensor in header.tensors})
    quantised, rounded = _packing(header, names)
    role, model, title, diffusers = _identify(names, header.metadata)
    width = _width(names) if role is Role.TEXT_ENCODER else 0
    return FileKind(role, model, title, quantised, rounded, diffusers, width)


class _Names:
    """A file's names, to be searched all at once."""

    def __init__(self, shapes: Shapes) -> None:
        self.shapes = shapes
        self._text = "\n".join(shapes)

    def has(self, pattern: str) -> bool:
        return re.search(pattern, self._text, re.MULTILINE) is not None

    def shape(self, pattern: str) -> tuple[int, ...]:
        """The shape of the first tensor with such a name; ``()`` without one."""
        found = re.search(rf"^(?:{pattern})$", self._text, re.MULTILINE)
        return self.shapes.get(found[0], ()) if found else ()  # a name may hold a line break of its own


def _identify(names: _Names, metadata: Mapping[str, str]) -> tuple[Role, str, str, bool]:
    parts = sum(split_role(name)[1] is not None for name in names.shapes)
    if 2 * parts > len(names.shapes):
        model = adapter_family(names.shapes, metadata)
        return Role.ADAPTER, model, f"a LoRA for {MODELS[model]}" if model else "a LoRA", False
    for pattern, title in _BEFORE_MODELS:
        if names.has(rf"^{PREFIX}(?:{pattern})"):
            return Role.OTHER, "", title, False
    if len(names.shapes) <= _EMBEDDING_TENSORS and all(_EMBEDDING.fullmatch(name) for name in names.shapes):
        return Role.OTHER, "", "an embedding (textual inversion)", False
    found = _diffusion(names)
    text, vae = _text_encoder(names), _vae(names)
    if found is not None:
        model, diffusers = found
        if vae is not None and text is not None:
            return Role.WHOLE, model, f"a whole {MODELS[model]} model", False
        spelling = " in diffusers' names" if diffusers else ""
        return Role.DIFFUSION, model, f"the diffusion model of {MODELS[model]}{spelling}", diffusers
    if names.has(r"^(?:norm_mlp|blocks\.\d+\.norm_cross_attn)\.") and names.has(r"^blocks\.\d+\.cross_attn\.q_proj\."):
        return Role.OTHER, "anima", "Anima's text conditioner alone", False
    if vae is not None:
        return Role.VAE, *vae, False
    if text is not None:
        return Role.TEXT_ENCODER, *text, False
    for pattern, title in _AFTER_MODELS:
        if names.has(rf"^(?:{pattern})"):
            return Role.OTHER, "", title, False
    some = ", ".join(map(ascii, list(names.shapes)[:3]))
    return Role.OTHER, "", f"a file of a kind that is not known ({len(names.shapes)} tensors: {some} …)", False


def _diffusion(names: _Names) -> tuple[str, bool] | None:
    for model, pattern, diffusers in _DIFFUSION:
        if not names.has(rf"^{PREFIX}(?:{pattern})"):
            continue
        if model == "z-image":
            norm = names.shape(PREFIX + r"layers\.0\.attention(?:\.qkv|\.to_q)\.weight")
            return ("lumina2" if norm[1:2] == (_LUMINA_WIDTH,) else model), diffusers
        if model == "sd1":
            text = names.shape(PREFIX + r".*\.attn2\.to_k\.weight")
            return ("sd2" if text[1:2] == (1024,) else model), diffusers
        return model, diffusers
    return None


def _vae(names: _Names) -> tuple[str, str] | None:
    if names.has(rf"^{_VAE}decoder\.upsamples\.\d+\."):
        if names.has(rf"^{_VAE}decoder\.upsamples\.\d+\.upsamples\."):
            return "vae-wan22", "the VAE of Wan 2.2"
        return "vae-wan", "the VAE of Qwen-Image and Anima (Wan 2.1's kind)"
    is_diffusers = names.has(rf"^{_VAE}decoder\.{_DIFFUSERS_VAE}")
    if not is_diffusers and not names.has(rf"^{_VAE}decoder\.up\.\d+\."):
        return None
    first = names.shape(_VAE + r"decoder\.conv_in\.weight")
    if len(first) == 5:
        return "vae-video", "a VAE for videos in diffusers' names"
    channels = first[1] if len(first) == 4 else 0
    whose = {4: "SDXL or Stable Diffusion 1.5", 16: "Flux, Z-Image or Stable Diffusion 3", 32: "Flux.2"}.get(channels)
    return f"vae-{channels}", f"the VAE of {whose}" if whose else "a VAE of another model"


def _text_encoder(names: _Names) -> tuple[str, str] | None:
    for model, pattern, title in _TEXT_ENCODERS:
        if not names.has(rf"^{pattern}"):
            continue
        if model == "clip":
            return _CLIPS.get(_width(names), ("clip-l", "a CLIP text encoder"))
        return model, title + (_HIDDEN.get(_width(names), "") if model == "qwen3" else "")
    return None


def _width(names: _Names) -> int:
    table = names.shape(r"(?:.*\.)?(?:token_embedding|embed_tokens|shared)\.weight")
    return table[1] if len(table) == 2 else 0


def _packing(header: Header, names: _Names) -> tuple[str, bool]:
    """How weights are packed, and whether they are plain 8-bit floats."""
    for pattern, title in _PACKED:
        if names.has(pattern):
            return title, False
    dtypes = _weight_dtypes(header)
    if names.has(_SCALED):
        return f"{'int8' if dtypes & {'I8', 'U8'} else 'fp8'} with scales", False
    if dtypes & {"I8", "U8"}:
        return "8-bit integers", False
    return "", any(dtype.startswith("F8") for dtype in dtypes)


def _weight_dtypes(header: Header) -> set[str]:
    return {tensor.dtype for tensor in header.tensors if len(tensor.shape) > 1}


def listed(kinds: Iterable[str]) -> str:
    """Words joined for a sentence.

    >>> listed(["a", "b", "c"])
    'a, b or c'
    """
    words = list(kinds)
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
