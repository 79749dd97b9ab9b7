"""The files of an Anima kept as single files, as ComfyUI has it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from service.checkpoints.inspection import file_sha256
from service.generation.errors import UnusableBase
from service.generation.original.parts import Contents, read_contents
from service.generation.original.places import (
    TEXT_FOLDERS,
    VAE_FOLDERS,
    Part,
    Place,
    find_part,
    find_tokenizers,
)

_SOURCE_WIDTH = "llm_adapter.blocks.0.cross_attn.k_proj.weight"


@dataclass(frozen=True)
class AnimaFiles:
    """The files of one base.

    Attributes:
        diffusion: the diffusion model, or a merged file.
        text_encoder: where the text encoder lies; the same file if it is merged.
        vae: likewise.
        tokenizer: folder of Qwen's tokenizer.
        t5_tokenizer: folder of T5's.
    """

    diffusion: Path
    text_encoder: Path
    vae: Path
    tokenizer: Path
    t5_tokenizer: Path

    def files(self) -> list[Path]:
        """Every file, each once."""
        return each_once([self.diffusion, self.text_encoder, self.vae], [self.tokenizer, self.t5_tokenizer])

    def identity(self) -> str:
        """A hash of every file's content."""
        return f"files:{hash_of(self.files())}"


def anima_files(place: Place) -> AnimaFiles:
    """The files of the Anima at a place.

    Raises:
        BaseNotFound: a file is missing; the message says which and where it was looked for.
        UnusableBase: a file is not what it should be.
    """
    if place.flags:
        raise UnusableBase(f"{place.file.name} is {place.kind}: only of SDXL can be said ;{', '.join(place.flags)}")
    contents = read_contents(place.file, place.header)
    width = place.shape(_SOURCE_WIDTH)
    text = Part(
        "text_encoder",
        "Anima's text encoder (Qwen3 0.6B)",
        ("qwen3",),
        "qwen_3_06b_base.safetensors",
        TEXT_FOLDERS,
        width[1] if len(width) == 2 else 0,
    )
    vae = Part("vae", "Anima's VAE", ("vae-wan",), "qwen_image_vae.safetensors", VAE_FOLDERS)
    return AnimaFiles(
        place.file,
        _own_or_other(place, contents, text),
        _own_or_other(place, contents, vae),
        **find_tokenizers(place, ("tokenizer", "t5_tokenizer")),
    )


def each_once(files: Iterable[Path], folders: Iterable[Path]) -> list[Path]:
    """Files, and those in some folders, each once."""
    inside = [path for folder in folders for path in sorted(folder.iterdir()) if path.is_file()]
    return list(dict.fromkeys([*files, *inside]))


def hash_of(files: Iterable[Path]) -> str:
    """A hash of every file's content, whatever its name."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{file_sha256(path)}\n".encode())
    return digest.hexdigest()


def _own_or_other(place: Place, contents: Contents, part: Part) -> Path:
    merged = part.option not in place.named and getattr(contents, part.option)
    return place.file if merged else find_part(place, part)
