"""Counting, and a small run of the whole benchmark."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from benchmarks.accuracy.measure import Counts, average_precision, figures, summary
from benchmarks.accuracy.running import measure


def test_precision_and_recall_by_hand() -> None:
    counts = Counts()
    for truth, answer, number in (
        ("fails", "fails", 8),
        ("fails", "holds", 2),
        ("holds", "fails", 1),
        ("holds", "holds", 20),
        ("fails", "not_measurable", 3),
    ):
        counts.answers["", "fusion", truth, answer] += number
    found = figures(counts, "fusion", ["fails"])
    assert found["precision"] == pytest.approx(8 / 9)
    assert found["recall"] == pytest.approx(0.8)
    assert found["f1"] == pytest.approx(16 / 19)
    assert (found["n"], found["positives"], found["not_measurable"]) == (31, 10, 3)
    low, high = found["interval"]
    assert low < 0.8 < high


def test_nothing_counted_is_no_number() -> None:
    found = figures(Counts(), "fusion", ["fails"])
    assert found["precision"] is found["recall"] is found["f1"] is None


def test_average_precision() -> None:
    assert average_precision([(0.9, True), (0.8, True)], 2) == 1.0
    assert average_precision([(0.9, True), (0.8, False)], 2) == 0.5
    assert average_precision([(0.9, False), (0.8, True)], 1) == 0.5
    assert average_precision([], 3) == 0.0


def test_counts_add_up() -> None:
    one, two = Counts(people=2, pictures=1, masks=[(0.5, True)]), Counts(people=1, pictures=1)
    one.answers["", "cast", "holds", "holds"] = 1
    two.answers["", "cast", "holds", "holds"] = 2
    one.merge(two)
    assert (one.people, one.pictures, one.answers["", "cast", "holds", "holds"]) == (3, 2, 3)


def test_the_shipped_detectors_do_what_the_table_says() -> None:
    result = summary(measure(24, seed=123, workers=1))
    assert result["images"] == 24
    assert result["people_mask_map50"] > 0.9
    assert result["checks"]["ahoge_bleed"]["n"] > 10
    for name in ("cast", "ahoge_bleed", "hands_lost", "fusion"):
        assert result["checks"][name]["f1"] >= 0.75, name


def test_the_command_prints_one_json_object() -> None:
    command = [sys.executable, "-m", "benchmarks.accuracy", "--images", "4", "--seed", "3", "--workers", "2", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(done.stdout)["images"] == 4
    assert "4/4 drawings" in done.stderr
