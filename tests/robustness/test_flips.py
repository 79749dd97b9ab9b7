"""Counting verdicts that change, and the changes themselves."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.robustness.__main__ import markdown
from benchmarks.robustness.flips import CHANGES, Flips
from detectors import Verdict

HOLDS, MINOR, FAILS, BLIND = Verdict.HOLDS, Verdict.MINOR, Verdict.FAILS, Verdict.NOT_MEASURABLE


def test_what_changes_and_what_crosses() -> None:
    flips = Flips()
    flips.add({("cast", None): HOLDS, ("hands", "kei"): HOLDS}, {("cast", None): HOLDS, ("hands", "kei"): FAILS})
    flips.add({("cast", None): FAILS, ("hands", "kei"): HOLDS}, {("cast", None): BLIND, ("hands", "kei"): MINOR})
    found = flips.summary()
    assert {name: (row["verdicts"], row["changed"], row["crossed"]) for name, row in found.items()} == {
        "all": (4, 3, 1),
        "cast": (2, 1, 0),
        "hands": (2, 2, 1),
    }
    low, high = found["all"]["interval"]
    assert low < 0.75 < high


def test_a_finding_that_only_one_side_has_is_a_change() -> None:
    flips = Flips()
    flips.add({("cast", None): HOLDS}, {})
    assert flips.changed["cast"] == 1


@pytest.mark.parametrize(
    ("name", "factor"), [("jpeg 90", 1.0), ("jpeg 75", 1.0), ("half the size", 0.5), ("twice the size", 2.0)]
)
def test_a_changed_picture_is_nearly_the_same(name: str, factor: float) -> None:
    y, x = np.mgrid[0:64, 0:96]
    image = np.stack([x * 2, y * 3, x + y], 2).astype(np.uint8)
    changed = CHANGES[name](image)
    assert changed.shape == (round(64 * factor), round(96 * factor), 3)
    assert abs(float(changed.mean()) - float(image.mean())) < 2
    assert not np.array_equal(changed, image)


def test_the_table_has_a_row_for_every_check() -> None:
    flips = Flips()
    flips.add({("cast", None): HOLDS}, {("cast", None): FAILS})
    table = markdown({"changes": {"twice": flips.summary()}})
    assert table.splitlines()[0] == "| check | twice |"
    assert "| cast | 100.00%" in table
