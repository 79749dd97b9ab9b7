"""SQL for evaluations: finding them, their plans, and reading what came out. Executors write by ``ledger``."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import cast

from sqlalchemy import ColumnElement, and_, func, or_, select, update
from sqlalchemy.orm import Session, selectinload

from detectors import Measure
from service.database.models import (
    Batch,
    Cell,
    Checkpoint,
    Contender,
    Detection,
    Evaluation,
    Image,
    MeasureRecord,
    Round,
)
from service.errors import NotFound
from service.evaluations.executor import Progress, Status

_KEYS_AT_ONCE = 500
"""In one query: databases limit how many values may be bound."""
PLANNED, FINISHED, FAILED = "planned", "finished", "failed"
"""What becomes of a batch; while an executor has it, see :mod:`service.evaluations.ledger.repository`."""


def get(session: Session, evaluation_id: str) -> Evaluation:
    """The evaluation with that id.

    Raises:
        NotFound: there is none.
    """
    evaluation = session.get(Evaluation, evaluation_id)
    if evaluation is None:
        raise NotFound(f"there is no evaluation {evaluation_id}")
    return evaluation


def find_by_request(session: Session, request_key: str) -> Evaluation | None:
    """The evaluation that was planned for the same request."""
    return session.scalar(select(Evaluation).where(Evaluation.request_key == request_key))


def list_all(session: Session) -> Sequence[Evaluation]:
    """Every evaluation, newest first."""
    return session.scalars(select(Evaluation).order_by(Evaluation.created_at.desc(), Evaluation.id)).all()


def waiting(session: Session) -> Sequence[Evaluation]:
    """Evaluations that are planned, or whose executor may have died, oldest first."""
    query = select(Evaluation).where(Evaluation.status.in_((Status.PLANNED, Status.RUNNING)))
    return session.scalars(query.order_by(Evaluation.created_at, Evaluation.id)).all()


def contenders(session: Session, evaluation_id: str) -> Sequence[Contender]:
    """What an evaluation compares, the control first."""
    query = select(Contender).where(Contender.evaluation_id == evaluation_id)
    return session.scalars(query.order_by(Contender.position)).all()


def progress(session: Session, evaluation_id: str) -> Progress:
    """How far an evaluation is."""
    looked_at = and_(Cell.detection_id.is_not(None), Detection.failure.is_(None))
    judged = func.coalesce(or_(looked_at, Image.invalid.is_not(None)), False)
    broken = and_(or_(Detection.failure.is_not(None), Batch.status == FAILED), ~judged)
    query = (
        select(
            func.count(Cell.id),
            func.count(Cell.image_key),
            func.count(Cell.id).filter(judged),
            func.count(Cell.id).filter(broken),
        )
        .select_from(Cell)
        .join(Batch, Cell.batch_id == Batch.id)
        .outerjoin(Image, Cell.image_key == Image.key)
        .outerjoin(Detection, Cell.detection_id == Detection.id)
        .where(Cell.evaluation_id == evaluation_id)
    )
    total, generated, done, failed = session.execute(query).one()
    return Progress(total, generated, done, failed)


def touch(session: Session, evaluation_ids: Collection[str]) -> None:
    """Say that cells or batches of evaluations have changed: what was counted of them counts no more."""
    raised = update(Evaluation).where(Evaluation.id.in_(evaluation_ids)).values(revision=Evaluation.revision + 1)
    session.execute(raised.execution_options(synchronize_session=False))


def problems(session: Session, evaluation_id: str) -> Sequence[str]:
    """What went wrong with batches, each message once, in the order of the plan."""
    return _messages(session, evaluation_id, Batch.status != FINISHED)


def notes(session: Session, evaluation_id: str) -> Sequence[str]:
    """What was done otherwise than asked with batches that succeeded, each message once, in the order of the plan."""
    return _messages(session, evaluation_id, Batch.status == FINISHED)


def _messages(session: Session, evaluation_id: str, of: ColumnElement[bool]) -> Sequence[str]:
    query = select(Batch.error).where(Batch.evaluation_id == evaluation_id, Batch.error.is_not(None), of)
    return list(dict.fromkeys(str(error) for error in session.scalars(query.order_by(Batch.position))))


def image_files(session: Session, evaluation_id: str) -> Sequence[str]:
    """File names of an evaluation's images, each once."""
    query = select(Image.sha256).join(Cell, Cell.image_key == Image.key).where(Cell.evaluation_id == evaluation_id)
    return session.scalars(query.distinct()).all()


def existing_images(session: Session, keys: Sequence[str]) -> set[str]:
    """Those of the keys that have an image."""
    found: set[str] = set()
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        found.update(session.scalars(select(Image.key).where(Image.key.in_(keys[start : start + _KEYS_AT_ONCE]))))
    return found


def reopen(session: Session, evaluation: Evaluation, lost: Collection[str]) -> None:
    """Plan an evaluation again where something is left to do: batches that failed, and images in ``lost``, by hash."""
    keys = select(Image.key).where(Image.sha256.in_(lost))
    cells = (Cell.evaluation_id == evaluation.id, Cell.image_key.in_(keys))
    again = or_(Batch.status == FAILED, Batch.id.in_(select(Cell.batch_id).where(*cells)))
    session.execute(update(Batch).where(Batch.evaluation_id == evaluation.id, again).values(status=PLANNED))
    session.execute(update(Cell).where(*cells).values(image_key=None, detection_id=None))
    touch(session, [evaluation.id])
    unfinished = open_batches(session, evaluation.id) or _is_racing(session, evaluation)
    evaluation.status = Status.PLANNED if unfinished else Status.FINISHED
    evaluation.cancel_requested = False


