"""Findings packed into a small table, and read back."""

from __future__ import annotations

import lzma
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.experiment.findings import FOLDER, read_findings, write_findings
from benchmarks.experiment.grid import outcomes_of, write_rows


def image(epoch: int | None, seed: int, findings: list[list[Any]], scenario: str = "hug") -> dict[str, Any]:
    return {
        "run": "control" if epoch is None else "v1",
        "epoch": epoch,
        "scenario": scenario,
        "seed": seed,
        "invalid": seed == 9,
        "expected": ["cast", "hands"],
        "findings": findings,
    }


ROWS = [
    image(None, 7, [["cast", None, "holds", None], ["hands", "Kei", "fails", "lost"]]),
    image(4, 7, [["cast", None, "fails", "clear"], ["hands", "Kei", "minor", "minor"]]),
    image(4, 9, [["hands", "Kei", "not_measurable", None]]),
    image(8, 7, [["cast", None, "holds", None], ["hands", "Kei", "fails", "fused"]], "piggyback"),
]


def test_what_is_packed_comes_back_to_the_letter(tmp_path: Path) -> None:
    write_findings(tmp_path / "f.csv.xz", reversed(ROWS), {"device": "one card"})
    facts, rows = read_findings(tmp_path / "f.csv.xz")
    assert facts == {"device": "one card"}
    assert rows == ROWS
    text = lzma.decompress((tmp_path / "f.csv.xz").read_bytes()).decode()
    assert "v1,4,hug,9,1,-?" in text.splitlines()


def test_what_has_no_letter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no letter for the verdict holds of severity lost"):
        write_findings(tmp_path / "f", [image(4, 7, [["cast", None, "holds", "lost"]])], {})
    with pytest.raises(ValueError, match="hug has two findings of cast on the image"):
        write_findings(tmp_path / "f", [image(4, 7, [["cast", None, "holds", None]] * 2)], {})
    with pytest.raises(ValueError, match="expect different checks"):
        write_findings(tmp_path / "f", [ROWS[0], {**ROWS[1], "expected": ["cast"]}], {})


def test_the_command_packs_and_makes_tables_of_what_it_packed(tmp_path: Path) -> None:
    write_rows(tmp_path / "outcomes.jsonl", ROWS)
    command = [sys.executable, "-m", "benchmarks.experiment", "--out", str(tmp_path)]
    packed = ["--pack", str(tmp_path / "f.csv.xz"), "--fact", "date=2026-11-25", "--fact", "command=a --b=c"]
    subprocess.run([*command, *packed], check=True, capture_output=True, timeout=120)
    assert read_findings(tmp_path / "f.csv.xz")[0] == {"date": "2026-11-25", "command": "a --b=c"}
    subprocess.run([*command, "--findings", str(tmp_path / "f.csv.xz")], check=True, capture_output=True, timeout=120)
    assert "v1 epoch 4" in (tmp_path / "tables.md").read_text()


@pytest.mark.parametrize(
    ("name", "runs", "seeds"), [("v1-v2", {"v1", "v2"}, 16), ("v1-rank8-v2-rank4", {"v1-rank8", "v2-rank4"}, 8)]
)
def test_the_committed_findings_are_whole(name: str, runs: set[str], seeds: int) -> None:
    facts, rows = read_findings(FOLDER / f"{name}.csv.xz")
    assert {"command", "date", "device", "detectors", "runs"} <= set(facts)
    assert {row["run"] for row in rows} == runs | {"control"}
    assert len(rows) == (2 * 38 + 1) * 17 * seeds
    assert len(outcomes_of(rows)) == len(rows)
    assert (FOLDER / f"{name}.csv.xz").stat().st_size < 500_000
