"""What was seen on the pictures before and after each onset, beside what the machine found on the same seeds."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from benchmarks.decisions.onset_pictures.looks import LOOKS, Look
from benchmarks.experiment.findings import FOLDER, read_findings
from benchmarks.labelling.cells import LabelledCell, read_cells
from benchmarks.labelling.labels import UNSURE, LabelFault
from service.rankings import mcnemar_exact, wilson

SEEN = Path(__file__).with_name("seen.csv")
CELLS = Path(__file__).with_name("cells.json")
"""The pictures as they were numbered when they were looked at."""
ANSWERS = ("yes", "no", UNSURE)
Key = tuple[str, int | None, str, int, str]
"""Run, epoch, scenario, seed, check."""


@dataclass(frozen=True)
class Counted:
    """One onset, by eye and by machine.

    Attributes:
        look: which one.
        eye: pictures with the fault and pictures that could be judged, before and after.
        machine: the same by the findings, on every seed.
        p: of the exact test on seeds that were sure both times, by eye: that it is not more after.
        alike: pictures on which both are sure and say the same, and pictures on which both are sure.
    """

    look: Look
    eye: tuple[tuple[int, int], tuple[int, int]]
    machine: tuple[tuple[int, int], tuple[int, int]]
    p: float
    alike: tuple[int, int]


def read_seen(path: Path, cells: list[LabelledCell]) -> dict[Key, str]:
    """What was seen, by cell and check.

    Raises:
        LabelFault: an answer is none of those allowed, a picture is unknown, or one is there twice.
    """
    known = {cell.number: cell for cell in cells}
    found: dict[Key, str] = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        for row in reader:
            where = f"{path.name}, line {reader.line_num}"
            cell = known.get(int(row["number"])) if row["number"].isdigit() else None
            if cell is None:
                raise LabelFault(f"{where}: there is no picture {row['number']}")
            if row["seen"] not in ANSWERS:
                raise LabelFault(f"{where}: {row['seen']!r} is none of {', '.join(ANSWERS)}")
            key = (cell.run, cell.epoch, cell.scenario, cell.seed, row["check"])
            if key in found:
                raise LabelFault(f"{where}: picture {row['number']} is there twice for {row['check']}")
            found[key] = row["seen"]
    return found


def count(seen: Path = SEEN, cells: Path = CELLS, findings: Path = FOLDER / "v1-v2.csv.xz") -> list[Counted]:
    """Every onset whose pictures were looked at."""
    eye = read_seen(seen, read_cells(cells))
    machine = _machine(findings)
    return [_counted(look, eye, machine) for look in LOOKS if any(key[4] == look.check for key in eye)]


def _machine(path: Path) -> dict[Key, dict[str, str]]:
    """The worst verdict of each check on each picture, for failures of any kind and for minor faults."""
    found: dict[Key, dict[str, str]] = {}
    for row in read_findings(path)[1]:
        for check, _, verdict, _ in row["findings"]:
            key = (row["run"], row["epoch"], row["scenario"], row["seed"], check)
            entry = found.setdefault(key, {"any failure": UNSURE, "minor": UNSURE})
            for mode, word in (("any failure", "fails"), ("minor", "minor")):
                if verdict == word:
                    entry[mode] = "yes"
                elif verdict != "not_measurable" and entry[mode] != "yes":
                    entry[mode] = "no"
    return found


def _counted(look: Look, eye: dict[Key, str], machine: dict[Key, dict[str, str]]) -> Counted:
    seeds = sorted({key[3] for key in eye if (key[0], key[2], key[4]) == (look.run, look.scenario, look.check)})
    keys = [
        [(look.run, epoch, look.scenario, seed, look.check) for seed in seeds] for epoch in (look.before, look.after)
    ]
    by_eye = [[eye.get(key, UNSURE) for key in side] for side in keys]
    by_machine = [[machine.get(key, {}).get(look.mode, UNSURE) for key in side] for side in keys]
    turned = list(zip(*by_eye, strict=True))
    both = [
        pair
        for one, other in zip(by_eye, by_machine, strict=True)
        for pair in zip(one, other, strict=True)
        if UNSURE not in pair
    ]
    return Counted(
        look,
        (_tally(by_eye[0]), _tally(by_eye[1])),
        (_tally(by_machine[0]), _tally(by_machine[1])),
        mcnemar_exact(turned.count(("no", "yes")), turned.count(("yes", "no"))),
        (sum(one == other for one, other in both), len(both)),
    )


def _tally(answers: list[str]) -> tuple[int, int]:
    return answers.count("yes"), len(answers) - answers.count(UNSURE)


def markdown(counted: list[Counted]) -> str:
    """A table of all."""
    lines = [
        "| run, scenario | fault | epochs | by eye: before | after | p | machine: before | after | same answer |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for each in counted:
        look = each.look
        lines.append(
            f"| {look.run}, {look.scenario} | {look.check}{' (minor)' if look.mode == 'minor' else ''} | "
            f"{look.before}, {look.after} | {_share(each.eye[0])} | {_share(each.eye[1])} | {each.p:.2g} | "
            f"{_share(each.machine[0])} | {_share(each.machine[1])} | {each.alike[0]} of {each.alike[1]} |"
        )
    alike, both = (sum(each.alike[side] for each in counted) for side in (0, 1))
    low, high = wilson(alike, both) or (0.0, 1.0)
    lines.append(f"\nEye and machine say the same on {alike} of {both} pictures [{low:.2f}, {high:.2f}].")
    return "\n".join(lines)


def _share(tally: tuple[int, int]) -> str:
    return f"{tally[0]} of {tally[1]}"
