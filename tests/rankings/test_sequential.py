"""The test that may be looked at after every round, against closed forms and simulated truth."""

from __future__ import annotations

import numpy as np
import pytest

from service.rankings.sequential import BETS, dropping_line, log_fortune, settle


def fortune(first: list[float], second: list[float], rounds: int = 1) -> np.ndarray:
    """Log fortunes of two checkpoints that met on these cells at full stakes."""
    outcomes = np.array([[first, second]])
    return log_fortune(rounds * settle(outcomes, np.array([[0.5, 0.5]]), np.ones((1, len(first)))))[0]


def test_only_discordant_cells_count() -> None:
    assert fortune([1, 0, np.nan, 1], [1, 0, 1, np.nan]) == pytest.approx([0.0, 0.0])


def test_two_checkpoints_are_a_mixture_of_sign_tests() -> None:
    k, n = 9, 11
    first = [1.0] * k + [0.0] * (n - k)
    expected = np.log(np.mean((1 + BETS) ** k * (1 - BETS) ** (n - k)))
    assert fortune(first, [1 - each for each in first])[0] == pytest.approx(expected)


def test_failing_more_often_makes_rich_and_failing_less_poor() -> None:
    worse, better = fortune([1, 1, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0])
    assert worse > np.log(8)
    assert better < 0


def test_a_smaller_stake_moves_less() -> None:
    outcomes, rivals = np.array([[[1.0], [0.0]]]), np.array([[0.5, 0.5]])
    full, third = (settle(outcomes, rivals, np.array([[stake]]))[0, 0] for stake in (1.0, 1 / 3))
    assert (third < full).all()
    assert third == pytest.approx(np.log1p(BETS / 3))


def test_who_has_no_weight_is_nobodys_rival() -> None:
    outcomes = np.array([[[1.0], [0.0], [0.0]]])
    alone = settle(outcomes, np.array([[1.0, 0.0, 0.0]]), np.ones((1, 1)))
    assert alone[0, 0] == pytest.approx(0.0)  # nobody to fail against
    assert (alone[0, 1:] < 0).all()


def test_a_fair_race_does_not_make_rich_on_average() -> None:
    """Under "equally good" the expected fortune is at most 1, also where scenarios differ in opposite directions."""
    rng = np.random.default_rng(3)
    rates = np.array([[0.1, 0.6, 0.3], [0.6, 0.1, 0.3]])  # the same mean over the scenarios
    outcomes = (rng.random((40_000, 2, 3)) < rates).astype(float)
    gained = np.exp(log_fortune(settle(outcomes, np.full((40_000, 2), 0.5), np.ones((40_000, 3)))))
    assert (gained.mean(0) < 1 + 3 * gained.std(0) / np.sqrt(len(gained))).all()


def test_the_line_keeps_the_promise_for_all_at_once() -> None:
    assert dropping_line(2, 0.05) == pytest.approx(np.log(40))
    assert dropping_line(10, 0.05) == pytest.approx(np.log(20 / 0.9))
    assert dropping_line(1, 0.05) == np.inf
