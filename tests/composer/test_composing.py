from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from service.composer import PairReport, compose_pairs
from service.errors import InvalidInput, NotFound
from tests.composer.drawings import busy, draw_person, gradient, plain, save

BLONDE, DARK = (240, 210, 90), (40, 30, 50)
POSES = ("standing", "arms up", "sitting", "waving")


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Six pictures of each character, whole figures, in four poses of which each has its own shape."""
    for name, hair, ahoge in (("kei", BLONDE, False), ("kana", DARK, True)):
        for number in range(6):
            pose = POSES[number % 4]
            background = plain((200, 220, 240)) if number % 2 else gradient((250, 240, 230), (220, 210, 240))
            word = "simple background" if number % 2 else "gradient background"
            height = 100 + 10 * (number % 4)
            picture, _ = draw_person(hair, background, height=height, ahoge=ahoge)
            hair_tag = "blonde hair" if name == "kei" else "dark hair, ahoge"
            caption = f"best quality, safe, 1girl, solo, {name}, {hair_tag}, {pose}, smile, {word}"
            save(tmp_path / name, f"{number:02d}", picture, caption)
    return tmp_path / "kei", tmp_path / "kana", tmp_path / "out"


def files(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def hair_sides(report: PairReport) -> list[str]:
    """For each picture, the order in which the two hair colours lie from left to right."""
    orders = []
    for pair in report.pairs:
        picture = np.asarray(Image.open(pair.path)).astype(int)
        places = {}
        for name, color in (("kei", BLONDE), ("kana", DARK)):
            near = np.abs(picture - color).sum(-1) < 30
            assert near.sum() > 200, f"{name} is missing in {pair.path}"
            places[name] = np.flatnonzero(near.any(0)).mean()
        orders.append(" ".join(sorted(places, key=places.__getitem__)))
    return orders


def test_pairs_lie_as_their_captions_say(folders: tuple[Path, Path, Path]) -> None:
    report = compose_pairs(*folders, 8, seed=1)
    assert len(report.pairs) == 8
    assert report.triggers == ("kei", "kana")
    assert hair_sides(report) == ["kei kana", "kana kei"] * 4
    for pair in report.pairs:
        written = pair.path.with_suffix(".txt").read_text().strip()
        assert written == pair.caption
        tags = written.split(", ")
        assert tags.count("2girls") == 1
        assert tags.count("smile") == 1
        assert not {"1girl", "solo"} & set(tags)
        kei, kana = tags.index("kei"), tags.index("kana")
        assert (kei > kana) is pair.swapped
        assert tags[kei + 1] == "blonde hair"
        assert tags[kana + 1 : kana + 3] == ["dark hair", "ahoge"]
        assert sum(tag.endswith("background") for tag in tags) == 1
        # Same pose first: all four poses exist on both sides.
        assert sum(tag in POSES for tag in tags) == 1
        assert Image.open(pair.path).size[0] % 16 == Image.open(pair.path).size[1] % 16 == 0
    assert json.loads(json.dumps(report.to_json()))["share"] == pytest.approx(8 / 20)


def test_both_figures_have_one_stature_and_one_floor(folders: tuple[Path, Path, Path]) -> None:
    for pair in compose_pairs(*folders, 4, seed=3, swap=False).pairs:
        picture = np.asarray(Image.open(pair.path)).astype(int)
        middle = picture.shape[1] // 2
        feet, shirts = [], []
        for half in (picture[:, :middle], picture[:, middle:]):
            feet.append(np.flatnonzero((np.abs(half - (250, 220, 200)).sum(-1) < 30).any(1)).max())
            shirts.append((np.abs(half - (40, 60, 160)).sum(-1) < 40).any(1).sum())
        assert abs(feet[0] - feet[1]) <= 1
        assert abs(shirts[0] - shirts[1]) <= 3


def test_one_background_without_seams(folders: tuple[Path, Path, Path]) -> None:
    for pair in compose_pairs(*folders, 6, seed=2).pairs:
        picture = np.asarray(Image.open(pair.path)).astype(int)
        edges = np.concatenate(
            [picture[:, :2].reshape(-1, 3), picture[:, -2:].reshape(-1, 3), picture[:2].reshape(-1, 3)]
        )
        if "gradient background" in pair.caption:
            assert np.abs(picture[:, 0] - picture[:, -1]).max() <= 2
        else:
            assert np.abs(edges - (200, 220, 240)).max() <= 2


def test_a_swapped_pair_is_the_same_two_pictures(folders: tuple[Path, Path, Path]) -> None:
    pairs = compose_pairs(*folders, 5, seed=4).pairs
    assert [pair.swapped for pair in pairs] == [False, True, False, True, False]
    assert (pairs[0].left, pairs[0].right) == (pairs[1].right, pairs[1].left)
    assert {pair.left for pair in pairs if not pair.swapped} <= set(folders[0].iterdir())


def test_the_same_seed_gives_the_same_files(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    left, right, _ = folders
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        compose_pairs(left, right, tmp_path / name, 12, seed=seed, swap=False)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert files(tmp_path / "a") != files(tmp_path / "c")


@pytest.mark.parametrize("size", [(256, 256), (96, 160), (400, 128)])
def test_a_stated_size_is_kept_and_both_figures_fit(folders: tuple[Path, Path, Path], size: tuple[int, int]) -> None:
    report = compose_pairs(*folders, 2, seed=1, size=size)
    for pair in report.pairs:
        picture = np.asarray(Image.open(pair.path)).astype(int)
        assert picture.shape == (size[1], size[0], 3)
        background = picture[0, 0]
        for column in (picture[:, 0], picture[:, -1]):
            assert np.abs(column - background).max() < 40
    hair_sides(report)


def test_cut_off_figures_are_paired_among_themselves_and_stand_on_the_edge(tmp_path: Path) -> None:
    for name, hair in (("kei", BLONDE), ("kana", DARK)):
        for number, (height, floor) in enumerate([(120, 180), (240, 270)]):
            picture, _ = draw_person(hair, plain((255, 255, 255)), height=height, floor=floor)
            save(tmp_path / name, str(number), picture, f"1girl, solo, {name}, standing, white background")
    report = compose_pairs(tmp_path / "kei", tmp_path / "kana", tmp_path / "out", 2, seed=0, swap=False)
    assert sorted(pair.left.name + pair.right.name for pair in report.pairs) == ["0.png0.png", "1.png1.png"]
    for pair in report.pairs:
        lowest = np.asarray(Image.open(pair.path))[-1].astype(int)
        assert ((lowest < 250).any()) == (pair.left.name == "1.png")


def test_whole_and_cut_off_figures_are_never_paired(tmp_path: Path) -> None:
    for name, hair, height, floor in (("kei", BLONDE, 120, 180), ("kana", DARK, 240, 270)):
        picture, _ = draw_person(hair, plain((255, 255, 255)), height=height, floor=floor)
        save(tmp_path / name, "0", picture, f"1girl, solo, {name}, standing")
    with pytest.raises(InvalidInput, match="one side shows whole figures only"):
        compose_pairs(tmp_path / "kei", tmp_path / "kana", tmp_path / "out", 1, seed=0)


def test_the_larger_figure_is_scaled_down_and_the_smaller_never_up(tmp_path: Path) -> None:
    for name, hair, height in (("kei", BLONDE, 90), ("kana", DARK, 150)):
        picture, _ = draw_person(hair, plain((255, 255, 255)), height=height)
        save(tmp_path / name, "0", picture, f"1girl, solo, {name}, standing")
    report = compose_pairs(tmp_path / "kei", tmp_path / "kana", tmp_path / "out", 1, seed=0)
    picture = np.asarray(Image.open(report.pairs[0].path)).astype(int)
    middle = picture.shape[1] // 2
    for half in (picture[:, :middle], picture[:, middle:]):
        assert abs((np.abs(half - 255).sum(-1) > 60).any(1).sum() - 90) <= 2


def test_unusable_pictures_are_listed_with_their_reasons(folders: tuple[Path, Path, Path]) -> None:
    left, right, out = folders
    whole, _ = draw_person(BLONDE, plain((255, 255, 255)))
    save(left, "busy", draw_person(BLONDE, busy())[0], "1girl, kei")
    save(left, "duo", whole, "2girls, kei, kana")
    save(left, "silent", whole, None)
    (left / "broken.png").write_bytes(b"no picture")
    (left / "broken.txt").write_text("1girl, kei")
    report = compose_pairs(left, right, out, 2, seed=1)
    reasons = {path.stem: reason for path, reason in report.skipped}
    assert set(reasons) == {"busy", "duo", "silent", "broken"}
    assert "not plain" in reasons["busy"]
    assert "more than one person" in reasons["duo"]
    assert "no .txt caption" in reasons["silent"]
    assert "cannot be read" in reasons["broken"]


def test_a_share_above_fifteen_percent_is_called_untested(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    left, right, out = folders
    few = compose_pairs(left, right, tmp_path / "few", 2, seed=1)
    assert few.share == pytest.approx(2 / 14)
    assert not any("untested" in warning for warning in few.warnings)
    more = compose_pairs(left, right, out, 2, seed=1, other_pairs=1)
    assert more.share == pytest.approx(3 / 15)
    assert any("20% of the training pictures" in warning and "untested" in warning for warning in more.warnings)


def test_no_pair_is_made_twice(folders: tuple[Path, Path, Path]) -> None:
    report = compose_pairs(*folders, 100, seed=1, swap=False)
    assert len(report.pairs) == 36
    assert len({(pair.left, pair.right) for pair in report.pairs}) == 36
    assert any("only 36 of 100" in warning for warning in report.warnings)


def test_what_cannot_work_is_refused_before_anything_is_written(
    folders: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    left, right, out = folders
    with pytest.raises(NotFound):
        compose_pairs(left, tmp_path / "nowhere", out, 2, seed=1)
    with pytest.raises(InvalidInput, match="three different"):
        compose_pairs(left, left, out, 2, seed=1)
    with pytest.raises(InvalidInput, match="three different"):
        compose_pairs(left, right, right, 2, seed=1)
    with pytest.raises(InvalidInput, match="count"):
        compose_pairs(left, right, out, 0, seed=1)
    save(tmp_path / "full", "mine", plain((0, 0, 0)), None)
    with pytest.raises(InvalidInput, match="not empty"):
        compose_pairs(left, right, tmp_path / "full", 2, seed=1)
    same = tmp_path / "same"
    save(same, "0", draw_person(BLONDE, plain((255, 255, 255)))[0], "1girl, smile")
    with pytest.raises(InvalidInput, match="--right-trigger"):
        compose_pairs(left, same, out, 2, seed=1, left_trigger="kei")
    crowded = tmp_path / "crowded"
    save(crowded, "0", draw_person(BLONDE, busy())[0], "1girl, rin")
    with pytest.raises(InvalidInput, match="not plain"):
        compose_pairs(left, crowded, out, 2, seed=1)
    assert not out.exists()
