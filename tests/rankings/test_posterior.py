"""The posterior, against scipy, closed forms and worlds whose rates are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import integrate, stats

from service.rankings.posterior import (
    Posterior,
    angles,
    epoch_steps,
    expected_costs,
    mean_cost,
    posterior,
)
from service.rankings.smoothing import Smoothed

Floats = NDArray[np.float64]
ONE = np.zeros(400, dtype=np.int64)


def cells(fails: list[int], images: int, seed: int = 3) -> Floats:
    """Checkpoints that fail so often, on independent cells of one scenario."""
    rng = np.random.default_rng(seed)
    return np.array([rng.permutation(np.arange(images) < number) for number in fails], dtype=float)


def believe(
    costs: Floats, epochs: list[int | None], runs: list[str] | None = None, breaks: dict[str, int] | None = None
) -> Posterior:
    names = runs or ["v1"] * len(costs)
    return posterior(costs, ONE[: costs.shape[1]], names, epochs, np.random.default_rng(5), breaks=breaks, draws=40_000)


def test_alone_it_is_close_to_jeffreys_beta() -> None:
    result = believe(cells([40], 200), [4])
    beta = stats.beta(40.5, 160.5)
    assert result.mean[0] == pytest.approx(beta.mean(), abs=0.003)
    assert result.interval[0] == pytest.approx(beta.ppf([0.025, 0.975]), abs=0.006)
    assert (result.p_best.tolist(), result.regret.tolist()) == ([1.0], [0.0])


def test_two_alone_are_compared_as_two_betas() -> None:
    result = believe(cells([60, 80], 200), [None, None])
    x = np.linspace(0, 1, 20001)
    one, two = stats.beta(60.5, 140.5), stats.beta(80.5, 120.5)
    chance = np.trapezoid(one.pdf(x) * two.sf(x), x)
    # E[max(a - b, 0)] = integral of P(b < x) P(a > x) dx
    regret = np.trapezoid(two.cdf(x) * one.sf(x), x)
    assert result.p_best[0] == pytest.approx(chance, abs=0.01)
    assert result.regret[0] == pytest.approx(regret, abs=0.002)
    assert result.regret[1] - result.regret[0] == pytest.approx(two.mean() - one.mean(), abs=0.004)


def test_the_expected_cost_of_an_angle_is_its_integral() -> None:
    mean, deviation = 0.3, 0.12
    part = Smoothed(np.array([mean]), np.array([[deviation**2]]), np.ones(1), np.ones(()))
    expected, _ = integrate.quad(lambda t: np.sin(t) ** 2 * stats.norm(mean, deviation).pdf(t), -2, 2.6)
    assert mean_cost(part, 0.5)[0] == pytest.approx(0.5 * expected)


def test_the_error_of_an_angle_is_that_of_independent_images() -> None:
    found = angles(cells([100], 400), ONE, 1.0)
    assert found.design_effect[0] == pytest.approx(1.0, abs=0.01)
    assert found.covariance[0, 0] == pytest.approx(1 / 1600, rel=0.02)
    assert found.values[0] == pytest.approx(np.arcsin(0.5), abs=0.001)


def test_where_scenarios_always_or_never_fail_a_rate_is_known_better() -> None:
    rng = np.random.default_rng(0)
    rates = np.array([0.02, 0.1, 0.9, 0.98])
    scenarios = np.repeat(np.arange(4), 100)
    costs = (rng.random((30, 400)) < rates[scenarios]).astype(float)
    found = angles(costs, scenarios, 1.0)
    exact = (rates * (1 - rates)).mean() / (rates.mean() * (1 - rates.mean()))
    assert found.design_effect.mean() == pytest.approx(exact, abs=0.05)
    # ... which is what the means of these checkpoints show
    assert costs.mean(axis=1).var() == pytest.approx((rates * (1 - rates)).mean() / 400, rel=0.6)


def test_checkpoints_that_are_unlucky_together_are_seen_to_be() -> None:
    rng = np.random.default_rng(1)
    noise = np.sqrt(0.5) * rng.standard_normal(400) + np.sqrt(0.5) * rng.standard_normal((10, 400))
    together = angles((noise < -0.5).astype(float), ONE, 1.0)
    apart = angles(cells([120] * 10, 400), ONE, 1.0)
    assert apart.likeness < 0.03
    # two Gaussians of correlation 0.5, cut at -0.5: the binary correlation is (P(both) - p²) / (p (1 - p))
    p = stats.norm.cdf(-0.5)
    both = stats.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]]).cdf([-0.5, -0.5])
    assert together.likeness == pytest.approx((both - p**2) / (p * (1 - p)), abs=0.06)
    assert together.covariance[0, 1] == pytest.approx(together.likeness * together.covariance[0, 0], rel=0.05)


def test_cells_that_two_do_not_share_do_not_make_them_err_together() -> None:
    costs = cells([30, 30], 100)
    costs[0, 50:], costs[1, :50] = np.nan, np.nan
    assert angles(costs, ONE[:100], 1.0).covariance[0, 1] == 0


def test_severity_weighs_what_a_lost_hand_costs() -> None:
    costs = np.repeat([[0.0, 1.0], [0.0, 0.5]], 20, axis=1)
    result = believe(costs, [4, 4], ["a", "b"])
    assert result.mean[0] > result.mean[1]
    assert result.p_best[1] > 0.95


def test_smooth_rates_borrow_and_jagged_ones_do_not() -> None:
    epochs: list[int | None] = list(range(4, 52, 4))
    smooth = believe(cells([40, 44, 36, 40, 48, 40, 44, 40, 36, 40, 44, 40], 200), epochs)
    jagged = believe(cells([8, 160, 4, 152, 12, 164, 8, 156, 4, 168, 8, 160], 200), epochs)
    assert smooth.smoothing["v1"].strength > 0.5
    assert jagged.smoothing["v1"].strength < 0.1
    assert jagged.mean == pytest.approx(np.array([8, 160, 4, 152, 12, 164, 8, 156, 4, 168, 8, 160]) / 200, abs=0.02)


def test_one_epoch_far_better_than_all_others_stays_the_best_guess() -> None:
    costs = cells([116] * 37 + [80], 136)
    assert expected_costs(costs, ONE[:136], ["v1"] * 38, list(range(4, 156, 4))).argmin() == 37


def test_a_lucky_epoch_among_worse_neighbours_is_believed_less() -> None:
    costs = cells([12, 13, 7, 12, 13, 12], 40)
    epochs: list[int | None] = [120, 124, 128, 132, 136, 140]
    apart = believe(costs, epochs, [f"run {number}" for number in range(6)])
    together = believe(costs, epochs)
    assert together.smoothing["v1"].strength > apart.smoothing["run 2"].strength == 0
    assert together.p_best[2] < apart.p_best[2]
    assert together.mean[2] > apart.mean[2]


def test_nothing_is_borrowed_across_a_break() -> None:
    costs = cells([2, 1, 2, 22, 24, 23], 32)
    epochs: list[int | None] = [128, 132, 136, 140, 144, 148]
    cut, joined = believe(costs, epochs, breaks={"v1": 140}), believe(costs, epochs)
    assert cut.mean[2] < 0.1
    assert cut.mean[3] > 0.6
    assert cut.mean[2] <= joined.mean[2]


def test_none_failing_is_no_certainty_and_many_such_epochs_are_more_of_one() -> None:
    alone, many = believe(np.zeros((1, 8)), [4]), believe(np.zeros((10, 8)), list(range(10)))
    assert 0.1 < alone.interval[0, 1] < 0.5
    assert many.interval[0, 0] < 0.001
    assert many.interval[0, 1] < 0.5 * alone.interval[0, 1]


def test_its_intervals_hold_and_its_chances_are_true() -> None:
    rng = np.random.default_rng(2)
    inside, right, said = [], [], []
    for _ in range(150):
        rates = np.clip(0.3 + 0.2 * np.linspace(-1, 1, 12) ** 2 + rng.normal(0, 0.04, 12), 0.01, 0.99)
        costs = (rng.random((12, 60)) < rates[:, None]).astype(float)
        found = posterior(costs, ONE[:60], ["v1"] * 12, list(range(12)), rng, draws=500)
        inside += ((found.interval[:, 0] <= rates) & (rates <= found.interval[:, 1])).tolist()
        right.append(found.p_best.argmax() == rates.argmin())
        said.append(found.p_best.max())
    assert np.mean(inside) > 0.92
    assert np.mean(right) == pytest.approx(np.mean(said), abs=0.1)


def test_the_final_epoch_is_nearer_to_the_last_saved_one() -> None:
    assert epoch_steps([140, 144, 148, 150]).tolist() == [35.0, 36.0, 37.0, 37.5]


def test_nothing_at_all_and_nothing_measured() -> None:
    rng = np.random.default_rng(0)
    assert len(posterior(np.zeros((0, 0)), ONE[:0], [], [], rng).mean) == 0
    assert believe(np.full((2, 3), np.nan), [4, 8]).p_best == pytest.approx([0.5, 0.5], abs=0.05)
    assert believe(np.zeros((2, 0)), [4, None]).p_best == pytest.approx([0.5, 0.5], abs=0.05)


def test_the_same_generator_gives_the_same_answer() -> None:
    first, second = (believe(cells([1, 2], 6), [4, 8]) for _ in range(2))
    assert first.p_best.tolist() == second.p_best.tolist()
