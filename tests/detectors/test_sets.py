"""The labelled sets that there are to learn from."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from benchmarks.detectors.sets import (
    FUSED,
    LEARNING,
    SETS,
    SUITE,
    VALIDATION_SEEDS,
    add_pictures,
    labelled_cells,
    pictures_flags,
    read_answers,
)
from benchmarks.labelling.cells import read_cells
from service.suites import load_suite


def parsed(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_pictures(parser)
    return parser.parse_args(arguments)


@pytest.mark.parametrize("name", VALIDATION_SEEDS)
def test_the_labels_are_whole_and_kept_apart_from_what_is_tested_on(name: str) -> None:
    labels, suite = read_answers(name), load_suite(str(SUITE))
    training = labelled_cells(name, validation=False)
    settling = labelled_cells(name, validation=True)
    assert len({cell.number for cell in training} & labels.keys()) > 400
    assert len({cell.number for cell in settling} & labels.keys()) > 100
    assert not {cell.seed for cell in training} & {cell.seed for cell in settling}
    assert all(suite.expectation(cell.scenario).cast for cell in (*training, *settling))
    files = {cell.sha256 for cell in (*training, *settling)}
    for tested in ("broken", "full"):
        assert not files & {cell.sha256 for cell in read_cells(SETS / tested / "cells.json")}


def test_a_set_says_whether_arms_ends_are_labelled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert all(ends is not None for _, ends in read_answers(LEARNING).values())
    (tmp_path / FUSED).mkdir()
    rows = "number,people,pose,kei,fusion,body,left_limbs,right_limbs\n7,2,hug,left,yes,whole,whole,extra\n"
    (tmp_path / FUSED / "faults.csv").write_text(rows)
    monkeypatch.setattr("benchmarks.detectors.sets.SETS", tmp_path)
    row, ends = read_answers(FUSED)[7]
    assert (row["fusion"], row["right_limbs"], ends) == ("yes", "extra", None)


def test_a_folder_for_each_set_is_told_and_told_on(tmp_path: Path) -> None:
    assert parsed().pictures is None
    assert parsed("--pictures", str(tmp_path)).pictures == {LEARNING: tmp_path}
    options = parsed("--pictures", f"learning={tmp_path}", f"fused={tmp_path}")
    assert options.pictures == {LEARNING: tmp_path, FUSED: tmp_path}
    assert parsed(*pictures_flags(options.pictures)) == options


@pytest.mark.parametrize("wrong", ["broken=.", "learning=/nowhere/at/all"])
def test_sets_that_are_tested_on_and_missing_folders_are_refused(
    wrong: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parsed("--pictures", wrong)
    assert "learning" in capsys.readouterr().err
