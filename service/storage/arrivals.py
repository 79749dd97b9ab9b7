"""A checkpoint on its way in: counted and looked at while it is written."""

from __future__ import annotations

import shutil
import struct
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from service.checkpoints.header import MAX_HEADER_BYTES, refuse_other_formats
from service.errors import StorageFailed, TooLarge, UnreadableCheckpoint

_PREFIX_BYTES = 9
_ABANDONED_S = 24 * 3600.0


class Arrival:
    """A file that is being taken, in a folder of its own, which is removed at the end of the ``with`` block.

    Args:
        path: where it is written; the folder is made.
        limit: bytes that are taken at most.

    Raises:
        StorageFailed: the disk is full or cannot be written.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self.size = 0
        self._limit = limit
        self._start = b""
        try:
            path.parent.mkdir(parents=True)
            self._file = path.open("wb")
        except OSError as error:
            raise _failed(error) from error

    def write(self, chunk: bytes) -> None:
        """Take the next piece.

        Raises:
            TooLarge: more than the limit has come.
            UnreadableCheckpoint: the first bytes already show that this is no safetensors file.
        """
        self.size += len(chunk)
        if self.size > self._limit:
            raise TooLarge(f"the file is larger than the {self._limit} bytes that this server takes")
        if len(self._start) < _PREFIX_BYTES:
            self._start = (self._start + chunk)[:_PREFIX_BYTES]
            self._look_at_start()
        try:
            self._file.write(chunk)
        except OSError as error:
            raise _failed(error) from error

    def close(self) -> None:
        """The file has come whole.

        Raises:
            UnreadableCheckpoint: it is empty.
        """
        if self.size < _PREFIX_BYTES:
            told = f"only {self.size} bytes long" if self.size > 1 else "one byte long" if self.size else "empty"
            raise UnreadableCheckpoint(f"{self.path.name} is no safetensors file: it is {told}")
        try:
            self._file.close()
        except OSError as error:
            raise _failed(error) from error

    def _look_at_start(self) -> None:
        if len(self._start) < _PREFIX_BYTES:
            return
        refuse_other_formats(self.path.name, self._start)
        (length,) = struct.unpack("<Q", self._start[:8])
        if not 2 <= length <= MAX_HEADER_BYTES or self._start[8:] != b"{":
            raise UnreadableCheckpoint(
                f"{self.path.name} is no safetensors file: it does not begin with the length of a header and the header"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # what could not be written is thrown away now
            self._file.close()
        shutil.rmtree(self.path.parent, ignore_errors=True)


def clear_abandoned(folder: Path) -> None:
    """Remove what uploads of a day ago or earlier have left behind when their server was killed."""
    for arrival in folder.glob("*/"):
        try:
            if time.time() - arrival.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(arrival, ignore_errors=True)
        except FileNotFoundError:
            pass  # its own upload has just ended


def _failed(error: OSError) -> StorageFailed:
    return StorageFailed(f"cannot keep the file: {error.strerror or error}; free some space and send it again")
