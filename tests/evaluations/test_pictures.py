"""Pictures made elsewhere, without a LoRA file: by table, by name, by their own words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from service.errors import InvalidInput, NotFound
from service.evaluations.asking import make_request
from service.evaluations.executor import Status
from service.evaluations.pictures import Arranged, arrange
from service.evaluations.workspace import Workspace
from service.settings import Settings
from tests.evaluations.world import SmallModels, small_suite

RNG = np.random.default_rng(0)


def draw(path: Path, words: str | None = None) -> Path:
    info = PngInfo()
    if words:
        info.add_text("parameters", words)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(RNG.integers(0, 256, (32, 32, 3), dtype=np.uint8)).save(path, pnginfo=info)
    return path


def epochs(found: Arranged) -> list[tuple[str, int | None]]:
    return [(info.name, info.epoch) for info in found.checkpoints]


def test_their_own_words_are_enough(tmp_path: Path) -> None:
    suite = small_suite()
    number = 0
    for epoch in (None, 4, 8):
        for scenario in suite.scenarios:
            for seed in (7, 13):
                number += 1
                lora = f" <lora:kk_epoch{epoch}:1>" if epoch else ""
                words = f"{scenario.prompt.replace(', ', ' ,  ')}{lora}\nSteps: 8, Seed: {seed}, Size: 32x32"
                draw(tmp_path / "grid" / f"{number:05}.png", words)
    draw(tmp_path / "grid" / "other.png", "a castle\nSteps: 8, Seed: 7")
    found = arrange(tmp_path / "grid", suite, tmp_path / "home")
    assert epochs(found) == [("kk", 4), ("kk", 8)]
    assert found.suite.seeds == (7, 13)
    assert [path.name for path, _ in found.skipped] == ["other.png"]

    space = Workspace(Settings(data_dir=tmp_path / "data", base=f"images:{found.folder}"), SmallModels())
    checkpoints = [space.registry.register(info.name, info) for info in found.checkpoints]
    request = make_request(space.settings, found.suite, checkpoints, batch_size=1)
    evaluation = space.evaluations.start(request)
    assert space.executor.run(evaluation.id) is Status.FINISHED
    state = space.evaluations.state(evaluation.id)
    assert (state.progress.total, state.progress.judged, state.progress.failed) == (12, 12, 0)
    again = arrange(tmp_path / "grid", suite, tmp_path / "home")
    assert again.folder == found.folder
    assert space.evaluations.start(request).id == evaluation.id
    space.close()


def test_names_are_enough(tmp_path: Path) -> None:
    for epoch in (4, 8):
        draw(tmp_path / f"v2_e{epoch}" / "hug_7.png")
    draw(tmp_path / "notes" / "logo.png")
    found = arrange(tmp_path, small_suite(), tmp_path / "home", pattern="{run}_e{epoch}/{scenario}_{seed}")
    assert epochs(found) == [("v2", 4), ("v2", 8)]
    assert [each.name for each in found.suite.scenarios] == ["hug"]
    assert [path.name for path, _ in found.skipped] == ["logo.png"]


def test_a_table_is_enough(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        draw(tmp_path / name)
    rows = ["file,run,epoch,prompt,seed", 'a.png,v1,4,"1GIRL,keichan",7', 'b.png,,,"1girl, keichan",7']
    (tmp_path / "images.csv").write_text(
        "\n".join([*rows, 'c.png,v1,4,"1girl, keichan",7', 'd.png,v1,8,"1girl, keichan",7'])
    )
    found = arrange(tmp_path, small_suite(), tmp_path / "home")
    assert epochs(found) == [("v1", 4)]
    reasons = {path.name: reason for path, reason in found.skipped}
    assert "same checkpoint" in reasons["c.png"]
    assert "no such file" in reasons["d.png"]
    assert (found.folder / "control" / "solo_7.png").is_symlink()


@pytest.mark.parametrize(
    ("table", "pattern", "words"),
    [
        ("name\na.png", None, "column names"),
        ("file,epoch,seed,scenario\na.png,four,7,hug", None, "whole numbers"),
        (None, "{seed}", "{scenario}"),
        (None, "{seed}_{seed}_{scenario}", "each once"),
        (None, "{scenario}-{seed}", "no picture"),
        (None, None, "no picture"),
    ],
)
def test_what_cannot_be_used_says_why(tmp_path: Path, table: str | None, pattern: str | None, words: str) -> None:
    draw(tmp_path / "a.png")
    if table:
        (tmp_path / "images.csv").write_text(table)
    with pytest.raises(InvalidInput, match=words):
        arrange(tmp_path, small_suite(), tmp_path / "home", pattern=pattern)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no picture"):
        arrange(tmp_path, small_suite(), tmp_path / "home")
    with pytest.raises(NotFound, match="no folder"):
        arrange(tmp_path / "none", small_suite(), tmp_path / "home")
