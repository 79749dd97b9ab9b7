"""What an evaluation has that cells can be narrowed to: a name that is none of it is a mistake, not an empty list."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from service.cells.repository import CellFilter
from service.errors import refuse_unknown


@dataclass(frozen=True)
class Place:
    """What a cell belongs to: a checkpoint's run, epoch and id, or the control."""

    run: str
    epoch: int | None
    checkpoint: str | None


@dataclass(frozen=True)
class Known:
    """The names of an evaluation, in the order of its suite and plan.

    Seeds are not among them: rounds draw further ones at any time, so one that is not there may still come.
    """

    scenarios: Collection[str]
    checks: Collection[str]
    characters: Collection[str]
    runs: Collection[str]
    epochs: Collection[int]
    checkpoints: Collection[str]

    @classmethod
    def of(cls, suite: Mapping[str, Any], places: Iterable[Place]) -> Known:
        """The names of a stored suite, and of what is compared."""
        places = list(places)
        return cls(
            [each["name"] for each in suite["scenarios"]],
            sorted({check for each in suite["scenarios"] for check in each["checks"]}),
            [each["name"] for each in suite["characters"]],
            list(dict.fromkeys(each.run for each in places)),
            sorted({each.epoch for each in places if each.epoch is not None}),
            [each.checkpoint for each in places if each.checkpoint is not None],
        )

    def check(
        self,
        evaluation_id: str,
        wanted: CellFilter,
        runs: Collection[str] | None,
        epochs: Collection[int] | None,
        checkpoints: Collection[str] | None,
    ) -> None:
        """Refuse what the evaluation does not have.

        Raises:
            InvalidInput: a name is none of its own; the message says which there are.
        """
        for kind, asked, known in (
            ("scenario", wanted.scenarios, self.scenarios),
            ("check", None if wanted.check is None else [wanted.check], self.checks),
            ("character", None if wanted.character is None else [wanted.character], self.characters),
            ("run", runs, self.runs),
            ("epoch", epochs, self.epochs),
            ("checkpoint", checkpoints, self.checkpoints),
        ):
            refuse_unknown(f"evaluation {evaluation_id}", kind, asked, known)
