"""Looking at a checkpoint while it arrives: what is none is refused as soon as its beginning says so."""

from __future__ import annotations

from pathlib import Path

from service.checkpoints.header import header_length, read_arriving_header, refuse_other_formats
from service.checkpoints.layout import read_layout
from service.errors import UnreadableCheckpoint
from service.storage.fitting import check_fits

PREFIX_BYTES = 9
"""The length of the header, and the brace that it begins with."""


class FirstLook:
    """Looks at a file's first bytes, and then at its header, each as soon as it is there and only once.

    Args:
        path: where the file is being written.
        size: bytes that the whole file will have; ``None`` if nobody said.
        base: the base model that every tensor must have a place in; ``None`` leaves that to the evaluation.
    """

    def __init__(self, path: Path, size: int | None = None, base: str | None = None) -> None:
        self._path = path
        self._size = size
        self._base = base
        self._needed: int | None = PREFIX_BYTES

    def is_due(self, come: int) -> bool:
        """Whether there is something new to see, once so many bytes can be read."""
        return self._needed is not None and come >= self._needed

    def look(self, come: int) -> None:
        """Look at what has come, if there is something new.

        Raises:
            UnreadableCheckpoint: it is no safetensors file, no adapter, or does not have the size its header speaks of.
            UnmappedKeys: it does not fit the base.
        """
        if not self.is_due(come):
            return
        self.skip(come)
        header = read_arriving_header(self._path, self._size) if self._needed is None else None
        if header is not None:
            read_layout(header)
            if self._base is not None:
                check_fits(self._path, self._base, header=header)

    def skip(self, come: int) -> None:
        """Leave out what has come: it was looked at before.

        Raises:
            UnreadableCheckpoint: it does not begin like a safetensors file.
        """
        if not self.is_due(come):
            return
        with self._path.open("rb") as file:
            start = file.read(PREFIX_BYTES)
        refuse_other_formats(self._path.name, start)
        if start[8:] != b"{":
            raise UnreadableCheckpoint(
                f"{self._path.name} is no safetensors file: it does not begin with the length of a header and the "
                "header"
            )
        whole = 8 + header_length(self._path, start[:8], self._size)
        self._needed = None if come >= whole else whole
