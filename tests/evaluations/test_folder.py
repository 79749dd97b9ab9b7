"""Images that were made elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.errors import NotFound, UnreadableImage
from service.evaluations.executor import Progress, Status
from service.evaluations.folder import FolderGenerator
from service.evaluations.workspace import Workspace
from service.generation.port import ImageRequest
from service.settings import Settings
from tests.evaluations.world import SmallModels, ask, register, small_suite, write_lora


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    """The small suite's images for the control and one checkpoint; one of them is black."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "grid"
    for name in ("control", "kk_epoch4"):
        (folder / name).mkdir(parents=True)
        for scenario, seed in small_suite().cells():
            pixels = rng.integers(0, 256, (40, 30, 3), dtype=np.uint8)
            if (name, scenario.name, seed) == ("kk_epoch4", "solo", 7):
                pixels[:] = 0
            Image.fromarray(pixels).save(folder / name / f"{scenario.name}_{seed}.png")
    return folder


def test_they_are_judged_like_our_own(grid: Path, tmp_path: Path) -> None:
    models = SmallModels()
    space = Workspace(Settings(data_dir=tmp_path / "data", base=f"images:{grid}"), models)
    checkpoints = register(space, [write_lora(tmp_path / "kk_epoch4.safetensors", seed=1)])
    request = ask(space, checkpoints)
    evaluation = space.evaluations.start(request)
    assert space.executor.run(evaluation.id) is Status.FINISHED
    assert space.evaluations.state(evaluation.id).progress == Progress(12, 12, 12, 0)
    (entry,) = space.evaluations.leaderboard(evaluation.id)["leaderboard"]
    assert (entry["images"], entry["invalid"]) == (6, 1)
    assert space.evaluations.start(request).id == evaluation.id

    (grid / "kk_epoch4" / "hug_7.png").unlink()
    missing = space.evaluations.start(request)
    assert missing.id != evaluation.id
    space.executor.run(missing.id)
    state = space.evaluations.state(missing.id)
    assert state.progress == Progress(12, 11, 11, 1)
    assert "hug_7.png" in state.problems[0]
    space.close()


def test_a_damaged_picture_costs_its_own_cell_and_no_other(grid: Path, tmp_path: Path) -> None:
    for name in ("hug_7.png", "solo_13.png"):
        (grid / "kk_epoch4" / name).write_bytes(b"half a pict")
    space = Workspace(Settings(data_dir=tmp_path / "data", base=f"images:{grid}"), SmallModels())
    evaluation = space.evaluations.start(
        ask(space, register(space, [write_lora(tmp_path / "kk_epoch4.safetensors", 1)]))
    )
    space.executor.run(evaluation.id)
    state = space.evaluations.state(evaluation.id)
    assert state.progress == Progress(12, 10, 10, 2)
    assert "hug_7.png" in " ".join(state.problems)
    (entry,) = space.evaluations.leaderboard(evaluation.id)["leaderboard"]
    assert (entry["images"], entry["invalid"]) == (4, 1)
    whole = Image.open(grid / "control" / "hug_7.png")
    for name in ("hug_7.png", "solo_13.png"):
        whole.save(grid / "kk_epoch4" / name)
    repaired = space.evaluations.start(ask(space, register(space, [tmp_path / "kk_epoch4.safetensors"])))
    space.executor.run(repaired.id)
    assert space.evaluations.state(repaired.id).progress == Progress(12, 12, 12, 0)
    space.close()


def test_missing_controls_are_said_once(grid: Path, tmp_path: Path) -> None:
    shutil.rmtree(grid / "control")
    space = Workspace(Settings(data_dir=tmp_path / "data", base=f"images:{grid}"), SmallModels())
    checkpoints = register(space, [write_lora(tmp_path / "kk_epoch4.safetensors", 1)])
    evaluation = space.evaluations.start(ask(space, checkpoints).model_copy(update={"batch_size": 1}))
    space.executor.run(evaluation.id)
    state = space.evaluations.state(evaluation.id)
    assert state.progress == Progress(12, 6, 6, 6)
    assert len(state.problems) == 1
    assert "no pictures of the base without a LoRA" in state.problems[0]
    space.close()


def test_every_format_is_found_and_nonsense_refused(grid: Path) -> None:
    generator = FolderGenerator.of_suite(grid, small_suite())
    request = ImageRequest("1girl, keichan", 13)
    (image,) = generator.generate([request])
    assert image.pixels.shape == (40, 30, 3)
    assert image.invalid is None
    path = grid / "control" / "solo_13.png"
    Image.open(path).save(path.with_suffix(".webp"), lossless=True)
    path.unlink()
    (same,) = generator.generate([request])
    assert np.array_equal(same.pixels, image.pixels)
    path.with_suffix(".webp").write_bytes(b"nothing")
    with pytest.raises(UnreadableImage, match=r"solo_13\.webp"):
        generator.generate([request])


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no folder of images"):
        FolderGenerator.of_suite(tmp_path / "nowhere", small_suite())