def open_batches(session: Session, evaluation_id: str) -> int:
    """How many batches have not been finished."""
    query = select(func.count(Batch.id)).where(Batch.evaluation_id == evaluation_id, Batch.status != FINISHED)
    return session.scalar(query) or 0


def last_finishes(session: Session, evaluation_id: str, limit: int) -> Sequence[float]:
    """When the batches that ended last did so, in seconds since 1970, the latest first."""
    query = select(Batch.finished_at).where(Batch.evaluation_id == evaluation_id, Batch.finished_at.is_not(None))
    return [float(each) for each in session.scalars(query.order_by(Batch.finished_at.desc()).limit(limit)) if each]


def last_position(session: Session, evaluation_id: str) -> int:
    """The position of the last batch of the plan; -1 if there is none."""
    found = session.scalar(select(func.max(Batch.position)).where(Batch.evaluation_id == evaluation_id))
    return -1 if found is None else found


def count_by_status(session: Session) -> dict[str, int]:
    """How many evaluations there are in each status."""
    query = select(Evaluation.status, func.count(Evaluation.id)).group_by(Evaluation.status)
    return dict(row._tuple() for row in session.execute(query))


def list_page(session: Session, before: tuple[float, str] | None, limit: int) -> Sequence[Evaluation]:
    """Evaluations, newest first, from those behind ``before`` (time of creation and id) on."""
    query = select(Evaluation).order_by(Evaluation.created_at.desc(), Evaluation.id)
    if before is not None:
        created, last = before
        same = and_(Evaluation.created_at == created, Evaluation.id > last)
        query = query.where(or_(Evaluation.created_at < created, same))
    return session.scalars(query.limit(limit)).all()


def using(session: Session, checkpoints: Collection[str]) -> Sequence[Evaluation]:
    """The evaluations that any of these checkpoints takes part in, newest first."""
    mine = select(Contender.evaluation_id).where(Contender.checkpoint_id.in_(checkpoints))
    query = select(Evaluation).where(Evaluation.id.in_(mine))
    return session.scalars(query.order_by(Evaluation.created_at.desc())).all()


CellRow = tuple[Cell, Image, Checkpoint | None, Detection | None]


def results(session: Session, evaluation_id: str) -> Sequence[CellRow]:
    """Every cell that has an image, with its checkpoint (none for the control) and detection, in the plan's order."""
    query = (
        select(Cell, Image, Checkpoint, Detection)
        .join(Image, Cell.image_key == Image.key)
        .join(Batch, Cell.batch_id == Batch.id)
        .join(Contender, Batch.contender_id == Contender.id)
        .outerjoin(Checkpoint, Contender.checkpoint_id == Checkpoint.id)
        .outerjoin(Detection, Cell.detection_id == Detection.id)
        .where(Cell.evaluation_id == evaluation_id)
        .order_by(Batch.position, Cell.position)
        .options(selectinload(Detection.findings))
    )
    return [row._tuple() for row in session.execute(query)]


OutcomeRow = tuple[int, str, int, str | None, str | None]


def outcome_rows(session: Session, evaluation_id: str) -> Sequence[OutcomeRow]:
    """What ranking needs of every image that was judged or is invalid, a row each and no evidence.

    Returns:
        The contender's position, scenario, seed, why it is invalid, and the verdicts as
        :func:`service.evaluations.verdicts.pack` wrote them (``None`` if the detectors broke down).
    """
    query = (
        select(Contender.position, Cell.scenario, Cell.seed, Image.invalid, Detection.verdicts)
        .select_from(Contender)
        .join(Batch, Batch.contender_id == Contender.id)
        .join(Cell, Cell.batch_id == Batch.id)
        .join(Image, Cell.image_key == Image.key)
        .outerjoin(Detection, Cell.detection_id == Detection.id)
        .where(Contender.evaluation_id == evaluation_id)
        .where(or_(Cell.detection_id.is_not(None), Image.invalid.is_not(None)))
    )
    return cast(Sequence[OutcomeRow], session.execute(query).all())  # a row is a tuple; its own methods are slow


def rounds(session: Session, evaluation_id: str) -> Sequence[Round]:
    """The rounds of an evaluation whose budget goes where the question is, in order."""
    return session.scalars(select(Round).where(Round.evaluation_id == evaluation_id).order_by(Round.number)).all()


MeasureRow = tuple[str | None, str, int, Measure]


def measures(session: Session, evaluation_id: str) -> Sequence[MeasureRow]:
    """Every measure of an evaluation: (checkpoint's id or ``None`` for the control, scenario, seed, measure)."""
    query = (
        select(Contender.checkpoint_id, Cell.scenario, Cell.seed, MeasureRecord)
        .join(Batch, Batch.contender_id == Contender.id)
        .join(Cell, Cell.batch_id == Batch.id)
        .join(MeasureRecord, MeasureRecord.detection_id == Cell.detection_id)
        .where(Cell.evaluation_id == evaluation_id)
        .order_by(Batch.position, Cell.position, MeasureRecord.position)
    )
    return [
        (checkpoint, scenario, seed, Measure(record.name, record.character, record.value))
        for checkpoint, scenario, seed, record in session.execute(query)
    ]


def _is_racing(session: Session, evaluation: Evaluation) -> bool:
    """Whether an evaluation plans in rounds and has not come to its last one."""
    if evaluation.request.get("until") is None:
        return False
    done = rounds(session, evaluation.id)
    return not done or done[-1].phase != "over"
