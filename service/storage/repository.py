"""SQL for runs, checkpoints and images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, delete, select
from sqlalchemy.orm import Session

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
    Run,
)

_IN_ONE_STATEMENT = 500
_Value = TypeVar("_Value")


def list_runs(session: Session) -> Sequence[Run]:
    """Every run, by name."""
    return session.scalars(select(Run).order_by(Run.name)).all()


def find_run(session: Session, name: str) -> Run | None:
    """The run of that name."""
    return session.scalar(select(Run).where(Run.name == name))


def find_or_add_run(session: Session, name: str) -> Run:
    """The run of that name, made if it is new."""
    run = find_run(session, name)
    if run is None:
        run = Run(name=name)
        session.add(run)
        session.flush()
    return run


def find_checkpoint(session: Session, checkpoint_id: str) -> Checkpoint | None:
    """The checkpoint with that id."""
    return session.get(Checkpoint, checkpoint_id)


def list_checkpoints(session: Session, run: str) -> Sequence[Checkpoint]:
    """A run's checkpoints by epoch, those without one last."""
    query = select(Checkpoint).join(Checkpoint.run).where(Run.name == run)
    return session.scalars(query.order_by(Checkpoint.epoch.is_(None), Checkpoint.epoch, Checkpoint.id)).all()


def remove_checkpoints(session: Session, checkpoint_ids: Sequence[str]) -> list[str]:
    """Remove checkpoints that no evaluation uses; returns those of their paths that no other one has."""
    mine = Checkpoint.id.in_(checkpoint_ids)
    paths = set(session.scalars(select(Checkpoint.path).where(mine)))
    session.execute(delete(Checkpoint).where(mine))
    return list(paths - set(session.scalars(select(Checkpoint.path).where(Checkpoint.path.in_(paths)))))


def remove_run(session: Session, name: str) -> None:
    """Remove a run that has no checkpoints any more."""
    session.execute(delete(Run).where(Run.name == name))


def list_runs_after(session: Session, name: str, limit: int) -> Sequence[Run]:
    """At most ``limit`` runs behind that name, by name."""
    return session.scalars(select(Run).where(Run.name > name).order_by(Run.name).limit(limit)).all()


def find_images(session: Session, keys: Iterable[str]) -> dict[str, Image]:
    """Those images that exist, by key."""
    return {image.key: image for image in session.scalars(select(Image).where(Image.key.in_(list(keys))))}


def remove_evaluation(session: Session, evaluation_id: str) -> list[str]:
    """Remove an evaluation and all that only it needs.

    Returns:
        Names of image files that nothing refers to any more.
    """
    unused = _remove_cells(session, Cell.evaluation_id == evaluation_id)
    session.execute(delete(Batch).where(Batch.evaluation_id == evaluation_id))
    session.execute(delete(Contender).where(Contender.evaluation_id == evaluation_id))
    session.execute(delete(Round).where(Round.evaluation_id == evaluation_id))
    session.execute(delete(Evaluation).where(Evaluation.id == evaluation_id))
    return unused


def remove_contender(session: Session, contender: Contender) -> list[str]:
    """Remove a checkpoint from an evaluation, with its cells and all that only they need; returns files, as above."""
    batches = select(Batch.id).where(Batch.contender_id == contender.id)
    unused = _remove_cells(session, Cell.batch_id.in_(batches))
    session.execute(delete(Batch).where(Batch.contender_id == contender.id))
    session.execute(delete(Contender).where(Contender.id == contender.id))
    return unused


def _remove_cells(session: Session, mine: ColumnElement[bool]) -> list[str]:
    """Remove cells, and those images and detections that no other cell uses; returns names of unused files."""
    detections = _distinct(session, Cell.detection_id, mine)
    keys = _distinct(session, Cell.image_key, mine)
    session.execute(delete(Cell).where(mine))
    for ids in _parts(detections):
        gone = set(ids) - set(_distinct(session, Cell.detection_id, Cell.detection_id.in_(ids)))
        for table in (FindingRecord, MeasureRecord):
            session.execute(delete(table).where(table.detection_id.in_(gone)))
        session.execute(delete(Detection).where(Detection.id.in_(gone)))
    files: list[str] = []
    for names in _parts(keys):
        unused = set(names) - set(_distinct(session, Cell.image_key, Cell.image_key.in_(names)))
        hashes = _distinct(session, Image.sha256, Image.key.in_(unused))
        session.execute(delete(Image).where(Image.key.in_(unused)))
        files += set(hashes) - set(_distinct(session, Image.sha256, Image.sha256.in_(hashes)))
    return files


def _distinct(session: Session, column: Any, condition: ColumnElement[bool]) -> list[Any]:
    """The values of a column, each once, without null."""
    return list(session.scalars(select(column).where(condition, column.is_not(None)).distinct()))


def _parts(values: Sequence[_Value]) -> Iterable[Sequence[_Value]]:
    return (values[start : start + _IN_ONE_STATEMENT] for start in range(0, len(values), _IN_ONE_STATEMENT))
