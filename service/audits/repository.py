"""SQL for audits: what can be asked about, what was asked, and what people said."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from sqlalchemy import and_, func, select, true, update
from sqlalchemy.orm import Session, aliased

from service.audits.counts import VERDICTS
from service.database.models import (
    AuditDraw,
    AuditItem,
    AuditLabel,
    Batch,
    Cell,
    Contender,
    Detection,
    FindingRecord,
    Image,
)

_AT_A_TIME = 500  # databases limit how many values one query may name


class FindingPlace(NamedTuple):
    """Where a finding is, and what it says."""

    contender: int
    cell: int
    check: str
    character: str | None
    verdict: str


class CellPlace(NamedTuple):
    """A judged picture's cell. Where the detectors broke down on it, there are no ``verdicts``."""

    contender: int
    cell: int
    scenario: str
    seed: int
    invalid: str | None
    verdicts: str | None


class VerdictCount(NamedTuple):
    """Pictures of a contender with the same verdicts, as :func:`service.evaluations.verdicts.pack` wrote them."""

    contender: int
    verdicts: str
    pictures: int


class ItemPlace(NamedTuple):
    """An item with the picture it is about."""

    item: AuditItem
    contender: int
    scenario: str
    seed: int
    image: str | None


def findings(
    session: Session, evaluation_id: str, check: str | None = None, pinned: Collection[int] = ()
) -> Sequence[FindingPlace]:
    """Every finding with a measured verdict, of one check or of all, but for the seeds that enter no rate."""
    query = _on_findings(
        select(
            Batch.contender_id, Cell.id, FindingRecord.check, FindingRecord.character, FindingRecord.verdict
        ).select_from(Cell)
    ).where(_rated(evaluation_id, pinned))
    if check is not None:
        query = query.where(FindingRecord.check == check)
    return [FindingPlace(*row) for row in session.execute(query.order_by(Cell.id, FindingRecord.position))]


def verdict_counts(session: Session, evaluation_id: str, pinned: Collection[int] = ()) -> Sequence[VerdictCount]:
    """How many pictures the machine gave which verdicts, but for seeds that enter no rate."""
    query = (
        select(Batch.contender_id, Detection.verdicts, func.count(Cell.id))
        .select_from(Cell)
        .join(Batch, Cell.batch_id == Batch.id)
        .join(Detection, Cell.detection_id == Detection.id)
        .where(Cell.evaluation_id == evaluation_id, Detection.verdicts.is_not(None), _unpinned(pinned))
        .group_by(Batch.contender_id, Detection.verdicts)
    )
    return [
        VerdictCount(contender, verdicts or "", pictures) for contender, verdicts, pictures in session.execute(query)
    ]


def cells(session: Session, evaluation_id: str) -> Sequence[CellPlace]:
    """Every cell whose picture was judged or is invalid, in the order of the plan."""
    query = (
        select(Batch.contender_id, Cell.id, Cell.scenario, Cell.seed, Image.invalid, Detection.verdicts)
        .select_from(Cell)
        .join(Batch, Cell.batch_id == Batch.id)
        .join(Image, Cell.image_key == Image.key)
        .outerjoin(Detection, Cell.detection_id == Detection.id)
        .where(Cell.evaluation_id == evaluation_id, Cell.detection_id.is_not(None) | Image.invalid.is_not(None))
        .order_by(Batch.position, Cell.position)
    )
    return [CellPlace(*row) for row in session.execute(query)]


def find_cell(session: Session, evaluation_id: str, contender_id: int, scenario: str, seed: int) -> int | None:
    """The cell of a contender, scenario and seed."""
    query = (
        select(Cell.id)
        .join(Batch, Cell.batch_id == Batch.id)
        .where(
            Cell.evaluation_id == evaluation_id,
            Batch.contender_id == contender_id,
            Cell.scenario == scenario,
            Cell.seed == seed,
        )
    )
    return session.scalar(query)


def finding_bodies(session: Session, cell_ids: Collection[int]) -> dict[int, list[dict[str, Any]]]:
    """The whole findings on some cells' pictures, by cell."""
    bodies: dict[int, list[dict[str, Any]]] = {}
    wanted = sorted(set(cell_ids))
    for start in range(0, len(wanted), _AT_A_TIME):
        part = wanted[start : start + _AT_A_TIME]
        query = (
            select(Cell.id, FindingRecord.body)
            .join(FindingRecord, FindingRecord.detection_id == Cell.detection_id)
            .where(Cell.id.in_(part))
        )
        for cell, body in session.execute(query.order_by(Cell.id, FindingRecord.position)):
            bodies.setdefault(cell, []).append(body)
    return bodies


def draws(session: Session, evaluation_id: str) -> Sequence[AuditDraw]:
    """Every draw, oldest first."""
    return session.scalars(
        select(AuditDraw).where(AuditDraw.evaluation_id == evaluation_id).order_by(AuditDraw.id)
    ).all()


