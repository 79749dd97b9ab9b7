"""A part of a model in a file of its own, or in one that holds the whole model, as ComfyUI saves a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from service.checkpoints.header import Header, TensorEntry, read_header
from service.checkpoints.recognising import FileKind, recognise
from service.generation.errors import UnusableBase

FLUX_PREFIXES: Mapping[str, tuple[str, ...]] = {
    "transformer": ("model.diffusion_model.",),
    "text_encoder": ("text_encoders.clip_l.transformer.", "text_encoders.clip_l."),
    "text_encoder_2": ("text_encoders.t5xxl.transformer.", "text_encoders.t5xxl."),
    "vae": ("vae.", "first_stage_model."),
}
"""What stands before the names of each part in a whole Flux."""


@dataclass(frozen=True)
class PartFile:
    """Where a part lies.

    Attributes:
        path: the file.
        prefixes: what stands before its names, the longest first, in a file that holds other parts too; none where the
            file is its own.
    """

    path: Path
    prefixes: tuple[str, ...] = ()

    @cached_property
    def header(self) -> Header:
        """The file's header as far as it is this part's, with names as a file of its own would have them.

        Raises:
            UnreadableCheckpoint: see :func:`service.checkpoints.header.read_header`.
        """
        header = read_header(self.path, empty_tensors=True)
        if not self.prefixes:
            return header
        own = [(self._inner(tensor.name), tensor) for tensor in header.tensors]
        kept: tuple[TensorEntry, ...] = tuple(replace(tensor, name=name) for name, tensor in own if name is not None)
        return replace(header, tensors=kept)

    @property
    def kind(self) -> FileKind:
        """What it is."""
        return recognise(self.header)

    @cached_property
    def names(self) -> Mapping[str, str]:
        """Each name in :attr:`header` to that in the file."""
        names = [tensor.name for tensor in read_header(self.path, empty_tensors=True).tensors]
        if not self.prefixes:
            return {name: name for name in names}
        return {inner: name for name in names if (inner := self._inner(name)) is not None}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Each name in :attr:`header` to its shape."""
        return {tensor.name: tensor.shape for tensor in self.header.tensors}

    def _inner(self, name: str) -> str | None:
        found = next((prefix for prefix in self.prefixes if name.startswith(prefix)), None)
        return None if found is None else name.removeprefix(found)


def check_whole(path: Path, header: Header, prefixes: Mapping[str, tuple[str, ...]]) -> None:
    """See that every tensor of a file that holds a whole model belongs to one of its parts.

    Raises:
        UnusableBase: some do not (first ten named).
    """
    known = tuple(prefix for each in prefixes.values() for prefix in each)
    over = [tensor.name for tensor in header.tensors if not tensor.name.startswith(known)]
    if over:
        raise UnusableBase(
            f"{path.name}: {len(over)} tensors belong to no part of a whole model: {', '.join(map(ascii, over[:10]))}"
        )
