"""Which LoRA files there are: registered where they lie, or received over the network and kept by their hash."""

from __future__ import annotations

import hashlib
import re
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from service.checkpoints import CheckpointInfo, inspect_checkpoint, scan_folder
from service.database.engine import Database
from service.database.models import Checkpoint
from service.errors import NAMES_TOLD, BleedcheckError, CheckpointChanged, Conflict, InvalidInput, NotAllowed, NotFound
from service.storage import repository
from service.storage.arrivals import Arrival
from service.storage.files import sha256_of
from service.storage.fitting import check_fits
from service.storage.looking import FirstLook

RUN_NAME = re.compile(r"[\w][\w .+-]{0,99}")
_FILE_NAME = re.compile(r"[\w][\w .+()-]{0,199}\.safetensors")


def no_such_run(session: Session, run: str) -> NotFound:
    """The error for a run that is not there; it names those that are."""
    known = ", ".join(each.name for each in repository.list_runs_after(session, "", NAMES_TOLD))
    return NotFound(f"there is no run {run[:100]!r}; {f'there are {known}' if known else 'there is none yet'}")


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
            epoch: the epoch, instead of what the file itself says.

        Raises:
            InvalidInput: the run's name cannot be used.
        """
        path = info.path.resolve()
        status = path.stat()
        told, epoch = epoch, info.epoch if epoch is None else epoch
        with self._database.transaction() as session:
            owner = repository.find_or_add_run(session, checked_run_name(run))
            identifier = hashlib.sha256(f"{owner.name}\n{info.sha256}".encode()).hexdigest()[:16]
            checkpoint = repository.find_checkpoint(session, identifier)
            if checkpoint is None:
                checkpoint = Checkpoint(id=identifier, run=owner, sha256=info.sha256, info=info.to_json())
                checkpoint.epoch = epoch
                session.add(checkpoint)
            elif told is not None or checkpoint.epoch is None:
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
        real = allowed_path(path, allowed)
        if not real.is_file():
            raise NotFound(f"there is no file {path}")
        info = inspect_checkpoint(real)
        if base is not None:
            check_fits(real, base)
        return self.register(run, info, epoch)

    def arrival(
        self, run: str, file_name: str, limit: int, *, size: int | None = None, base: str | None = None
    ) -> Arrival:
        """Begin to take a file in pieces; :meth:`keep` ends it.

        Args:
            run: name of the run.
            file_name: the trainer's own name for the file.
            limit: bytes that are taken at most.
            size: bytes that the whole file will have, if that was said.
            base: the base model that every tensor must have a place in; ``None`` leaves that to the evaluation.

        Raises:
            InvalidInput: the run's or the file's name cannot be used.
            StorageFailed: the disk cannot be written.
        """
        checked_run_name(run)
        path = self._folder / "incoming" / secrets.token_hex(8) / checked_file_name(file_name)
        return Arrival(path, limit, FirstLook(path, size, base))

    def keep(self, run: str, arrival: Arrival, epoch: int | None = None) -> Checkpoint:
        """Check a file that has come whole, keep it under its hash, and register it.

        Args:
            run: name of the run.
            arrival: the file.
            epoch: the epoch, where the file itself does not say it.

        Raises:
            UnreadableCheckpoint: it is no usable safetensors file.
        """
        arrival.close()
        return self.keep_file(run, arrival.path, epoch)  # that it fits the base was seen on the way

    def keep_file(self, run: str, path: Path, epoch: int | None = None, base: str | None = None) -> Checkpoint:
        """The same for a file that lies alone in a folder of its own; the folder is moved.

        Raises:
            UnreadableCheckpoint: it is no usable safetensors file.
            UnmappedKeys: it does not fit the ``base``, if one is given.
        """
        info = inspect_checkpoint(path)
        if base is not None:
            check_fits(path, base)
        home = self._folder / info.sha256
        if not home.exists():
            path.parent.rename(home)
        kept = next(home.glob("*.safetensors"))
        return self.register(run, replace(info, path=kept), epoch)

    def register_folder(
        self, run: str, folder: Path, allowed: tuple[Path, ...], base: str | None = None
    ) -> tuple[list[Checkpoint], list[tuple[Path, str]]]:
        """Record every LoRA file below a folder of the server's own disk on a client's word.

        Returns:
            The checkpoints, and the files that were refused, each with the reason.

        Raises:
            NotAllowed: the folder does not lie in one of the ``allowed`` folders, links followed.
            NotFound: there is no such folder.
        """
        real = allowed_path(folder, allowed)
        if not real.is_dir():
            raise NotFound(f"there is no folder {folder}")
        skipped: list[tuple[Path, BleedcheckError]] = []
        taken = []
        for info in scan_folder(real, skipped=skipped):
            try:
                taken.append(self.register_path(run, info.path, allowed, base=base))
            except BleedcheckError as error:
                skipped.append((info.path, error))
        return taken, [(path, str(error)) for path, error in skipped]

    def checkpoints_of(self, run: str) -> list[Checkpoint]:
        """A run's checkpoints by epoch, those without one last.

        Raises:
            NotFound: there is no such run.
        """
        with self._database.reading() as session:
            if repository.find_run(session, run) is None:
                raise no_such_run(session, run)
            return list(repository.list_checkpoints(session, run))

    def run_names(self, after: str, limit: int) -> list[str]:
        """At most ``limit`` names of runs behind ``after``, in alphabetical order."""
        with self._database.reading() as session:
            return [each.name for each in repository.list_runs_after(session, after, limit)]

    def get(self, run: str, checkpoint_id: str) -> Checkpoint:
        """A checkpoint of a run.

        Raises:
            NotFound: there is no such run, or it has no such checkpoint.
        """
        for checkpoint in self.checkpoints_of(run):
            if checkpoint.id == checkpoint_id:
                return checkpoint
        raise NotFound(f"run {run} has no checkpoint {checkpoint_id[:40]!r}")

    def set_epoch(self, run: str, checkpoint_id: str, epoch: int | None) -> Checkpoint:
        """Say a checkpoint's epoch, whatever the file says.

        Raises:
            NotFound: there is no such run or checkpoint.
        """
        self.get(run, checkpoint_id)
        with self._database.transaction() as session:
            checkpoint = repository.find_checkpoint(session, checkpoint_id)
            if checkpoint is None:
                raise NotFound(f"run {run} has no checkpoint {checkpoint_id}")
            checkpoint.epoch = epoch
            return checkpoint

    def remove(self, checkpoints: Sequence[Checkpoint], run: str | None = None) -> None:
        """Forget checkpoints; files that were uploaded are deleted, those registered where they lie stay.

        Args:
            checkpoints: which.
            run: a run to forget with them.

        Raises:
            Conflict: an evaluation uses one of them.
        """
        try:
            with self._database.transaction() as session:
                unused = repository.remove_checkpoints(session, [each.id for each in checkpoints])
                if run is not None:
                    repository.remove_run(session, run)
        except IntegrityError:
            raise Conflict("an evaluation has begun to use this checkpoint; try again") from None
        for path in unused:
            if Path(path).is_relative_to(self._folder.resolve()):
                shutil.rmtree(Path(path).parent, ignore_errors=True)

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


def allowed_path(path: Path, allowed: tuple[Path, ...]) -> Path:
    """The path with its links followed, if it lies in a folder that clients may name.

    Raises:
        NotAllowed: it does not.
    """
    try:
        real = path.resolve()
    except (OSError, ValueError, RuntimeError):  # a null byte, a loop of links
        real = None
    if real is None or not path.is_absolute() or not any(real.is_relative_to(each.resolve()) for each in allowed):
        raise NotAllowed(
            f"{path} lies in no folder that this server may read; its operator names them in "
            "BLEEDCHECK_ALLOWED_FOLDERS, or upload the file instead"
        )
    return real


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
