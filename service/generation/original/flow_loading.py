"""Flux, Qwen-Image and Z-Image from single files, every tensor used.

The diffusion model goes through diffusers' own conversion of the original names
(``diffusers.loaders.single_file_model``), first without its data, so that a file that does not fit is refused before
anything is read. Text encoders and the VAE are renamed here: diffusers has no conversion of ComfyUI's files of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from service.checkpoints.recognising import PREFIXES
from service.generation.clip_tokenizers import clip_tokenizer
from service.generation.errors import UnusableBase
from service.generation.families import FLUX, Z_IMAGE
from service.generation.original.flow_configs import (
    CHAT_TEMPLATE,
    DENOISERS,
    clip_config,
    flux_vae_config,
    qwen_vl_config,
    scheduler_config,
    t5_config,
)
from service.generation.original.flow_files import FlowFiles
from service.generation.original.loading import check_names, load_component, outline_component, read_tokenizer
from service.generation.original.parts import Shapes
from service.generation.original.whole import PartFile
from service.generation.sdxl_loading import fitted, vae_name

_FLUX_WIDTH = 3072
"""What diffusers' conversion of Flux expects, as every published Flux has it."""
_DROPPED = ("norm_final.weight",)
"""A weight in Z-Image's file that its model does not use; diffusers drops it too."""
State = dict[str, torch.Tensor]


@dataclass(frozen=True)
class _Reader:
    """How a text encoder or VAE is read.

    Attributes:
        build: the model out of the file's shapes, with names as :attr:`respell` gives them.
        respell: the file's name in the spelling that ``build`` and ``original`` know; ``None`` for no weight.
        original: that spelling of a weight of the model.
    """

    build: Callable[[Shapes], Any]
    respell: Callable[[str], str | None]
    original: Callable[[str, Any], str]


def load_components(files: FlowFiles, dtype: torch.dtype) -> dict[str, Any]:
    """Every component of a pipeline from single files, on the CPU.

    Args:
        files: where they lie.
        dtype: of the weights; what a file holds is rounded to it once.

    Raises:
        UnusableBase: tensors are missing, left over, or of another shape (first ten named).
    """
    from diffusers import FlowMatchEulerDiscreteScheduler

    family = files.family
    made: dict[str, Any] = {family.denoiser: load_denoiser(files, dtype)}
    for name in [*files.texts, "vae"]:
        part = files.part(name)
        reader = _READERS.get(part.kind.model)
        made[name] = load_component(name, part.path, dtype) if reader is None else _load(name, part, reader, dtype)
    if family is FLUX:
        made["tokenizer"] = clip_tokenizer("<|endoftext|>")
    for name, folder in files.tokenizers.items():
        text = made["text_encoder_2" if name == "tokenizer_2" else "text_encoder"]
        made[name] = read_tokenizer(folder, text.get_input_embeddings().num_embeddings)
    if family is Z_IMAGE:
        made["tokenizer"].chat_template = CHAT_TEMPLATE
    scheduler = scheduler_config(family.name, files.takes_guidance)
    made["scheduler"] = FlowMatchEulerDiscreteScheduler(**scheduler)
    return made


def outline(files: FlowFiles) -> Mapping[str, torch.nn.Module]:
    """The parts that an adapter may change, without their weights, from the headers alone."""
    parts: dict[str, torch.nn.Module] = {files.family.denoiser: _empty_denoiser(files, torch.device("meta"))[0]}
    for name in files.texts:
        part = files.part(name)
        reader = _READERS.get(part.kind.model)
        if reader is None:
            parts[name] = outline_component(name, part.path)
        else:
            with torch.device("meta"):
                parts[name] = reader.build(_spelled(part, reader)[1])
    return parts


def load_denoiser(files: FlowFiles, dtype: torch.dtype) -> Any:
    """The diffusion model with its weights, on the CPU.

    Raises:
        UnusableBase: tensors are missing, left over, or of another shape.
    """
    from accelerate import init_empty_weights

    # Only parameters are left empty: buffers such as rotary tables are computed, not stored.
    model, names = _empty_denoiser(files, init_empty_weights(include_buffers=False))
    path = files.denoiser
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            state = {inner: file.get_tensor(name).to(dtype) for inner, name in names.items()}
    except (SafetensorError, OSError) as error:
        raise UnusableBase(f"{path.name} cannot be read: {error}") from error
    model.load_state_dict(_converted(files, state), strict=True, assign=True)
    return model.eval()


def _empty_denoiser(files: FlowFiles, emptily: AbstractContextManager[Any]) -> tuple[Any, Mapping[str, str]]:
    """The model without weights, and each tensor's name without its prefix to that in the file."""
    import diffusers

    part = files.part(files.family.denoiser)
    names = {_inner(inner): name for inner, name in part.names.items()}
    shapes = {_inner(inner): shape for inner, shape in part.shapes.items()}
    meta = {inner: torch.empty(shape, device="meta") for inner, shape in shapes.items()}
    converted = {name: tuple(tensor.shape) for name, tensor in _converted(files, meta).items()}
    kind = getattr(diffusers, files.family.classes[files.family.denoiser])
    try:
        config = DENOISERS[files.family.name](converted)
    except UnusableBase as error:
        raise UnusableBase(f"{files.denoiser.name}: {error}") from error
    with emptily:
        model = kind(**config)
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    check_names(files.denoiser, files.family.denoiser, expected, {name: name for name in expected}, converted)
    return model, names


