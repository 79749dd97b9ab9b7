"""Whose fault it is, counted by hand."""

from __future__ import annotations

import pytest

from service.rankings import CellOutcome, OutcomeTable
from service.rankings.attribution import Cause, Kind, attribute, pair_counts
from service.rankings.paired import difference_ends
from tests.rankings.worlds import checkpoint


def causes(own: str, control: str | None) -> list[Cause]:
    outcomes: list[CellOutcome] = checkpoint(own, "v2", 140)
    if control is not None:
        outcomes += checkpoint(control, "control", None)
    return attribute(OutcomeTable.from_outcomes(outcomes), ("v2", 140))


@pytest.mark.parametrize(
    ("own", "control", "kind", "sure"),
    [
        ("f" * 16, "h" * 16, Kind.SYSTEMATIC, True),
        ("f" * 3, "h" * 3, Kind.SYSTEMATIC, False),
        ("f" + "h" * 15, "h" * 16, Kind.OCCASIONAL, True),
        ("f" + "h" * 2, "h" * 3, Kind.OCCASIONAL, False),
        ("f" * 16, "f" * 16, Kind.BASE, True),
        ("f" * 16, "f" * 9 + "h" * 7, Kind.BASE, False),
        ("f" * 11 + "h" * 5, "f" * 2 + "h" * 14, Kind.SYSTEMATIC, False),
        ("f" * 16, None, Kind.SYSTEMATIC, False),
        ("f" * 16, "?" * 16, Kind.SYSTEMATIC, False),
    ],
)
def test_frequency_and_control_decide(own: str, control: str | None, kind: Kind, sure: bool) -> None:
    (cause,) = causes(own, control)
    assert (cause.kind, cause.sure) == (kind, sure)


def test_a_cause_has_its_numbers() -> None:
    (cause,) = causes("ffhh?x", "fhhhhh")
    assert (cause.fails, cause.measured, cause.control_fails, cause.control_measured) == (2, 4, 1, 6)
    assert cause.rate == 0.5
    assert cause.excess == pytest.approx(difference_ends(0, 1, 4))


def test_what_never_fails_has_no_cause() -> None:
    assert causes("hhm?", "ffff") == []


def test_frequent_ones_come_first_and_scenarios_are_apart() -> None:
    outcomes = [*checkpoint("fhhh", "v2", 140, "hug"), *checkpoint("ffhh", "v2", 140, "lap")]
    found = attribute(OutcomeTable.from_outcomes(outcomes), ("v2", 140))
    assert [(cause.scenario, cause.fails) for cause in found] == [("lap", 2), ("hug", 1)]


def test_pairs_are_added_up_over_checkpoints() -> None:
    outcomes = [
        *checkpoint("fh?f", "v1", 4),
        *checkpoint("fhhh", "v1", 8),
        *checkpoint("hhhf", "v2", 4),
        *checkpoint("hfhh", "v2", 8),
    ]
    table = OutcomeTable.from_outcomes(outcomes)
    counts = pair_counts(table, [0, 1], [2, 3])
    assert (counts.first_only.item(), counts.second_only.item(), counts.pairs.item()) == (2, 1, 7)
