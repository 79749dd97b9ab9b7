"""What the pages Runs and New evaluation show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service.checkpoints.provenance import read_provenance
from service.evaluations.schemas import EvaluationOut
from service.evaluations.workspace import Workspace
from service.storage import repository
from service.storage.checkpoints import RUN_NAME
from service.storage.schemas import CheckpointOut

RECENT = 20
"""Evaluations that are shown at first."""
MANY = 500
"""Evaluations that are shown at most."""


@dataclass(frozen=True)
class RunCard:
    """A training run and its files, by epoch."""

    name: str
    checkpoints: tuple[CheckpointOut, ...]

    @property
    def epochs(self) -> str:
        """The span of its epochs, such as ``36 to 150``; empty where no file has one."""
        known = [each.epoch for each in self.checkpoints if each.epoch is not None]
        if not known:
            return ""
        return f"{min(known)}" if min(known) == max(known) else f"{min(known)} to {max(known)}"

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return sum(each.size for each in self.checkpoints)

    @property
    def ranks(self) -> str:
        """Every rank there is among the files."""
        return ", ".join(str(rank) for rank in sorted({each.rank for each in self.checkpoints if each.rank}))

    @property
    def formats(self) -> str:
        """Every key format there is among the files."""
        return ", ".join(sorted({each.key_format for each in self.checkpoints}))


@dataclass(frozen=True)
class NameGuess:
    """What a file's name tells before it is sent: the run it would go to, and the epoch."""

    run: str
    epoch: int | None


def run_cards(space: Workspace) -> tuple[RunCard, ...]:
    """Every run, by name."""
    with space.database.reading() as session:
        return tuple(
            RunCard(run.name, tuple(map(CheckpointOut.of, repository.list_checkpoints(session, run.name))))
            for run in repository.list_runs(session)
        )


def recent_evaluations(space: Workspace, limit: int) -> tuple[list[EvaluationOut], bool]:
    """The newest evaluations, and whether there are more."""
    found = space.evaluations.page(None, limit + 1)
    return [EvaluationOut.of(space.evaluations.state(each.id)) for each in found[:limit]], len(found) > limit


def guess_names(files: Sequence[str]) -> list[NameGuess]:
    """For each file name the run and the epoch that the trainer's convention gives.

    >>> guess_names(["keikana-v2_epoch148.safetensors"])
    [NameGuess(run='keikana-v2', epoch=148)]
    """
    guesses = []
    for file in files:
        found = read_provenance(Path(Path(file).name), {})
        guesses.append(NameGuess(found.name if RUN_NAME.fullmatch(found.name) else "", found.epoch))
    return guesses
