"""Labels as CSV: out, filled in, and back, whole or not at all."""

from __future__ import annotations

import csv
import io

import pytest

from service.audits.importing import import_rows
from service.audits.questions import Answer
from service.audits.tables import read_table, write_table
from service.errors import InvalidInput, NotFound
from service.evaluations.workspace import Workspace


def table_of(space: Workspace, evaluation: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(write_table(space.audits.items(evaluation), str))))


def written(rows: list[dict[str, str]]) -> bytes:
    buffer = io.StringIO()
    table = csv.DictWriter(buffer, rows[0].keys())
    table.writeheader()
    table.writerows(rows)
    return buffer.getvalue().encode()


def test_out_and_back(space: Workspace, evaluation: str) -> None:
    space.audits.draw(evaluation, 12)
    rows = table_of(space, evaluation)
    assert {row["machine"] for row in rows} == {""}
    for place, row in enumerate(rows[:8]):
        row["label"] = ["holds", "Fails", "can't tell", "minor"][place % 4]
    rows[0]["second_label"] = "holds"
    brought = import_rows(space.database, evaluation, read_table(written(rows), "aya"))
    assert (brought.labels, brought.unchanged, brought.chosen) == (9, 0, 0)
    again = table_of(space, evaluation)
    assert [row["label"] for row in again[:4]] == ["holds", "fails", "cant_tell", "minor"]
    assert again[0]["second_label"] == "holds"
    assert {row["person"] for row in again[:8]} == {"aya"}
    assert all(row["machine"] for row in again[:8])
    assert import_rows(space.database, evaluation, read_table(written(again))).unchanged == 9


def test_a_bad_line_takes_nothing_and_is_named(space: Workspace, evaluation: str) -> None:
    space.audits.draw(evaluation, 6)
    rows = table_of(space, evaluation)
    for row in rows:
        row["label"] = "holds"
    rows[2]["item"] = "4711"
    rows[4]["image"] = "0" * 64
    with pytest.raises(InvalidInput, match=r"line 4: .*no item 4711.*line 6: .*another image"):
        import_rows(space.database, evaluation, read_table(written(rows)))
    assert {row["label"] for row in table_of(space, evaluation)} == {""}
    rows[3]["label"] = "perhaps"
    with pytest.raises(InvalidInput, match=r"line 5: 'perhaps' is no label"):
        read_table(written(rows))


def test_chosen_findings_correct_no_rate(space: Workspace, evaluation: str) -> None:
    content = (
        "label,run,epoch,scenario,seed,check,character\n"
        "fails,kk,4,hug,0,cast,\nfails,kk,8.0,hug,1,fusion,\nholds,control,,solo,0,picture,\n"
    )
    brought = import_rows(space.database, evaluation, read_table(content.encode()))
    assert (brought.labels, brought.chosen) == (3, 3)
    found = space.audits.results(evaluation)
    assert (found.labelled, found.chosen, found.checks) == (0, 3, ())
    assert len(space.audits.items(evaluation)) == 3
    # Drawn later, they count: chance has chosen them then.
    space.audits.draw(evaluation, 1000)
    found = space.audits.results(evaluation)
    assert (found.labelled, found.chosen) == (2, 1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "first line must name the columns"),
        (b"a,b\n1,2\n", "first line must name the columns"),
        (b"item,label\nx,holds\n", "line 2: item 'x' is no whole number"),
        (b"item,label\n-3,holds\n", "is no whole number"),
        (b"item,label\n99999999999999999999,holds\n", "is no whole number"),
        ("item,label\n1,hält\n".encode("utf-16"), "not UTF-8"),
        (b'item,label\n1,"holds\n', "no CSV"),
        (b"item,label\n" + b"1,yes\n" * 30, "and 20 more"),
    ],
)
def test_what_is_no_table_is_said(content: bytes, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        read_table(content)


@pytest.mark.parametrize(
    "row",
    ["kk,5,hug,0,cast,", "kk,4,hug,0,hands,", "kk,4,hug,77,cast,", "kk,4,nowhere,0,cast,", "kk,4,hug,,cast,",
     "kk,4,hug,0,cast,Kei", "kk,4,hug,0,question,"],
)  # fmt: skip
def test_a_finding_that_is_not_there_is_said(space: Workspace, evaluation: str, row: str) -> None:
    content = f"label,run,epoch,scenario,seed,check,character\nfails,{row}\n"
    with pytest.raises(InvalidInput, match="line 2"):
        import_rows(space.database, evaluation, read_table(content.encode()))


def test_spreadsheets_get_no_formulas(space: Workspace, evaluation: str) -> None:
    space.audits.draw(evaluation, 3, "question", question="=SUM(A1) or what?")
    assert {row["question"] for row in table_of(space, evaluation)} == {"'=SUM(A1) or what?"}


def test_an_unknown_evaluation_is_said(space: Workspace) -> None:
    with pytest.raises(NotFound):
        import_rows(space.database, "nothing", [])


def test_empty_rows_are_left_out() -> None:
    rows = read_table("\ufeffitem,label,second_label\n1,,\n2,holds,\n3,,fails\n".encode())
    assert [(row.item, row.label, row.second) for row in rows] == [(2, Answer.HOLDS, None), (3, None, Answer.FAILS)]
