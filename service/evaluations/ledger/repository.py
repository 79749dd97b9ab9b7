"""SQL for what executors do: the lease on an evaluation, its batches, and their images and findings."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from detectors import Finding, Measure
from detectors.findings import UNANSWERED
from service.database.models import Batch, Cell, Contender, Detection, Evaluation, FindingRecord, Image, MeasureRecord
from service.errors import Conflict
from service.evaluations.executor import Status
from service.evaluations.keys import digest
from service.evaluations.lease import at_work
from service.evaluations.repository import FAILED, FINISHED, PLANNED, touch
from service.evaluations.verdicts import pack
from service.rankings import FindingRow

CLAIMED = "claimed"
_CURES = dict.fromkeys(
    ("compiled", "streamed", "texts_read_by_cpu"),
    "the graphics card had room for another setting then: free as much of its memory as then and resume, or ",
)
"""What can be done about a difference, besides starting anew."""


class LeaseLost(Conflict):
    """Another executor has taken the evaluation over; what this one was doing is dropped."""


@dataclass(frozen=True)
class Judged:
    """What became of one image under the detectors: its findings and measures, or why there are none."""

    findings: tuple[Finding, ...] = ()
    failure: str | None = None
    measures: tuple[Measure, ...] = ()


def take(session: Session, evaluation: Evaluation, executor: str) -> None:
    """Make ``executor`` the one that works on an evaluation; claims of dead ones and failed batches are opened again.

    Raises:
        Conflict: a living executor works on it, or it is not meant to be worked on.
    """
    if evaluation.status not in (Status.PLANNED, Status.RUNNING):
        raise Conflict(f"evaluation {evaluation.id} is {evaluation.status}; resume it to go on")
    if at_work(evaluation):
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
    evaluation = own(session, evaluation_id, executor)
    evaluation.heartbeat_at = time.time()
    return evaluation.cancel_requested


def release(session: Session, evaluation_id: str, executor: str, status: Status, error: str | None) -> None:
    """End an executor's work on an evaluation.

    Raises:
        LeaseLost: the evaluation is no longer this executor's.
    """
    evaluation = own(session, evaluation_id, executor)
    if status is Status.FINISHED and _planned_batches(session, evaluation_id):
        status = Status.PLANNED  # it was extended after the executor had looked for the last time
    evaluation.status, evaluation.error, evaluation.executor = status, error, None
    evaluation.finished_at = time.time() if status is Status.FINISHED else None


def claim_batch(session: Session, evaluation_id: str, executor: str) -> Batch | None:
    """The next batch in the order of the plan, now this executor's; ``None`` if none is left.

    Raises:
        LeaseLost: the evaluation is no longer this executor's.
    """
    own(session, evaluation_id, executor)
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
            apart = _difference(recorded, current)
            cure = _CURES.get(apart.split(":")[0], "")
            raise Conflict(
                f"evaluation {evaluation_id} was begun with another {name} ({apart}); {cure}"
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
    own(session, batch.evaluation_id, executor)
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
    session: Session,
    batch: Batch,
    executor: str,
    detections: Mapping[int, int],
    seconds: float,
    error: str | None,
    note: str | None = None,
) -> None:
    """Record a batch's end: ``detections`` are detection ids by cell id, ``note`` what was done otherwise than asked.

    Raises:
        LeaseLost: the evaluation is no longer this executor's.
    """
    own(session, batch.evaluation_id, executor)
    for cell_id, detection_id in detections.items():
        session.execute(update(Cell).where(Cell.id == cell_id).values(detection_id=detection_id))
    ended = update(Batch).where(Batch.id == batch.id)
    done = {
        "status": FAILED if error else FINISHED,
        "error": error or note,
        "seconds": seconds,
        "finished_at": time.time(),
    }
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


def own(session: Session, evaluation_id: str, executor: str) -> Evaluation:
    """The evaluation, if it is still this executor's.

    Raises:
        LeaseLost: the evaluation is no longer this executor's.
    """
    evaluation = session.get(Evaluation, evaluation_id)
    if evaluation is None or evaluation.executor != executor:
        raise LeaseLost(f"evaluation {evaluation_id} has been taken over by another process")
    return evaluation


def _planned_batches(session: Session, evaluation_id: str) -> int:
    query = select(func.count(Batch.id)).where(Batch.evaluation_id == evaluation_id, Batch.status == PLANNED)
    return session.scalar(query) or 0


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
