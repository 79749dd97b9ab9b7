"""Killed, crowded or out of space: nothing is lost, nothing is done twice, and the pixels are the same."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from service.errors import Conflict
from service.evaluations import repository
from service.evaluations.executor import Progress, Status
from service.evaluations.workspace import Workspace
from tests.evaluations.world import SmallModels, ask, open_space, register

ROOT = Path(__file__).parents[2]


def start_process(space: Workspace, base: Path, evaluation_id: str, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.evaluations.worker_process", str(space.settings.data_dir), str(base)]
    return subprocess.Popen([*command, evaluation_id, *more], cwd=ROOT, stdout=subprocess.PIPE, text=True)


def pictures(space: Workspace, evaluation_id: str) -> dict[tuple[Any, ...], str | None]:
    evaluation = space.evaluations.state(evaluation_id).evaluation
    return {(i.run, i.epoch, i.scenario, i.seed): i.key for i in space.evaluations.images(evaluation)}


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_killed_again_and_again_it_ends_with_the_same_pictures_and_leaderboard(
    tmp_path: Path, base: Path, loras: list[Path]
) -> None:
    calm, troubled = (open_space(tmp_path / name, base) for name in ("calm", "troubled"))
    undisturbed = calm.evaluations.start(ask(calm, register(calm, loras)))
    # In a process of its own too: what other tests imported into this one may change the last bit of a sum.
    quiet_output, _ = start_process(calm, base, undisturbed.id).communicate(timeout=600)
    assert quiet_output.splitlines()[-1] == Status.FINISHED
    evaluation = troubled.evaluations.start(ask(troubled, register(troubled, loras)))
    reached = []
    for lines_before_death in (2, 3, 4):  # later each time: after the first image, between image and verdict, ...
        process = start_process(troubled, base, evaluation.id)
        assert process.stdout is not None
        for _ in range(lines_before_death):
            reached.append(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert troubled.evaluations.state(evaluation.id).evaluation.status == Status.RUNNING
    assert 0 < troubled.evaluations.state(evaluation.id).progress.generated < 18
    process = start_process(troubled, base, evaluation.id)
    output, _ = process.communicate(timeout=600)
    assert output.splitlines()[-1] == Status.FINISHED
    assert pictures(troubled, evaluation.id) == pictures(calm, undisturbed.id)
    ours, theirs = (s.evaluations.leaderboard(e.id) for s, e in ((troubled, evaluation), (calm, undisturbed)))
    assert ours["leaderboard"] == theirs["leaderboard"]
    assert ours["control"] == theirs["control"]
    files = {path.stem for path in troubled.settings.images_dir.rglob("*.png")}
    assert files == {path.stem for path in calm.settings.images_dir.rglob("*.png")}
    calm.close()
    troubled.close()


def test_only_one_executor_works_on_an_evaluation(space: Workspace, loras: list[Path]) -> None:
    evaluation = space.evaluations.start(ask(space, register(space, loras)))
    met: list[Exception] = []

    def intrude(progress: Progress) -> None:
        if progress.generated and not met:
            try:
                space.executor.run(evaluation.id)
            except Conflict as error:
                met.append(error)

    assert space.executor.run(evaluation.id, intrude) is Status.FINISHED
    assert "worked on by another process" in str(met[0])
    assert space.evaluations.state(evaluation.id).progress == Progress(18, 18, 18, 0)


def test_an_executor_that_lost_its_evaluation_drops_its_results(space: Workspace, loras: list[Path]) -> None:
    evaluation = space.evaluations.start(ask(space, register(space, loras)))

    def rob(progress: Progress) -> None:
        if progress.generated == 4 and progress.judged == 4:
            with space.database.transaction() as session:
                row = repository.get(session, evaluation.id)
                row.executor = "elsewhere:1:0:abcd"

    with pytest.raises(Conflict, match="taken over"):
        space.executor.run(evaluation.id, rob)
    assert space.evaluations.state(evaluation.id).progress.generated == 4


def test_cancelled_between_two_batches_and_resumed(
    space: Workspace, loras: list[Path], models: SmallModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.evaluations.heart.BEAT_S", 0.01)
    evaluation = space.evaluations.start(ask(space, register(space, loras)))

    def cancel(progress: Progress) -> None:
        if progress.generated == 4 and not progress.judged:
            space.evaluations.cancel(evaluation.id)
            threading.Event().wait(0.3)

    assert space.executor.run(evaluation.id, cancel) is Status.CANCELLED
    done = space.evaluations.state(evaluation.id).progress
    assert 4 <= done.generated < 18
    with pytest.raises(Conflict, match="resume it"):
        space.executor.run(evaluation.id)
    space.evaluations.resume(evaluation.id)
    assert space.executor.run(evaluation.id) is Status.FINISHED
    assert models.generated == 18


def test_stopped_it_stays_planned(space: Workspace, loras: list[Path]) -> None:
    evaluation = space.evaluations.start(ask(space, register(space, loras)))
    stop = threading.Event()
    stop.set()
    assert space.executor.run(evaluation.id, stop=stop) is Status.PLANNED
    assert space.evaluations.waiting() == [evaluation.id]


@pytest.mark.slow
def test_a_full_disk_leaves_no_bad_image_and_can_be_resumed(tmp_path: Path, base: Path, loras: list[Path]) -> None:
    space = open_space(tmp_path / "data", base)
    evaluation = space.evaluations.start(ask(space, register(space, loras)))
    process = start_process(space, base, evaluation.id, "4096")  # bytes: less than a picture, and than the database
    output, _ = process.communicate(timeout=600)
    assert output.splitlines()[-1].startswith("StorageFailed: "), output
    assert not [path for path in space.settings.images_dir.rglob("*") if path.is_file()]
    space.evaluations.resume(evaluation.id)
    assert space.executor.run(evaluation.id) is Status.FINISHED
    assert space.evaluations.state(evaluation.id).progress == Progress(18, 18, 18, 0)
    space.close()
