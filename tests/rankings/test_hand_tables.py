"""Tables filled in by eye."""

from __future__ import annotations

import numpy as np
import pytest

from service.rankings.conclusion import conclude
from service.rankings.hand_tables import CHECK, RUN, SCENARIO, UnreadableTable, read_hand_table
from service.rankings.table_of_outcomes import OutcomeTable
from tests.rankings.article import hand_table

HANDS = """seed,140,144,148,150
7,holds,holds,minor,minor
13, holds ,Lost,lost,lost
99,holds,holds,holds,minor
"""


def test_a_table_says_what_its_outcomes_say() -> None:
    table, same = read_hand_table(HANDS), OutcomeTable.from_outcomes(hand_table())
    assert np.array_equal(table.grades, same.grades)
    read = conclude(table, RUN, SCENARIO, CHECK)
    known = conclude(same, "v2", "piggyback", "hands")
    assert (read.trend_p, read.faults, read.failures) == (known.trend_p, known.faults, known.failures)


def test_what_cannot_be_told_counts_for_nothing() -> None:
    found = conclude(read_hand_table("seed,4,8\n1,holds,lost\n2,?,lost\n3,,lost\n"), RUN, SCENARIO, CHECK)
    assert found.seeds == (1,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "first line with seed"),
        ("seed,4,8\n7,holds\n", "line 2 has 1 fields for 2 epochs"),
        ("seed,4,8\n7,holds,broken\n", "line 2 says 'broken' at epoch 8; the words are holds, minor, fails"),
        ("seed,4,final\n7,holds,lost\n", "'final' is no epoch"),
        ("seed,4,8\nx,holds,lost\n", "line 2: 'x' is no seed"),
        ("seed,4,4\n7,holds,lost\n", "epoch 4 is there twice"),
        ("seed,4\n7,holds\n7,lost\n", "seed 7 is there twice"),
    ],
)
def test_a_bad_table_is_refused_with_the_place(text: str, message: str) -> None:
    with pytest.raises(UnreadableTable, match=message):
        read_hand_table(text)
