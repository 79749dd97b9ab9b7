"""How far evaluations are, counted once for each change however many people look."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from sqlalchemy.orm import Session

from service.database.models import Evaluation
from service.evaluations import repository
from service.evaluations.executor import Progress

KEPT = 256
"""Evaluations whose counts are kept at most."""


@dataclass(frozen=True)
class Counts:
    """What there is to count in an evaluation, what went wrong with its batches, and what was done otherwise."""

    progress: Progress
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()


class Counting:
    """Counts under the revision of the evaluation that they are of.

    Whoever changes cells or batches raises the revision in the same transaction
    (:func:`service.evaluations.repository.touch`), in whatever process it happens: nothing kept here can be stale.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[int, Counts]] = OrderedDict()
        self._guard = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def of(self, session: Session, evaluation: Evaluation) -> Counts:
        """The counts of an evaluation that was read in this session; the first who asks counts, the others wait."""
        known = self._find(evaluation)
        if known is not None:
            return known
        with self._guard:
            lock = self._locks.setdefault(evaluation.id, threading.Lock())
        with lock:
            known = self._find(evaluation)
            if known is not None:
                return known
            progress = repository.progress(session, evaluation.id)
            wrong = tuple(repository.problems(session, evaluation.id))
            found = Counts(progress, wrong, tuple(repository.notes(session, evaluation.id)))
            with self._guard:
                self._kept[evaluation.id] = evaluation.revision, found
                while len(self._kept) > KEPT:
                    self._locks.pop(self._kept.popitem(last=False)[0], None)
            return found

    def _find(self, evaluation: Evaluation) -> Counts | None:
        with self._guard:
            known = self._kept.get(evaluation.id)
            if known is None or known[0] != evaluation.revision:
                return None
            self._kept.move_to_end(evaluation.id)
            return known[1]
