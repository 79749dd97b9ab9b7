"""An evaluation from plan to leaderboard on a real generator."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from detectors import Examination, Expectation, Measure, Verdict
from service.errors import Conflict
from service.evaluations import repository
from service.evaluations.executor import Progress, Status
from service.evaluations.ledger.repository import pin
from service.evaluations.workspace import Workspace
from service.generation.port import Pixels
from tests.evaluations.world import (
    Brightness,
    SmallModels,
    TightModels,
    ask,
    open_space,
    register,
    small_suite,
    write_lora,
)

CELLS = 6


def test_every_cell_gets_its_image_and_verdicts(space: Workspace, loras: list[Path], models: SmallModels) -> None:
    evaluation = space.evaluations.start(ask(space, register(space, loras)))
    seen: list[Progress] = []
    assert space.executor.run(evaluation.id, seen.append) is Status.FINISHED
    board = space.evaluations.leaderboard(evaluation.id)
    assert {(entry["run"], entry["epoch"], entry["images"]) for entry in board["leaderboard"]} == {
        ("kk", 4, CELLS),
        ("kk", 8, CELLS),
    }
    assert board["control"]["images"] == CELLS
    assert models.generated == 3 * CELLS
    assert seen[0] == Progress(18, 0, 0, 0)
    assert seen[-1] == Progress(18, 18, 18, 0)
    assert all(earlier.done <= later.done for earlier, later in pairwise(seen))
    assert not space.evaluations.state(evaluation.id).changing_nothing


def test_asking_again_needs_no_executor(space: Workspace, loras: list[Path]) -> None:
    request = ask(space, register(space, loras))
    first = space.evaluations.start(request)
    space.executor.run(first.id)
    again = space.evaluations.start(request)
    assert (again.id, again.status) == (first.id, Status.FINISHED)


def test_an_image_that_exists_is_never_generated_again(
    space: Workspace, loras: list[Path], models: SmallModels
) -> None:
    checkpoints = register(space, loras)
    space.executor.run(space.evaluations.start(ask(space, checkpoints[:1])).id)
    assert models.generated == 2 * CELLS
    wider = space.evaluations.start(ask(space, checkpoints))
    space.executor.run(wider.id)
    assert models.generated == 3 * CELLS
    assert models.brightness.seen == 3 * CELLS
    assert space.evaluations.state(wider.id).progress == Progress(18, 18, 18, 0)


def test_another_detector_version_looks_again_at_the_same_images(tmp_path: Path, base: Path, loras: list[Path]) -> None:
    request: Any = None
    for version in ("1", "2"):
        models = SmallModels(Brightness(version))
        space = open_space(tmp_path / "data", base, models)
        request = ask(space, register(space, loras)).model_copy(update={"detector_profile": f"test {version}"})
        space.executor.run(space.evaluations.start(request).id)
        assert models.brightness.seen == 3 * CELLS
        assert models.generated == (3 * CELLS if version == "1" else 0)
        space.close()


def test_a_lost_image_is_made_again_with_the_same_pixels(space: Workspace, loras: list[Path]) -> None:
    request = ask(space, register(space, loras))
    evaluation = space.evaluations.start(request)
    space.executor.run(evaluation.id)
    before = space.evaluations.leaderboard(evaluation.id)
    files = sorted(space.settings.images_dir.rglob("*.png"))
    files[0].unlink()
    reopened = space.evaluations.start(request)
    assert reopened.status == Status.PLANNED
    space.executor.run(evaluation.id)
    assert files[0].exists()
    assert space.evaluations.leaderboard(evaluation.id) == before


def test_batches_that_were_halved_are_noted_and_nothing_is_lost(
    space: Workspace, tmp_path: Path, base: Path, loras: list[Path]
) -> None:
    roomy = space.evaluations.start(ask(space, register(space, loras)))
    space.executor.run(roomy.id)
    tight = open_space(tmp_path / "tight", base, TightModels())
    evaluation = tight.evaluations.start(ask(tight, register(tight, loras)))
    assert tight.executor.run(evaluation.id) is Status.FINISHED
    state = tight.evaluations.state(evaluation.id)
    assert state.progress == Progress(18, 18, 18, 0)
    assert (state.problems, len(state.notes)) == ((), 1)
    assert "did not suffice for 4 images at once: 1 were" in state.notes[0]
    assert state.notes[0] in tight.evaluations.facts(evaluation.id).values()
    assert space.evaluations.state(roomy.id).notes == ()
    tight.close()


def test_a_checkpoint_that_changes_nothing_is_marked(space: Workspace, tmp_path: Path, loras: list[Path]) -> None:
    nothing = write_lora(tmp_path / "zero_epoch4.safetensors", seed=1, size=0.0)
    evaluation = space.evaluations.start(ask(space, register(space, [*loras, nothing])))
    space.executor.run(evaluation.id)
    assert space.evaluations.state(evaluation.id).changing_nothing == ("zero epoch 4",)


def test_a_checkpoint_of_another_base_fails_alone(space: Workspace, tmp_path: Path, loras: list[Path]) -> None:
    misfit = write_lora(tmp_path / "alien_epoch4.safetensors", seed=1, width=48)
    evaluation = space.evaluations.start(ask(space, register(space, [misfit, *loras])))
    assert space.executor.run(evaluation.id) is Status.FINISHED
    state = space.evaluations.state(evaluation.id)
    assert state.progress == Progress(24, 18, 18, 6)
    assert len(state.problems) == 1
    assert "does not fit" in state.problems[0]
    assert len(space.evaluations.leaderboard(evaluation.id)["leaderboard"]) == 2


def test_a_changed_file_is_noticed(space: Workspace, tmp_path: Path) -> None:
    path = write_lora(tmp_path / "kk_epoch4.safetensors", seed=1)
    evaluation = space.evaluations.start(ask(space, register(space, [path])))
    write_lora(path, seed=2)
    space.executor.run(evaluation.id)
    state = space.evaluations.state(evaluation.id)
    assert state.progress.failed == CELLS
    assert "has changed since it was registered" in state.problems[0]


class Measured(Brightness):
    """Also writes down how bright each picture is."""

    def examine(self, images: Sequence[Pixels], expectations: Sequence[Expectation]) -> list[Examination]:
        return [
            Examination(tuple(findings), (Measure("grey", None, {"mean": float(image.mean())}),))
            for image, findings in zip(images, self.detect(images, expectations), strict=True)
        ]


def test_measures_are_stored_beside_the_findings(tmp_path: Path, base: Path, loras: list[Path]) -> None:
    space = open_space(tmp_path / "data", base, SmallModels(Measured()))
    request = ask(space, register(space, loras[:1]))
    evaluation = space.evaluations.start(request)
    assert space.executor.run(evaluation.id) is Status.FINISHED
    with space.database.reading() as session:
        rows = repository.measures(session, evaluation.id)
    assert len(rows) == 2 * CELLS
    assert {checkpoint is None for checkpoint, *_ in rows} == {True, False}
    assert {(scenario, seed) for _, scenario, seed, _ in rows} == {(s, n) for s in ("hug", "solo") for n in (7, 13, 99)}
    assert all(0 < measure.value["mean"] < 255 and measure.name == "grey" for *_, measure in rows)


class Fragile(Brightness):
    """Breaks down on the pictures of one scenario, until it is mended."""

    broken = True

    def detect(self, images: Any, expectations: Any) -> Any:
        if self.broken and any("fusion" in wanted.checks for wanted in expectations):
            raise RuntimeError("the network fell over\nand more")
        return super().detect(images, expectations)


def test_detectors_that_break_down_leave_the_rest_and_are_asked_again(
    tmp_path: Path, base: Path, loras: list[Path]
) -> None:
    fragile = Fragile()
    space = open_space(tmp_path / "data", base, SmallModels(fragile))
    request = ask(space, register(space, loras[:1]))
    evaluation = space.evaluations.start(request)
    assert space.executor.run(evaluation.id) is Status.FINISHED
    state = space.evaluations.state(evaluation.id)
    assert state.progress == Progress(12, 12, 6, 6)
    assert state.problems == ("not judged: RuntimeError: the network fell over",)
    broken = [image for image in space.evaluations.images(evaluation) if image.scenario == "hug"]
    assert {finding.verdict for image in broken for finding in image.findings} == {Verdict.NOT_MEASURABLE}
    entry = space.evaluations.leaderboard(evaluation.id)["leaderboard"][0]
    assert entry["not_measurable"] == 3
    fragile.broken = False
    assert space.evaluations.start(request).status == Status.PLANNED
    space.executor.run(evaluation.id)
    assert space.evaluations.state(evaluation.id).progress == Progress(12, 12, 12, 0)
    space.close()


def test_a_generator_that_breaks_down_is_recorded(tmp_path: Path, base: Path, loras: list[Path]) -> None:
    suite = small_suite()
    long = suite.scenarios[1].model_copy(update={"prompt": "keichan " * 200})
    suite = suite.model_copy(update={"scenarios": (suite.scenarios[0], long)})
    space = open_space(tmp_path / "data", base)
    evaluation = space.evaluations.start(ask(space, register(space, loras[:1]), suite))
    assert space.executor.run(evaluation.id) is Status.FINISHED
    state = space.evaluations.state(evaluation.id)
    assert state.progress.failed == 2 * CELLS  # both batches hold a cell with the long prompt
    assert "the prompt has more than" in state.problems[0]
    space.close()


def test_a_card_that_had_room_for_another_setting_is_told_what_to_do(
    tmp_path: Path, base: Path, loras: list[Path]
) -> None:
    space = open_space(tmp_path / "data", base)
    evaluation = space.evaluations.start(ask(space, register(space, loras[:1])))
    with space.database.transaction() as session:
        pin(session, evaluation.id, {"compiled": True, "device": "cuda"}, {})
    with (
        pytest.raises(Conflict, match=r"compiled: True then, None now.*free as much of its memory as then and resume"),
        space.database.transaction() as session,
    ):
        pin(session, evaluation.id, {"device": "cuda"}, {})
    space.close()


def test_results_of_other_detectors_are_not_mixed_in(tmp_path: Path, base: Path, loras: list[Path]) -> None:
    space = open_space(tmp_path / "data", base, SmallModels(Fragile()))
    evaluation = space.evaluations.start(ask(space, register(space, loras[:1])))
    space.executor.run(evaluation.id)
    space.close()
    space = open_space(tmp_path / "data", base, SmallModels(Brightness("2")))
    space.evaluations.resume(evaluation.id)
    with pytest.raises(Conflict, match="begun with another detectors"):
        space.executor.run(evaluation.id)
    assert space.evaluations.state(evaluation.id).evaluation.status == Status.FAILED
    space.close()
