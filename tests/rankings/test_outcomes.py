"""What findings add up to on one image."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.findings import Severity, Verdict
from service.rankings import CellOutcome, FindingRow, Judgement, State, judge, seed_table
from tests.rankings.worlds import outcome, row


def image(letters: str, *, expected: tuple[str, ...] = (), invalid: bool = False) -> CellOutcome:
    return CellOutcome("v1", 4, "hug", 1, invalid, tuple(row(letter) for letter in letters), expected)


@pytest.mark.parametrize(
    ("letters", "state", "severity"),
    [
        ("hhh", State.HOLDS, None),
        ("hmh", State.MINOR, Severity.MINOR),
        ("hmf", State.FAILS, Severity.CLEAR),
        ("fFL", State.FAILS, Severity.LOST),
        ("fF", State.FAILS, Severity.FUSED),
        ("h?", State.NOT_MEASURABLE, None),
        ("m?", State.NOT_MEASURABLE, None),
        ("f?", State.FAILS, Severity.CLEAR),
        ("", State.NOT_MEASURABLE, None),
    ],
)
def test_an_image_fails_by_any_finding_and_holds_only_by_all(
    letters: str, state: State, severity: Severity | None
) -> None:
    assert judge(image(letters)) == Judgement(state, severity)


def test_an_invalid_image_is_neither_pass_nor_failure() -> None:
    assert judge(image("hh", invalid=True)).state is State.INVALID
    assert judge(image("f", invalid=True)).state is State.INVALID


def test_a_check_that_never_answered_is_not_a_pass() -> None:
    assert judge(image("hh", expected=("hands",))).state is State.HOLDS
    assert judge(image("hh", expected=("hands", "fusion"))).state is State.NOT_MEASURABLE
    assert judge(image("hh", expected=("hands", "fusion")), "fusion").state is State.NOT_MEASURABLE
    assert judge(image("hh", expected=("hands", "fusion")), "hands").state is State.HOLDS


def test_a_failure_without_severity_counts_as_clear() -> None:
    bare = CellOutcome("v1", 4, "hug", 1, False, (FindingRow("cast", None, Verdict.FAILS),))
    assert judge(bare).severity is Severity.CLEAR


def test_one_check_and_one_character_can_be_looked_at_alone() -> None:
    mixed = CellOutcome(
        "v1", 4, "hug", 1, False, (row("h", "hands", "Kei"), row("L", "hands", "Kana"), row("?", "ahoge_bleed", "Kei"))
    )
    assert judge(mixed, "hands").state is State.FAILS
    assert judge(mixed, "hands", "Kei").state is State.HOLDS
    assert judge(mixed, character="Kei").state is State.NOT_MEASURABLE
    assert judge(mixed, "cast").state is State.NOT_MEASURABLE


@given(st.text("hmfFL?", max_size=8), st.randoms())
def test_the_order_of_findings_does_not_matter(letters: str, random: object) -> None:
    shuffled = list(letters)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert judge(image(letters)) == judge(image("".join(shuffled)))


def test_the_piggyback_hand_table() -> None:
    table = {7: "hhmm", 13: "hLLL", 99: "hhh?"}
    outcomes = [
        outcome(letter, seed, run="v2", epoch=epoch, scenario="piggyback")
        for seed, letters in table.items()
        for epoch, letter in zip((148, 140, None, 144), (letters[2], letters[0], letters[3], letters[1]), strict=True)
    ]
    outcomes += [outcome("F", 7, run="v1", epoch=140, scenario="piggyback"), outcome("x", 7, run="v2", epoch=140)]
    result = seed_table(outcomes, "v2", "piggyback", "hands", "Kei")
    assert result.rows() == [
        ["seed", "epoch 140", "epoch 144", "epoch 148", "-"],
        ["7", "holds", "holds", "minor", "minor"],
        ["13", "holds", "lost", "lost", "lost"],
        ["99", "holds", "holds", "holds", "not measurable"],
    ]
    assert result.to_json()["seeds"]["13"] == ["holds", "lost", "lost", "lost"]


def test_the_table_shows_what_is_absent_and_what_is_invalid() -> None:
    outcomes = [outcome("F", 1, epoch=4), outcome("x", 1, epoch=8), outcome("h", 2, epoch=8, check="cast")]
    assert seed_table(outcomes, "v1", "hug", "hands").rows()[1:] == [["1", "fused", "invalid"], ["2", "-", "-"]]
