"""Locking and over-baking, on small worlds counted by hand."""

from __future__ import annotations

import pytest
from scipy import stats

from service.rankings import CellOutcome, OutcomeTable
from service.rankings.locking import Cell, measure_curve, measure_following, measure_locking
from tests.rankings.worlds import outcome


def looks(words: dict[int, str], scenario: str = "solo", run: str = "v2") -> dict[Cell, dict[str, float | str]]:
    """One image a letter, by epoch; the letter is the hairstyle."""
    return {
        (run, e, scenario, seed): {"hairstyle": letter} for e, word in words.items() for seed, letter in enumerate(word)
    }


def test_agreement_is_the_share_of_pairs_that_show_the_same() -> None:
    result = measure_locking(looks({120: "abab", 132: "aaab", 140: "aaaa"}), "v2", "hairstyle")
    assert [point.share for point in result.points] == pytest.approx([2 / 6, 3 / 6, 1.0])
    assert [point.images for point in result.points] == [4, 4, 4]
    assert (result.locked_from, result.latest) == (140, None)


def test_with_many_seeds_locking_is_sure() -> None:
    result = measure_locking(looks({120: "ab" * 40, 132: "a" * 80, 140: "a" * 80, 144: "a" * 80}), "v2", "hairstyle")
    assert (result.earliest, result.locked_from, result.latest) == (132, 132, 132)


def test_scenarios_may_differ_from_each_other() -> None:
    measures = {**looks({140: "aaaa"}), **looks({140: "bbbb"}, "hug")}
    assert measure_locking(measures, "v2", "hairstyle").points[0].share == 1.0


def test_a_lucky_early_epoch_does_not_lock() -> None:
    result = measure_locking(
        looks({120: "aaaa", 124: "abcd", 128: "abca", 140: "aaaa", 144: "aaaa"}), "v2", "hairstyle"
    )
    assert result.locked_from == 140


def test_numbers_are_stable_where_their_spread_is_small() -> None:
    values = {120: (0.0, 1.0, 0.0, 1.0), 140: (0.5, 0.5, 0.5, 0.6)}
    measures = {("v2", e, "solo", s): {"sleeve": v} for e, row in values.items() for s, v in enumerate(row)}
    result = measure_locking(measures, "v2", "sleeve")
    assert result.points[0].share == 0.0
    assert result.points[1].share == pytest.approx(1 - 0.0025 / (1 / 3))
    assert result.locked_from == 140
    assert [p.share for p in measure_locking({k: {"sleeve": 1.0} for k in measures}, "v2", "sleeve").points] == [1, 1]


def test_a_curve_is_the_mean_with_students_interval() -> None:
    values = {120: (0.5, 0.6, 0.7), 140: (0.8,)}
    measures = {
        ("v2", e, "solo", s): {"likeness": v, "hair": "bob"} for e, row in values.items() for s, v in enumerate(row)
    }
    first, last = measure_curve(measures, "v2", "likeness").points
    low, high = stats.t(2, 0.6, 0.1 / 3**0.5).interval(0.95)
    assert (first.epoch, first.mean, first.images) == (120, pytest.approx(0.6), 3)
    assert first.interval == pytest.approx((low, high))
    assert (last.mean, last.interval) == (0.8, None)
    assert measure_curve(measures, "v2", "hair").points == ()


@pytest.mark.parametrize("measures", [{}, looks({140: "a"}), looks({140: "aa"}, run="v1"), {("v2", None, "s", 1): {}}])
def test_without_two_seeds_nothing_is_said(measures: dict[Cell, dict[str, float | str]]) -> None:
    result = measure_locking(measures, "v2", "hairstyle")
    assert (result.points, result.locked_from, result.earliest, result.latest) == ((), None, None, None)


def follow(words: dict[int, str]) -> OutcomeTable:
    images: list[CellOutcome] = [
        outcome(letter, seed, run="v2", epoch=epoch, scenario="casual", check="follow_through")
        for epoch, word in words.items()
        for seed, letter in enumerate(word)
    ]
    return OutcomeTable.from_outcomes(images)


def test_a_run_that_stops_following_is_over_baked_from_there() -> None:
    words = {epoch: "h" * 16 for epoch in (120, 124, 128, 132)} | {136: "f" * 12 + "hhhh", 140: "f" * 16}
    result = measure_following(follow(words), "v2")
    assert [point.share for point in result.points] == [1, 1, 1, 1, 0.25, 0]
    assert (result.lost_from, result.interval) == (136, (136, 136))
    assert result.probability > 0.99


def test_a_run_that_always_or_never_follows_has_lost_nothing() -> None:
    for letter in "hf":
        result = measure_following(follow({epoch: letter * 8 for epoch in (120, 130, 140)}), "v2")
        assert (result.lost_from, result.interval) == (None, None)
    assert measure_following(follow({120: "??"}), "v2").points == ()
    assert measure_following(OutcomeTable.from_outcomes([outcome("h")]), "v1").points == ()
