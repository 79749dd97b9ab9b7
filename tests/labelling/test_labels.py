"""Labels are read with care, and rounds compared."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from sklearn.metrics import cohen_kappa_score

from benchmarks import labelling
from benchmarks.labelling.__main__ import main
from benchmarks.labelling.cells import write_cells
from benchmarks.labelling.labels import BODIES, FAULTS, PEOPLE, LabelFault, agreement, joined, read_labels

COLUMNS = ("number", *BODIES)
FIRST_ANSWERS = {question: answers[0] for question, answers in (PEOPLE | BODIES).items()}


def write(path: Path, rows: list[dict[str, str]], columns: tuple[str, ...] = COLUMNS) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def row(number: int, **answers: str) -> dict[str, str]:
    return {"number": str(number), **FIRST_ANSWERS, **answers}


def test_answers_come_back_by_number(tmp_path: Path) -> None:
    labels = read_labels(write(tmp_path / "a.csv", [row(3), row(9, fusion="yes", right_hands="?")]))
    assert labels[3]["fusion"] == "no"
    assert (labels[9]["fusion"], labels[9]["right_hands"]) == ("yes", "?")


@pytest.mark.parametrize(
    ("rows", "columns", "words"),
    [
        ([row(1, fusion="maybe")], COLUMNS, "line 2, fusion: 'maybe'"),
        ([row(1), row(1)], COLUMNS, "line 3: picture 1 is there twice"),
        ([{**row(1), "number": "one"}], COLUMNS, "'one' is no picture number"),
        ([row(1)], COLUMNS[:-1], "no column right_hands"),
    ],
)
def test_a_wrong_file_is_refused_by_name(
    tmp_path: Path, rows: list[dict[str, str]], columns: tuple[str, ...], words: str
) -> None:
    with pytest.raises(LabelFault, match=r"a\.csv") as caught:
        read_labels(write(tmp_path / "a.csv", rows, columns))
    assert words in str(caught.value)


def test_kappa_is_scikit_learns() -> None:
    answers = ["none", "tuft", "ahoge", "ahoge", "none", "tuft", "ahoge", "none"]
    others = ["none", "ahoge", "ahoge", "ahoge", "none", "tuft", "none", "none"]
    first = {n: row(n, left_ahoge=answer) for n, answer in enumerate(answers)}
    second = {n: row(n, left_ahoge=answer) for n, answer in enumerate(others)}
    found = {each.question: each for each in agreement(first, second)}["left_ahoge"]
    assert (found.n, found.same, found.unsure) == (8, 6, 0)
    assert found.kappa == pytest.approx(cohen_kappa_score(answers, others))


def test_unsure_pictures_are_counted_apart_and_one_answer_has_no_kappa() -> None:
    found = {each.question: each for each in agreement({1: row(1, fusion="?"), 2: row(2)}, {1: row(1), 2: row(2)})}
    assert (found["fusion"].n, found["fusion"].same, found["fusion"].unsure) == (1, 1, 1)
    assert found["fusion"].kappa is None


def test_a_file_about_people_is_told_from_one_about_bodies(tmp_path: Path) -> None:
    labels = read_labels(write(tmp_path / "a.csv", [row(1, pose="hug")], ("number", *PEOPLE)))
    assert labels[1].keys() == PEOPLE.keys()
    assert labels[1]["pose"] == "hug"


def test_a_file_with_limbs_is_known_even_where_a_column_is_missing(tmp_path: Path) -> None:
    whole = {"number": "1", **{question: answers[0] for question, answers in FAULTS.items()}}
    labels = read_labels(write(tmp_path / "a.csv", [whole], ("number", *FAULTS)))
    assert labels[1]["left_limbs"] == "whole"
    with pytest.raises(LabelFault, match="no column left_limbs"):
        read_labels(write(tmp_path / "b.csv", [whole], tuple(c for c in ("number", *FAULTS) if c != "left_limbs")))


def test_files_are_joined_on_what_all_have() -> None:
    assert joined([{1: {"a": "x"}, 2: {"a": "y"}}, {2: {"b": "z"}}]) == {2: {"a": "y", "b": "z"}}


def test_hands_agree_where_both_rounds_see_a_hand_that_fails_or_does_not() -> None:
    first = {1: row(1, left_hands="lost", right_hands="hidden"), 2: row(2, left_hands="holds", right_hands="minor")}
    second = {1: row(1, left_hands="fused", right_hands="lost"), 2: row(2, left_hands="minor", right_hands="lost")}
    found = {each.question: each for each in agreement(first, second)}
    assert (found["left_hands"].n, found["left_hands"].same) == (2, 0)
    assert (found["hands_fail"].n, found["hands_fail"].same) == (3, 2)


def test_nothing_shared_is_no_figure() -> None:
    assert all(each.n == 0 and each.interval is None for each in agreement({1: row(1)}, {2: row(2)}))


def test_the_command_prints_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = write(tmp_path / "a.csv", [row(1)]), write(tmp_path / "b.csv", [row(1, fusion="yes")])
    assert main(["agree", str(one), str(two)]) == 0
    assert "| fusion | 0 of 1 |" in capsys.readouterr().out


def test_a_set_that_nobody_has_labelled_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelling, "set_folder", lambda name: tmp_path)
    write_cells(tmp_path / "cells.json", [])
    with pytest.raises(LabelFault, match="'broken' has no labels yet"):
        labelling.labelled_set("broken")
