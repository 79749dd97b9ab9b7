"""Uploads in pieces: what has come stays when the connection breaks, and the next piece goes on behind it."""

from __future__ import annotations

import fcntl
import json
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO

from service.errors import Conflict, InvalidInput, NotFound, StorageFailed, TooLarge
from service.storage.arrivals import clear_abandoned
from service.storage.checkpoints import checked_file_name, checked_run_name
from service.storage.looking import FirstLook

_ID = re.compile(r"[0-9a-f]{16}")
_FACTS = "upload.json"


@dataclass(frozen=True)
class Partial:
    """An upload that is not whole yet.

    Attributes:
        id: its name in addresses.
        run: the run that the checkpoint will belong to.
        filename: the file's own name.
        size: bytes that the whole file has.
        epoch: as told by the client.
    """

    id: str
    run: str
    filename: str
    size: int
    epoch: int | None


class Piece:
    """The next bytes of an upload.

    Args:
        file: where they go, unbuffered.
        room: bytes that it may have yet.
        look: at the file's beginning.
    """

    def __init__(self, file: IO[bytes], room: int, look: FirstLook) -> None:
        self._file = file
        self._room = room
        self._look = look

    def write(self, chunk: bytes) -> None:
        """Write the next bytes.

        Raises:
            TooLarge: they are more than the file was said to have; nothing of the chunk is kept.
            UnreadableCheckpoint, UnmappedKeys: the file's beginning already shows that it cannot be used.
            StorageFailed: the disk is full or cannot be written.
        """
        if len(chunk) > self._room:
            raise TooLarge("these are more bytes than the file was said to have")
        self._room -= len(chunk)
        try:
            self._file.write(chunk)
        except OSError as error:
            raise StorageFailed(f"cannot keep the file: {error.strerror or error}; free some space, go on") from error
        self._look.look(self._file.tell())


class PartialUploads:
    """Uploads in pieces below one folder, each in a folder of its own.

    Args:
        folder: where they lie; :func:`service.storage.arrivals.clear_abandoned` removes those that nobody goes on with.
        limit: bytes that a file has at most.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self._folder = folder
        self._limit = limit

    def begin(self, run: str, filename: str, size: int, epoch: int | None = None) -> Partial:
        """Prepare for a file.

        Raises:
            InvalidInput: the run's or the file's name cannot be used.
            TooLarge: it is larger than the operator allows.
            StorageFailed: the disk has no room for it.
        """
        partial = Partial(secrets.token_hex(8), checked_run_name(run), checked_file_name(filename), size, epoch)
        clear_abandoned(self._folder)
        if size > self._limit:
            raise TooLarge(f"the file is larger than the {self._limit} bytes that this server takes")
        home = self._folder / partial.id
        try:
            home.mkdir(parents=True)
            if shutil.disk_usage(home).free < size:
                shutil.rmtree(home, ignore_errors=True)
                raise StorageFailed(f"there is no room for {size} bytes; free some space and begin again")
            (home / _FACTS).write_text(json.dumps(asdict(partial)))
            (home / partial.filename).touch()
        except OSError as error:
            raise StorageFailed(f"cannot keep the file: {error.strerror or error}") from error
        return partial

    def find(self, run: str, upload_id: str) -> tuple[Partial, int]:
        """An upload, and how many bytes of it have come.

        Raises:
            NotFound: there is none; it is whole already, or was left alone for a day.
        """
        try:
            partial = Partial(**json.loads((self._home(upload_id) / _FACTS).read_text()))
            come = self.path(partial).stat().st_size
        except FileNotFoundError:
            raise NotFound(f"there is no upload {upload_id[:40]!r}; begin another one") from None
        if partial.run != run:
            raise NotFound(f"there is no upload {upload_id[:40]!r} for run {run!r}")
        return partial, come

    def path(self, partial: Partial) -> Path:
        """Where the file lies."""
        return self._home(partial.id) / partial.filename

    @contextmanager
    def open(self, run: str, upload_id: str, offset: int, base: str | None = None) -> Iterator[Piece]:
        """Write behind what has come; one client at a time.

        Args:
            run: name of the run.
            upload_id: which upload.
            offset: where the next piece begins.
            base: the base model that every tensor must have a place in; ``None`` leaves that to the evaluation.

        Raises:
            NotFound: there is no such upload.
            Conflict: another client writes, or ``offset`` is not where it goes on; the message says where.
            UnreadableCheckpoint: what has come does not begin like a safetensors file.
        """
        partial, _ = self.find(run, upload_id)
        with self.path(partial).open("ab", buffering=0) as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise Conflict("another client sends pieces of this upload at the moment") from None
            come = file.tell()
            if offset != come:
                raise Conflict(f"this upload goes on at byte {come}, not {offset}")
            self._home(partial.id).touch()
            look = FirstLook(self.path(partial), partial.size, base)
            look.skip(come)
            yield Piece(file, partial.size - come, look)

    def finish(self, partial: Partial) -> Path:
        """The whole file, alone in its folder.

        Raises:
            InvalidInput: it is not whole.
        """
        path = self.path(partial)
        if path.stat().st_size != partial.size:
            raise InvalidInput("the upload is not whole yet")
        (self._home(partial.id) / _FACTS).unlink()
        return path

    def drop(self, upload_id: str) -> None:
        """Forget an upload; one that is not there is fine."""
        with suppress(NotFound):
            shutil.rmtree(self._home(upload_id), ignore_errors=True)

    def _home(self, upload_id: str) -> Path:
        if not _ID.fullmatch(upload_id):
            raise NotFound(f"{upload_id[:40]!r} is no upload")
        return self._folder / upload_id
