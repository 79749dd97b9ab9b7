"""``python -m benchmarks.detectors.broken_heat``: how sure a place must be to count where a broken hand is seen.

Both how sure the hand network must be (``broken_heat``) and how sure the closer look (``there``). Settled after all
other thresholds, and by the verdicts of the whole check on labelled generated pictures: where the end of an arm lies
that melts into something, a label says only roughly, so ends cannot be compared one by one. Clean drawings in styles
and before backgrounds that are neither the training's nor the tests' say how low they may be.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.detectors.cases import case_of
from benchmarks.detectors.labelled import looks_at_labelled
from benchmarks.detectors.sets import Pictures, add_pictures
from benchmarks.labelling.compare import truths
from benchmarks.labelling.labels import BROKEN
from detectors import Verdict
from detectors.checks import Hands
from detectors.context import Context
from detectors.errors import MissingWeights
from detectors.sight import Sight
from detectors.thresholds import FILE, Thresholds
from detectors.weights import find, shipped_folder

HEATS = (0.03, 0.04, 0.06, 0.08, 0.1, 0.12, 0.15, 0.2, 0.25)
SURE = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95)
# Of clean drawings not more than this share may be called broken; these hold things that look like hands, more than
# other drawings do.
_ALARMS = 0.01
# Some two mistakes in the 134 broken hands that there are.
_ALIKE = 0.01
Pair = tuple[float, float]
Look = tuple[Context, dict[str | None, bool]]


def choose(rows: Sequence[tuple[Pair, float, float]]) -> Pair:
    """Of (candidate, F1, false alarms a clean drawing) the most careful of those that serve equally.

    Those count that seldom call a clean drawing broken. F1 that differ by less than :data:`_ALIKE` say nothing about
    which of two is better; how many clean drawings they call broken does.

    >>> choose([((0.06, 0.5), 0.76, 0.02), ((0.1, 0.5), 0.74, 0.009), ((0.2, 0.5), 0.6, 0.0)])
    (0.1, 0.5)
    >>> choose([((0.04, 0.6), 0.79, 0.008), ((0.06, 0.6), 0.785, 0.005), ((0.1, 0.6), 0.77, 0.002)])
    (0.06, 0.6)
    """
    careful = [row for row in rows if row[2] <= _ALARMS] or [max(rows)]
    best = max(f1 for _, f1, _ in careful)
    return min((row for row in careful if row[1] > best - _ALIKE), key=lambda row: (row[2], -row[1], row[0]))[0]


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


def measure(weights: Path, pictures: Pictures, images: int, device: str) -> list[dict[str, Any]]:
    """For each candidate how the check does on the labelled pictures that settle thresholds, and on clean drawings."""
    stored = Thresholds.load(weights)
    try:
        bundle: Path | None = find("hand_landmarker")
    except MissingWeights:
        bundle = None
    sight = Sight.load(weights, bundle, replace(stored, broken_heat=min(HEATS), there=0.0), device)
    looks = [
        (context, {name: answer in BROKEN for check, name, answer in truths(faults, context) if check == "hands"})
        for (faults, ends), context in looks_at_labelled(sight, pictures)
        if ends is not None
    ]
    limits = {pair: replace(stored, broken_heat=pair[0], there=pair[1]) for pair in product(HEATS, SURE)}
    alarms = dict.fromkeys(limits, 0)
    for start in range(0, images, 8):
        cases = [case_of("settling", i, clean=True) for i in range(start, min(start + 8, images))]
        for context in sight.look([case.image for case in cases], [case.expectation for case in cases]):
            for pair, each in limits.items():
                alarms[pair] += any(finding.verdict is Verdict.FAILS for finding in Hands(each).detect(context))
    rows = []
    for (heat, there), each in limits.items():
        hits, false, missed = counts(looks, each)
        f1 = round(2 * hits / max(2 * hits + false + missed, 1), 4)
        row = {"broken_heat": heat, "there": there, "hits": hits, "alarms": false, "missed": missed, "f1": f1}
        rows.append(row | {"clean_drawings": images, "alarms_on_them": alarms[heat, there]})
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detectors.broken_heat", description=__doc__)
    parser.add_argument("--weights", type=Path, default=shipped_folder(), help="folder with the trained networks")
    add_pictures(parser, required=True)
    parser.add_argument("--images", type=int, default=1000, help="clean drawings to leave alone")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    rows = measure(options.weights, options.pictures, options.images, options.device)
    content = json.loads((options.weights / FILE).read_text())
    heat, there = choose(
        [
            ((row["broken_heat"], row["there"]), row["f1"], row["alarms_on_them"] / max(options.images, 1))
            for row in rows
        ]
    )
    content["thresholds"] |= {"broken_heat": heat, "there": there}
    kept = [row for row in rows if row["broken_heat"] == heat or row["there"] == there]
    content["broken_heat_measured_on"] = {"split": "settling", "candidates": kept}
    (options.weights / FILE).write_text(json.dumps(content, indent=2) + "\n")
    print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
