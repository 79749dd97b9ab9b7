"""Which part of a grid is made when the whole is too much."""

from __future__ import annotations

from service.estimates import Candidate, ladder
from service.estimates.plans import candidate_band, hard_first, small_plan, thinned
from service.suites import load_suite
from tests.evaluations.world import small_suite

LONG = [Candidate(str(epoch), "v2", epoch) for epoch in (*range(4, 150, 4), 150)]


def test_the_users_own_run_is_looked_at_from_120_to_150() -> None:
    assert [each.epoch for each in candidate_band(LONG)] == [120, 124, 128, 132, 136, 140, 144, 148, 150]


def test_each_run_has_its_own_band_and_a_short_one_stays_whole() -> None:
    short = [Candidate(f"s{epoch}", "v1", epoch) for epoch in (10, 20, 30)]
    band = candidate_band([*short, *LONG])
    assert [each.id for each in band[:3]] == ["s10", "s20", "s30"]
    assert min(each.epoch or 0 for each in band[3:]) == 120


def test_thinning_keeps_the_ends() -> None:
    kept = thinned(LONG, 5)
    assert (kept[0], kept[-1], len(kept)) == (LONG[0], LONG[-1], 5)
    assert thinned(LONG[:3], 5) == tuple(LONG[:3])


def test_hands_in_contact_come_first_and_solo_last() -> None:
    names = [scenario.name for scenario in hard_first(load_suite("keikana").scenarios)]
    assert set(names[:6]) == {"hug", "piggyback", "princess-carry", "lap-sit-sentence", "lap-sit-tags", "beach"}
    assert set(names[-4:]) == {"kei-solo", "kana-solo", "kei-dress", "kana-hair"}


def test_the_ladder_goes_down_and_the_small_plan_is_the_default() -> None:
    plans = ladder(LONG, load_suite("keikana"))
    images = [plan.images for plan in plans]
    assert images == sorted(images, reverse=True)
    assert len(set(images)) == len(images)
    assert images[0] == 39 * len(load_suite("keikana").cells())
    small = small_plan(plans)
    assert (small.name, small.images) == ("small", 10 * 8 * 8)
    assert any("30 of 38" in words or "29 of 38" in words for words in small.left_out)
    assert plans[0].suite.cells() == load_suite("keikana").cells()


def test_what_was_chosen_by_hand_is_not_cut() -> None:
    plans = ladder(LONG, load_suite("keikana"), all_epochs=True, all_seeds=True)
    small = small_plan(plans)
    assert len(small.checkpoints) == 38
    assert len(small.suite.seeds) == 16
    assert len(small.suite.scenarios) == 8


def test_a_small_grid_is_made_whole() -> None:
    plans = ladder(LONG[-3:], small_suite())
    assert small_plan(plans) is plans[0]
    assert plans[0].name == "full"
    assert plans[0].left_out == ()
