"""The port between an evaluation and whatever works through it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from detectors import Examination, Expectation, Finding
from service.evaluations.requests import EvaluationRequest
from service.generation.port import Generator, Pixels


class Status(StrEnum):
    """Where an evaluation is. Every status but ``running`` can be resumed; ``finished`` then repeats what failed."""

    PLANNED = "planned"
    RUNNING = "running"
    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"


def status_words(status: str, failed: int) -> str:
    """A status for people: how many images failed belongs to it, else "finished" would promise too much.

    >>> status_words("finished", 3), status_words("finished", 0), status_words("failed", 3)
    ('finished, 3 failed', 'finished', 'failed')
    """
    return f"{status}, {failed} failed" if failed and status != Status.FAILED else str(status)


@dataclass(frozen=True)
class Progress:
    """How far an evaluation is, in cells.

    Attributes:
        total: all cells of the plan, the control's included.
        generated: cells that have their image.
        judged: cells that the detectors have judged (or need not: the image is invalid); not those that broke them.
        failed: cells whose generation or detection broke down.
    """

    total: int
    generated: int
    judged: int
    failed: int

    @property
    def done(self) -> float:
        """Share of the work that is behind us, 0..1; making an image and looking at it count alike.

        What failed is behind us too, whether its image or the look at it broke down.
        """
        looked = self.judged + self.failed
        return (max(self.generated, looked) + looked) / (2 * self.total) if self.total else 1.0


OnProgress = Callable[[Progress], None]


class Executor(Protocol):
    """Works through an evaluation, wherever it was left."""

    def run(self, evaluation_id: str, on_progress: OnProgress, stop: threading.Event) -> Status:
        """Work until nothing is left, or until ``stop`` is set or the evaluation is cancelled.

        Raises:
            Conflict: another living executor works on it.
            BleedcheckError: it cannot go on, for instance because the disk is full; it can be resumed.
        """


class Detectors(Protocol):
    """What an executor needs of a set of detectors."""

    def spec(self) -> dict[str, Any]:
        """Names, versions and weights hashes."""

    def detect(self, images: Sequence[Pixels], expectations: Sequence[Expectation]) -> list[list[Finding]]:
        """The findings of each image."""


@runtime_checkable
class Measuring(Protocol):
    """Detectors that also take measures."""

    def examine(self, images: Sequence[Pixels], expectations: Sequence[Expectation]) -> list[Examination]:
        """Findings and measures of each image, from one look."""


class Models(Protocol):
    """Opens the heavy things an executor works with, when it needs them."""

    def generator(self, request: EvaluationRequest) -> Generator:
        """The generator of a request."""

    def detectors(self, request: EvaluationRequest) -> Detectors:
        """The detectors of a request."""
