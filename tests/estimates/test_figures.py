"""From one measured machine to hours, bytes and money."""

from __future__ import annotations

from dataclasses import replace

import pytest

from service.errors import InvalidInput
from service.estimates import Candidate, Estimate, Measurement, ladder
from service.estimates.figures import fitting_budget, largest_that_fits
from service.estimates.plans import rounds_plan
from service.suites import load_suite

GPU = Measurement("H200", 8, True, 60.0, 0.25, 0.1, 0.02, 2.0, 1_000_000.0)
PLANS = ladder([Candidate(str(epoch), "v2", epoch) for epoch in range(4, 151, 4)], load_suite("keikana"))


def test_hours_are_opening_swaps_and_images() -> None:
    estimate = Estimate(PLANS[0], GPU, there=0, free_bytes=10**12, price=2.0)
    images = PLANS[0].images
    assert images == 38 * len(load_suite("keikana").cells())  # 37 epochs and the control
    assert estimate.hours == pytest.approx((60 + 38 * 2.0 + images * 0.25) / 3600)
    assert estimate.cost == pytest.approx(2 * estimate.hours)
    assert estimate.disk_bytes == images * 1_000_000


def test_on_a_cpu_judging_adds_to_generating() -> None:
    assert GPU.image_s == 0.25
    assert replace(GPU, judge_s=0.5).image_s == pytest.approx(0.52)
    assert replace(GPU, overlaps=False).image_s == pytest.approx(0.37)


def test_images_that_exist_cost_nothing() -> None:
    half = Estimate(PLANS[0], GPU, there=PLANS[0].images // 2, free_bytes=10**12)
    assert half.to_make == PLANS[0].images // 2
    assert half.cost is None
    done = Estimate(PLANS[0], GPU, there=PLANS[0].images, free_bytes=10**12)
    assert (done.hours, done.disk_bytes) == (0.0, 0)


def test_a_disk_that_is_too_small_is_said() -> None:
    assert Estimate(PLANS[0], GPU, 0, free_bytes=10**12).to_json()["disk_enough"]
    assert not Estimate(PLANS[0], GPU, 0, free_bytes=10**6).to_json()["disk_enough"]


def test_the_fullest_plan_that_ends_in_time() -> None:
    estimates = [Estimate(plan, GPU, 0, 10**12) for plan in PLANS]
    assert largest_that_fits(estimates, 100.0) is estimates[0]
    for estimate in estimates:
        assert largest_that_fits(estimates, estimate.hours) is estimate
    with pytest.raises(InvalidInput, match="even the smallest plan"):
        largest_that_fits(estimates, 0.001)


def test_rounds_take_their_budget_at_most_and_a_swap_for_every_scenario() -> None:
    suite = load_suite("keikana")
    scenarios = len(suite.scenarios)
    plan = rounds_plan([Candidate("4", "v2", 4), Candidate("8", "v2", 8)], suite, 10 * scenarios)
    estimate = Estimate(plan, GPU, there=0, free_bytes=10**12)
    assert (plan.images, plan.swaps) == (10 * scenarios, 10)
    assert estimate.hours == pytest.approx((60 + 10 * 2.0 + 10 * scenarios * 0.25) / 3600)
    assert estimate.to_json()["plan"]["until"] == "decided"
    assert Estimate(PLANS[0], GPU, 0, 10**12).to_json()["plan"]["until"] is None


def test_a_budget_that_does_not_fit_is_refused_with_one_that_does() -> None:
    plan = rounds_plan([Candidate("4", "v2", 4), Candidate("8", "v2", 8)], load_suite("keikana"), 100_000)
    estimate = Estimate(plan, GPU, there=0, free_bytes=10**12)
    assert fitting_budget(estimate, None) is fitting_budget(estimate, estimate.hours) is estimate
    with pytest.raises(InvalidInput) as refused:
        fitting_budget(estimate, 1.0)
    fits = int(str(refused.value).split("or ")[-1].split()[0])
    smaller = replace(estimate, plan=replace(plan, budget=fits))
    assert fitting_budget(smaller, 1.0) is smaller
    assert fits > 1000
