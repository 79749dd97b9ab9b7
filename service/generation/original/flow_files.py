"""The files of a Flux, Qwen-Image or Z-Image kept as single files: the diffusion model, text encoders, and a VAE.

Flux may also be one file that holds all of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from service.checkpoints.recognising import Role
from service.generation.demands import Shapes
from service.generation.errors import UnusableBase
from service.generation.families import FLOW_MATCHING, FLUX, QWEN_IMAGE, Z_IMAGE, Family
from service.generation.original.files import each_once, hash_of
from service.generation.original.places import TEXT_FOLDERS, VAE_FOLDERS, Part, Place, find_part, find_tokenizers
from service.generation.original.whole import FLUX_PREFIXES, PartFile, check_whole

_GUIDANCE = ("guidance_in.in_layer.weight", "guidance_embedder.linear_1.weight")


@dataclass(frozen=True)
class FlowFiles:
    """The files of one base.

    Attributes:
        family: of :data:`service.generation.families.FLOW_MATCHING`.
        denoiser: the diffusion model, in the original names or in diffusers'.
        texts: the text encoders, by component.
        vae: the VAE.
        tokenizers: folder of each tokenizer that is not made here, by component. Flux's first one comes with open_clip.
        takes_guidance: whether guidance is an input of the model, as in FLUX.1 [dev].
        prefixes: what stands before the names of the parts that lie in a file with the whole model, by component.
    """

    family: Family
    denoiser: Path
    texts: Mapping[str, Path]
    vae: Path
    tokenizers: Mapping[str, Path]
    takes_guidance: bool = False
    prefixes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def part(self, component: str) -> PartFile:
        """Where a component lies."""
        path = {self.family.denoiser: self.denoiser, "vae": self.vae, **self.texts}[component]
        return PartFile(path, self.prefixes.get(component, ()))

    def files(self) -> list[Path]:
        """Every file, each once."""
        return each_once([self.denoiser, *self.texts.values(), self.vae], self.tokenizers.values())

    def identity(self) -> str:
        """A hash of every file's content."""
        return f"{self.family.name}:files:{hash_of(self.files())}"

    def denoiser_shapes(self) -> Shapes:
        """Every tensor of the diffusion model."""
        return self.part(self.family.denoiser).shapes

    def text_shapes(self) -> Shapes:
        """Every tensor of the text encoders, each under its component's name."""
        return {f"{part}.{name}": shape for part in self.texts for name, shape in self.part(part).shapes.items()}

    @property
    def is_fast(self) -> bool:
        """Whether it is made for a few steps: a Flux that takes no guidance is like FLUX.1 [schnell]."""
        return self.family is FLUX and not self.takes_guidance

    def licence(self) -> str:
        """The family's, and which of its models this one is built like."""
        return self.family.licence_of("This file", self.takes_guidance, self.is_fast)


def flow_files(place: Place) -> FlowFiles:
    """The files of the base at a place.

    Raises:
        BaseNotFound: a file is missing; the message says which and where it was looked for.
        UnusableBase: a file is not what it should be.
    """
    family = next(family for family in FLOW_MATCHING if family.name == place.kind.model)
    if place.flags:
        raise UnusableBase(f"{place.file.name} is {place.kind}: only of SDXL can be said ;{', '.join(place.flags)}")
    own: Mapping[str, tuple[str, ...]] = {}
    if place.kind.role is Role.WHOLE:
        check_whole(place.file, place.header, FLUX_PREFIXES)
        own = {part: each for part, each in FLUX_PREFIXES.items() if part not in place.named}
    parts = _PARTS[family.name]
    widths = {option: _width(place, names) for option, names in _WIDTHS[family.name].items()}
    found = {
        part.option: place.file
        if part.option in own
        else find_part(place, Part(**{**vars(part), "width": widths.get(part.option, 0)}))
        for part in parts
    }
    wanted = "t5_tokenizer" if family is FLUX else "tokenizer"
    tokenizers = find_tokenizers(place, (wanted,))
    return FlowFiles(
        family,
        place.file,
        {name: path for name, path in found.items() if name != "vae"},
        found["vae"],
        {family.tokenizers[-1]: tokenizers[wanted]},
        takes_guidance=bool(place.shape(*_GUIDANCE)),
        prefixes=own,
    )


def _width(place: Place, names: tuple[str, ...]) -> int:
    shape = place.shape(*names)
    return shape[1] if len(shape) == 2 else 0


_FLUX_VAE = "ae.safetensors"
_PARTS: Mapping[str, tuple[Part, ...]] = {
    FLUX.name: (
        Part("text_encoder", "Flux's first text encoder (CLIP-L)", ("clip-l",), "clip_l.safetensors", TEXT_FOLDERS),
        Part("text_encoder_2", "Flux's second text encoder (T5-XXL)", ("t5",), "t5xxl_fp16.safetensors", TEXT_FOLDERS),
        Part("vae", "Flux's VAE", ("vae-16",), _FLUX_VAE, VAE_FOLDERS),
    ),
    QWEN_IMAGE.name: (
        Part(
            "text_encoder",
            "Qwen-Image's text encoder (Qwen2.5-VL 7B)",
            ("qwen2.5-vl",),
            "qwen_2.5_vl_7b.safetensors",
            TEXT_FOLDERS,
        ),
        Part("vae", "Qwen-Image's VAE", ("vae-wan",), "qwen_image_vae.safetensors", VAE_FOLDERS),
    ),
    Z_IMAGE.name: (
        Part("text_encoder", "Z-Image's text encoder (Qwen3 4B)", ("qwen3",), "qwen_3_4b.safetensors", TEXT_FOLDERS),
        Part("vae", "Z-Image's VAE (Flux's)", ("vae-16",), _FLUX_VAE, VAE_FOLDERS),
    ),
}
_WIDTHS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    FLUX.name: {
        "text_encoder": ("vector_in.in_layer.weight", "text_embedder.linear_1.weight"),
        "text_encoder_2": ("txt_in.weight", "context_embedder.weight"),
    },
    QWEN_IMAGE.name: {"text_encoder": ("txt_in.weight",)},
    Z_IMAGE.name: {"text_encoder": ("cap_embedder.1.weight",)},
}
"""Names of the layer of the diffusion model that reads each text encoder's vectors."""
