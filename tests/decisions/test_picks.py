"""Which checkpoint is picked: what the posterior promises over counts, and the smoothing that it replaced."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.decisions.picks import WORLDS, right_picks
from benchmarks.decisions.power_prior import power_prior_costs


def test_one_alone_has_the_dirichlets_mean_under_the_power_prior() -> None:
    costs = np.array([[0.0] * 17 + [1.0] * 3])
    assert power_prior_costs(costs, ["v1"], [4])[0] == pytest.approx(stats.beta(3.5, 17.5).mean())


def test_the_power_prior_borrows_nothing_across_a_break() -> None:
    costs = np.array([[0.0] * (32 - fails) + [1.0] * fails for fails in (2, 1, 2, 22, 24, 23)])
    cut = power_prior_costs(costs, ["v1"] * 6, [128, 132, 136, 140, 144, 148], {"v1": 140})
    assert cut[2] < 0.1
    assert cut[3] > 0.6


def test_worlds_keep_their_rates_in_range() -> None:
    for make in WORLDS.values():
        rates = np.array(make(np.random.default_rng(0)).rates)
        assert 0 < rates.min() <= rates.max() < 1


def test_where_epochs_are_alike_the_posterior_is_right_more_often_than_the_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("benchmarks.decisions.picks.SEEDS", (3,))
    names = ("38, smooth", "38, in no order")
    monkeypatch.setattr("benchmarks.decisions.picks.WORLDS", {name: WORLDS[name] for name in names})
    smooth, jagged = (right_picks(2, 40)[f"{name}, 36 images"] for name in names)
    assert smooth["posterior"]["right"] > smooth["count"]["right"] + 0.1
    assert smooth["posterior"]["error"] < 0.8 * smooth["count"]["error"]
    assert jagged["posterior"]["excess"] < jagged["count"]["excess"] + 0.01
    assert jagged["posterior"]["error"] < jagged["count"]["error"]
