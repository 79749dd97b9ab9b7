"""Counts that are kept until something changes: never stale, and counted once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from detectors import Finding, Verdict
from service.database.models import Detection
from service.evaluations import repository
from service.evaluations.executor import Progress, Status
from service.evaluations.ledger.repository import Judged, store_detection
from service.evaluations.workspace import Workspace
from tests.evaluations.world import ask, register


def counted(space: Workspace, evaluation_id: str) -> Progress:
    """What counting the cells now would say."""
    with space.database.reading() as session:
        return repository.progress(session, evaluation_id)


def test_at_every_step_the_state_says_what_counting_would(space: Workspace, loras: list[Path]) -> None:
    checkpoints = register(space, loras)
    evaluation = space.evaluations.start(ask(space, checkpoints[:1]))
    seen: list[Progress] = []

    def look(_progress: Progress) -> None:
        seen.append(space.evaluations.state(evaluation.id).progress)
        assert seen[-1] == counted(space, evaluation.id)

    look(Progress(0, 0, 0, 0))
    assert space.executor.run(evaluation.id, look) is Status.FINISHED
    assert len(set(seen)) > 2
    space.evaluations.extend(evaluation.id, [checkpoints[1]])
    look(seen[-1])
    assert seen[-1].total > seen[-2].total
    assert space.executor.run(evaluation.id, look) is Status.FINISHED
    assert seen[-1].done == 1.0
    next(space.settings.images_dir.rglob("*.png")).unlink()
    space.evaluations.resume(evaluation.id)
    look(seen[-1])
    assert seen[-1].generated < seen[-1].total
    space.evaluations.cancel(evaluation.id)
    space.evaluations.leave_out([checkpoints[1].id])
    look(seen[-1])
    assert seen[-1].total == seen[0].total


def test_a_failure_that_another_evaluation_mends_is_counted_no_more(space: Workspace, loras: list[Path]) -> None:
    evaluation = space.evaluations.start(ask(space, register(space, loras)[:1]))
    space.executor.run(evaluation.id)
    with space.database.transaction() as session:
        broken = session.query(Detection).first()
        assert broken is not None
        sha256, key = broken.image_sha256, broken.detector_key
        broken.findings, broken.failure = [], "out of memory"
        repository.touch(session, [evaluation.id])
    assert space.evaluations.state(evaluation.id).progress.failed > 0
    with space.database.transaction() as session:
        store_detection(session, sha256, key, Judged((Finding("cast", Verdict.HOLDS, "people", "1"),)))
    assert space.evaluations.state(evaluation.id).progress.failed == 0


def test_nothing_is_counted_twice(space: Workspace, loras: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation = space.evaluations.start(ask(space, register(space, loras)[:1]))
    counts: list[str] = []
    really = repository.progress

    def noted(session: Any, evaluation_id: str) -> Progress:
        counts.append(evaluation_id)
        return really(session, evaluation_id)

    monkeypatch.setattr(repository, "progress", noted)
    for _ in range(3):
        space.evaluations.state(evaluation.id)
    assert counts == [evaluation.id]
    with space.database.transaction() as session:
        repository.touch(session, [evaluation.id])
    space.evaluations.state(evaluation.id)
    assert len(counts) == 2


def test_what_failed_is_behind_us_too() -> None:
    assert Progress(10, 10, 7, 3).done == 1.0  # looks that broke down
    assert Progress(10, 6, 6, 4).done == 1.0  # images that were not made
    assert Progress(10, 5, 2, 1).done == 0.4
    assert Progress(0, 0, 0, 0).done == 1.0
