"""Clustered intervals, against statsmodels and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from service.rankings.clusters import intraclass_correlation, pooled_intervals, wilson_ends


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=1, max_size=6))
def test_many_wilson_intervals_agree_with_statsmodels(pairs: list[tuple[int, int]]) -> None:
    fails, totals = np.array([min(pair) for pair in pairs]), np.array([max(pair) for pair in pairs])
    low, high = proportion_confint(fails, totals, method="wilson")
    assert wilson_ends(fails, totals) == pytest.approx(np.stack([low, high], axis=-1), abs=1e-12)


def test_nothing_measured_has_no_interval() -> None:
    assert np.isnan(wilson_ends([0], [0])).all()
    assert np.isnan(pooled_intervals([[0, 0]], [[0, 0]]).ends).all()


def test_the_correlation_is_that_of_the_analysis_of_variance() -> None:
    fails, totals = np.array([3, 0, 1, 4]), np.array([4, 5, 4, 6])
    groups = [np.r_[np.ones(f), np.zeros(n - f)] for f, n in zip(fails, totals, strict=True)]
    images = np.concatenate(groups)
    between = sum(len(g) * (g.mean() - images.mean()) ** 2 for g in groups) / 3
    within = sum(((g - g.mean()) ** 2).sum() for g in groups) / (19 - 4)
    size = (19 - (totals**2).sum() / 19) / 3
    expected = (between - within) / (between + (size - 1) * within)
    assert intraclass_correlation(fails, totals) == pytest.approx(expected)
    assert intraclass_correlation([fails, fails], [totals, totals]) == pytest.approx(expected)


def test_all_or_nothing_scenarios_are_wholly_alike() -> None:
    assert intraclass_correlation([[8, 0, 8, 0]], [[8, 8, 8, 8]]) == pytest.approx(1.0)


@pytest.mark.parametrize("totals", [[8], [1, 1, 1], [0, 8]])
def test_what_cannot_be_told_is_no_correlation(totals: list[int]) -> None:
    assert intraclass_correlation([[min(1, n) for n in totals]], [totals]) == 0.0


def test_groups_keep_their_own_correlation() -> None:
    fails, totals = np.array([[8, 0], [8, 0], [2, 2]]), np.full((3, 2), 8)
    pooled = pooled_intervals(fails, totals, ["v1", "v1", "v2"])
    assert pooled.correlation == pytest.approx([1.0, 1.0, 0.0])
    assert pooled.ends[2] == pytest.approx(proportion_confint(4, 16, method="wilson"))
    assert len(set(pooled_intervals(fails, totals).correlation.tolist())) == 1


def test_without_clusters_it_is_wilsons() -> None:
    pooled = pooled_intervals([[2, 2, 2, 2]], [[8, 8, 8, 8]])
    assert pooled.design_effect.tolist() == [1.0]
    assert pooled.ends[0] == pytest.approx(proportion_confint(8, 32, method="wilson"))


def test_one_scenario_is_wilsons() -> None:
    assert pooled_intervals([[3]], [[16]]).ends[0] == pytest.approx(proportion_confint(3, 16, method="wilson"))


def test_scenarios_that_differ_widen_it_and_all_or_none_keep_their_end() -> None:
    even, uneven = pooled_intervals([[4, 4, 4, 4]], [[8] * 4]).ends[0], pooled_intervals([[8, 8, 0, 0]], [[8] * 4])
    assert np.diff(uneven.ends[0]) > 2 * np.diff(even)
    assert uneven.design_effect[0] == pytest.approx(8.0)
    none, every = pooled_intervals([[0, 0], [8, 8]], [[8, 8], [8, 8]]).ends
    assert none[0] == 0.0 < none[1]
    assert every[1] == 1.0 > every[0]
