"""The simulations themselves: worlds have the rates they promise, bounds their closed form, and the parts run."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.decisions.bounds import bernoulli_kl, lower_bound
from benchmarks.decisions.images import Instance, images_for, measure
from benchmarks.decisions.races import adaptive, uniform
from benchmarks.decisions.worlds import TEN, World, good_run_rates, sweep_rates
from service.rankings.allocation import Ending, Rules


def test_a_world_has_its_rates_whatever_hangs_together() -> None:
    rng = np.random.default_rng(0)
    world = World((0.05, 0.2, 0.5), scenarios=6, spread=0.8, shared=0.4, neighbours=0.3, by_seed=0.2)
    cells = world.cells(world.orders(4000, rng), 2, rng)
    assert cells.mean((0, 2, 3)) == pytest.approx(world.rates, abs=0.01)
    by_scenario = cells[:, 1].mean((0, 2))
    assert by_scenario.max() - by_scenario.min() > 0.2


def test_checkpoints_on_the_same_cell_fail_together() -> None:
    rng = np.random.default_rng(0)
    shared, alone = (World((0.3, 0.3), shared=each) for each in (0.6, 0.0))
    likeness = []
    for world in (shared, alone):
        cells = world.cells(world.orders(4000, rng), 1, rng)
        likeness.append(np.corrcoef(cells[:, 0].ravel(), cells[:, 1].ravel())[0, 1])
    assert likeness[0] > 0.3
    assert abs(likeness[1]) < 0.03


def test_a_noisy_detector_sees_what_it_says() -> None:
    rng = np.random.default_rng(0)
    world = World((0.0, 0.5), sensitivity=0.9, specificity=0.8)
    cells = world.cells(world.orders(3000, rng), 1, rng)
    assert cells.mean((0, 2, 3)) == pytest.approx(world.observed, abs=0.01)
    assert world.observed == pytest.approx([0.2, 0.55])


def test_shuffled_places_are_scored_by_who_stands_there() -> None:
    rng = np.random.default_rng(0)
    world = World((0.1, 0.9), shuffled=True)
    orders = world.orders(200, rng)
    picks = world.cells(orders, 4, rng).sum((2, 3)).argmin(1)
    assert world.is_right(picks, orders).all()
    assert 0 < picks.mean() < 1


def test_the_bound_of_two_is_its_closed_form() -> None:
    middle = np.linspace(0.2, 0.3, 2001)
    best = 0.0
    for share in np.linspace(0.01, 0.99, 99):
        gain = share * bernoulli_kl(np.array(0.2), middle) + (1 - share) * bernoulli_kl(np.array(0.3), middle)
        best = max(best, float(gain.min()))
    expected = float(bernoulli_kl(np.array(0.05), np.array(0.95))) / best
    assert lower_bound(np.array([0.3, 0.2]), margin=0.0) == pytest.approx(expected, rel=0.01)


def test_a_margin_makes_it_easier_and_more_rivals_harder() -> None:
    rates = np.array(TEN)
    assert lower_bound(rates, 0.02) < lower_bound(rates, 0.0)
    assert lower_bound(rates[:3], 0.02) < lower_bound(rates, 0.02)


def test_images_for_interpolates_and_admits_what_was_not_reached() -> None:
    assert images_for(np.array([100.0, 200.0]), np.array([0.9, 0.975])) == pytest.approx(150)
    assert np.isnan(images_for(np.array([100.0, 200.0]), np.array([0.5, 0.9])))


def test_the_instances_are_what_their_names_say() -> None:
    sweep, good = np.array(sweep_rates()), np.array(good_run_rates())
    assert (len(TEN), len(sweep), len(good)) == (10, 38, 38)
    assert sorted(TEN)[1] - min(TEN) == pytest.approx(0.05)
    assert np.abs(np.diff(sweep)).max() < 0.05
    assert good[:35].max() <= 0.0301
    assert good[35:].min() >= 0.08


def test_the_budget_beats_the_grid_at_the_same_cost() -> None:
    rng = np.random.default_rng(4)
    world = World((0.1, 0.17, 0.3, 0.4, 0.45, 0.5, 0.55, 0.6), scenarios=4, shuffled=True)
    grid = uniform(world, [20], 400, rng)[0] / 400
    raced = adaptive(world, Rules(640), 400, rng, smooth=False)
    assert raced.used.max() <= 640
    assert raced.right.mean() > grid + 0.03
    assert not raced.best_dropped.any()
    assert raced.share(Ending.BUDGET) + raced.share(Ending.LEADER) == 1.0


def test_a_measurement_has_its_parts() -> None:
    instance = Instance(World((0.1, 0.5, 0.6), scenarios=4, shuffled=True), (48, 96), (48, 96), 60)
    found = measure(instance, 60, np.random.default_rng(0))
    assert found["races"] == 60
    assert set(found["right"]["uniform"]) == {"48", "96"}
    assert found["lower_bound"] > 0
