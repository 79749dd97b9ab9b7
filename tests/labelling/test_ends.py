"""Labels of single arms' ends: what can be read, and what a person's hands are by the worst of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.labelling.cells import LabelledCell
from benchmarks.labelling.ends import End, mark, read_ends, read_labelled_ends, write_ends
from benchmarks.labelling.labels import LabelFault

SUSPECTED = {3: [End("a", (10.0, 20.0, 30.0, 44.0)), End("b", (100.0, 20.0, 120.0, 40.0))], 4: []}
HEADER = "number,people,pose,kei,fusion,body,ends,left_limbs,right_limbs\n"


def read(tmp_path: Path, *rows: str):  # type: ignore[no-untyped-def]
    path = tmp_path / "faults.csv"
    path.write_text(HEADER + "\n".join(rows) + "\n")
    return read_labelled_ends(path, SUSPECTED)


def test_every_end_is_read_with_its_place_and_its_owner(tmp_path: Path) -> None:
    found = read(tmp_path, '3,2,hug,left,no,whole,"a=L:holds b=none @165,140=R:lost",whole,extra')
    faults, (first, second) = found[3]
    assert (first.point, first.box, first.side, first.grade) == ((20.0, 32.0), SUSPECTED[3][0].box, "left", "holds")
    assert (second.point, second.box, second.side, second.grade) == ((165.0, 140.0), None, "right", "lost")
    assert (faults["left_hands"], faults["right_hands"], faults["right_limbs"]) == ("holds", "lost", "extra")


@pytest.mark.parametrize(
    ("ends", "left"),
    [
        ("a=L:minor b=L:fused", "fused"),
        ("a=L:lost b=?", "lost"),
        ("a=L:holds b=?", "?"),
        ("a=L:hidden b=none", "hidden"),
        ("a=L:hidden b=L:minor", "minor"),
        ("a=none b=none", "hidden"),
    ],
)
def test_the_worst_end_is_a_persons_grade(tmp_path: Path, ends: str, left: str) -> None:
    faults, _ = read(tmp_path, f"3,1,solo,left,no,whole,{ends},whole,absent")[3]
    assert (faults["left_hands"], faults["right_hands"]) == (left, "absent")


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("3,2,hug,left,no,whole,a=L:holds,whole,whole", "no word about b"),
        ("3,2,hug,left,no,whole,a=L:holds b=none c=none,whole,whole", "c is there twice or not marked"),
        ("3,2,hug,left,no,whole,a=L:good b=none,whole,whole", "'a=L:good' cannot be read"),
        ("3,2,hugging,left,no,whole,a=none b=none,whole,whole", "pose: 'hugging'"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, row: str, words: str) -> None:
    with pytest.raises(LabelFault, match=words):
        read(tmp_path, row)


def test_suspected_ends_survive_the_file(tmp_path: Path) -> None:
    cells = [LabelledCell(number, "v2", 40, "f", "s", "hug", "p", 1) for number in SUSPECTED]
    count = write_ends(tmp_path / "ends.jsonl", ((cell, SUSPECTED[cell.number]) for cell in cells))
    assert count == 2
    assert read_ends(tmp_path / "ends.jsonl") == SUSPECTED


def test_a_mark_leaves_what_is_inside_of_it_alone() -> None:
    sheet = Image.new("RGB", (512, 512), "white")
    mark(sheet, (0, 0), 2.0, 512, SUSPECTED[3])
    pixels = np.asarray(sheet)
    assert (pixels[42:86, 22:58] == 255).all()
    assert (pixels[:200, :260] != 255).any()
