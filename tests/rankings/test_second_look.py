"""Lost because it is not there: what the other pictures of the prompt and seed say about it."""

from __future__ import annotations

from itertools import permutations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from service.rankings import CONTROL, CellOutcome, OutcomeTable, answer
from service.rankings.outcomes import MEASURED_GRADES, Grade
from service.rankings.second_look import SecondLook, lost_by_absence, second_look
from tests.rankings.worlds import checkpoint, outcome, row


def look(*columns: str, control: str = "") -> dict[int | None, SecondLook]:
    """The second look at checkpoints of epochs 4, 8, ... whose images are given by letters, seeds from zero."""
    outcomes = checkpoint(control, CONTROL, None) if control else []
    for number, letters in enumerate(columns, start=1):
        outcomes += checkpoint(letters, "v1", 4 * number)
    return {each.checkpoint[1]: each for each in second_look(OutcomeTable.from_outcomes(outcomes))}


def test_a_hand_that_nobody_shows_may_be_covered() -> None:
    found = look("AAhh", "Ahhh")
    assert (found[4].absent, found[4].unseen, found[4].fails, found[4].measured) == (2, 1, 2, 4)
    assert (found[8].absent, found[8].unseen) == (1, 1)
    assert (found[4].rate, found[4].rate_without) == (0.5, 1 / 3)
    low, high = found[4].interval_without or (1.0, 0.0)
    assert low < 1 / 3 < high


def test_the_control_shows_it_too() -> None:
    assert look("A", "A")[4].unseen == 1
    assert look("A", "A", control="h")[4].unseen == 0


def test_a_broken_hand_shows_where_it_belongs_and_an_unjudged_one_does_not() -> None:
    assert [look("A", letter)[4].unseen for letter in "LFm?x"] == [0, 0, 0, 1, 1]


def test_where_the_whole_rate_rests_on_it_nothing_is_left() -> None:
    found = look("AA", "??")[4]
    assert (found.rate, found.rate_without, found.interval_without) == (1.0, None, None)


def test_a_stump_is_no_absence() -> None:
    assert look("Lh", "hh") == {}


def test_each_character_is_looked_for_by_herself() -> None:
    def image(epoch: int, kei: str, kana: str) -> CellOutcome:
        return CellOutcome("v1", epoch, "hug", 1, False, (row(kei), row(kana, character="Kana")))

    lost, shown = image(4, "A", "h"), image(8, "h", "A")
    assert [each.unseen for each in second_look(OutcomeTable.from_outcomes([lost, shown]))] == [0, 0]
    alone = [image(4, "A", "h"), image(8, "?", "h")]
    assert [each.unseen for each in second_look(OutcomeTable.from_outcomes(alone))] == [1]
    both = [image(4, "A", "F"), image(8, "?", "h")]
    assert second_look(OutcomeTable.from_outcomes(both)) == []  # it fails without that hand as well


def test_pinned_seeds_have_no_part() -> None:
    pinned = CellOutcome("v1", 4, "hug", 1, False, (row("A"),), pinned=True)
    assert second_look(OutcomeTable.from_outcomes([pinned, outcome("h", 2)])) == []


@given(st.lists(st.text("AAhL?m", min_size=6, max_size=6), min_size=2, max_size=4))
@settings(deadline=None)
def test_leaving_them_out_takes_no_pair_that_differs(columns: list[str]) -> None:
    outcomes = [each for n, letters in enumerate(columns) for each in checkpoint(letters, "v1", n)]
    table = OutcomeTable.from_outcomes(outcomes)
    _, unseen = lost_by_absence(table)
    kept = table.keep(~unseen.any(axis=1))
    for one, other in permutations(range(len(columns)), 2):
        assert differing(table, one, other) == differing(kept, one, other)


def differing(table: OutcomeTable, one: int, other: int) -> int:
    """Cells on which one checkpoint fails and another, measured too, does not."""
    cells = {}
    for place, code, grade in zip(table.seed, table.checkpoint, table.grades[:, 0], strict=True):
        if np.isin(grade, MEASURED_GRADES):
            cells[int(place), table.checkpoints[code][1]] = grade >= Grade.CLEAR
    return sum(fails and cells.get((seed, other)) is False for (seed, epoch), fails in cells.items() if epoch == one)


def test_the_answer_says_it_in_words_and_numbers() -> None:
    outcomes = [*checkpoint("AA" + "h" * 38, "v1", 4), *checkpoint("AA" + "f" * 38, "v1", 8)]
    found = answer(OutcomeTable.from_outcomes(outcomes))
    assert [(each.epoch, each.absent, each.unseen) for each in found.second_look] == [(4, 2, 2), (8, 2, 2)]
    [told] = [sentence for sentence in found.summary if "not there" in sentence]
    assert told.startswith("Of 4 images that fail hands because something is not there, 4 have a prompt and seed")
    assert told.endswith("Without these v1 epoch 4 fails on 0% instead of 5%.")
    quiet = answer(OutcomeTable.from_outcomes([*checkpoint("Ahhh", "v1", 4), *checkpoint("hhhh", "v1", 8)]))
    assert not any("not there" in sentence for sentence in quiet.summary)
