"""Races: what they cost, how they end, and what they never do."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from service.rankings.allocation import DEEPEST, Ending, Phase, Races, Round, Rules

SCENARIOS = 6


def start(checkpoints: int, rules: Rules) -> Races:
    return Races(np.zeros(checkpoints, np.int64), np.arange(checkpoints, dtype=float), SCENARIOS, rules)


def play(races: Races, rates: list[float], seed: int = 0, most_rounds: int = 200) -> list[Round]:
    """Run a race on independent cells; nan as a rate is a checkpoint that can never be judged."""
    rng = np.random.default_rng(seed)
    rounds = []
    chances = np.array(rates)[None, :, None, None]
    while len(rounds) < most_rounds:
        step = races.plan()
        if not step.blocks[0]:
            break
        for _ in range(int(step.blocks[0])):
            fails = (rng.random((1, len(rates), SCENARIOS, DEEPEST)) < chances).astype(float)
            races.record(step, np.where(np.isnan(chances), np.nan, fails), np.array([True]))
        races.review(rng)
        rounds.append(step)
    return rounds


@pytest.mark.parametrize("budget", [60, 61, 100, 333, 1000])
def test_the_budget_is_never_exceeded(budget: int) -> None:
    races = start(8, Rules(budget))
    rounds = play(races, [0.3] * 8)
    assert races.phase[0] == Phase.OVER
    assert races.used[0] == sum(int(step.cells()[0]) * int(step.playing.sum()) for step in rounds) <= budget
    assert races.used[0] > budget - 2 * SCENARIOS - 8 * SCENARIOS


def test_a_clear_leader_is_found_and_confirmed_on_fresh_seeds() -> None:
    races = start(4, Rules(4000))
    rounds = play(races, [0.6, 0.1, 0.7, 0.8])
    assert (Ending(races.ending[0]), races.pick()[0]) == (Ending.LEADER, 1)
    assert races.worse[0].tolist() == [True, False, True, True]
    assert rounds[-1].phase[0] == Phase.CONFIRM
    assert races.confirmed[0, 1, 1] >= 90
    assert races.used[0] < 2000


def test_checkpoints_that_are_alike_are_tied() -> None:
    races = start(3, Rules(None, margin=0.05))
    play(races, [0.0, 0.0, 0.0])
    assert Ending(races.ending[0]) is Ending.TIE
    assert races.racing[0].all()


def test_a_spent_budget_is_no_proof() -> None:
    races = start(6, Rules(200, margin=0.001))
    play(races, [0.3, 0.32, 0.34, 0.36, 0.38, 0.40])
    assert Ending(races.ending[0]) is Ending.BUDGET
    assert not races.worse[0].any()
    assert 0 < races.racing[0].sum() < 6


def test_what_was_set_aside_comes_back_when_the_rest_is_settled() -> None:
    returned = 0
    for seed in range(12):
        races = start(8, Rules(6000))
        fields = [step.playing[0] for step in play(races, [0.05, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8], seed)]
        returned += any((later & ~earlier).any() for earlier, later in pairwise(fields))
        assert races.pick()[0] == 0
    assert returned  # a rival that was set aside early has to be shown worse before anybody is called the leader


def test_all_that_play_get_the_same_cells() -> None:
    races = start(5, Rules(600))
    for step in play(races, [0.2, 0.3, 0.4, 0.5, 0.6]):
        assert step.depth.min() >= 1
        assert step.depth.max() <= DEEPEST
        assert step.rivals[0][~step.playing[0]].sum() == 0


def test_seeds_go_to_scenarios_that_scatter() -> None:
    races = start(3, Rules(None, margin=-1.0))
    rng = np.random.default_rng(0)
    chances = np.array([0.5, 0.0, 0.0, 0.0, 0.0, 1.0])[None, None, :, None]
    for _ in range(8):
        step = races.plan()
        for _ in range(int(step.blocks[0])):
            races.record(step, (rng.random((1, 3, SCENARIOS, DEEPEST)) < chances).astype(float), np.array([True]))
        races.review(rng)
    assert races.plan().depth[0].tolist() == [DEEPEST, 1, 1, 1, 1, 1]


def test_a_checkpoint_that_cannot_be_judged_is_dropped_alone() -> None:
    races = start(3, Rules(1000))
    rounds = play(races, [0.1, np.nan, 0.6])
    assert rounds[1].playing[0].tolist() == [True, False, True]
    assert races.pick()[0] == 0


def test_nothing_judged_is_an_end_without_a_proof() -> None:
    races = start(3, Rules(1000))
    rounds = play(races, [np.nan] * 3, most_rounds=20)
    assert Ending(races.ending[0]) is Ending.BUDGET
    assert len(rounds) <= 2
    assert not races.worse[0].any()


def test_somebody_always_stays() -> None:
    races = start(2, Rules(None))
    races.fortunes[:] = 50.0
    step = races.plan()
    races.record(step, np.ones((1, 2, SCENARIOS, DEEPEST)), np.array([True]))
    races.review(np.random.default_rng(0))
    assert races.racing[0].sum() == 1


@pytest.mark.parametrize("make", [lambda: Rules(200), lambda: Rules(None, margin=0.3)])
def test_the_same_draws_give_the_same_race(make: Callable[[], Rules]) -> None:
    first, second = start(4, make()), start(4, make())
    rates = [0.2, 0.3, 0.4, 0.5]
    one, two = play(first, rates, 5, 30), play(second, rates, 5, 30)
    assert [step.blocks[0] for step in one] == [step.blocks[0] for step in two]
    assert (first.standing.mean == second.standing.mean).all()
