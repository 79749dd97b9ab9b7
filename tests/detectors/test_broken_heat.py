"""How sure a place must be to count where a broken hand is seen."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.detectors.broken_heat import Look, choose, counts
from tests.detectors.test_hands_check import FUSED, LIMITS, context, hand


def test_the_best_that_leaves_clean_drawings_alone_is_taken() -> None:
    assert choose([((0.06, 0.5), 0.8, 0.02), ((0.1, 0.5), 0.7, 0.009), ((0.2, 0.5), 0.6, 0.0)]) == (0.1, 0.5)
    assert choose([((0.06, 0.5), 0.8, 0.002), ((0.06, 0.7), 0.8, 0.001)]) == (0.06, 0.7)
    assert choose([((0.06, 0.5), 0.8, 0.02), ((0.25, 0.9), 0.5, 0.01)]) == (0.25, 0.9)


@pytest.mark.parametrize(("heat", "expected"), [(0.1, (1, 1, 0)), (0.3, (0, 0, 1))])
def test_verdicts_are_counted_against_the_labels(heat: float, expected: tuple[int, int, int]) -> None:
    faint = hand(0, FUSED, heat=0.2, seen=0.0)
    seen = context(hand(0), faint, hand(1), replace(faint, owner=1))
    looks: list[Look] = [(seen, {"kei": True, "kana": False})]
    assert counts(looks, replace(LIMITS, broken_heat=heat)) == expected
