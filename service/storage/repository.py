"""SQL for runs, checkpoints and images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from service.database.models import Checkpoint, Image, Run


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


def find_images(session: Session, keys: Iterable[str]) -> dict[str, Image]:
    """Those images that exist, by key."""
    return {image.key: image for image in session.scalars(select(Image).where(Image.key.in_(list(keys))))}


def image_exists(session: Session, sha256: str) -> bool:
    """Whether an image with that file name was ever stored."""
    return session.scalar(select(Image.key).where(Image.sha256 == sha256).limit(1)) is not None
