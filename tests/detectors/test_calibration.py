"""A calibration laid over verdicts: what it changes, what it leaves alone, and where it lies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from detectors import Expectation, Finding, Severity, Verdict, open_detectors
from detectors.calibration import Band, Calibration, load, place
from detectors.errors import InvalidInput
from tests.detectors.cases import BOTH, PAIR, Judged, scene

BAND = Band("hands", None, 0.8, 0.3)


def finding(score: float | None, verdict: Verdict = Verdict.HOLDS, check: str = "hands", **more: object) -> Finding:
    severity = Severity.LOST if verdict is Verdict.FAILS else None
    return Finding(check, verdict, check, "1", "Kei", severity, score, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("score", "before", "after"),
    [
        (0.9, Verdict.FAILS, Verdict.FAILS),
        (0.8, Verdict.HOLDS, Verdict.FAILS),
        (0.5, Verdict.FAILS, Verdict.NOT_MEASURABLE),
        (0.3, Verdict.HOLDS, Verdict.NOT_MEASURABLE),
        (0.29, Verdict.FAILS, Verdict.HOLDS),
        (0.1, Verdict.HOLDS, Verdict.HOLDS),
        (0.1, Verdict.MINOR, Verdict.MINOR),
        (0.9, Verdict.NOT_MEASURABLE, Verdict.NOT_MEASURABLE),
        (None, Verdict.FAILS, Verdict.FAILS),
    ],
)
def test_a_score_is_worth_a_verdict(score: float | None, before: Verdict, after: Verdict) -> None:
    [answer] = Calibration((BAND,)).apply([finding(score, before)])
    assert answer.verdict is after
    assert (answer.severity is not None) == (after is Verdict.FAILS)
    assert answer.score == score
    if after is not before:
        assert answer.reason


def test_a_new_failure_has_the_kind_of_its_odds() -> None:
    odds = {"odds": {"holds": 0.1, "minor": 0.0, "fused": 0.6, "lost": 0.3}}
    [answer] = Calibration((BAND,)).apply([finding(0.9, evidence=odds)])
    assert answer.severity is Severity.FUSED
    [clear] = Calibration((BAND,)).apply([finding(0.9)])
    assert clear.severity is Severity.CLEAR


def test_a_character_of_her_own_goes_first() -> None:
    calibration = Calibration((BAND, Band("hands", "Kei", 0.4, 0.4)))
    assert calibration.apply([finding(0.5)])[0].verdict is Verdict.FAILS
    other = Finding("hands", Verdict.HOLDS, "hands", "1", "Kana", None, 0.5)
    assert calibration.apply([other])[0].verdict is Verdict.NOT_MEASURABLE
    assert calibration.apply([finding(0.5, check="face")])[0].verdict is Verdict.HOLDS


def test_no_threshold_for_failures_leaves_only_passes() -> None:
    calibration = Calibration((Band("hands", None, None, 0.3),))
    verdicts = [calibration.apply([finding(score, Verdict.FAILS)])[0].verdict for score in (0.99, 0.2)]
    assert verdicts == [Verdict.NOT_MEASURABLE, Verdict.HOLDS]


def test_it_survives_json_and_its_key_is_its_thresholds() -> None:
    calibration = Calibration((BAND, Band("face", "Kei", None, 0.2, {"labels": 40})))
    again = Calibration.from_json(calibration.to_json())
    assert again == calibration
    assert again.bands[1].measured == {"labels": 40}
    assert again.key == calibration.key
    assert Calibration((Band("hands", None, 0.81, 0.3),)).key != Calibration((BAND,)).key


def test_bands_are_replaced_and_removed() -> None:
    calibration = Calibration((BAND,)).with_bands([Band("hands", None, 0.7, 0.1), Band("face", None, 0.5, 0.5)])
    assert [(band.check, band.fails_from) for band in calibration.bands] == [("face", 0.5), ("hands", 0.7)]
    assert calibration.without(["face"]).bands == (Band("hands", None, 0.7, 0.1),)


@pytest.mark.parametrize(("fails_from", "holds_below"), [(0.3, 0.5), (1.2, 0.1), (0.5, -0.1), (None, 1.5)])
def test_a_band_that_cannot_be_is_refused(fails_from: float | None, holds_below: float) -> None:
    with pytest.raises(InvalidInput, match="holds_below <= fails_from"):
        Band("hands", None, fails_from, holds_below)
    with pytest.raises(InvalidInput, match="two bands"):
        Calibration((BAND, BAND))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"bands": 3}', '{"bands": [{"check": "hands"}]}', "\x00"])
def test_a_broken_file_is_named(tmp_path: Path, content: str) -> None:
    path = place(tmp_path, "miniature")
    assert load(tmp_path, "miniature") is None
    path.parent.mkdir()
    path.write_text(content)
    with pytest.raises(InvalidInput, match=r"miniature\.json cannot be used"):
        load(tmp_path, "miniature")


def test_opened_detectors_obey_it_and_their_spec_says_so() -> None:
    plain = open_detectors()
    strict = open_detectors(calibration=Calibration((Band("hands", None, None, 0.0),)))
    assert "calibration" not in plain.spec()
    assert strict.spec() != plain.spec()
    assert {**strict.spec(), "calibration": None} == {**plain.spec(), "calibration": None}
    judged = Judged(strict, scene("standing", ("lost_hand", 0), people=PAIR[:1]), (100,), BOTH[:1])
    findings = judged.found("hands", "kei")
    assert all(each.verdict is Verdict.NOT_MEASURABLE or each.score is None for each in findings)
    empty = strict.detect([np.zeros((64, 64, 3), np.uint8)], [Expectation(cast=BOTH[:1], checks=("hands",))])
    assert empty[0][0].verdict is Verdict.NOT_MEASURABLE
