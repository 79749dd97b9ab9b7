"""Audits as the endpoints, the page and the command line use them: draw, ask, label, take back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.orm import Session

from service.audits import draws, repository
from service.audits.correction import warm_up
from service.audits.draws import Drawing
from service.audits.gathering import current
from service.audits.questions import FINDINGS, Answer
from service.audits.repository import ItemPlace
from service.audits.results import AuditResults, work_out
from service.audits.views import AuditView, Look
from service.database.engine import Database
from service.database.models import AuditItem, AuditLabel
from service.errors import Conflict, NotFound
from service.evaluations import repository as evaluations

NOBODY = "unnamed"


class AuditService:
    """Human verdicts on an evaluation's findings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def draw(
        self,
        evaluation_id: str,
        size: int,
        about: str = FINDINGS,
        seed: int | None = None,
        question: str | None = None,
    ) -> Drawing:
        """Draw items at random, stratified by checkpoint and by the machine's verdict; none is drawn twice.

        Args:
            evaluation_id: the evaluation.
            size: how many.
            about: ``findings`` for those of every check, a check's name, ``picture`` for whole pictures, or
                ``question`` for a free question on whole pictures.
            seed: of the draw; another one for each draw by default.
            question: the free question.

        Raises:
            NotFound: there is no such evaluation.
            InvalidInput: there is nothing to draw, or the question is missing.
            Conflict: the evaluation still runs; later pictures would have had no chance.
        """
        with self._database.transaction() as session:
            return draws.draw(session, evaluations.get(session, evaluation_id), size, about, seed, question)

    def undoable(self, evaluation_id: str, person: str = NOBODY) -> bool:
        """Whether a person has a label to take back."""
        with self._database.reading() as session:
            return repository.last_label(session, evaluation_id, person) is not None

    def next(self, evaluation_id: str, second: bool = False) -> tuple[AuditView | None, int]:
        """The next item that waits for a label (or a blind second one), and how many wait.

        Raises:
            NotFound: there is no such evaluation.
        """
        warm_up()
        with self._looking(evaluation_id) as look:
            place = repository.next_item(look.session, evaluation_id, second)
            left = repository.waiting(look.session, evaluation_id, second)
            return (look.view(place, blind=True) if place else None), left

    def item(self, evaluation_id: str, item_id: int, blind: bool = False) -> AuditView:
        """One item.

        Raises:
            NotFound: there is no such evaluation or item.
        """
        with self._looking(evaluation_id) as look:
            return look.view(_place(look.session, evaluation_id, item_id), blind)

    def items(self, evaluation_id: str, after: int = 0, limit: int | None = None) -> list[AuditView]:
        """Items in the order they came, those behind number ``after``.

        Raises:
            NotFound: there is no such evaluation.
        """
        with self._looking(evaluation_id) as look:
            places = repository.items(look.session, evaluation_id, after, limit)
            return look.views(places)

    def label(
        self,
        evaluation_id: str,
        item_id: int,
        answer: Answer,
        person: str = NOBODY,
        second: bool = False,
        source: str = "api",
    ) -> AuditView:
        """Record a person's verdict. One's own earlier label is replaced and kept in the history.

        Raises:
            NotFound: there is no such evaluation or item.
            Conflict: somebody else's label counts already, or a second label comes before the first.
        """
        with self._database.transaction() as session:
            evaluations.get(session, evaluation_id)
            place = _place(session, evaluation_id, item_id)
            put_label(session, place.item, answer, person, second, source)
        return self.item(evaluation_id, item_id)

    def undo(self, evaluation_id: str, person: str = NOBODY) -> AuditView:
        """Take back a person's latest label; it stays in the history.

        Raises:
            NotFound: there is no such evaluation, or nothing to take back.
        """
        with self._database.transaction() as session:
            evaluations.get(session, evaluation_id)
            label = repository.last_label(session, evaluation_id, person)
            if label is None:
                raise NotFound(f"{person} has no label in evaluation {evaluation_id} to take back")
            repository.take_back(session, [label.id])
            item_id = label.item_id
        return self.item(evaluation_id, item_id, blind=True)

    def results(self, evaluation_id: str) -> AuditResults:
        """What the labels say at this moment.

        Raises:
            NotFound: there is no such evaluation.
        """
        with self._database.reading() as session:
            return work_out(session, evaluations.get(session, evaluation_id))

    def summary(self, evaluation_id: str) -> dict[str, Any] | None:
        """The results as plain JSON values, for a leaderboard; ``None`` while nobody has labelled anything.

        Raises:
            NotFound: there is no such evaluation.
        """
        with self._database.reading() as session:
            evaluation = evaluations.get(session, evaluation_id)
            return work_out(session, evaluation).to_json() if repository.any_label(session, evaluation_id) else None

    @contextmanager
    def _looking(self, evaluation_id: str) -> Iterator[Look]:
        with self._database.reading() as session:
            yield Look(session, evaluations.get(session, evaluation_id))


def put_label(
    session: Session, item: AuditItem, answer: Answer, person: str, second: bool, source: str
) -> AuditLabel | None:
    """Add a label to an item; ``None`` if it says what this person's label says already.

    Raises:
        Conflict: see :meth:`AuditService.label`.
    """
    counting = current(item, second)
    if counting is not None:
        if counting.person != person:
            raise Conflict(
                f"item {item.id} has a label by {counting.person}; it can be taken back, or a second, blind label given"
            )
        if counting.verdict == answer:
            return None
        repository.take_back(session, [counting.id])
    elif second and current(item) is None:
        raise Conflict(f"item {item.id} has no first label yet")
    label = AuditLabel(item_id=item.id, verdict=answer.value, person=person, second=second, source=source)
    session.add(label)
    session.flush()
    return label


def _place(session: Session, evaluation_id: str, item_id: int) -> ItemPlace:
    place = repository.find_item(session, evaluation_id, item_id)
    if place is None:
        raise NotFound(f"evaluation {evaluation_id} has no audit item {item_id}")
    return place
