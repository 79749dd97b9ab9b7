"""The table of outcomes, against judging image by image."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.rankings import (
    NOBODY,
    CellOutcome,
    FindingRow,
    Grade,
    OutcomeTable,
    Tally,
    build_leaderboard,
    grade_of,
    judge,
    wilson,
)
from service.rankings.outcomes import judgement_of
from tests.rankings.worlds import LETTERS, row

rows = st.lists(
    st.builds(
        row,
        st.sampled_from(list(LETTERS)),
        st.sampled_from(["hands", "fusion", "pose"]),
        st.sampled_from([None, "Kei", "Kana"]),
    ),
    max_size=5,
)
images = st.lists(
    st.tuples(
        st.sampled_from(["v1", "control"]),
        st.sampled_from([4, None]),
        st.sampled_from(["hug", "solo"]),
        st.integers(1, 3),
        st.booleans(),
        rows,
        st.sets(st.sampled_from(["hands", "cast", "follow_through"])),
    ),
    max_size=12,
    unique_by=lambda image: image[:4],
)


def world(drawn: list[tuple[str, int | None, str, int, bool, list[FindingRow], set[str]]]) -> list[CellOutcome]:
    return [CellOutcome(*image[:5], tuple(image[5]), tuple(image[6])) for image in drawn]


@given(images)
def test_every_image_and_check_is_judged_as_one_by_one(drawn: list) -> None:  # type: ignore[type-arg]
    outcomes = world(drawn)
    table = OutcomeTable.from_outcomes(outcomes)
    places = {
        (*table.checkpoints[c], table.scenarios[s], seed): number
        for number, (c, s, seed) in enumerate(zip(table.checkpoint, table.scenario, table.seed.tolist(), strict=True))
    }
    whole = table.image_grades()
    assert len(table) == len(outcomes)
    for each in outcomes:
        place = places[each.run, each.epoch, each.scenario, each.seed]
        assert judgement_of(whole[place]) == judge(each)
        for code, check in enumerate(table.checks):
            assert judgement_of(table.grades[place, code]) == judge(each, check)
            for person, name in enumerate(table.characters):
                assert judgement_of(table.character_grades[place, code, person]) == judge(each, check, name)


@given(images)
def test_counts_are_those_of_the_images(drawn: list) -> None:  # type: ignore[type-arg]
    outcomes = world(drawn)
    table = OutcomeTable.from_outcomes(outcomes)
    assert table.count_images().sum() == len(outcomes)
    for entry in build_leaderboard(table):
        own = [each for each in outcomes if (each.run, each.epoch) == (entry.run, entry.epoch)]
        assert entry.tally == Tally.of(map(judge, own))
        apart = {"pose": entry.hits, "follow_through": entry.follows}
        for check, tally in [*entry.checks.items(), *((name, t) for name, t in apart.items() if t is not None)]:
            asked = [e for e in own if check in e.expected or any(r.check == check for r in e.findings)]
            assert tally == Tally.of(judge(each, check) for each in asked)


def test_columns_give_the_same_table_in_any_order() -> None:
    columns = {
        "checkpoints": [("v2", 8), ("control", None), ("v2", 4)],
        "scenarios": ["solo", "hug"],
        "checks": ["pose", "hands"],
        "characters": ["Kei", "Kana"],
        "expected": {"hug": ("hands", "fusion"), "solo": ("hands",)},
    }
    first = OutcomeTable.from_columns(
        **columns,
        checkpoint=[0, 2, 1],
        scenario=[0, 1, 1],
        seed=[7, 7, 7],
        invalid=[False, False, False],
        image=[0, 1, 1, 2],
        check=[1, 1, 0, 1],
        character=[0, 1, NOBODY, NOBODY],
        grade=[Grade.HOLDS, Grade.LOST, Grade.CLEAR, Grade.HOLDS],
    )
    again = OutcomeTable.from_columns(
        **columns,
        checkpoint=[1, 2, 0],
        scenario=[1, 1, 0],
        seed=[7, 7, 7],
        invalid=[False, False, False],
        image=[1, 0, 2, 1],
        check=[0, 1, 1, 1],
        character=[NOBODY, NOBODY, 0, 1],
        grade=[Grade.CLEAR, Grade.HOLDS, Grade.HOLDS, Grade.LOST],
    )
    assert first.checkpoints == (("control", None), ("v2", 4), ("v2", 8))
    assert first.checks == ("fusion", "hands", "pose")
    for name in ("checkpoint", "scenario", "seed", "grades", "character_grades"):
        assert np.array_equal(getattr(first, name), getattr(again, name))
    assert first.image_grades().tolist() == [Grade.NOT_MEASURABLE, Grade.LOST, Grade.HOLDS]
    assert first.cells[0] == first.cells[1] != first.cells[2]


def test_an_empty_table_has_no_figures() -> None:
    table = OutcomeTable.from_outcomes([])
    assert (len(table), table.count_images().size, build_leaderboard(table)) == (0, 0, [])


def test_pinned_seeds_are_kept_out_of_rates() -> None:
    outcomes = [CellOutcome("v1", 4, "hug", seed, False, (row("f" if seed == 13 else "h"),)) for seed in (7, 13, 99)]
    pinned = [CellOutcome(*vars(each).values()) for each in outcomes]
    pinned[1] = CellOutcome("v1", 4, "hug", 13, False, (row("f"),), pinned=True)
    assert [build_leaderboard(each)[0].tally.fails for each in (outcomes, pinned)] == [1, 0]
    assert Counter(OutcomeTable.from_outcomes(pinned).pinned.tolist()) == {True: 1, False: 2}


@pytest.mark.parametrize("letter", list(LETTERS))
def test_a_grade_is_the_judgement_of_one_finding(letter: str) -> None:
    verdict, severity = LETTERS[letter]
    alone = CellOutcome("v1", 4, "hug", 1, False, (row(letter),))
    assert judgement_of(grade_of(verdict, severity)) == judge(alone)


def test_a_missed_pose_makes_no_image_fail() -> None:
    missed = CellOutcome("v1", 4, "hug", 1, False, (row("f", "pose", None), row("h")), ("pose", "hands"))
    assert judge(missed) == judge(CellOutcome("v1", 4, "hug", 1, False, (row("h"),)))
    assert judge(missed, "pose").severity is not None
    (entry,) = build_leaderboard([missed])
    assert (entry.tally.holds, entry.hit_rate, "pose" in entry.checks) == (1, 0.0, False)
    assert entry.to_json()["pose_hits"] == {
        "yes": 0,
        "no": 1,
        "not_measurable": 0,
        "rate": 0.0,
        "interval": [0.0, 1 - wilson(1, 1)[0]],
    }  # type: ignore[index]
