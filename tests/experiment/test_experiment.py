"""The experiment, from a shipped checkpoint to its tables, as small as it gets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.experiment.grid import outcomes_of, read_rows
from detectors.findings import Severity, Verdict
from service.miniature import runs_folder
from service.rankings import State, judge


def test_rows_come_back_as_verdicts() -> None:
    row = {
        "run": "v1",
        "epoch": 4,
        "scenario": "hug",
        "seed": 7,
        "invalid": False,
        "expected": ["hands"],
        "findings": [["hands", "Kei", "fails", "lost"], ["hands", "Kana", "holds", None]],
    }
    [outcome] = outcomes_of([row])
    assert outcome.findings[0].verdict is Verdict.FAILS
    judgement = judge(outcome)
    assert (judgement.state, judgement.severity) == (State.FAILS, Severity.LOST)


def test_the_whole_experiment_in_two_scenarios(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.experiment", "--run", f"v2={runs_folder() / 'v2'}"]
    command += ["--epochs", "24", "--final-epoch", "24", "--scenarios", "hug", "piggyback", "--seeds", "1"]
    command += ["--devices", "cpu", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-2000:]
    outcomes = outcomes_of(read_rows(tmp_path / "outcomes.jsonl"))
    assert sorted((outcome.run, outcome.scenario) for outcome in outcomes) == [
        ("control", "hug"),
        ("control", "piggyback"),
        ("v2", "hug"),
        ("v2", "piggyback"),
    ]
    tables = (tmp_path / "tables.md").read_text()
    assert "### Leaderboard" in tables
    assert "### Kei's hands, piggyback, v2" in tables
