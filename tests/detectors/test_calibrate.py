from __future__ import annotations

import numpy as np
import pytest

from benchmarks.detectors.calibrate import best_threshold, faintest
from benchmarks.detectors.cases import case_of
from benchmarks.detectors.sampling import SEED_RANGES, scene_of


def test_the_threshold_separates_and_stays_near_a_half() -> None:
    assert best_threshold([0.1, 0.9], [False, True]) == (0.5, 1.0)
    value, f1 = best_threshold([0.1, 0.2, 0.9, 0.95] * 30, [False, False, False, True] * 30)
    assert 0.9 < value < 0.95
    assert f1 == 1.0


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
