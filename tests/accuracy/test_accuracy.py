"""Counting, and a small run of the whole benchmark."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy.__main__ import markdown
from benchmarks.accuracy.measure import Counts, average_precision, f1_interval, figures, summary
from benchmarks.accuracy.overlays import keep_worst, write_mistakes
from benchmarks.accuracy.running import measure
from benchmarks.detectors.cases import case_of
from detectors import Finding, Severity, Verdict, open_detectors


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
    assert found["recall"] == pytest.approx(8 / 13)  # what is called not measurable is missed
    assert found["f1"] == pytest.approx(16 / 22)
    assert (found["n"], found["positives"], found["not_measurable"]) == (34, 13, 3)
    low, high = found["interval"]
    assert low < 8 / 13 < high


def test_the_interval_of_f1_holds_the_true_one_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    right, missed, false = 0.25, 0.05, 0.02
    true = 2 * right / (2 * right + missed + false)
    held = 0
    for tp, fn, fp, _ in rng.multinomial(400, (right, missed, false, 1 - right - missed - false), 2000):
        low, high = f1_interval(int(tp), int(tp + fp), int(tp + fn)) or (0.0, 0.0)
        held += low <= true <= high
    assert 0.93 <= held / 2000 <= 0.97
    assert f1_interval(0, 0, 0) is None


def test_nothing_counted_is_no_number() -> None:
    found = figures(Counts(), "fusion", ["fails"])
    assert found["precision"] is found["recall"] is found["f1"] is found["f1_interval"] is None


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


def test_false_alarms_are_counted_on_clean_pictures_alone() -> None:
    detectors, counts = open_detectors(), Counts()
    clean, faulty = case_of("test", 0, clean=True), case_of("test", 1)
    for case in (clean, faulty):
        [context] = detectors.look([case.image], [case.expectation])
        wrong = [
            Finding(check, Verdict.FAILS, check, "1", who, Severity.CLEAR, 0.97)
            for (check, who), truth in case.truth.items()
            if check == "face" and truth == "holds"
        ]
        counts.add(case, context, wrong, clean=case is clean)
    result = summary(counts)
    assert result["clean_images"] == 1
    assert result["false_alarms_per_1000_clean"]["face"]["rate"] == 1000
    assert result["false_alarms_per_1000_clean"]["hands"]["rate"] == 0
    assert [row["bin"] for row in result["reliability"]["face"]] == [9]
    assert result["reliability"]["face"][0]["true_share"] == 0


def test_mistakes_are_pictures_and_only_the_worst_stay(tmp_path: Path) -> None:
    case = case_of("test", 0, clean=True)
    name = case.expectation.cast[0].name
    for number, score in enumerate(np.linspace(0.5, 1, 25)):
        wrong = Finding("ghost", Verdict.FAILS, "ghost", "1", name, Severity.CLEAR, float(score),
                        {"person_box": [10.0, 10.0, 90.0, 90.0]}, "doubled")  # fmt: skip
        write_mistakes(tmp_path, f"{number:02d}", case, [wrong])
    assert keep_worst(tmp_path) == {"ghost": 25}
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert len(kept) == 20
    assert kept[-1].startswith("ghost-1.000-24")


def test_the_shipped_detectors_do_what_the_table_says() -> None:
    result = summary(measure(24, seed=123, workers=1))
    assert result["images"] == 24
    assert "false alarms" in markdown(result)
    assert result["people_mask_map50"] > 0.9
    assert result["checks"]["ahoge_bleed"]["n"] > 10
    # In styles that most networks have not seen; benchmarks/RESULTS.md says what they reach.
    for name, least in (("fusion", 0.75), ("hair_bleed", 0.5), ("hands", 0.6), ("cast", 0.5), ("ahoge_bleed", 0.35)):
        assert result["checks"][name]["f1"] >= least, name


def test_the_command_prints_one_json_object() -> None:
    command = [sys.executable, "-m", "benchmarks.accuracy", "--images", "4", "--seed", "3", "--workers", "2", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert json.loads(done.stdout)["images"] == 4
    assert "4/4 drawings" in done.stderr
