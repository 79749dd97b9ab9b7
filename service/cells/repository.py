"""SQL for listing cells."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, and_, exists, func, or_, select
from sqlalchemy.orm import Session

from detectors import Finding, Verdict
from detectors.findings import UNANSWERED
from service.database.models import Batch, Cell, Detection, FindingRecord, Image
from service.rankings import APART_CHECKS, State

PENDING = "pending"
"""The state of a cell whose image has not been judged yet."""
_IN_ONE_QUERY = 500


@dataclass(frozen=True)
class CellFilter:
    """Which cells are wanted; ``None`` wants all.

    ``check`` and ``character`` narrow what ``states`` and ``severities`` are about.
    """

    contenders: Collection[int] | None = None
    scenarios: Collection[str] | None = None
    seeds: Collection[int] | None = None
    states: Collection[str] | None = None
    severities: Collection[str] | None = None
    check: str | None = None
    character: str | None = None


class CellFacts(NamedTuple):
    """A cell's place in the grid."""

    id: int
    scenario: str
    seed: int


class ImageFacts(NamedTuple):
    """A cell's picture."""

    sha256: str
    width: int
    height: int
    invalid: str | None


class CellRow(NamedTuple):
    """A cell with its contender, and its image and its detection's id as far as there are any.

    ``verdicts`` is what was found, in short: see :mod:`service.evaluations.verdicts`.
    """

    cell: CellFacts
    contender_id: int
    image: ImageFacts | None
    detection: int | None
    verdicts: str | None = None


def list_cells(session: Session, evaluation_id: str, wanted: CellFilter, after: int, limit: int) -> list[CellRow]:
    """Cells with an id above ``after``, in the order of the plan, at most ``limit``."""
    query = (
        select(*_COLUMNS)
        .join(Batch, Cell.batch_id == Batch.id)
        .outerjoin(Image, Cell.image_key == Image.key)
        .outerjoin(Detection, Cell.detection_id == Detection.id)
        .where(Cell.evaluation_id == evaluation_id, Cell.id > after, *_conditions(wanted))
        .order_by(Cell.id)
        .limit(limit)
    )
    rows: Sequence[Any] = session.execute(query).all()
    return [
        CellRow(CellFacts(*row[:3]), row[3], ImageFacts(*row[6:]) if row[6] is not None else None, row[4], row[5])
        for row in map(tuple, rows)  # a row is slower to take apart than a tuple
    ]


def find_cell(session: Session, evaluation_id: str, cell_id: int) -> CellRow | None:
    """One cell of an evaluation."""
    found = list_cells(session, evaluation_id, CellFilter(), cell_id - 1, 1)
    return found[0] if found and found[0].cell.id == cell_id else None


def find_place(session: Session, contender_id: int, scenario: str, seed: int) -> int | None:
    """The id of a contender's cell for a scenario and seed."""
    query = select(Cell.id).join(Batch, Cell.batch_id == Batch.id).where(Batch.contender_id == contender_id)
    return session.scalar(query.where(Cell.scenario == scenario, Cell.seed == seed).limit(1))


def list_seeds(session: Session, evaluation_id: str, scenario: str) -> Sequence[int]:
    """The seeds that a scenario has cells of, in the order of the plan."""
    query = select(Cell.seed).where(Cell.evaluation_id == evaluation_id, Cell.scenario == scenario)
    return session.scalars(query.group_by(Cell.seed).order_by(func.min(Cell.id))).all()


def findings_of(session: Session, detections: Iterable[int]) -> Mapping[int, Sequence[Finding]]:
    """The findings of detections with everything behind them, by detection."""
    found: dict[int, list[Finding]] = defaultdict(list)
    ids = list(detections)
    for start in range(0, len(ids), _IN_ONE_QUERY):
        part = ids[start : start + _IN_ONE_QUERY]
        query = select(FindingRecord.detection_id, FindingRecord.body).where(FindingRecord.detection_id.in_(part))
        for row in map(tuple, session.execute(query.order_by(FindingRecord.detection_id, FindingRecord.position))):
            found[row[0]].append(Finding.from_json(row[1]))
    return found


_COLUMNS = (
    Cell.id, Cell.scenario, Cell.seed, Batch.contender_id, Cell.detection_id, Detection.verdicts,
    Image.sha256, Image.width, Image.height, Image.invalid,
)  # fmt: skip


def _conditions(wanted: CellFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for column, values in (
        (Batch.contender_id, wanted.contenders),
        (Cell.scenario, wanted.scenarios),
        (Cell.seed, wanted.seeds),
    ):
        if values is not None:
            conditions.append(column.in_(values))
    if wanted.states is not None:
        conditions.append(or_(*(_in_state(state, wanted) for state in wanted.states)))
    elif wanted.check is not None or wanted.character is not None:
        conditions.append(_some_finding(wanted))
    if wanted.severities is not None:
        conditions.append(_some_finding(wanted, FindingRecord.severity.in_(wanted.severities)))
    return conditions


def _in_state(state: str, wanted: CellFilter) -> ColumnElement[bool]:
    """The same as :func:`service.rankings.judge`, in SQL."""
    judged = and_(Cell.detection_id.is_not(None), Image.invalid.is_(None))

    def some(verdict: Verdict, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
        return _some_finding(wanted, FindingRecord.verdict == verdict.value, *conditions)

    # A check that the profile has no detector for is in no rate, and so in no state either.
    answered = FindingRecord.body["detector"].as_string() != UNANSWERED
    fails, unknown, minor = some(Verdict.FAILS), some(Verdict.NOT_MEASURABLE, answered), some(Verdict.MINOR)
    if state == PENDING:
        return and_(Cell.detection_id.is_(None), Image.invalid.is_(None))
    if state == State.INVALID:
        return Image.invalid.is_not(None)
    if state == State.FAILS:
        return and_(judged, fails)
    if state == State.NOT_MEASURABLE:
        asked = or_(_some_finding(wanted), Detection.failure.is_not(None))
        return and_(judged, ~fails, or_(unknown, and_(asked, ~_some_finding(wanted, answered))))
    if state == State.MINOR:
        return and_(judged, ~fails, ~unknown, minor)
    return and_(judged, ~fails, ~unknown, ~minor, _some_finding(wanted, answered))


def _some_finding(wanted: CellFilter, *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    about = [FindingRecord.detection_id == Cell.detection_id, *conditions]
    if wanted.check is not None:
        about.append(FindingRecord.check == wanted.check)
    elif APART_CHECKS:
        about.append(FindingRecord.check.not_in(APART_CHECKS))
    if wanted.character is not None:
        about.append(FindingRecord.character == wanted.character)
    return exists().where(*about)
