"""Paired statistics, against statsmodels, scipy and formulas worked by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import cochrans_q

from service.rankings.paired import cochran, difference_ends


def test_the_paired_interval_is_bonett_and_prices() -> None:
    one, two, pairs = 3, 8, 40
    p, q = (one + 1) / (pairs + 2), (two + 1) / (pairs + 2)
    half = 1.959963984540054 * math.sqrt((p + q - (q - p) ** 2) / (pairs + 2))
    assert difference_ends(one, two, pairs) == pytest.approx([q - p - half, q - p + half])
    assert difference_ends(two, one, pairs)[::-1] == pytest.approx(-difference_ends(one, two, pairs))


def test_the_paired_interval_never_is_a_point_and_needs_a_pair() -> None:
    low, high = difference_ends(0, 0, 8)
    assert low == -high < 0
    assert np.isnan(difference_ends(0, 0, 0)).all()
    assert difference_ends([0, 1], [8, 1], [8, 4]).shape == (2, 2)


def test_cochrans_q_agrees_with_statsmodels() -> None:
    rng = np.random.default_rng(3)
    fails = rng.random((40, 6)) < np.linspace(0.1, 0.5, 6)
    reference = cochrans_q(fails.astype(int))
    result = cochran(fails, rng)
    assert (result.q, result.p) == (pytest.approx(reference.statistic), pytest.approx(reference.pvalue))
    assert not result.exact


def test_with_few_cells_the_p_value_is_that_of_all_shuffles() -> None:
    fails = np.array([[0, 0, 1], [0, 1, 1], [0, 0, 1]], dtype=bool)
    result = cochran(fails, np.random.default_rng(0), shuffles=20000)
    every = [np.array(rows).sum(axis=0) for rows in itertools.product(*(itertools.permutations(row) for row in fails))]
    spread = [((total - total.mean()) ** 2).sum() for total in every]
    observed = ((fails.sum(axis=0) - fails.sum(axis=0).mean()) ** 2).sum()
    assert result.exact
    assert result.p == pytest.approx(np.mean(np.array(spread) >= observed - 1e-9), abs=0.01)


@pytest.mark.parametrize("fails", [np.zeros((8, 3)), np.ones((8, 3)), np.zeros((0, 3)), np.eye(4, 1)])
def test_where_nothing_differs_there_is_nothing_to_test(fails: np.ndarray) -> None:  # type: ignore[type-arg]
    result = cochran(fails.astype(bool), np.random.default_rng(0))
    assert (result.q, result.p, result.informative) == (None, None, 0)
