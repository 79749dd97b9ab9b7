"""Clean pictures, counted by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from service.rankings import CellOutcome, OutcomeTable, wilson
from service.rankings.good_pictures import CleanChance, clean_chances, pictures_needed
from tests.rankings.worlds import checkpoint, row


def chance(outcomes: list[CellOutcome]) -> CleanChance:
    (result,) = clean_chances(OutcomeTable.from_outcomes(outcomes))
    return result


@given(st.floats(0.001, 0.999))
def test_needed_is_the_smallest_number_that_suffices(rate: float) -> None:
    needed = pictures_needed(rate)
    assert needed is not None
    assert stats.binom(needed, rate).pmf(0) <= 0.05 + 1e-9
    assert needed == 1 or stats.binom(needed - 1, rate).pmf(0) > 0.05 - 1e-9


def test_a_small_fault_is_not_clean() -> None:
    result = chance(checkpoint("hhmf?x"))
    assert (result.clean, result.measured, result.chance) == (2, 4, 0.5)
    assert result.interval == pytest.approx(wilson(2, 4))
    assert result.needed == 5
    assert result.needed_at_most == pictures_needed(wilson(2, 4)[0])  # type: ignore[index]
    assert result.keepers == (0, 1)


@pytest.mark.parametrize(("letters", "needed", "most"), [("ffff", None, None), ("hhhh", 1, 5), ("??", None, None)])
def test_ends_all_none_and_nothing_measured(letters: str, needed: int | None, most: int | None) -> None:
    result = chance(checkpoint(letters))
    assert (result.needed, result.needed_at_most) == (needed, most)
    assert (result.interval is None) == (letters == "??")


def test_another_pose_than_asked_is_not_clean() -> None:
    def image(seed: int, hands: str, pose: str) -> CellOutcome:
        return CellOutcome("v1", 4, "hug", seed, False, (row(hands), row(pose, "pose", None)))

    result = chance([image(1, "h", "h"), image(2, "h", "f"), image(3, "h", "?"), image(4, "f", "?")])
    assert (result.clean, result.measured, result.keepers) == (1, 3, (1,))


def test_a_pinned_keeper_is_shown_and_not_counted() -> None:
    pinned = CellOutcome("v1", 4, "hug", 13, False, (row("h"),), pinned=True)
    result = chance([*checkpoint("hf"), pinned])
    assert (result.clean, result.measured, result.keepers) == (1, 2, (0, 13))


def test_checkpoints_and_scenarios_are_apart() -> None:
    outcomes = [*checkpoint("hf", epoch=4), *checkpoint("hh", epoch=8), *checkpoint("f", epoch=8, scenario="solo")]
    found = clean_chances(OutcomeTable.from_outcomes(outcomes))
    assert [(each.checkpoint, each.scenario, each.clean) for each in found] == [
        (("v1", 4), "hug", 1),
        (("v1", 8), "hug", 2),
        (("v1", 8), "solo", 0),
    ]
