"""Taking in a table of labels: every row, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from service.audits import repository
from service.audits.gathering import Entrant, entrants, target_of
from service.audits.questions import PICTURE, QUESTION
from service.audits.service import put_label
from service.audits.tables import LabelRow, refuse
from service.database.engine import Database
from service.database.models import AuditItem
from service.errors import BleedcheckError, InvalidInput
from service.evaluations import repository as evaluations


@dataclass(frozen=True)
class Imported:
    """What a table brought.

    Attributes:
        labels: new labels.
        unchanged: labels that were there already.
        chosen: labels of items that nobody had drawn: they count for agreement and correct no rate, since whoever chose
            them may have chosen them for a reason.
    """

    labels: int
    unchanged: int
    chosen: int


def import_rows(database: Database, evaluation_id: str, rows: Sequence[LabelRow], source: str = "csv") -> Imported:
    """Record the labels of a table in one transaction.

    Raises:
        NotFound: there is no such evaluation.
        InvalidInput: a row does not fit the evaluation; nothing is taken then.
    """
    labels = unchanged = chosen = 0
    complaints: list[str] = []
    with database.transaction() as session:
        evaluations.get(session, evaluation_id)
        order = entrants(evaluations.contenders(session, evaluation_id))
        for row in rows:
            try:
                item = _item(session, evaluation_id, row, order)
                chosen += item.draw_id is None
                for answer, second in ((row.label, False), (row.second, True)):
                    if answer is not None:
                        new = put_label(session, item, answer, row.person, second, source) is not None
                        session.refresh(item)
                        labels, unchanged = labels + new, unchanged + (not new)
            except BleedcheckError as error:
                complaints.append(f"line {row.line}: {error}")
        refuse(complaints)
    return Imported(labels, unchanged, chosen)


def _item(session: Session, evaluation_id: str, row: LabelRow, order: Sequence[Entrant]) -> AuditItem:
    if row.item is not None:
        place = repository.find_item(session, evaluation_id, row.item)
        if place is None:
            raise InvalidInput(f"evaluation {evaluation_id} has no item {row.item}")
        if row.image and place.image and row.image != place.image:
            raise InvalidInput(f"item {row.item} shows another image; was the table made for another evaluation?")
        return place.item
    return _chosen(session, evaluation_id, row, order)


def _chosen(session: Session, evaluation_id: str, row: LabelRow, order: Sequence[Entrant]) -> AuditItem:
    """The item of a finding that the row names by its place, made if nobody asked about it yet."""
    entrant = next((each for each in order if (each.run, each.epoch) == (row.run, row.epoch)), None)
    if entrant is None or row.seed is None or row.check == QUESTION:
        raise InvalidInput("it has no item number, and run, epoch, scenario, seed and check name no finding")
    cell = repository.find_cell(session, evaluation_id, entrant.id, row.scenario, row.seed)
    bodies = repository.finding_bodies(session, [cell]).get(cell, []) if cell is not None else []
    same = [body for body in bodies if (body["check"], body.get("character")) == (row.check, row.character)]
    if cell is None or not (same or (row.check == PICTURE and bodies)):
        who = f" of {row.character}" if row.character else ""
        raise InvalidInput(f"{entrant.label} has no finding {row.check}{who} in {row.scenario}, seed {row.seed}")
    target = target_of(row.check, cell, row.character)
    known = repository.targets(session, evaluation_id).get(target)
    if known is not None:
        return known
    finding = same[0] if same else {}
    item = AuditItem(
        evaluation_id=evaluation_id,
        cell_id=cell,
        position=0,
        target=target,
        check=row.check,
        character=row.character,
        verdict=finding.get("verdict"),
        score=finding.get("score"),
    )
    session.add(item)
    session.flush()
    session.refresh(item)
    return item
