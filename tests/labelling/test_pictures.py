"""Pictures of a control cell, and a sheet of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.labelling.cells import CONTROL, LabelledCell
from benchmarks.labelling.pictures import draw_sheet, make_pictures, write_sheets


def cells(count: int) -> list[LabelledCell]:
    return [LabelledCell(n, CONTROL, None, "", "", "hug", "1girl", n) for n in range(1, count + 1)]


def test_pictures_are_made_once(tmp_path: Path) -> None:
    wanted = cells(2)
    assert list(make_pictures(wanted, {}, tmp_path, "miniature", "cpu", 2))[-1] == 2
    first = (tmp_path / wanted[0].name).stat().st_mtime_ns
    assert list(make_pictures(wanted, {}, tmp_path, "miniature", "cpu", 2)) == [2]
    assert (tmp_path / wanted[0].name).stat().st_mtime_ns == first


def test_another_file_under_the_same_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(b"something else")
    cell = LabelledCell(1, "v1", 8, "a.safetensors", "0" * 64, "hug", "1girl", 1)
    with pytest.raises(ValueError, match="another file"):
        list(make_pictures([cell], {"v1": tmp_path}, tmp_path / "out", "miniature", "cpu", 1))


def test_a_sheet_shows_every_picture_in_its_place(tmp_path: Path) -> None:
    wanted = cells(4)
    for cell in wanted:
        Image.new("RGB", (8, 8), (cell.number * 60, 0, 0)).save(tmp_path / cell.name)
    sheet = draw_sheet(wanted, tmp_path, columns=3, side=64)
    assert sheet.shape == (2 * 90, 3 * 64, 3)
    assert [int(sheet[60, 32 + 64 * column, 0]) for column in range(3)] == [60, 120, 180]
    assert int(sheet[150, 32, 0]) == 240
    assert np.all(sheet[150, 100] == 255)  # no fifth picture


def test_sheets_are_named_by_their_numbers(tmp_path: Path) -> None:
    for cell in cells(5):
        Image.new("RGB", (8, 8)).save(tmp_path / cell.name)
    names = [path.name for path in write_sheets(cells(5), tmp_path, tmp_path / "sheets", per_sheet=3)]
    assert names == ["0001-0003.png", "0004-0005.png"]
