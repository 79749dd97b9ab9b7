"""SQL for evaluations: the plan, the lease, results, and reading them back."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.orm import Session, selectinload

from detectors import Finding, Measure
from detectors.findings import UNANSWERED
from service.database.models import (
    Batch,
    Cell,
    Checkpoint,
    Contender,
    Detection,
    Evaluation,
    FindingRecord,
    Image,
    MeasureRecord,
    Round,
)
from service.errors import Conflict
from service.evaluations.executor import Progress, Status
from service.evaluations.keys import digest
from service.evaluations.lease import is_alive
from service.evaluations.verdicts import pack
from service.rankings import FindingRow

PLANNED, CLAIMED, FINISHED, FAILED = "planned", "claimed", "finished", "failed"


class LeaseLost(Conflict):
    """Another executor has taken the evaluation over; what this one was doing is dropped."""


@dataclass(frozen=True)
class Judged:
    """What became of one image under the detectors: its findings and measures, or why there are none."""

    findings: tuple[Finding, ...] = ()
    failure: str | None = None
    measures: tuple[Measure, ...] = ()


def find(session: Session, evaluation_id: str) -> Evaluation | None:
    """The evaluation with that id."""
    return session.get(Evaluation, evaluation_id)


def find_by_request(session: Session, request_key: str) -> Evaluation | None:
    """The evaluation that was planned for the same request."""
    return session.scalar(select(Evaluation).where(Evaluation.request_key == request_key))


def list_all(session: Session) -> Sequence[Evaluation]:
    """Every evaluation, newest first."""
    return session.scalars(select(Evaluation).order_by(Evaluation.created_at.desc(), Evaluation.id)).all()


def waiting(session: Session) -> Sequence[str]:
    """Ids of evaluations that are planned, or whose executor may have died, oldest first."""
    query = select(Evaluation.id).where(Evaluation.status.in_((Status.PLANNED, Status.RUNNING)))
    return session.scalars(query.order_by(Evaluation.created_at, Evaluation.id)).all()


def contenders(session: Session, evaluation_id: str) -> Sequence[Contender]:
    """What an evaluation compares, the control first."""
    query = select(Contender).where(Contender.evaluation_id == evaluation_id)
    return session.scalars(query.order_by(Contender.position)).all()


def progress(session: Session, evaluation_id: str) -> Progress:
    """How far an evaluation is."""
    judged = or_(Cell.detection_id.is_not(None), Image.invalid.is_not(None))
    broken = or_(Detection.failure.is_not(None), and_(Batch.status == FAILED, ~func.coalesce(judged, False)))
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
    query = select(Batch.error).where(Batch.evaluation_id == evaluation_id, Batch.error.is_not(None))
    return list(dict.fromkeys(str(error) for error in session.scalars(query.order_by(Batch.position))))


def take(session: Session, evaluation: Evaluation, executor: str) -> None:
    """Make ``executor`` the one that works on an evaluation; claims of dead ones and failed batches are opened again.

    Raises:
        Conflict: a living executor works on it, or it is not meant to be worked on.
    """
    if evaluation.status not in (Status.PLANNED, Status.RUNNING):
        raise Conflict(f"evaluation {evaluation.id} is {evaluation.status}; resume it to go on")
    if evaluation.executor and is_alive(evaluation.executor, evaluation.heartbeat_at):
        raise Conflict(
            f"evaluation {evaluation.id} is being worked on by another process; wait for it, or stop it first"
        )
    evaluation.executor, evaluation.heartbeat_at = executor, time.time()
    evaluation.status, evaluation.error = Status.RUNNING, None
    reopen = update(Batch).where(Batch.evaluation_id == evaluation.id, Batch.status != FINISHED)
    session.execute(reopen.values(status=PLANNED, executor=None, error=None))
    touch(session, [evaluation.id])


def beat(session: Session, evaluation_id: str, executor: str) -> bool:
    """Say that ``executor`` lives.

    Returns:
        Whether somebody has asked for the evaluation to be cancelled.

    Raises:
        LeaseLost: the evaluation is no longer this executor's.
    """
    evaluation = _own(session, evaluation_id, executor)
    evaluation.heartbeat_at = time.time()
    return evaluation.cancel_requested


def release(session: Session, evaluation_id: str, executor: str, status: Status, error: str | None) -> None:
    """End an executor's work on an evaluation.

    Raises:
        LeaseLost: the evaluation is no longer this executor's.
    """
    evaluation = _own(session, evaluation_id, executor)
    if status is Status.FINISHED and _planned_batches(session, evaluation_id):
        status = Status.PLANNED  # it was extended after the executor had looked for the last time
    evaluation.status, evaluation.error, evaluation.executor = status, error, None
    evaluation.finished_at = time.time() if status is Status.FINISHED else None


def claim_batch(session: Session, evaluation_id: str, executor: str) -> Batch | None:
    """The next batch in the order of the plan, now this executor's; ``None`` if none is left.

    Raises:
        LeaseLost: the evaluation is no longer this executor's.
    """
    _own(session, evaluation_id, executor)
    query = select(Batch).where(Batch.evaluation_id == evaluation_id, Batch.status == PLANNED)
    batch = session.scalar(query.order_by(Batch.position).limit(1))
    if batch is not None:
        batch.status, batch.executor = CLAIMED, executor
    return batch


def pin(session: Session, evaluation_id: str, fingerprint: dict[str, Any], detectors: dict[str, Any]) -> None:
    """Record what makes the images and what judges them, or see that it is what was recorded.

    Raises:
        Conflict: the evaluation was begun with something else; its results would not be comparable.
    """
    evaluation = session.get_one(Evaluation, evaluation_id)
    for name, recorded, current in (
        ("generator", evaluation.fingerprint, fingerprint),
        ("detectors", evaluation.detectors, detectors),
    ):
        if recorded is not None and digest(recorded) != digest(current):
            raise Conflict(
                f"evaluation {evaluation_id} was begun with another {name} ({_difference(recorded, current)}); "
                "ask for a new evaluation, which reuses every image and finding that still counts"
            )
    evaluation.fingerprint, evaluation.detectors = fingerprint, detectors


def store_images(
    session: Session, batch: Batch, executor: str, images: Mapping[int, Image], lost: Collection[str]
) -> dict[int, Image]:
    """Record the images of a batch's cells, by cell id.

    A key that exists by now keeps the image it has, unless it is in ``lost``: its file is gone.

    Returns:
        The images as recorded.

    Raises:
        LeaseLost: the evaluation is no longer this executor's.
    """
    _own(session, batch.evaluation_id, executor)
    kept: dict[int, Image] = {}
    for cell_id, image in images.items():
        known = session.get(Image, image.key)
        if known is None:
            known = session.merge(image)
            session.flush()
        elif image.key in lost:
            known.sha256 = image.sha256
        kept[cell_id] = known
        session.execute(update(Cell).where(Cell.id == cell_id).values(image_key=image.key))
    touch(session, [batch.evaluation_id])
    return kept


def find_detection(session: Session, image_sha256: str, key: str) -> Detection | None:
    """What the detectors of that key said about an image, if they have looked at it."""
    query = select(Detection).where(Detection.image_sha256 == image_sha256, Detection.detector_key == key)
    return session.scalar(query)


def store_detection(session: Session, image_sha256: str, key: str, judged: Judged) -> int:
    """Record what the detectors said about an image; an earlier failure is replaced.

    Returns:
        The detection's id.
    """
    detection = find_detection(session, image_sha256, key)
    if detection is not None and detection.failure is None:
        return detection.id
    if detection is None:
        detection = Detection(image_sha256=image_sha256, detector_key=key)
        session.add(detection)
    else:  # other evaluations may have counted the failure
        used = select(Cell.evaluation_id).where(Cell.detection_id == detection.id).distinct()
        touch(session, session.scalars(used).all())
    detection.failure = judged.failure
    rows = [
        FindingRow(each.check, each.character, each.verdict, each.severity, each.by_absence)
        for each in judged.findings
        if each.detector != UNANSWERED  # the profile has nothing for it: in no rate, see ``unanswered_checks``
    ]
    detection.verdicts = None if judged.failure else pack(rows)
    detection.findings = [_record(position, finding) for position, finding in enumerate(judged.findings)]
    detection.measures = [
        MeasureRecord(position=position, name=measure.name, character=measure.character, value=measure.value)
        for position, measure in enumerate(judged.measures)
    ]
    session.flush()
    return detection.id


def finish_batch(
    session: Session, batch: Batch, executor: str, detections: Mapping[int, int], seconds: float, error: str | None
) -> None:
    """Record a batch's end: ``detections`` are detection ids by cell id.

    Raises:
        LeaseLost: the evaluation is no longer this executor's.
    """
    _own(session, batch.evaluation_id, executor)
    for cell_id, detection_id in detections.items():
        session.execute(update(Cell).where(Cell.id == cell_id).values(detection_id=detection_id))
    ended = update(Batch).where(Batch.id == batch.id)
    done = {"status": FAILED if error else FINISHED, "error": error, "seconds": seconds, "finished_at": time.time()}
    session.execute(ended.values(**done, executor=None))
    touch(session, [batch.evaluation_id])


def first_image(session: Session, contender_id: int) -> Image | None:
    """The image of a contender's first cell."""
    query = (
        select(Image)
        .join(Cell, Cell.image_key == Image.key)
        .join(Batch, Cell.batch_id == Batch.id)
        .where(Batch.contender_id == contender_id, Cell.position == 0)
        .order_by(Batch.position)
    )
    return session.scalar(query.limit(1))