def targets(session: Session, evaluation_id: str) -> dict[str, AuditItem]:
    """Every item by what it is about."""
    query = select(AuditItem).where(AuditItem.evaluation_id == evaluation_id)
    return {item.target: item for item in session.scalars(query)}


def items(session: Session, evaluation_id: str, after: int = 0, limit: int | None = None) -> Sequence[ItemPlace]:
    """Items in the order they came, with their pictures, those behind item ``after``."""
    query = _items(evaluation_id).where(AuditItem.id > after).order_by(AuditItem.id)
    if limit is not None:
        query = query.limit(limit)
    return [ItemPlace(*row) for row in session.execute(query)]


def find_item(session: Session, evaluation_id: str, item_id: int) -> ItemPlace | None:
    """One item of an evaluation."""
    row = session.execute(_items(evaluation_id).where(AuditItem.id == item_id)).one_or_none()
    return ItemPlace(*row) if row else None


def next_item(session: Session, evaluation_id: str, second: bool) -> ItemPlace | None:
    """The first item of the latest draw that waits for a label, or for a second one; then those of earlier draws."""
    query = _items(evaluation_id).where(AuditItem.draw_id.is_not(None), ~_has_label(second))
    if second:
        query = query.where(_has_label(False))
    row = session.execute(query.order_by(AuditItem.draw_id.desc(), AuditItem.position).limit(1)).first()
    return ItemPlace(*row) if row else None


def waiting(session: Session, evaluation_id: str, second: bool) -> int:
    """How many drawn items wait for a label, or for a second one."""
    query = select(func.count(AuditItem.id)).where(
        AuditItem.evaluation_id == evaluation_id, AuditItem.draw_id.is_not(None), ~_has_label(second)
    )
    if second:
        query = query.where(_has_label(False))
    return session.scalar(query) or 0


def any_label(session: Session, evaluation_id: str) -> bool:
    """Whether a drawn item of an evaluation has a label that counts."""
    query = select(AuditItem.id).where(
        AuditItem.evaluation_id == evaluation_id, AuditItem.draw_id.is_not(None), _has_label(False)
    )
    return session.execute(query.limit(1)).first() is not None


def last_label(session: Session, evaluation_id: str, person: str) -> AuditLabel | None:
    """The latest label of a person that was not taken back."""
    query = (
        select(AuditLabel)
        .join(AuditItem, AuditLabel.item_id == AuditItem.id)
        .where(AuditItem.evaluation_id == evaluation_id, AuditLabel.person == person, AuditLabel.undone_at.is_(None))
        .order_by(AuditLabel.created_at.desc(), AuditLabel.id.desc())
    )
    return session.scalar(query.limit(1))


def take_back(session: Session, label_ids: Collection[int]) -> None:
    """Mark labels as taken back; they stay."""
    session.execute(update(AuditLabel).where(AuditLabel.id.in_(label_ids)).values(undone_at=time.time()))


def control_images(session: Session, evaluation_id: str, places: Collection[tuple[str, int]]) -> dict[Any, str]:
    """The control's image for some (scenario, seed)."""
    wanted = set(places)
    query = (
        select(Cell.scenario, Cell.seed, Image.sha256)
        .join(Batch, Cell.batch_id == Batch.id)
        .join(Contender, Batch.contender_id == Contender.id)
        .join(Image, Cell.image_key == Image.key)
        .where(Cell.evaluation_id == evaluation_id, Contender.checkpoint_id.is_(None))
        .where(Cell.scenario.in_({scenario for scenario, _ in wanted}))
    )
    return {(row[0], row[1]): row[2] for row in session.execute(query) if (row[0], row[1]) in wanted}


def _on_findings(query: Any) -> Any:
    return query.join(Batch, Cell.batch_id == Batch.id).join(
        FindingRecord, FindingRecord.detection_id == Cell.detection_id
    )


def _rated(evaluation_id: str, pinned: Collection[int]) -> Any:
    return and_(
        Cell.evaluation_id == evaluation_id,
        FindingRecord.verdict.in_(VERDICTS),
        _unpinned(pinned),
    )


def _unpinned(pinned: Collection[int]) -> Any:
    return Cell.seed.not_in(list(pinned)) if pinned else true()


def _items(evaluation_id: str) -> Any:
    return (
        select(AuditItem, Batch.contender_id, Cell.scenario, Cell.seed, Image.sha256)
        .join(Cell, AuditItem.cell_id == Cell.id)
        .join(Batch, Cell.batch_id == Batch.id)
        .outerjoin(Image, Cell.image_key == Image.key)
        .where(AuditItem.evaluation_id == evaluation_id)
    )


def _has_label(second: bool) -> Any:
    label = aliased(AuditLabel)
    current = and_(label.item_id == AuditItem.id, label.undone_at.is_(None), label.second.is_(second))
    return select(label.id).where(current).exists()
