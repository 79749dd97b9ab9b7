"""Thresholds from labels: as precise as stated on labels they have not seen, unsure where labels disagree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors.calibration import Band, Calibration, load, place
from detectors.weights import shipped_folder
from service.audits.calibrating import LabelledScore, choose, settle
from service.audits.calibrations import audited_scores, forget, keep, read_scores
from service.audits.questions import Answer
from service.errors import InvalidInput
from service.evaluations.asking import make_request
from service.evaluations.workspace import Workspace
from tests.evaluations.world import register, small_suite, write_lora


def labels(
    count: int, rng: np.random.Generator, check: str = "hands", character: str | None = "Kei"
) -> list[LabelledScore]:
    """Scores that are true probabilities: of those near s, a share of s fails."""
    scores = rng.beta(0.4, 0.4, count)
    return [LabelledScore(check, character, float(s), bool(rng.random() < s)) for s in scores]


@pytest.mark.parametrize("precision", [0.8, 0.9, 0.95])
def test_the_stated_precision_is_kept_on_new_labels(precision: float) -> None:
    rng = np.random.default_rng(0)
    [band], _ = settle(labels(2000, rng, character=None), precision, "test")
    assert band.fails_from is not None
    fresh = labels(20000, rng)
    called = [each.fails for each in fresh if each.score >= band.fails_from]
    passed = [each.fails for each in fresh if each.score < band.holds_below]
    # Where one threshold keeps both promises there is no band, and both are kept with something to spare.
    spare = 0.06 if band.fails_from == band.holds_below else 0.02
    assert precision - 0.02 < np.mean(called) < precision + spare
    assert precision - 0.02 < 1 - np.mean(passed) < precision + spare
    unsure = np.mean([band.holds_below <= each.score < band.fails_from for each in fresh])
    assert band.measured["unsure"] == pytest.approx(unsure, abs=0.04)
    recall = sum(called) / sum(each.fails for each in fresh)
    assert band.measured["recall"] == pytest.approx(recall, abs=0.05)


def test_what_it_says_it_reaches_is_what_new_labels_show() -> None:
    """Fifty labels choose a lucky threshold; the precision that is told must not be that luck."""
    rng = np.random.default_rng(1)
    fresh = labels(20000, rng)
    bands = [band for _ in range(60) for band in settle(labels(60, rng, character=None), 0.9, "test")[0]]
    real = np.mean([np.mean([each.fails for each in fresh if each.score >= (band.fails_from or 0)]) for band in bands])
    assert abs(np.mean([band.measured["precision"] for band in bands]) - real) < 0.03
    spans = [band.measured["precision_interval"] for band in bands]
    assert np.mean([low <= real <= high for low, high in spans]) > 0.9


def test_a_clean_split_leaves_nobody_unsure() -> None:
    scores = np.array([0.1, 0.2, 0.3, 0.7, 0.8])
    assert choose(scores, scores > 0.5, np.ones(5), 0.95) == (0.5, 0.5)


def test_weights_count() -> None:
    scores, fails = np.array([0.1, 0.6, 0.6, 0.9]), np.array([False, False, True, True])
    assert choose(scores, fails, np.array([1, 1, 1, 1.0]), 0.95)[0] == pytest.approx(0.75)
    assert choose(scores, fails, np.array([1, 0.01, 1, 1.0]), 0.95)[0] == pytest.approx(0.35)


def test_equal_scores_fall_on_one_side() -> None:
    scores = np.array([0.5] * 20 + [0.9] * 20)
    fails = np.array([False, True] * 10 + [True] * 20)
    fails_from, holds_below = choose(scores, fails, np.ones(40), 0.95)
    assert fails_from == pytest.approx(0.7)
    assert holds_below == 0.0


def test_characters_get_bands_where_they_have_labels_enough() -> None:
    rng = np.random.default_rng(2)
    given = labels(200, rng, character="Kei") + labels(20, rng, character="Kana")
    bands, unsettled = settle(given, 0.9, "test")
    assert {(band.check, band.character) for band in bands} == {("hands", None), ("hands", "Kei")}
    assert [(each.character, "20 labels" in each.reason) for each in unsettled] == [("Kana", True)]
    assert bands[0].measured["labels"] == 220
    assert bands[0].measured["source"] == "test"


def test_scores_that_tell_nothing_settle_nothing() -> None:
    rng = np.random.default_rng(3)
    blind = [LabelledScore("hands", None, float(rng.random()), bool(rng.random() < 0.3)) for _ in range(300)]
    bands, unsettled = settle(blind, 0.999, "test")
    assert bands == [] or (bands[0].measured["recall"] or 0) < 0.1
    assert len(bands) + len(unsettled) == 1


@pytest.mark.parametrize("precision", [0.5, 1.01, float("nan")])
def test_a_precision_that_is_none_is_refused(precision: float) -> None:
    with pytest.raises(InvalidInput, match=r"above 0\.5"):
        settle([], precision, "test")


def test_a_check_without_scores_is_named() -> None:
    with pytest.raises(InvalidInput, match=r"no labelled score for face; there are some for: hands"):
        settle(labels(40, np.random.default_rng(4)), 0.9, "test", ["face"])
    with pytest.raises(InvalidInput, match="no labelled score for face; label some first"):
        settle([], 0.9, "test", ["face"])


def test_it_is_kept_beside_others_and_forgotten(tmp_path: Path) -> None:
    before = sorted(path.read_bytes() for path in shipped_folder().iterdir() if path.is_file())
    keep(tmp_path, "miniature", [Band("hands", None, 0.8, 0.2), Band("hands", "Kei", 0.7, 0.2)])
    path = keep(tmp_path, "miniature", [Band("face", None, 0.6, 0.2)])
    assert path == place(tmp_path, "miniature")
    stored = load(tmp_path, "miniature")
    assert stored is not None
    assert [(band.check, band.character) for band in stored.bands] == [
        ("face", None),
        ("hands", None),
        ("hands", "Kei"),
    ]
    keep(tmp_path, "miniature", [Band("hands", None, 0.9, 0.2)])
    assert [(b.check, b.character) for b in (load(tmp_path, "miniature") or Calibration()).bands] == [
        ("face", None),
        ("hands", None),
    ]
    assert [band.check for band in forget(tmp_path, "miniature", ["hands"]).bands] == ["face"]
    assert forget(tmp_path, "miniature").bands == ()
    assert not path.exists()
    assert sorted(each.read_bytes() for each in shipped_folder().iterdir() if each.is_file()) == before


def test_labels_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(
        "check,character,score,label,chance\nhands,Kei,0.9,fails,0.5\nhands,,0.1,Holds,\nhands,Kei,0.5,?,\n"
        "hands,Kei,,fails,\ncast,,0.5,minor,1\n"
    )
    found = read_scores(path)
    assert found == [
        LabelledScore("hands", "Kei", 0.9, True, 2.0),
        LabelledScore("hands", None, 0.1, False),
        LabelledScore("cast", None, 0.5, False),
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b\n", "must name the columns"),
        ("check,score,label\nhands,2,fails\n", "line 2: score '2' is no number of 0 to 1"),
        ("check,score,label\nhands,nan,fails\n", "line 2: score"),
        ("check,score,label\nhands,0.5,maybe\n", "line 2: 'maybe' is no label"),
        ("check,score,label,chance\nhands,0.5,fails,0\n", "chance is 0"),
        ("check,score,label\n,0.5,fails\n", "names no check"),
        ("\xff", "cannot be read"),
    ],
)
def test_a_file_that_is_none_is_said(tmp_path: Path, content: str, words: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_bytes(content.encode("latin-1"))
    with pytest.raises(InvalidInput, match=words):
        read_scores(path)
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_scores(tmp_path / "missing.csv")


def test_a_calibrated_evaluation_is_another_one(space: Workspace, tmp_path: Path) -> None:
    checkpoints = register(space, [write_lora(tmp_path / "kk_epoch4.safetensors", seed=4)])
    plain = make_request(space.settings, small_suite(), checkpoints)
    assert plain.calibration is None
    keep(space.settings.data_dir, "miniature", [Band("hands", None, 0.8, 0.2)])
    calibrated = make_request(space.settings, small_suite(), checkpoints)
    assert calibrated.key != plain.key
    assert Calibration.from_json(calibrated.calibration).bands[0].fails_from == 0.8


def test_audits_without_scores_calibrate_nothing(space: Workspace, evaluation: str) -> None:
    space.audits.draw(evaluation, 20)
    for view in space.audits.items(evaluation):
        space.audits.label(evaluation, view.id, Answer.HOLDS)
    with space.database.reading() as session:
        assert audited_scores(session, evaluation) == []  # the detector of these tests has no score
