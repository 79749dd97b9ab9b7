"""Which LoRA files there are: registered where they lie, or received over the network and kept by their hash."""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import replace
from pathlib import Path

from service.checkpoints import CheckpointInfo, inspect_checkpoint
from service.database.engine import Database
from service.database.models import Checkpoint
from service.errors import CheckpointChanged, InvalidInput, NotAllowed, NotFound
from service.storage import repository
from service.storage.arrivals import Arrival
from service.storage.files import sha256_of
from service.storage.fitting import check_fits

RUN_NAME = re.compile(r"[\w][\w .+-]{0,99}")
_FILE_NAME = re.compile(r"[\w][\w .+()-]{0,199}\.safetensors")


class CheckpointRegistry:
    """Runs and their checkpoints.

    Args:
        database: where they are recorded.
        folder: where uploaded files are kept, each in a folder named by its hash.
    """

    def __init__(self, database: Database, folder: Path) -> None:
        self._database = database
        self._folder = folder

    def register(self, run: str, info: CheckpointInfo, epoch: int | None = None) -> Checkpoint:
        """Record a file where it lies; the same file of the same run is the same checkpoint.

        Args:
            run: name of the run.
            info: what :func:`service.checkpoints.inspect_checkpoint` says about the file.
            epoch: the epoch, where the file itself does not say it.

        Raises:
            InvalidInput: the run's name cannot be used.
        """
        path = info.path.resolve()
        status = path.stat()
        epoch = info.epoch if epoch is None else epoch
        with self._database.transaction() as session:
            owner = repository.find_or_add_run(session, checked_run_name(run))
            identifier = hashlib.sha256(f"{owner.name}\n{info.sha256}".encode()).hexdigest()[:16]
            checkpoint = repository.find_checkpoint(session, identifier)
            if checkpoint is None:
                checkpoint = Checkpoint(id=identifier, run=owner, sha256=info.sha256, info=info.to_json())
                checkpoint.epoch = epoch
                session.add(checkpoint)
            elif checkpoint.epoch is None:
                checkpoint.epoch = epoch
            if not _unchanged(checkpoint):
                checkpoint.path, checkpoint.size, checkpoint.mtime_ns = str(path), status.st_size, status.st_mtime_ns
            return checkpoint

    def register_path(
        self,
        run: str,
        path: Path,
        allowed: tuple[Path, ...],
        epoch: int | None = None,
        base: str | None = None,
    ) -> Checkpoint:
        """Record a file of the server's own disk on a client's word.

        Raises:
            NotAllowed: the file does not lie in one of the ``allowed`` folders, links followed.
            UnreadableCheckpoint: it is no usable safetensors file.
            UnmappedKeys: it does not fit the base.
        """
        real = path.resolve()
        if not path.is_absolute() or not any(real.is_relative_to(folder.resolve()) for folder in allowed):
            raise NotAllowed(
                f"{path} lies in no folder that this server may read; its operator names them in "
                "BLEEDCHECK_ALLOWED_FOLDERS, or upload the file instead"
            )
        if not real.is_file():
            raise NotFound(f"there is no file {path}")
        info = inspect_checkpoint(real)
        if base is not None:
            check_fits(real, base)
        return self.register(run, info, epoch)

    def arrival(self, run: str, file_name: str, limit: int) -> Arrival:
        """Begin to take a file in pieces; :meth:`keep` ends it.

        Args:
            run: name of the run.
            file_name: the trainer's own name for the file.
            limit: bytes that are taken at most.

        Raises:
            InvalidInput: the run's or the file's name cannot be used.
            StorageFailed: the disk cannot be written.
        """
        checked_run_name(run)
        return Arrival(self._folder / "incoming" / secrets.token_hex(8) / checked_file_name(file_name), limit)

    def keep(self, run: str, arrival: Arrival, epoch: int | None = None, base: str | None = None) -> Checkpoint:
        """Check a file that has come whole, keep it under its hash, and register it.

        Args:
            run: name of the run.
            arrival: the file.
            epoch: the epoch, where the file itself does not say it.
            base: the base model that every tensor must have a place in; ``None`` leaves that to the evaluation.

        Raises:
            UnreadableCheckpoint: it is no usable safetensors file.
            UnmappedKeys: it does not fit the base.
        """
        arrival.close()
        info = inspect_checkpoint(arrival.path)
        if base is not None:
            check_fits(arrival.path, base)
        home = self._folder / info.sha256
        if not home.exists():
            arrival.path.parent.rename(home)
        kept = next(home.glob("*.safetensors"))
        return self.register(run, replace(info, path=kept), epoch)

    def verify(self, checkpoint: Checkpoint) -> Path:
        """The file's path, if the file still is what was registered.

        Size and modification time are compared; only if they differ is the file hashed.

        Raises:
            CheckpointChanged: the file is gone or has other content.
        """
        path = Path(checkpoint.path)
        if not path.is_file():
            raise CheckpointChanged(f"{path} is gone; put it back or register it again where it is now")
        if not _unchanged(checkpoint):
            if sha256_of(path) != checkpoint.sha256:
                raise CheckpointChanged(
                    f"{path} has changed since it was registered; register it again to evaluate the new content"
                )
            with self._database.transaction() as session:
                recorded = repository.find_checkpoint(session, checkpoint.id)
                if recorded is not None:
                    recorded.mtime_ns = path.stat().st_mtime_ns
        return path


def checked_run_name(name: str) -> str:
    """The name, if it can be a run's.

    Raises:
        InvalidInput: it cannot.
    """
    if not RUN_NAME.fullmatch(name) or name == "control":
        raise InvalidInput(
            f"{name[:120]!r} cannot be a run's name: use letters, digits, space and . _ + - (at most 100), "
            'and not "control", which means the base model without a LoRA'
        )
    return name


def checked_file_name(name: str) -> str:
    """The name, if it can be a checkpoint file's.

    Raises:
        InvalidInput: it cannot.
    """
    if not _FILE_NAME.fullmatch(name):
        raise InvalidInput(
            f"{name[:240]!r} cannot be a checkpoint's file name: it must end in .safetensors and use letters, "
            "digits, space and . _ + ( ) -; keep the trainer's own name, since it tells the epoch"
        )
    return name


def _unchanged(checkpoint: Checkpoint) -> bool:
    if checkpoint.path is None:
        return False
    try:
        status = Path(checkpoint.path).stat()
    except OSError:
        return False
    return (status.st_size, status.st_mtime_ns) == (checkpoint.size, checkpoint.mtime_ns)
