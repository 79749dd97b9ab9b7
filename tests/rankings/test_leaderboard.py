"""Rates, intervals and order, against numbers worked by hand."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from service.rankings import CellOutcome, Tally, build_leaderboard, control_entry, wilson
from tests.rankings.worlds import checkpoint, outcome, row


def wilson_by_hand(failures: int, total: int) -> tuple[float, float]:
    z = 1.959963984540054
    rate = failures / total
    centre = (rate + z * z / (2 * total)) / (1 + z * z / total)
    half = z / (1 + z * z / total) * math.sqrt(rate * (1 - rate) / total + z * z / (4 * total * total))
    return centre - half, centre + half


@pytest.mark.parametrize(("failures", "total"), [(0, 8), (3, 32), (8, 32), (24, 24), (1, 1), (20, 96)])
def test_the_interval_is_wilsons(failures: int, total: int) -> None:
    assert wilson(failures, total) == pytest.approx(wilson_by_hand(failures, total), abs=1e-9)


@given(st.integers(0, 300), st.integers(1, 300))
def test_the_interval_agrees_with_statsmodels(failures: int, total: int) -> None:
    failures = min(failures, total)
    assert wilson(failures, total) == pytest.approx(proportion_confint(failures, total, method="wilson"), abs=1e-12)


def test_known_intervals() -> None:
    assert wilson(0, 8) == pytest.approx((0, 0.324), abs=5e-4)
    assert wilson(3, 32) == pytest.approx((0.032, 0.242), abs=5e-4)
    assert wilson(0, 0) is None


def test_an_entry_counted_by_hand() -> None:
    (entry,) = build_leaderboard(checkpoint("hhhmfFL??x"))
    assert (entry.images, entry.invalid) == (10, 1)
    assert (entry.tally.fails, entry.tally.minor, entry.tally.holds, entry.tally.not_measurable) == (3, 1, 3, 2)
    assert entry.failure_rate == pytest.approx(3 / 7)
    assert entry.interval == pytest.approx(wilson_by_hand(3, 7))
    assert entry.bounds == pytest.approx((3 / 9, 5 / 9))
    assert entry.severity_score == pytest.approx((0.1 + 0.5 + 0.75 + 1.0) / 7)
    assert entry.measured_share == pytest.approx(0.7)


def test_the_json_has_the_agreed_shape() -> None:
    (entry,) = build_leaderboard(checkpoint("hf?"))
    data = json.loads(json.dumps(entry.to_json()))
    assert {"run", "epoch", "images", "failure_rate", "interval", "bounds", "checks"} <= data.keys()
    assert (data["run"], data["epoch"], data["images"], data["failure_rate"]) == ("v1", 4, 3, 0.5)
    assert data["interval"] == pytest.approx(list(wilson_by_hand(1, 2)))
    assert data["bounds"] == pytest.approx([1 / 3, 2 / 3])
    assert data["checks"]["hands"].keys() == {"fails", "minor", "holds", "not_measurable", "rate", "interval", "bounds"}


def test_nothing_measured_is_null_and_last_never_zero() -> None:
    entries = build_leaderboard([*checkpoint("??", epoch=4), *checkpoint("ff", epoch=8), *checkpoint("xx", epoch=12)])
    assert [entry.epoch for entry in entries] == [8, 4, 12]
    blank = entries[1].to_json()
    assert (blank["failure_rate"], blank["interval"], blank["severity_score"]) == (None, None, None)
    assert blank["bounds"] == [0.0, 1.0]
    assert entries[2].to_json()["bounds"] is None


def test_checks_scenarios_and_characters_are_counted_apart() -> None:
    outcomes = [
        CellOutcome("v1", 4, "hug", 1, False, (row("h", "ahoge_bleed", "Kei"), row("f", "ahoge_bleed", "Kana"))),
        CellOutcome("v1", 4, "hug", 2, False, (row("?", "ahoge_bleed", "Kei"), row("h", "ahoge_bleed", "Kana"))),
        CellOutcome("v1", 4, "solo", 1, False, (row("h", "ahoge_bleed", "Kei"), row("h", "cast", None))),
        CellOutcome("v1", 4, "solo", 2, False, (row("m", "ahoge_bleed", "Kei"),), ("ahoge_bleed", "cast")),
    ]
    (entry,) = build_leaderboard(outcomes)
    ahoge, cast = entry.checks["ahoge_bleed"], entry.checks["cast"]
    assert (ahoge.fails, ahoge.minor, ahoge.holds, ahoge.not_measurable) == (1, 1, 1, 1)
    assert (cast.holds, cast.not_measurable) == (1, 1)
    assert entry.scenarios["hug"].rate == 1.0
    assert entry.scenario_checks["solo"]["ahoge_bleed"].rate == 0.0
    assert entry.characters["Kana"]["ahoge_bleed"].rate == 0.5
    assert entry.scenario_characters["hug"]["Kei"]["ahoge_bleed"] == Tally(0, 0, 1, 1)
    assert "Kana" not in entry.scenario_characters["solo"]
    assert entry.characters["Kei"]["ahoge_bleed"].not_measurable == 1
    assert "cast" not in entry.characters["Kei"]


def test_severity_breaks_a_tie_lost_worse_than_fused_than_clear_than_minor() -> None:
    outcomes = [
        *checkpoint("Lh", epoch=4),
        *checkpoint("Fh", epoch=8),
        *checkpoint("fm", epoch=12),
        *checkpoint("fh", epoch=16),
    ]
    assert [entry.epoch for entry in build_leaderboard(outcomes)] == [16, 12, 8, 4]


def test_full_ties_go_to_more_measured_then_run_then_the_earlier_epoch() -> None:
    outcomes = [
        *checkpoint("fhh", run="b", epoch=8),
        *checkpoint("fhh", run="b", epoch=None),
        *checkpoint("fhh", run="a", epoch=12),
        *checkpoint("fhh", run="b", epoch=4),
        *checkpoint("fhhfhh", run="z", epoch=99),
    ]
    order = [(entry.run, entry.epoch) for entry in build_leaderboard(outcomes)]
    assert order == [("z", 99), ("a", 12), ("b", 4), ("b", 8), ("b", None)]


def test_the_control_never_ranks_but_has_its_own_figures() -> None:
    outcomes = [*checkpoint("hh", run="control", epoch=None), *checkpoint("ff")]
    assert [entry.run for entry in build_leaderboard(outcomes)] == ["v1"]
    control = control_entry(outcomes)
    assert control is not None
    assert control.failure_rate == 0.0
    assert control_entry(checkpoint("h")) is None


def test_a_cell_counted_twice_is_an_error() -> None:
    with pytest.raises(ValueError, match="v1 epoch 4 has the same scenario and seed twice"):
        build_leaderboard([outcome("h"), outcome("f")])


cells = st.lists(
    st.tuples(st.sampled_from(["v1", "v2", "control"]), st.sampled_from([4, 8, None]), st.text("hmfFL?x", max_size=6)),
    max_size=6,
    unique_by=lambda group: group[:2],
)


def world(groups: list[tuple[str, int | None, str]]) -> list[CellOutcome]:
    return [image for run, epoch, letters in groups for image in checkpoint(letters, run, epoch)]


@given(cells, st.randoms(use_true_random=False))
def test_the_order_of_images_changes_nothing(groups: list[tuple[str, int | None, str]], random: object) -> None:
    outcomes = world(groups)
    shuffled = list(outcomes)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert [e.to_json() for e in build_leaderboard(shuffled)] == [e.to_json() for e in build_leaderboard(outcomes)]


@given(st.text("hmfFL", max_size=10), st.text("?x", max_size=10))
def test_unmeasured_and_invalid_images_never_change_rate_interval_or_severity(judged: str, others: str) -> None:
    plain = build_leaderboard(checkpoint(judged))
    mixed = build_leaderboard(checkpoint(judged + others))
    for before, after in zip(plain, mixed, strict=False):
        assert after.failure_rate == before.failure_rate
        assert after.interval == before.interval
        assert after.severity_score == before.severity_score
        assert after.images == before.images + len(others)


@given(st.text("hmfFL?", min_size=1, max_size=20))
def test_rate_lies_in_interval_and_within_zero_to_one(letters: str) -> None:
    (entry,) = build_leaderboard(checkpoint(letters))
    assert entry.bounds is not None
    assert 0 <= entry.bounds[0] <= entry.bounds[1] <= 1
    if entry.failure_rate is not None and entry.interval is not None:
        assert 0 <= entry.interval[0] <= entry.failure_rate <= entry.interval[1] <= 1
        assert entry.bounds[0] <= entry.failure_rate <= entry.bounds[1] + 1e-12


@given(cells)
def test_ranks_ascend_by_rate_and_exclude_the_control(groups: list[tuple[str, int | None, str]]) -> None:
    entries = build_leaderboard(world(groups))
    rates = [entry.failure_rate for entry in entries if entry.failure_rate is not None]
    assert rates == sorted(rates)
    assert all(entry.run != "control" for entry in entries)
    assert all(entry.failure_rate is None for entry in entries[len(rates) :])
