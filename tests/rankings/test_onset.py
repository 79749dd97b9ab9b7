"""Change points, against brute force with scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from service.rankings.onset import SURE, find_onsets


def by_hand(fails: list[int], totals: list[int]) -> tuple[float, list[float]]:
    """Probability of a rise and of each place, with the rates integrated numerically."""
    rate = (np.arange(20000) + 0.5) / 20000
    jeffreys = stats.beta(0.5, 0.5).pdf(rate) / 20000

    def evidence(part: slice) -> float:
        f, n = sum(fails[part]), sum(totals[part])
        return float((jeffreys * rate**f * (1 - rate) ** (n - f)).sum())

    weights = []
    for place in range(1, len(fails)):
        before, after = slice(place), slice(place, None)
        up = sum(fails[after]) * sum(totals[before]) > sum(fails[before]) * sum(totals[after])
        weights.append(evidence(before) * evidence(after) / evidence(slice(None)) if up else 0.0)
    total = 2 * sum(weights) / (len(fails) - 1)
    return total / (1 + total), [weight / sum(weights) for weight in weights]


@pytest.mark.parametrize(
    "fails", [[0, 1, 0, 0, 5, 6, 7], [1, 1, 2, 1, 2, 1, 1], [0, 0, 0, 0, 0, 0, 8], [0, 1, 2, 3, 4, 5, 6]]
)
def test_it_is_the_integrated_step_model(fails: list[int]) -> None:
    totals = [8] * 7
    chance, places = by_hand(fails, totals)
    result = find_onsets(fails, totals)
    assert result.probability[0] == pytest.approx(chance, rel=0.02)
    assert result.first[0] == int(np.argmax(places)) + 1
    assert sum(places[result.low[0] - 1 : result.high[0]]) >= 0.95


def test_a_clear_break_is_found_where_it_is() -> None:
    result = find_onsets([0, 0, 1, 0, 12, 13, 14], [16] * 7)
    assert (result.first[0], result.low[0], result.high[0]) == (4, 4, 4)
    assert result.probability[0] > 0.99
    assert (result.before[0], result.after[0]) == (pytest.approx(1 / 64), pytest.approx(39 / 48))


def test_many_series_are_each_their_own() -> None:
    fails = np.array([[0, 0, 6, 7], [3, 3, 3, 3], [7, 6, 0, 0]])
    together = find_onsets(fails, np.full((3, 4), 8))
    for place, row in enumerate(fails):
        alone = find_onsets(row, [8] * 4)
        assert together.probability[place] == alone.probability[0]
        assert together.first[place] == alone.first[0]
    assert together.probability[2] == 0.0


@pytest.mark.parametrize(
    ("fails", "totals"),
    [([0, 0, 0, 0], [8] * 4), ([8, 8, 8, 8], [8] * 4), ([0, 0], [0, 0]), ([3], [8]), ([5, 0, 0], [8, 0, 0])],
)
def test_without_a_rise_there_is_no_onset(fails: list[int], totals: list[int]) -> None:
    result = find_onsets(fails, totals)
    assert (result.probability[0], result.first[0]) == (0.0, -1)


def test_an_epoch_without_images_is_never_the_first() -> None:
    result = find_onsets([0, 0, 0, 8, 8], [8, 8, 0, 8, 8])
    assert result.first[0] == 3


def test_a_flat_rate_is_seldom_taken_for_a_rise() -> None:
    rng = np.random.default_rng(2)
    for rate in (0.02, 0.1, 0.4):
        fails = rng.binomial(16, rate, size=(2000, 19))
        assert (find_onsets(fails, np.full_like(fails, 16)).probability > SURE).mean() < 0.05
