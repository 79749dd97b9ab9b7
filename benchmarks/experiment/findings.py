"""Findings of an experiment as one small compressed table that can be committed, read by people and by this module.

A file is xz-compressed text. Its first line is ``#`` and a JSON object: facts about how the findings were made, the
letters, and for each scenario the checks it asks for and its findings' order. A CSV table follows, a row an image::

    run,epoch,scenario,seed,invalid,verdicts
    v2,140,hug,7,0,hhhchhhhhhhh
"""

from __future__ import annotations

import csv
import io
import json
import lzma
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "findings"
"""Where the findings are that RESULTS.md speaks of."""
LETTERS: dict[tuple[str, str | None], str] = {
    ("holds", None): "h",
    ("minor", "minor"): "m",
    ("fails", "clear"): "c",
    ("fails", "fused"): "u",
    ("fails", "lost"): "l",
    ("not_measurable", None): "?",
}
"""Verdict and severity by letter."""
ABSENT = "-"
"""The letter of a finding that other images of the scenario have and this one lacks."""
COLUMNS = ("run", "epoch", "scenario", "seed", "invalid", "verdicts")


def write_findings(path: Path, rows: Iterable[dict[str, Any]], facts: Mapping[str, str]) -> None:
    """Write rows of :func:`benchmarks.experiment.grid.run_grid`, sorted, as a compressed table.

    Args:
        path: the file, which is replaced.
        rows: one for each image.
        facts: how they were made: command, date, device, what the detectors and the runs were.

    Raises:
        ValueError: a verdict has no letter, a finding is there twice, or a scenario's images expect different checks.
    """
    ordered = sorted(rows, key=lambda row: (row["run"], row["epoch"] or 0, row["scenario"], row["seed"]))
    asked: dict[str, dict[str, Any]] = {}
    for row in ordered:
        own = asked.setdefault(row["scenario"], {"expected": row["expected"], "findings": []})
        if own["expected"] != row["expected"]:
            raise ValueError(f"images of {row['scenario']} expect different checks")
        own["findings"] += [finding[:2] for finding in row["findings"] if finding[:2] not in own["findings"]]
    letters = {letter: list(meaning) for meaning, letter in LETTERS.items()}
    text = io.StringIO()
    text.write("# " + json.dumps({"facts": dict(facts), "letters": letters, "scenarios": asked}) + "\n")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for row in ordered:
        epoch = "" if row["epoch"] is None else row["epoch"]
        verdicts = _verdicts(row, asked[row["scenario"]]["findings"])
        table.writerow([row["run"], epoch, row["scenario"], row["seed"], int(row["invalid"]), verdicts])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(lzma.compress(text.getvalue().encode(), preset=9 | lzma.PRESET_EXTREME))


def read_findings(path: Path) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The facts and the rows that :func:`write_findings` wrote."""
    head, table = lzma.decompress(path.read_bytes()).decode().split("\n", 1)
    told = json.loads(head.removeprefix("# "))
    letters = {letter: tuple(meaning) for letter, meaning in told["letters"].items()}
    rows = []
    for row in csv.DictReader(io.StringIO(table)):
        own = told["scenarios"][row["scenario"]]
        rows.append(
            {
                "run": row["run"],
                "epoch": int(row["epoch"]) if row["epoch"] else None,
                "scenario": row["scenario"],
                "seed": int(row["seed"]),
                "invalid": row["invalid"] == "1",
                "expected": list(own["expected"]),
                "findings": [
                    [*about, *letters[letter]]
                    for about, letter in zip(own["findings"], row["verdicts"], strict=True)
                    if letter != ABSENT
                ],
            }
        )
    return told["facts"], rows


def _verdicts(row: Mapping[str, Any], order: list[list[str | None]]) -> str:
    """A letter for each finding that images of the scenario have."""
    found: dict[tuple[str, str | None], str] = {}
    for check, character, verdict, severity in row["findings"]:
        letter = LETTERS.get((verdict, severity))
        if letter is None:
            raise ValueError(f"no letter for the verdict {verdict} of severity {severity}")
        if (check, character) in found:
            raise ValueError(f"{row['scenario']} has two findings of {check} on {character or 'the image'}")
        found[check, character] = letter
    return "".join(found.get((str(check), character), ABSENT) for check, character in order)
