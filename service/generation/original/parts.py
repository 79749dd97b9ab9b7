"""Which tensor of a file belongs to which component, under which original name; judged from the header alone.

Prefixes that are understood: none, ``net.``, ``model.diffusion_model.``, ``diffusion_model.``, ``model.`` for the
diffusion model; ``text_encoders.qwen3_06b.transformer.`` and the like for the text encoder; ``vae.`` and
``first_stage_model.`` for the VAE. Every tensor is used, or is one that carries no weight of the model, or is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from service.checkpoints.header import Header
from service.checkpoints.recognising import recognise
from service.generation.errors import UnusableBase

_DIFFUSION_PREFIXES = ("model.diffusion_model.", "diffusion_model.", "net.", "model.", "")
_TEXT_PREFIXES = (
    "text_encoders.qwen3_06b.transformer.model.",
    "text_encoders.qwen3_06b.transformer.",
    "text_encoders.qwen3_06b.model.",
    "text_encoders.qwen3_06b.",
    "text_encoder.model.",
    "text_encoder.",
    "qwen3_06b.transformer.model.",
    "qwen3_06b.transformer.",
    "model.",
    "",
)
_VAE_PREFIXES = ("vae.", "first_stage_model.", "")
_DIFFUSION = re.compile(r"blocks\.\d+\.|x_embedder\.|t_embedder\.|t_embedding_norm\.|final_layer\.|llm_adapter\.")
_TEXT = re.compile(r"embed_tokens\.|layers\.\d+\.|norm\.weight|lm_head\.")
_VAE = re.compile(r"encoder\.(conv1|downsamples|middle|head)\.|decoder\.(conv1|upsamples|middle|head)\.|conv[12]\.")
_NO_WEIGHT = re.compile(
    r"(?:.*\.)?(?:pos_embedder\.(?:seq|dim_spatial_range|dim_temporal_range)|_extra_state|inv_freq|"
    r"accum_(?:video_sample_counter|image_sample_counter|iteration|train_in_hours)|logit_scale|"
    r"lm_head\.weight|current_(?:start|end)|spiece_model)"
)
"""Tables that are computed anyway, training counters, and the language model's unused output layer."""


@dataclass
class Contents:
    """A file's tensors by component: the component's own original name to the name in the file."""

    transformer: dict[str, str] = field(default_factory=dict)
    text_conditioner: dict[str, str] = field(default_factory=dict)
    text_encoder: dict[str, str] = field(default_factory=dict)
    vae: dict[str, str] = field(default_factory=dict)
    ignored: list[str] = field(default_factory=list)


def read_contents(path: Path, header: Header) -> Contents:
    """Sort a file's tensors.

    Raises:
        UnusableBase: a tensor belongs nowhere, or two have the same name in a component.
    """
    names = [tensor.name for tensor in header.tensors]
    contents = Contents()
    unknown: list[str] = []
    for name in names:
        if _NO_WEIGHT.fullmatch(name):
            contents.ignored.append(name)
        elif not _sort(name, contents):
            unknown.append(name)
    if unknown:
        raise UnusableBase(
            f"{path.name} is {recognise(header)} by its names, but {len(unknown)} of {len(names)} tensors have no "
            f"place in one: {', '.join(map(ascii, unknown[:10]))}"
        )
    return contents


def _sort(name: str, contents: Contents) -> bool:
    for prefixes, pattern, component in (
        (_DIFFUSION_PREFIXES, _DIFFUSION, contents.transformer),
        (_VAE_PREFIXES, _VAE, contents.vae),
        (_TEXT_PREFIXES, _TEXT, contents.text_encoder),
    ):
        for prefix in prefixes:
            inner = name.removeprefix(prefix)
            if name.startswith(prefix) and pattern.match(inner):
                target: dict[str, str] = component
                if component is contents.transformer and inner.startswith("llm_adapter."):
                    target, inner = contents.text_conditioner, inner.removeprefix("llm_adapter.")
                if inner in target:
                    raise UnusableBase(f"{name!a} and {target[inner]!a} are the same weight of the model")
                target[inner] = name
                return True
    return False


Shapes = Mapping[str, tuple[int, ...]]
"""An original name to its shape."""


def shapes_of(header: Header, names: Mapping[str, str]) -> Shapes:
    """The shapes of one component's tensors."""
    shapes = {tensor.name: tensor.shape for tensor in header.tensors}
    return {inner: shapes[name] for inner, name in names.items()}