def _converted(files: FlowFiles, state: State) -> State:
    """A state in diffusers' names, by diffusers' own conversion; nothing of it is lost.

    Raises:
        UnusableBase: a tensor is missing or has no place.
    """
    from diffusers.loaders.single_file_model import SINGLE_FILE_LOADABLE_CLASSES

    if files.part(files.family.denoiser).kind.in_diffusers_names:
        return state
    path = files.denoiser
    width = state["img_in.weight"].shape[0] if files.family is FLUX and "img_in.weight" in state else _FLUX_WIDTH
    if width != _FLUX_WIDTH:
        raise UnusableBase(f"{path.name} is a Flux of width {width}; only the published width {_FLUX_WIDTH} is read")
    kept = sum(tensor.numel() for name, tensor in state.items() if name not in _DROPPED)
    loadable: Any = SINGLE_FILE_LOADABLE_CLASSES[files.family.classes[files.family.denoiser]]
    convert = loadable["checkpoint_mapping_fn"]
    left = dict(state)
    try:
        made: State = convert(checkpoint=left)
    except (KeyError, IndexError, RuntimeError) as error:
        raise UnusableBase(f"{path.name} is incomplete or has other shapes: diffusers misses {error}") from error
    if made is not left and left:
        raise UnusableBase(f"{path.name}: {len(left)} tensors have no place: {', '.join(map(ascii, list(left)[:10]))}")
    if sum(tensor.numel() for tensor in made.values()) != kept:
        raise UnusableBase(f"{path.name}: some of its numbers have no place in {files.family.title}")
    return made


def _inner(name: str) -> str:
    return next((name.removeprefix(prefix) for prefix in PREFIXES if name.startswith(prefix)), name)


def _load(name: str, part: PartFile, reader: _Reader, dtype: torch.dtype) -> Any:
    from accelerate import init_empty_weights

    path = part.path
    names, shapes = _spelled(part, reader)
    try:
        with init_empty_weights(include_buffers=False):
            model = reader.build(shapes)
    except UnusableBase as error:
        raise UnusableBase(f"{path.name}: {error}") from error
    wanted = model.state_dict()
    original = {key: reader.original(key, model) for key in wanted}
    check_names(path, name, {}, original, shapes)
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            state = {
                key: fitted(path, inner, key, file.get_tensor(names[inner]), wanted[key]).to(dtype)
                for key, inner in original.items()
            }
    except (SafetensorError, OSError) as error:
        raise UnusableBase(f"{path.name} cannot be read: {error}") from error
    model.load_state_dict(state, strict=True, assign=True)
    if hasattr(model, "tie_weights"):
        model.tie_weights()
    return model.eval()


def _spelled(part: PartFile, reader: _Reader) -> tuple[Mapping[str, str], Shapes]:
    """Names as the reader spells them, to those in the file and to shapes."""
    shapes = part.shapes
    spelled = {inner: name for name in shapes if (inner := reader.respell(name)) is not None}
    return {inner: part.names[name] for inner, name in spelled.items()}, {
        inner: shapes[name] for inner, name in spelled.items()
    }


def _clip(shapes: Shapes) -> Any:
    from transformers import CLIPTextConfig, CLIPTextModel

    return CLIPTextModel(CLIPTextConfig(**clip_config(shapes)))


def _t5(shapes: Shapes) -> Any:
    from transformers import T5Config, T5EncoderModel

    return T5EncoderModel(T5Config(**t5_config(shapes)))


def _qwen_vl(shapes: Shapes) -> Any:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    return Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig(**qwen_vl_config(shapes)))


def _vae(shapes: Shapes) -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(**flux_vae_config(shapes))


def _without(pattern: str) -> Callable[[str], str | None]:
    ignored = re.compile(pattern)
    return lambda name: None if ignored.fullmatch(name) else name


def _qwen_vl_name(name: str) -> str | None:
    """ComfyUI's file has the names of older releases of transformers."""
    if name.endswith(("inv_freq", "spiece_model", "tekken_model")):
        return None
    inner = name.removeprefix("model.")
    if inner.startswith(("visual.", "language_model.")):
        return f"model.{inner}"
    return name if name.startswith("lm_head.") else f"model.language_model.{inner}"


_READERS: Mapping[str, _Reader] = {
    "clip-l": _Reader(
        _clip,
        _without(r"logit_scale|text_projection\.weight|.*\.position_ids"),
        lambda key, model: f"text_model.{key.removeprefix('text_model.')}",
    ),
    "t5": _Reader(
        _t5,
        _without(r"encoder\.embed_tokens\.weight|spiece_model|logit_scale"),
        lambda key, model: "shared.weight" if key == "encoder.embed_tokens.weight" else key,
    ),
    "qwen2.5-vl": _Reader(_qwen_vl, _qwen_vl_name, lambda key, model: key),
    "vae-16": _Reader(
        _vae, _without(r"model_ema\..*"), lambda key, model: vae_name(key, len(model.config.block_out_channels))
    ),
}
"""By what the file is; Qwen3 and the VAE of Qwen-Image are read as Anima's are."""