def mark(session: Session, contender_id: int, changes_nothing: bool) -> None:
    """Record whether a checkpoint changes the control's picture at all."""
    session.execute(update(Contender).where(Contender.id == contender_id).values(changes_nothing=changes_nothing))


def image_files(session: Session, evaluation_id: str) -> Sequence[str]:
    """File names of an evaluation's images, each once."""
    query = select(Image.sha256).join(Cell, Cell.image_key == Image.key).where(Cell.evaluation_id == evaluation_id)
    return session.scalars(query.distinct()).all()


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


def _is_racing(session: Session, evaluation: Evaluation) -> bool:
    """Whether an evaluation plans in rounds and has not come to its last one."""
    if evaluation.request.get("until") is None:
        return False
    done = rounds(session, evaluation.id)
    return not done or done[-1].phase != "over"


def open_batches(session: Session, evaluation_id: str) -> int:
    """How many batches have not been finished."""
    query = select(func.count(Batch.id)).where(Batch.evaluation_id == evaluation_id, Batch.status != FINISHED)
    return session.scalar(query) or 0


def _planned_batches(session: Session, evaluation_id: str) -> int:
    query = select(func.count(Batch.id)).where(Batch.evaluation_id == evaluation_id, Batch.status == PLANNED)
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


def own(session: Session, evaluation_id: str, executor: str) -> Evaluation:
    """The evaluation, if it is still this executor's.

    Raises:
        LeaseLost: the evaluation is no longer this executor's.
    """
    return _own(session, evaluation_id, executor)


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


def _own(session: Session, evaluation_id: str, executor: str) -> Evaluation:
    evaluation = session.get(Evaluation, evaluation_id)
    if evaluation is None or evaluation.executor != executor:
        raise LeaseLost(f"evaluation {evaluation_id} has been taken over by another process")
    return evaluation


def _difference(recorded: dict[str, Any], current: dict[str, Any]) -> str:
    """The first thing in which two specifications differ, for people."""
    for name in sorted(recorded.keys() | current.keys()):
        if digest(recorded.get(name)) != digest(current.get(name)):
            return f"{name}: {recorded.get(name)} then, {current.get(name)} now"
    return "no difference"


def _record(position: int, finding: Finding) -> FindingRecord:
    return FindingRecord(
        position=position,
        check=finding.check,
        character=finding.character,
        verdict=finding.verdict.value,
        severity=finding.severity.value if finding.severity else None,
        body=finding.to_json(),
    )
