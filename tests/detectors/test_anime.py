"""The profile ``anime`` from files to findings, with small models of the same form as the public ones."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures

from detectors import Attributes, Character, DetectorSet, Expectation, Finding, Severity, Verdict, open_detectors
from detectors.errors import ChangedWeights, MissingWeights, UnreadablePicture, UnusableWeights
from detectors.expectations import Change
from detectors.findings import UNANSWERED
from tests.detectors.public_models import (
    KANA,
    KEI,
    RED,
    TAGS,
    YELLOW,
    Figure,
    picture,
    write_all,
    write_detector,
    write_tagger,
)

CHECKS = (
    "cast", "ahoge_bleed", "ahoge_missing", "hair_bleed", "eye_bleed", "outfit_bleed", "fusion", "hands", "limbs",
    "identity", "face", "ghost", "pose", "follow_through",
)  # fmt: skip


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("anime"))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own: hashes are recorded there."""
    monkeypatch.setenv("BLEEDCHECK_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def references(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("references")
    for name, figure in (("kei", KEI), ("kana", KANA)):
        Pictures.fromarray(picture([figure])).save(folder / f"{name}.png")
    return {name: str(folder / f"{name}.png") for name in ("kei", "kana")}


@pytest.fixture
def asked(references: dict[str, str]) -> Expectation:
    kei = Character("kei", "kei", Attributes("black", None, False, None, "sailor uniform"), (references["kei"],))
    kana = Character("kana", "kana", Attributes("blonde", None, True, None, "red blazer"), (references["kana"],))
    return Expectation((kei, kana), "standing", checks=CHECKS)


@pytest.fixture
def anime(weights: Path) -> DetectorSet:
    return open_detectors("anime", weights=weights)


def judge(
    anime: DetectorSet, asked: Expectation, figures: Sequence[Figure], zoom: int = 1
) -> dict[tuple[str, str | None], Finding]:
    [findings] = anime.detect([picture(figures, zoom)], [asked])
    return {(one.check, one.character): one for one in findings}


def verdicts(found: dict[tuple[str, str | None], Finding], check: str) -> list[str]:
    return [one.verdict.value for (name, _), one in found.items() if name == check]


@pytest.mark.parametrize("zoom", [1, 2])
def test_a_flawless_picture_holds_wherever_there_is_an_answer(
    anime: DetectorSet, asked: Expectation, zoom: int
) -> None:
    found = judge(anime, asked, [KEI, KANA], zoom)
    for check in ("cast", "ahoge_bleed", "ahoge_missing", "hair_bleed", "outfit_bleed", "hands", "identity"):
        assert set(verdicts(found, check)) == {"holds"}, check
    x0, y0, x1, y1 = found["ahoge_missing", "kana"].evidence["strand_box"]
    assert 440 * zoom < x0 < x1 < 520 * zoom
    assert 10 * zoom < y0 < y1 < 100 * zoom


def test_what_no_model_answers_is_not_measurable_and_says_why(anime: DetectorSet, asked: Expectation) -> None:
    found = judge(anime, asked, [KEI, KANA])
    for check in ("fusion", "limbs", "face", "ghost", "pose"):
        finding = found[check, None]
        assert (finding.verdict, finding.detector) == (Verdict.NOT_MEASURABLE, UNANSWERED)
        assert "profile anime has no detector" in finding.reason
        assert ": " in finding.reason


def test_an_ahoge_on_the_wrong_head(anime: DetectorSet, asked: Expectation) -> None:
    found = judge(anime, asked, [replace(KEI, ahoge=True), replace(KANA, ahoge=False)])
    assert found["ahoge_bleed", "kei"].verdict is Verdict.FAILS
    assert found["ahoge_missing", "kana"].verdict is Verdict.FAILS
    assert set(verdicts(found, "hair_bleed")) == {"holds"}


def test_hair_that_bled_is_on_her_whose_clothes_she_wears(anime: DetectorSet, asked: Expectation) -> None:
    found = judge(anime, asked, [replace(KEI, hair=YELLOW), KANA])
    finding = found["hair_bleed", "kei"]
    assert finding.verdict is Verdict.FAILS
    assert finding.severity is Severity.CLEAR
    assert finding.evidence["tags"]["blonde_hair"] > finding.evidence["tags"]["black_hair"]
    assert found["hair_bleed", "kana"].verdict is Verdict.HOLDS


def test_hair_alone_makes_nobody_a_copy(anime: DetectorSet, asked: Expectation) -> None:
    bare = replace(asked, cast=tuple(replace(character, references=()) for character in asked.cast))
    assert judge(anime, bare, [replace(KEI, hair=YELLOW), KANA])["cast", None].verdict is Verdict.HOLDS
    twice = judge(anime, bare, [replace(KANA, at=KEI.at), KANA])["cast", None]
    assert twice.verdict is Verdict.FAILS
    assert "twice" in twice.reason


def test_clothes_that_bled(anime: DetectorSet, asked: Expectation) -> None:
    found = judge(anime, asked, [replace(KEI, outfit=KANA.outfit), KANA])
    assert found["outfit_bleed", "kei"].verdict is Verdict.FAILS
    assert "kana's outfit" in found["outfit_bleed", "kei"].reason


def test_a_change_that_was_asked_for(anime: DetectorSet, asked: Expectation) -> None:
    wanted = replace(asked, changes=(Change("kei", "hair_color", "blonde"),))
    assert judge(anime, wanted, [replace(KEI, hair=YELLOW), KANA])["follow_through", "kei"].verdict is Verdict.HOLDS
    unchanged = judge(anime, wanted, [KEI, KANA])["follow_through", "kei"]
    assert unchanged.verdict is Verdict.FAILS
    assert "nothing changed" in unchanged.reason


def test_somebody_who_looks_like_the_other_is_not_herself(anime: DetectorSet, asked: Expectation) -> None:
    alike = replace(KANA, at=KEI.at)
    found = judge(anime, asked, [alike, KANA])
    assert Verdict.FAILS in {found["identity", "kei"].verdict, found["identity", "kana"].verdict}
    assert any("looks more like" in found["identity", name].reason for name in ("kei", "kana"))


def test_without_references_identity_is_not_measurable(anime: DetectorSet, asked: Expectation) -> None:
    bare = replace(asked, cast=tuple(replace(character, references=()) for character in asked.cast))
    assert set(verdicts(judge(anime, bare, [KEI, KANA]), "identity")) == {"not_measurable"}


def test_a_reference_that_is_no_picture_is_named(anime: DetectorSet, asked: Expectation, tmp_path: Path) -> None:
    (tmp_path / "torn.png").write_bytes(b"\x89PNG nothing")
    torn = replace(asked, cast=(replace(asked.cast[0], references=(str(tmp_path / "torn.png"),)),))
    with pytest.raises(UnreadablePicture, match=r"torn\.png"):
        judge(anime, torn, [KEI])


def test_a_lost_hand_where_the_pose_must_show_it(anime: DetectorSet, asked: Expectation) -> None:
    found = judge(anime, asked, [replace(KEI, hands=1), KANA])
    assert found["hands", "kei"].verdict is Verdict.FAILS
    assert found["hands", "kei"].severity is Severity.LOST
    assert found["hands", "kana"].verdict is Verdict.HOLDS
    hug = replace(asked, pose="hug")
    assert judge(anime, hug, [replace(KEI, hands=1), KANA])["hands", "kei"].verdict is Verdict.NOT_MEASURABLE


@pytest.mark.parametrize(
    ("figures", "words"),
    [([], "no people"), ([KEI], "1 person"), ([KEI, KANA, replace(KEI, at=(304, 336))], "3 people")],
)
def test_too_few_and_too_many(anime: DetectorSet, asked: Expectation, figures: list[Figure], words: str) -> None:
    finding = judge(anime, asked, figures)["cast", None]
    assert finding.verdict is Verdict.FAILS
    assert words in finding.reason


def test_two_who_hug_are_two(anime: DetectorSet, asked: Expectation) -> None:
    """Their boxes overlap by more than what publishers call one person."""
    near = replace(KANA, at=(KEI.at[0] + 64, KEI.at[1]))
    finding = judge(anime, asked, [near, KEI])["cast", None]
    assert finding.verdict is Verdict.HOLDS


def test_a_batch_changes_nothing(anime: DetectorSet, asked: Expectation) -> None:
    images = [picture([KEI, KANA]), picture([replace(KEI, hair=YELLOW), KANA]), picture([], 2)]
    together = anime.detect(images, [asked] * 3)
    assert together == [anime.detect([image], [asked])[0] for image in images]
    for finding in (one for findings in together for one in findings):
        assert Finding.from_json(json.loads(json.dumps(finding.to_json()))) == finding


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1), (40, 90)])
@pytest.mark.parametrize("level", [0, 127, 255])
def test_a_blank_picture_never_passes(
    anime: DetectorSet, asked: Expectation, shape: tuple[int, int], level: int
) -> None:
    [findings] = anime.detect([np.full((*shape, 3), level, np.uint8)], [asked])
    assert {one.verdict for one in findings} <= {Verdict.FAILS, Verdict.NOT_MEASURABLE}
    assert next(one for one in findings if one.check == "cast").verdict is Verdict.FAILS


