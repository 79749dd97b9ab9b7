"""The tables. Rows are plain data: everything that happens to them lies in the domains' ``repository.py`` files."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from sqlalchemy import JSON, ForeignKey, Index, MetaData, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Times are seconds since 1970 (UTC) everywhere."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {dict[str, Any]: JSON}


class Run(Base):
    """One training run."""

    __tablename__ = "runs"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[float] = mapped_column(default=time.time)


class Checkpoint(Base):
    """One LoRA file of a run, where it lies. ``id`` is derived from the run's name and the file's hash."""

    __tablename__ = "checkpoints"
    __table_args__ = (UniqueConstraint("run_id", "sha256"),)

    id: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[int] = mapped_column(ForeignKey("runs.id"), index=True)
    sha256: Mapped[str]
    path: Mapped[str]
    size: Mapped[int]
    mtime_ns: Mapped[int]
    epoch: Mapped[int | None]
    info: Mapped[dict[str, Any]]
    created_at: Mapped[float] = mapped_column(default=time.time)

    run: Mapped[Run] = relationship(lazy="joined")


class Evaluation(Base):
    """One suite over some checkpoints.

    ``request`` is everything that was asked for, the suite's text included; ``request_key`` is its hash together with
    the environment, so that asking twice gives the same evaluation. ``fingerprint`` and ``detectors`` are written when
    an executor has opened the models for the first time, and never change afterwards. ``revision`` is raised with every
    change to its cells and batches, so that what was counted of them can be kept until then.
    """

    __tablename__ = "evaluations"

    id: Mapped[str] = mapped_column(primary_key=True)
    request_key: Mapped[str] = mapped_column(unique=True)
    suite: Mapped[str]
    request: Mapped[dict[str, Any]]
    fingerprint: Mapped[dict[str, Any] | None]
    detectors: Mapped[dict[str, Any] | None]
    status: Mapped[str] = mapped_column(index=True)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    error: Mapped[str | None]
    executor: Mapped[str | None]
    heartbeat_at: Mapped[float | None]
    created_at: Mapped[float] = mapped_column(default=time.time)
    finished_at: Mapped[float | None]
    revision: Mapped[int] = mapped_column(default=0, server_default="0")


class Round(Base):
    """A step of an evaluation whose budget goes where the question is: what was decided, and which cells come next.

    ``plan`` is complete: a killed evaluation goes on in the same round, and the answer tells from it why a checkpoint
    was dropped. ``phase``: race, confirm or over.
    """

    __tablename__ = "rounds"
    __table_args__ = (UniqueConstraint("evaluation_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    evaluation_id: Mapped[str] = mapped_column(ForeignKey("evaluations.id"))
    number: Mapped[int]
    phase: Mapped[str]
    plan: Mapped[dict[str, Any]]
    created_at: Mapped[float] = mapped_column(default=time.time)


class Contender(Base):
    """What an evaluation compares: one checkpoint, or the control (no checkpoint)."""

    __tablename__ = "contenders"
    __table_args__ = (UniqueConstraint("evaluation_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    evaluation_id: Mapped[str] = mapped_column(ForeignKey("evaluations.id"), index=True)
    checkpoint_id: Mapped[str | None] = mapped_column(ForeignKey("checkpoints.id"))
    position: Mapped[int]
    changes_nothing: Mapped[bool | None]

    checkpoint: Mapped[Checkpoint | None] = relationship(lazy="joined")


class Batch(Base):
    """Cells that are always generated together. ``status``: planned, claimed, finished or failed."""

    __tablename__ = "batches"
    __table_args__ = (
        UniqueConstraint("evaluation_id", "position"),
        Index("ix_batches_work", "evaluation_id", "status"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    evaluation_id: Mapped[str] = mapped_column(ForeignKey("evaluations.id"))
    contender_id: Mapped[int] = mapped_column(ForeignKey("contenders.id"), index=True)
    position: Mapped[int]
    status: Mapped[str] = mapped_column(default="planned")
    executor: Mapped[str | None]
    error: Mapped[str | None]
    seconds: Mapped[float | None]
    finished_at: Mapped[float | None]

    contender: Mapped[Contender] = relationship(lazy="joined", innerjoin=True)
    cells: Mapped[list[Cell]] = relationship(order_by="Cell.position", lazy="selectin")


class Cell(Base):
    """One checkpoint (or the control) x scenario x seed. ``image_key`` is set once its image exists."""

    __tablename__ = "cells"
    __table_args__ = (
        UniqueConstraint("batch_id", "position"),
        Index("ix_cells_scenario", "evaluation_id", "scenario", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    evaluation_id: Mapped[str] = mapped_column(ForeignKey("evaluations.id"), index=True)
    batch_id: Mapped[int] = mapped_column(ForeignKey("batches.id"))
    position: Mapped[int]
    scenario: Mapped[str]
    seed: Mapped[int]
    image_key: Mapped[str | None] = mapped_column(ForeignKey("images.key"), index=True)
    detection_id: Mapped[int | None] = mapped_column(ForeignKey("detections.id"), index=True)


class Image(Base):
    """A generated image: ``key`` is the hash of everything that determines it, ``sha256`` names its file."""

    __tablename__ = "images"

    key: Mapped[str] = mapped_column(primary_key=True)
    sha256: Mapped[str] = mapped_column(index=True)
    width: Mapped[int]
    height: Mapped[int]
    invalid: Mapped[str | None]
    created_at: Mapped[float] = mapped_column(default=time.time)


class Detection(Base):
    """The detectors have looked at an image: once per image, detector spec (weights hashes included) and expectation.

    ``failure`` is set when they broke down on it; there are no findings then. ``verdicts`` is all that ranking needs of
    the findings in one short text, so that a leaderboard reads a row an image and none of the evidence; see
    :mod:`service.evaluations.verdicts`.
    """

    __tablename__ = "detections"
    __table_args__ = (UniqueConstraint("image_sha256", "detector_key"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    image_sha256: Mapped[str]
    detector_key: Mapped[str]
    failure: Mapped[str | None]
    verdicts: Mapped[str | None]
    created_at: Mapped[float] = mapped_column(default=time.time)

    findings: Mapped[list[FindingRecord]] = relationship(
        order_by="FindingRecord.position", lazy="selectin", cascade="all, delete-orphan"
    )
    measures: Mapped[list[MeasureRecord]] = relationship(
        order_by="MeasureRecord.position", lazy="select", cascade="all, delete-orphan"
    )


class FindingRecord(Base):
    """One verdict. ``body`` holds the whole finding; the other columns are what is counted and filtered by."""

    __tablename__ = "findings"
    __table_args__ = (UniqueConstraint("detection_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    detection_id: Mapped[int] = mapped_column(ForeignKey("detections.id"))
    position: Mapped[int]
    check: Mapped[str]
    character: Mapped[str | None]
    verdict: Mapped[str]
    severity: Mapped[str | None]
    body: Mapped[dict[str, Any]]


class MeasureRecord(Base):
    """One measure of an image: no verdict, but the ground for stability over seeds."""

    __tablename__ = "measures"
    __table_args__ = (UniqueConstraint("detection_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    detection_id: Mapped[int] = mapped_column(ForeignKey("detections.id"))
    position: Mapped[int]
    name: Mapped[str]
    character: Mapped[str | None]
    value: Mapped[Any] = mapped_column(JSON, nullable=False)


class AuditDraw(Base):
    """Findings or pictures that were drawn at random for people to judge.

    ``about`` is ``findings``, the name of one check, ``picture`` or ``question``; ``chances`` logs each stratum's
    size and the chance each of its members had in this draw.
    """

    __tablename__ = "audit_draws"

    id: Mapped[int] = mapped_column(primary_key=True)
    evaluation_id: Mapped[str] = mapped_column(ForeignKey("evaluations.id", ondelete="CASCADE"), index=True)
    about: Mapped[str]
    seed: Mapped[int]
    size: Mapped[int]
    chances: Mapped[dict[str, Any]]
    created_at: Mapped[float] = mapped_column(default=time.time)


class AuditItem(Base):
    """One question to a person: about a finding, a whole picture, or a free one about a picture.

    ``verdict`` and ``score`` are the machine's when it was drawn; ``probability`` is its chance to have been drawn so
    far, by any draw, and is missing where somebody chose it. ``target`` names what it is about, so that none is there
    twice.
    """

    __tablename__ = "audit_items"
    __table_args__ = (UniqueConstraint("evaluation_id", "target"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    evaluation_id: Mapped[str] = mapped_column(ForeignKey("evaluations.id", ondelete="CASCADE"))
    draw_id: Mapped[int | None] = mapped_column(ForeignKey("audit_draws.id", ondelete="CASCADE"), index=True)
    cell_id: Mapped[int] = mapped_column(ForeignKey("cells.id", ondelete="CASCADE"), index=True)
    position: Mapped[int]
    target: Mapped[str]
    check: Mapped[str]
    character: Mapped[str | None]
    question: Mapped[str | None]
    verdict: Mapped[str | None]
    score: Mapped[float | None]
    probability: Mapped[float | None]

    labels: Mapped[list[AuditLabel]] = relationship(order_by="AuditLabel.id", lazy="selectin")


class AuditLabel(Base):
    """A person's verdict on an item. One that was taken back or replaced stays, with ``undone_at``."""

    __tablename__ = "audit_labels"

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(ForeignKey("audit_items.id", ondelete="CASCADE"), index=True)
    verdict: Mapped[str]
    person: Mapped[str]
    second: Mapped[bool] = mapped_column(default=False)
    source: Mapped[str]
    created_at: Mapped[float] = mapped_column(default=time.time)
    undone_at: Mapped[float | None]


class SuiteVersion(Base):
    """A suite that somebody has handed in. A version never changes; a changed suite is another version."""

    __tablename__ = "suite_versions"
    __table_args__ = (UniqueConstraint("name", "version"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    version: Mapped[int]
    content_hash: Mapped[str]
    text: Mapped[str]
    created_at: Mapped[float] = mapped_column(default=time.time)


class ApiKey(Base):
    """What lets a client in. Only the hash of its secret is kept."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    scope: Mapped[str]
    secret_hash: Mapped[str]
    created_at: Mapped[float] = mapped_column(default=time.time)
    revoked_at: Mapped[float | None]


class IdempotentAnswer(Base):
    """What was answered to a request that named an ``Idempotency-Key``; ``status`` is null while it is worked on."""

    __tablename__ = "idempotent_answers"

    key: Mapped[str] = mapped_column(primary_key=True)
    request_hash: Mapped[str]
    status: Mapped[int | None]
    headers: Mapped[dict[str, Any] | None]
    body: Mapped[bytes | None]
    created_at: Mapped[float] = mapped_column(default=time.time, index=True)
