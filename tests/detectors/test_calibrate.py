from __future__ import annotations

import numpy as np
import pytest

from benchmarks.detectors.calibrate import best_threshold, faintest, precise_threshold
from benchmarks.detectors.cases import case_of
from benchmarks.detectors.sampling import SEED_RANGES, scene_of


def test_the_threshold_separates() -> None:
    assert best_threshold([0.1, 0.9], [False, True]) == (0.5, 1.0)
    value, f1 = best_threshold([0.1, 0.2, 0.9, 0.95] * 30, [False, False, False, True] * 30)
    assert 0.9 < value < 0.95
    assert f1 == 1.0


def test_the_middle_of_a_gap_is_taken_and_not_its_edge() -> None:
    clean, faults = [0.01] * 300 + [0.1] * 20, [0.7] * 10 + [0.99] * 200
    wanted = [False] * 320 + [True] * 210
    for choose in (best_threshold, precise_threshold):
        assert choose(clean + faults, wanted) == (0.4, 1.0)
    # A single slip within the gap does not move it to one of its halves.
    slipped, _ = best_threshold([*clean, 0.2, *faults], [*wanted[:320], False, *wanted[320:]])
    assert slipped == pytest.approx(0.4, abs=0.01)


def test_where_precision_is_asked_for_no_threshold_has_less() -> None:
    value, f1 = precise_threshold([0.9] * 12 + [0.4] * 12 + [0.1] * 12, [True] * 12 + [False, True] * 6 + [False] * 12)
    assert 0.4 < value < 0.9
    assert f1 == pytest.approx(0.8)
    assert precise_threshold([0.9, 0.9], [True, False]) == (1.0, 0.0)


def test_nothing_to_find_is_not_a_threshold() -> None:
    value, f1 = best_threshold([0.1, 0.2], [False, False])
    assert value == 1.0
    assert np.isnan(f1)


def test_equal_scores_are_never_split() -> None:
    value, f1 = best_threshold([0.4, 0.4, 0.4], [True, False, False])
    assert value < 0.4
    assert f1 == pytest.approx(0.5)


def test_faint_traces_are_ends_as_often_as_not() -> None:
    heat, true = [0.9, 0.35, 0.3, 0.2, 0.1], [True, True, False, False, False]
    assert faintest(heat, true, 0.4) == 0.3
    assert faintest([0.9, 0.2], [True, False], 0.4) == 0.4


def test_cases_come_again_and_no_split_meets_another() -> None:
    one, again = case_of("test", 3, seed=9), case_of("test", 3, seed=9)
    assert one.truth == again.truth
    assert np.array_equal(one.image, again.image)
    for split, (low, high) in SEED_RANGES.items():
        for index in range(20):
            assert low <= scene_of(split, index).seed < high  # type: ignore[arg-type]
