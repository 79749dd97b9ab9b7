"""What was seen on pictures, held against the findings: read with care, and counted by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.decisions.onset_pictures.counting import CELLS, SEEN, count, markdown, read_seen
from benchmarks.decisions.onset_pictures.looks import LOOKS, cells_to_see
from benchmarks.labelling.cells import Contender, LabelledCell, read_cells, write_cells
from benchmarks.labelling.labels import LabelFault
from service.suites import load_suite

SUITE = load_suite("keikana")
FILES = [
    Contender(run, epoch, f"{run}-{epoch}.safetensors", "a" * 64)
    for run in ("v1", "v2")
    for epoch in (20, 40, 136, 150)
]


def test_every_look_has_its_pictures_and_no_epoch_shows() -> None:
    cells = cells_to_see(FILES, SUITE)
    assert [cell.number for cell in cells] == list(range(1, len(cells) + 1))
    for look in LOOKS:
        for epoch in (look.before, look.after):
            own = {c.seed for c in cells if (c.run, c.epoch, c.scenario) == (look.run, epoch, look.scenario)}
            assert own == set(SUITE.seeds)
    first = [cell.epoch for cell in cells[:32]]
    assert {cell.scenario for cell in cells[:32]} == {"lap-sit-tags"}
    assert sorted(first, key=str) != first  # shuffled, so that the place on a sheet tells nothing


def test_a_checkpoint_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match="no checkpoint v1 epoch 40"):
        cells_to_see([each for each in FILES if (each.run, each.epoch) != ("v1", 40)], SUITE)


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ("1,hands,perhaps", "line 2: 'perhaps' is none of yes, no, ?"),
        ("9,hands,yes", "there is no picture 9"),
        ("1,hands,yes\n1,hands,no", "line 3: picture 1 is there twice for hands"),
    ],
)
def test_answers_that_cannot_be_are_refused(tmp_path: Path, rows: str, complaint: str) -> None:
    path = tmp_path / "seen.csv"
    path.write_text(f"number,check,seen\n{rows}\n")
    with pytest.raises(LabelFault, match=complaint.replace("?", r"\?")):
        read_seen(path, [LabelledCell(1, "v1", 40, "", "", "hug", "", 7)])


def test_counts_are_those_of_sure_answers_and_of_the_same_seeds(tmp_path: Path) -> None:
    look = LOOKS[0]
    cells = [cell for cell in cells_to_see(FILES, SUITE) if (cell.run, cell.scenario) == (look.run, look.scenario)]
    lines = ["number,check,seen"]
    for cell in cells:
        word = "?" if cell.seed == 7 else "yes" if cell.epoch == look.after and cell.seed != 13 else "no"
        lines.append(f"{cell.number},{look.check},{word}")
    (tmp_path / "seen.csv").write_text("\n".join(lines) + "\n")
    write_cells(tmp_path / "cells.json", cells)
    found = next(each for each in count(tmp_path / "seen.csv", tmp_path / "cells.json") if each.look == look)
    assert found.eye == ((0, 15), (14, 15))
    assert found.p == pytest.approx(2 / 2**14)
    assert [total for _, total in found.machine] == [16, 16]
    assert found.alike[1] == 30


def test_the_committed_answers_are_complete() -> None:
    seen = read_seen(SEEN, read_cells(CELLS))
    for look in LOOKS:
        own = [key for key in seen if (key[0], key[2], key[4]) == (look.run, look.scenario, look.check)]
        assert {(key[1], key[3]) for key in own} >= {
            (epoch, seed) for epoch in (look.before, look.after) for seed in SUITE.seeds
        }
    assert f"on {sum(each.alike[0] for each in count())} of" in markdown(count())