def test_everything_is_unverified(anime: DetectorSet) -> None:
    assert set(anime.unverified()) == set(anime.checks)
    assert open_detectors("miniature").unverified("miniature") == ()
    assert "cast" in open_detectors("miniature").unverified("somebody/Anima")


def test_the_spec_names_every_file(anime: DetectorSet) -> None:
    spec = anime.spec()
    hair = next(each for each in spec["detectors"] if each["name"] == "hair_bleed")
    assert set(hair["weights"]) == {"anime_person", "anime_head", "wd_tagger", "wd_tags"}
    assert all(len(sha256) == 64 for sha256 in hair["weights"].values())


class TestFiles:
    """What can be wrong with the files, each said with its name."""

    @pytest.fixture
    def folder(self, weights: Path, tmp_path: Path) -> Path:
        shutil.copytree(weights, tmp_path / "copy")
        return tmp_path / "copy"

    def look(self, folder: Path) -> None:
        open_detectors("anime", weights=folder).detect([picture([KEI])], [Expectation(cast=(), checks=("cast",))])

    def test_missing_ones_are_all_named_with_their_source(self, folder: Path) -> None:
        (folder / "wd-swinv2-tagger-v3.onnx").unlink()
        (folder / "head_detect_v2.0_s.onnx").unlink()
        with pytest.raises(MissingWeights) as told:
            open_detectors("anime", weights=folder)
        for words in (
            "2 of its 7",
            "head_detect_v2.0_s.onnx",
            "SmilingWolf/wd-swinv2-tagger-v3",
            str(folder),
            "weights fetch",
        ):
            assert words in str(told.value)

    def test_one_that_is_no_model(self, folder: Path) -> None:
        (folder / "head_detect_v2.0_s.onnx").write_bytes(b"<html>not found</html>")
        with pytest.raises(UnusableWeights, match=r"head_detect_v2\.0_s\.onnx cannot be opened"):
            self.look(folder)

    def test_one_that_is_another_model(self, folder: Path) -> None:
        shutil.copy(folder / "ccip-caformer-24-randaug-pruned_feat.onnx", folder / "head_detect_v2.0_s.onnx")
        with pytest.raises(UnusableWeights, match=r"inputs are input, not images"):
            self.look(folder)

    def test_one_that_finds_something_else(self, folder: Path) -> None:
        write_detector(folder / "head_detect_v2.0_s.onnx", RED, (64, 64), "cat")
        with pytest.raises(UnusableWeights, match="finds cat, but no head"):
            self.look(folder)

    def test_a_tagger_with_another_list_of_tags(self, folder: Path) -> None:
        write_tagger(folder / "wd-swinv2-tagger-v3.onnx", folder / "other.csv", TAGS[:-1])
        with pytest.raises(UnusableWeights, match="do not belong together"):
            self.look(folder)

    def test_one_that_changed_since_it_was_first_used(self, folder: Path) -> None:
        self.look(folder)
        write_detector(folder / "head_detect_v2.0_s.onnx", RED, (64, 64), "head")
        with pytest.raises(ChangedWeights, match="weights trust anime_head"):
            self.look(folder)
