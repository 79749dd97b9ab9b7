"""Smoothed rates: what neighbours add, and what they must not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from service.rankings.smoothing import cell_likeness, draw, models, sampling_covariance, scenario_rates, smooth

PLACES = np.arange(12, dtype=float)
ONE_RUN = np.zeros(12, dtype=np.int64)


def test_every_scenario_weighs_the_same() -> None:
    rates, _ = scenario_rates(np.array([[6.0, 0.0]]), np.array([[6.0, 60.0]]))
    assert rates == pytest.approx([0.5])


def test_a_scenario_without_cells_is_left_out_and_nothing_is_no_rate() -> None:
    rates, variances = scenario_rates(np.array([[1.0, 0.0], [0.0, 0.0]]), np.array([[4.0, 0.0], [0.0, 0.0]]))
    assert rates[0] == pytest.approx(0.25)
    assert np.isnan(rates[1])
    assert (variances > 0).all()


def test_a_few_passes_are_no_certainty() -> None:
    _, variances = scenario_rates(np.array([[0.0], [3.0]]), np.array([[3.0], [6.0]]))
    assert variances[0, 0] > 0.05


def test_shared_cells_err_together_as_far_as_they_are_shared() -> None:
    counts = np.array([[10.0], [40.0]])
    covariance = sampling_covariance(np.full((2, 1), 0.2), counts, np.array(0.5))
    assert np.diagonal(covariance) == pytest.approx([0.02, 0.005])
    assert covariance[0, 1] == pytest.approx(0.5 * 0.2 / 40)


def test_likeness_stays_within_its_range() -> None:
    assert cell_likeness(np.array([-3.0, 1.0, 99.0]), np.array([4.0, 4.0, 4.0])) == pytest.approx([0.0, 0.25, 0.9])


def test_neighbours_help_where_rates_are_smooth() -> None:
    rng = np.random.default_rng(1)
    truth = 0.2 + 0.02 * np.abs(PLACES - 6)
    noise = 0.06
    rates = truth + noise * rng.standard_normal((300, 12))
    covariance = np.broadcast_to(noise**2 * np.eye(12), (300, 12, 12))
    mean = smooth(rates, covariance, ONE_RUN, PLACES).mean
    assert np.square(mean - truth).mean() < 0.5 * noise**2


def test_exact_rates_are_left_as_they_are() -> None:
    truth = np.where(PLACES % 2 == 0, 0.1, 0.5)
    smoothed = smooth(truth, 1e-6 * np.eye(12), ONE_RUN, PLACES)
    mean, spread = smoothed.mean, smoothed.covariance
    assert mean == pytest.approx(truth, abs=0.01)
    assert np.sqrt(np.diagonal(spread)).max() < 0.01


def test_it_is_the_gaussian_posterior_weighted_by_scipys_evidence() -> None:
    rng = np.random.default_rng(6)
    noise = 0.002 * np.eye(12) + 0.0005
    rates = 0.3 + 0.1 * rng.standard_normal(12)
    ideas = models((2.0, 6.0), (0.05,), (0.01, 0.1))
    found = smooth(rates, noise, ONE_RUN, PLACES, ideas)
    values = rates - rates.mean()
    evidence, means, covariances = [], [], []
    for idea in ideas:
        curve = idea.height**2 * np.exp(-((PLACES[:, None] - PLACES) ** 2) / (2 * idea.reach**2))
        prior = 0.25 + curve + idea.own**2 * np.eye(12)
        evidence.append(stats.multivariate_normal(np.zeros(12), prior + noise).logpdf(values))
        precision = np.linalg.inv(prior) + np.linalg.inv(noise)  # the other way to write the same posterior
        covariances.append(np.linalg.inv(precision))
        means.append(covariances[-1] @ np.linalg.inv(noise) @ values)
    weights = np.exp(np.array(evidence) - max(evidence))
    weights /= weights.sum()
    mean = weights @ np.array(means)
    assert found.mean == pytest.approx(mean + rates.mean(), abs=1e-6)
    spread = sum(w * (c + np.outer(m - mean, m - mean)) for w, c, m in zip(weights, covariances, means, strict=True))
    assert found.covariance == pytest.approx(spread, abs=1e-6)
    assert found.reach == pytest.approx(weights @ [idea.reach for idea in ideas])


def test_the_share_of_its_own_is_how_much_a_mean_follows_its_figure() -> None:
    rates = 0.3 + 0.05 * np.sin(PLACES)
    (idea,) = models((3.0,), (0.05,), (0.03,))
    noise = 0.001 * np.eye(12)
    found = smooth(rates, noise, ONE_RUN, PLACES, [idea])
    # moving one figure moves the common middle too, which the level takes up again but for its own small doubt
    moved = smooth(rates + 1e-4 * (PLACES == 4), noise, ONE_RUN, PLACES, [idea])
    assert (moved.mean[4] - found.mean[4]) / 1e-4 == pytest.approx(found.share[4], abs=0.005)
    assert 0 < found.share.min() < found.share.max() < 1


def test_an_unknown_rate_is_taken_from_its_neighbours_with_doubt() -> None:
    rates = np.full(12, 0.2)
    rates[5] = np.nan
    smoothed = smooth(rates, 1e-4 * np.eye(12), ONE_RUN, PLACES)
    mean, spread = smoothed.mean, smoothed.covariance
    assert mean[5] == pytest.approx(0.2, abs=0.02)
    assert spread[5, 5] > spread[2, 2]


def test_runs_tell_nothing_about_each_other() -> None:
    runs = np.repeat([0, 1], 6)
    places = np.tile(np.arange(6.0), 2)
    mean = smooth(np.repeat([0.1, 0.6], 6), 1e-4 * np.eye(12), runs, places).mean
    assert mean[5] == pytest.approx(0.1, abs=0.02)
    assert mean[6] == pytest.approx(0.6, abs=0.02)


def test_draws_have_the_mean_and_covariance_they_are_asked_for() -> None:
    covariance = np.array([[0.04, 0.02], [0.02, 0.09]])
    drawn = draw(np.array([0.3, 0.7]), covariance, np.random.default_rng(0), 40_000)
    assert drawn.mean(1) == pytest.approx([0.3, 0.7], abs=0.01)
    assert np.cov(drawn) == pytest.approx(covariance, abs=0.003)
