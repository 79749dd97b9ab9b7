"""``python -m benchmarks.detectors.broken_heat``: how sure a place must be to count where a broken hand is seen.

Settled after all other thresholds, and by the verdicts of the whole check on labelled generated pictures: where the end
of an arm lies that melts into something, a label says only roughly, so ends cannot be compared one by one. Drawings do
not come into it: on them the network is as sure of broken hands as of whole ones.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.detectors.labelled import looks_at_labelled
from benchmarks.labelling.compare import truths
from benchmarks.labelling.labels import BROKEN
from detectors import Verdict
from detectors.checks import Hands
from detectors.context import Context
from detectors.errors import MissingWeights
from detectors.sight import Sight
from detectors.thresholds import FILE, Thresholds
from detectors.weights import find, shipped_folder

CANDIDATES = (0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25)
# So much F1 is given for the highest, which is the most careful, of the candidates.
_GIVEN = 0.03
Look = tuple[Context, dict[str | None, bool]]


def choose(rows: Sequence[tuple[float, float]]) -> float:
    """The highest candidate whose F1 is hardly less than the best.

    >>> choose([(0.06, 0.7), (0.08, 0.76), (0.1, 0.74), (0.2, 0.6)])
    0.1
    """
    best = max(f1 for _, f1 in rows)
    return max(heat for heat, f1 in rows if f1 >= best - _GIVEN)


def counts(looks: Sequence[Look], thresholds: Thresholds) -> tuple[int, int, int]:
    """Broken hands that fail, whole ones that fail, and broken ones that do not."""
    hits = alarms = missed = 0
    for context, broken in looks:
        for finding in Hands(thresholds).detect(context):
            if finding.character in broken:
                fails = finding.verdict is Verdict.FAILS
                hits += fails and broken[finding.character]
                alarms += fails and not broken[finding.character]
                missed += not fails and broken[finding.character]
    return hits, alarms, missed


def measure(weights: Path, pictures: Path, device: str) -> list[dict[str, Any]]:
    """For each candidate how the check does on the labelled pictures that settle thresholds."""
    stored = Thresholds.load(weights)
    try:
        bundle: Path | None = find("hand_landmarker")
    except MissingWeights:
        bundle = None
    sight = Sight.load(weights, bundle, replace(stored, broken_heat=min(CANDIDATES)), device)
    looks = [
        (context, {name: answer in BROKEN for check, name, answer in truths(faults, context) if check == "hands"})
        for faults, _, context in looks_at_labelled(sight, pictures)
    ]
    rows = []
    for heat in CANDIDATES:
        hits, alarms, missed = counts(looks, replace(stored, broken_heat=heat))
        f1 = 2 * hits / max(2 * hits + alarms + missed, 1)
        rows.append({"broken_heat": heat, "hits": hits, "alarms": alarms, "missed": missed, "f1": round(f1, 4)})
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detectors.broken_heat", description=__doc__)
    parser.add_argument("--weights", type=Path, default=shipped_folder(), help="folder with the trained networks")
    parser.add_argument("--pictures", type=Path, required=True, help="generated pictures of the labelled set")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    rows = measure(options.weights, options.pictures, options.device)
    content = json.loads((options.weights / FILE).read_text())
    content["thresholds"]["broken_heat"] = choose([(row["broken_heat"], row["f1"]) for row in rows])
    content["broken_heat_measured_on"] = {"split": "labelled generated pictures, validation", "candidates": rows}
    (options.weights / FILE).write_text(json.dumps(content, indent=2) + "\n")
    print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
