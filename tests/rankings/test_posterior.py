"""The posterior, against scipy's Beta and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from service.rankings.posterior import (
    Smoothing,
    borrowed,
    choose_smoothing,
    epoch_steps,
    kernel,
    log_evidence,
    posterior,
    smoothed,
)


def believe(counts: list[list[int]], epochs: list[int | None], runs: list[str] | None = None):  # type: ignore[no-untyped-def]
    return posterior(
        np.array(counts), [0.0, 1.0], runs or ["v1"] * len(counts), epochs, np.random.default_rng(5), 40000
    )


def test_alone_it_is_the_beta_binomial() -> None:
    result = believe([[17, 3]], [4])
    beta = stats.beta(3.5, 17.5)
    assert result.mean[0] == pytest.approx(beta.mean())
    assert result.interval[0] == pytest.approx(beta.ppf([0.025, 0.975]), abs=0.005)
    assert (result.p_best.tolist(), result.regret.tolist()) == ([1.0], [0.0])


def test_two_alone_are_compared_as_two_betas() -> None:
    result = believe([[17, 3], [12, 8]], [None, None])
    x = np.linspace(0, 1, 20001)
    one, two = stats.beta(3.5, 17.5), stats.beta(8.5, 12.5)
    chance = np.trapezoid(one.pdf(x) * two.sf(x), x)
    # E[max(a - b, 0)] = integral of P(b < x) P(a > x) dx
    regret = np.trapezoid(two.cdf(x) * one.sf(x), x)
    assert result.p_best[0] == pytest.approx(chance, abs=0.01)
    assert result.regret[0] == pytest.approx(regret, abs=0.002)
    assert result.regret[1] - result.regret[0] == pytest.approx(two.mean() - one.mean(), abs=0.004)


def test_severity_weighs_what_a_lost_hand_costs() -> None:
    counts = np.array([[10, 0, 10], [10, 10, 0]])
    result = posterior(counts, [0.0, 0.5, 1.0], ["a", "b"], [4, 4], np.random.default_rng(0))
    assert result.mean[0] > result.mean[1]
    assert result.p_best[1] > 0.95


def test_evidence_is_scipys_beta_binomial() -> None:
    counts, alpha = np.array([[17.0, 3.0]]), np.array([[2.5, 0.7]])
    expected = stats.betabinom(20, 0.7, 2.5).logpmf(3) - np.log(stats.binom(20, 0.5).pmf(3) * 2**20)
    assert log_evidence(counts, alpha)[0] == pytest.approx(expected)


def test_smooth_rates_borrow_and_jagged_ones_do_not() -> None:
    steps = np.arange(12.0)
    smooth = np.array([[50 - fails, fails] for fails in (10, 11, 9, 10, 12, 10, 11, 10, 9, 10, 11, 10)], dtype=float)
    jagged = np.array([[50 - fails, fails] for fails in (2, 40, 1, 38, 3, 41, 2, 39, 1, 42, 2, 40)], dtype=float)
    assert choose_smoothing(smooth, steps).strength >= 4
    assert choose_smoothing(jagged, steps).strength == 0.0


def test_epochs_that_all_count_alike_keep_their_order_and_stop_at_a_break() -> None:
    steps = np.array([0.0, 1.0, 2.0, 2.0 + 1e6])
    weights = kernel(steps, math.inf)
    assert weights[0].tolist() == pytest.approx([0.0, 1.0, 1.0, 0.0])
    counts = np.array([[20.0, 10.0], [22.0, 8.0], [19.0, 11.0], [21.0, 9.0]])
    for strength in (0.1, 100.0):  # even where the others are worth any amount
        pulled = 0.5 + counts + borrowed(counts, np.arange(4.0), Smoothing(math.inf, strength))
        assert np.argsort(pulled[:, 1] / pulled.sum(axis=1)).tolist() == np.argsort(counts[:, 1]).tolist()


def test_neighbours_together_are_worth_what_the_strength_says() -> None:
    counts = np.array([[8.0, 2.0], [9.0, 1.0], [7.0, 3.0], [6.0, 4.0], [9.0, 1.0]])
    assert borrowed(counts, np.arange(5.0), Smoothing(1.5, 0.5)).sum(axis=1) == pytest.approx(5.0)
    assert borrowed(counts, np.arange(5.0), Smoothing(1.5, 0.0)).sum() == 0


def test_one_epoch_better_than_all_others_stays_the_best_guess() -> None:
    counts = np.array([[20, 116] for _ in range(37)] + [[38, 98]])
    alpha, _ = smoothed(counts, ["v1"] * 38, list(range(4, 156, 4)))
    assert (alpha[:, 1] / alpha.sum(axis=1)).argmin() == 37


def test_a_lucky_epoch_among_worse_neighbours_is_believed_less() -> None:
    counts = [[28, 12], [27, 13], [33, 7], [28, 12], [27, 13], [28, 12]]
    epochs = [120, 124, 128, 132, 136, 140]
    apart = believe(counts, epochs, [f"run {number}" for number in range(6)])
    together = believe(counts, epochs)
    assert together.smoothing["v1"].strength > 0
    assert together.p_best[2] < apart.p_best[2]
    assert together.mean[2] > apart.mean[2]


def test_nothing_is_borrowed_across_a_break() -> None:
    counts = np.array([[30, 2], [31, 1], [30, 2], [10, 22], [8, 24], [9, 23]])
    runs, epochs = ["v1"] * 6, [128, 132, 136, 140, 144, 148]
    cut, _ = smoothed(counts, runs, epochs, {"v1": 140})
    joined, smoothing = smoothed(counts, runs, epochs)
    assert cut[2, 1] / cut[2].sum() < 0.1
    assert cut[3, 1] / cut[3].sum() > 0.6
    assert smoothing["v1"].strength == 0 or joined[2, 1] / joined[2].sum() > cut[2, 1] / cut[2].sum()


def test_the_final_epoch_is_nearer_to_the_last_saved_one() -> None:
    steps = epoch_steps([140, 144, 148, 150])
    assert steps.tolist() == [35.0, 36.0, 37.0, 37.5]
    weights = kernel(steps, 1.0)
    assert weights[2, 3] > weights[2, 1] > weights[2, 0]
    assert np.diag(weights).tolist() == [0.0] * 4
    assert weights[1, 2] == pytest.approx(np.exp(-0.5))


def test_nothing_at_all_and_nothing_measured() -> None:
    assert len(posterior(np.zeros((0, 2)), [0.0, 1.0], [], [], np.random.default_rng(0)).mean) == 0
    blank = believe([[0, 0], [0, 0]], [4, 8])
    assert blank.p_best == pytest.approx([0.5, 0.5], abs=0.02)


def test_the_same_generator_gives_the_same_answer() -> None:
    first, second = (believe([[5, 1], [4, 2]], [4, 8]) for _ in range(2))
    assert first.p_best.tolist() == second.p_best.tolist()
