"""``python -m benchmarks.detectors.settle``: thresholds that labelled pictures of broken models choose.

Drawn bodies melt more plainly than those that a model melts, so what tells drawings apart best misses half of the
others. Of the thresholds that leave clean validation drawings alone, the one is taken that serves the whole check best
on the labelled pictures that nothing was trained on. Settled after ``calibrate``, whose choice it replaces.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from benchmarks.detectors.calibrate import best_threshold, manifest
from benchmarks.detectors.cases import Case, case_of
from benchmarks.detectors.labelled import looks_at_labelled
from benchmarks.detectors.sets import Pictures, add_pictures
from benchmarks.labelling.compare import truths
from detectors import Finding, Verdict
from detectors.checks import Check, Fusion, Limbs
from detectors.context import Context
from detectors.sight import Sight
from detectors.thresholds import FILE, Thresholds
from detectors.weights import shipped_folder

SETTLED: dict[str, tuple[type[Check], float]] = {"fused_bodies": (Fusion, 0.002), "limbs": (Limbs, 0.005)}
"""Threshold -> the check that compares its score with it, and the share of clean drawings that may fail at most."""


@dataclass
class Scores:
    """What one check scores.

    Attributes:
        labelled: for each set (score, whether it is broken) of every labelled finding.
        drawn: the same of validation drawings with faults and without.
        clean: the highest score on each clean validation drawing.
    """

    labelled: dict[str, list[tuple[float, bool]]] = field(default_factory=dict)
    drawn: list[tuple[float, bool]] = field(default_factory=list)
    clean: list[float] = field(default_factory=list)


def score_of(finding: Finding) -> float:
    """The score that is compared with a threshold; 1 of what fails without one, 0 of what is not measurable."""
    if finding.score is not None:
        return finding.score
    return float(finding.verdict is Verdict.FAILS)


def judged(
    check: Check, context: Context, right: Iterable[tuple[str, str | None, str | None]]
) -> list[tuple[float, bool]]:
    """(score, whether it is broken) of a check's findings that have a right answer (check, character, answer)."""
    answers = {who: answer for name, who, answer in right if name == check.name and answer is not None}
    findings = check.detect(context) if check.name in context.expectation.checks else []
    return [(score_of(f), answers[f.character] == "fails") for f in findings if f.character in answers]


def lowest_for(clean: ArrayLike, share: float) -> float:
    """What a threshold must be above so that of clean drawings with these scores at most a share fails.

    >>> lowest_for([0.9, 0.1, 0.5, 0.2], 0.25)
    0.5
    """
    scores = np.sort(np.asarray(clean, float))[::-1]
    allowed = int(share * len(scores))
    return float(scores[allowed]) if allowed < len(scores) else 0.0


def told(pairs: Sequence[tuple[float, bool]], threshold: float) -> dict[str, Any]:
    """How many are found, falsely called and missed from a threshold on, and the F1."""
    scores, true = (np.array(column) for column in zip(*pairs, strict=True)) if pairs else (np.empty(0), np.empty(0))
    fails, broken = scores >= threshold, true.astype(bool)
    hits, alarms, missed = (int(np.sum(part)) for part in (fails & broken, fails & ~broken, ~fails & broken))
    f1 = round(2 * hits / (2 * hits + alarms + missed), 4) if hits + alarms + missed else None
    return {"n": len(scores), "hits": hits, "alarms": alarms, "missed": missed, "f1": f1}


def settle(scores: Scores, share: float) -> tuple[float, dict[str, Any]]:
    """The threshold, and what it does on each part of what it was settled on."""
    pairs = [pair for own in scores.labelled.values() for pair in own]
    lowest = lowest_for(scores.clean, share)
    threshold, _ = best_threshold([score for score, _ in pairs], [true for _, true in pairs], lowest)
    alarms = sum(score >= threshold for score in scores.clean)
    return threshold, {
        "labelled": {name: told(own, threshold) for name, own in scores.labelled.items()},
        "drawings": told(scores.drawn, threshold),
        "clean_drawings": len(scores.clean),
        "alarms_on_them": alarms,
        "lowest_allowed": round(lowest, 6),
    }


def measure(weights: Path, pictures: Pictures, images: int, device: str, names: Sequence[str]) -> dict[str, Scores]:
    """Look at the labelled pictures that settle thresholds, and at validation drawings."""
    sight = Sight.load(weights, None, limits := Thresholds.load(weights), device)
    checks = {name: SETTLED[name][0](limits) for name in names}
    gathered = {name: Scores() for name in names}
    for own, folder in pictures.items():
        for (faults, _), context in looks_at_labelled(sight, {own: folder}):
            for name, check in checks.items():
                gathered[name].labelled.setdefault(own, []).extend(judged(check, context, truths(faults, context)))
    for clean in (True, False):
        for case, context in _drawings(sight, images, clean=clean):
            right = [(check, who, answer) for (check, who), answer in case.truth.items()]
            for name, check in checks.items():
                if clean:
                    gathered[name].clean.append(max(map(score_of, check.detect(context)), default=0.0))
                else:
                    gathered[name].drawn += judged(check, context, right)
    return gathered


def _drawings(sight: Sight, images: int, *, clean: bool) -> Iterator[tuple[Case, Context]]:
    """Validation drawings and what is seen on them; drawn by all cores where there are many."""
    draw = partial(case_of, "validation", clean=clean)
    workers = min(os.cpu_count() or 1, images // 50)
    with multiprocessing.get_context("spawn").Pool(workers) if workers > 1 else nullcontext() as pool:
        drawn = pool.imap(draw, range(images), chunksize=8) if pool else map(draw, range(images))
        for start in range(0, images, 8):
            cases = list(islice(drawn, 8))
            yield from zip(cases, sight.look([c.image for c in cases], [c.expectation for c in cases]), strict=True)
            if start % 200 == 0:
                print(f"{start + len(cases)}/{images} {'clean' if clean else 'other'} drawings", file=sys.stderr)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detectors.settle", description=__doc__)
    parser.add_argument("--weights", type=Path, default=shipped_folder(), help="folder with the trained networks")
    parser.add_argument("--images", type=int, default=1000, help="validation drawings, clean and as they come")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--only", nargs="+", choices=list(SETTLED), default=list(SETTLED), help="change these alone")
    add_pictures(parser, required=True)
    options = parser.parse_args(arguments)
    content = json.loads((options.weights / FILE).read_text())
    gathered = measure(options.weights, options.pictures, options.images, options.device, options.only)
    settled = content.setdefault("settled_on_labelled", {})
    for name, scores in gathered.items():
        content["thresholds"][name], settled[name] = settle(scores, SETTLED[name][1])
        print(json.dumps({name: content["thresholds"][name]} | settled[name], indent=2))
    (options.weights / FILE).write_text(json.dumps(content, indent=2) + "\n")
    (options.weights / "manifest.json").write_text(json.dumps(manifest(options.weights), indent=2) + "\n")


if __name__ == "__main__":
    main()
