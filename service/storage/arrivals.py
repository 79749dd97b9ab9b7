"""A checkpoint on its way in: counted and looked at while it is written."""

from __future__ import annotations

import shutil
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from service.errors import StorageFailed, TooLarge, UnreadableCheckpoint
from service.storage.looking import PREFIX_BYTES, FirstLook

_ABANDONED_S = 24 * 3600.0


class Arrival:
    """A file that is being taken, in a folder of its own, which is removed at the end of the ``with`` block.

    Args:
        path: where it is written; the folder is made.
        limit: bytes that are taken at most.
        look: at its beginning.

    Raises:
        StorageFailed: the disk is full or cannot be written.
    """

    def __init__(self, path: Path, limit: int, look: FirstLook) -> None:
        self.path = path
        self.size = 0
        self._limit = limit
        self._look = look
        try:
            path.parent.mkdir(parents=True)
            self._file = path.open("wb")
        except OSError as error:
            raise _failed(error) from error

    def write(self, chunk: bytes) -> None:
        """Take the next piece.

        Raises:
            TooLarge: more than the limit has come.
            UnreadableCheckpoint, UnmappedKeys: its beginning already shows that it cannot be used.
        """
        self.size += len(chunk)
        if self.size > self._limit:
            raise TooLarge(f"the file is larger than the {self._limit} bytes that this server takes")
        try:
            self._file.write(chunk)
            if self._look.is_due(self.size):
                self._file.flush()
        except OSError as error:
            raise _failed(error) from error
        self._look.look(self.size)

    def close(self) -> None:
        """The file has come whole.

        Raises:
            UnreadableCheckpoint: it is empty.
        """
        if self.size < PREFIX_BYTES:
            told = f"only {self.size} bytes long" if self.size > 1 else "one byte long" if self.size else "empty"
            raise UnreadableCheckpoint(f"{self.path.name} is no safetensors file: it is {told}")
        try:
            self._file.close()
        except OSError as error:
            raise _failed(error) from error

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
