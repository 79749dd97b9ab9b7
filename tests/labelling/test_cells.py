"""Which pictures are labelled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.labelling.cells import CONTROL, Contender, choose_cells, read_cells, write_cells
from service.suites import load_suite

CONTENDERS = (
    Contender(CONTROL, None),
    Contender("v1", 8, "a.safetensors", "ab"),
    Contender("v2", 8, "b.safetensors", "cd"),
)


def test_every_combination_is_there_once_and_numbers_hide_the_checkpoint() -> None:
    cells = choose_cells(CONTENDERS, load_suite("demo"), ["hug", "kei-solo"], [1, 2, 3])
    assert [cell.number for cell in cells] == list(range(1, 19))
    assert len({(cell.run, cell.epoch, cell.scenario, cell.seed) for cell in cells}) == 18
    assert [cell.run for cell in cells] != sorted(cell.run for cell in cells)
    assert all("keichan" in cell.prompt for cell in cells)


def test_the_same_shuffle_gives_the_same_order() -> None:
    def order(shuffle: int) -> list[tuple[str, int]]:
        cells = choose_cells(CONTENDERS, load_suite("demo"), ["hug"], range(5), shuffle)
        return [(cell.run, cell.seed) for cell in cells]

    assert order(1) == order(1) != order(2)


def test_a_list_survives_its_file(tmp_path: Path) -> None:
    cells = choose_cells(CONTENDERS, load_suite("demo"), ["hug"], [7])
    write_cells(tmp_path / "cells.json", cells)
    assert read_cells(tmp_path / "cells.json") == cells


def test_a_scenario_of_two_prompts_is_not_written(tmp_path: Path) -> None:
    cell = choose_cells(CONTENDERS, load_suite("demo"), ["hug"], [7])[0]
    with pytest.raises(ValueError, match="hug has two prompts"):
        write_cells(tmp_path / "cells.json", [cell, replace(cell, prompt="another one")])
    assert not (tmp_path / "cells.json").exists()
