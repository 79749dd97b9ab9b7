"""``python -m benchmarks.detectors.calibrate``: measure where scores become verdicts, on validation drawings.

All thresholds but ``broken_heat`` and ``there``, which ``python -m benchmarks.detectors.broken_heat`` settles later;
where there are labelled pictures of broken models, ``python -m benchmarks.detectors.settle`` chooses anew what they
tell better.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from benchmarks.detectors.cases import case_of
from benchmarks.detectors.labelled import looks_at_labelled
from benchmarks.detectors.samples import OPEN, SCORED, Samples, gather, gather_ends
from benchmarks.detectors.sets import Pictures, add_pictures
from detectors.sight import Sight
from detectors.thresholds import FILE, Thresholds
from detectors.vocabulary import HAND_STATES
from detectors.weights import shipped_folder
from detectors.weights.manifest import sha256_of

# Thresholds of answers that do not separate well yet, and the precision that is asked of them on validation drawings.
_CAREFUL, _PRECISION = ("outfit", "limbs", "ghost"), 0.93
# Thresholds whose F1 is lower than the best by so many mistakes, of at least so many faults, are as good as it: with
# fewer, chance says where.
_TOLERATED, _OF = 2, 100
# Share of judged hands that may be smaller than the smallest one that is judged.
_SMALL_SHARE = 0.002


def best_threshold(scores: ArrayLike, true: ArrayLike, lowest: float = 0.0) -> tuple[float, float]:
    """The score that separates best by F1: the middle of the widest stretch that two mistakes tell apart.

    A network that separates well leaves a wide range of thresholds that serve equally on drawings. Its middle is far
    from both sides' scores, so it is the safest of them on pictures that are not drawings; its edge is the worst.

    Args:
        scores: 0..1.
        true: what they ought to say.
        lowest: what the threshold has to be above.

    Returns:
        Threshold and its F1. Without a true sample nothing can be measured: (1.0, nan).

    >>> best_threshold([0.1] * 8 + [0.3] * 4 + [0.9] * 8, [False] * 8 + [True] * 12)
    (0.2, 1.0)
    """
    return _middle(scores, true, 0.0, lowest)


def precise_threshold(scores: ArrayLike, true: ArrayLike, least: float = _PRECISION) -> tuple[float, float]:
    """The same among thresholds from which on at least a share ``least`` of what is called a fault is one.

    For a network that does not separate well: a false alarm on a good checkpoint costs more than a missed fault.

    >>> precise_threshold([0.9] * 12 + [0.3] * 12 + [0.1] * 12, [True] * 12 + [False, True] * 6 + [False] * 12)
    (0.6, 0.8)
    """
    return _middle(scores, true, least)


def _middle(scores: ArrayLike, true: ArrayLike, least: float, lowest: float = 0.0) -> tuple[float, float]:
    values, wanted = np.asarray(scores, float), np.asarray(true, bool)
    if not wanted.any():
        return 1.0, float("nan")
    order = np.argsort(-values, kind="stable")
    values, wanted = values[order], wanted[order]
    hits, taken = np.cumsum(wanted), np.arange(1, len(values) + 1)
    below = np.maximum(np.append(values[1:], 0.0), lowest)
    f1 = np.where((values > below) & (hits / taken >= least), 2 * hits / (taken + wanted.sum()), -1.0)
    if f1.max() < 0:
        return 1.0, 0.0
    # Equal scores are one step; between two steps every threshold says the same.
    steps = np.flatnonzero(values > below)
    good = np.append(f1[steps] >= f1.max() - _TOLERATED / max(int(wanted.sum()), _OF), False)
    edges = np.flatnonzero(np.diff(np.append(False, good).astype(int)))
    stretches = [(float(below[steps[last - 1]]), float(values[steps[first]])) for first, last in edges.reshape(-1, 2)]
    low, high = max(stretches, key=lambda stretch: stretch[1] - stretch[0])
    middle = (low + high) / 2
    return round(middle, 6), float(2 * wanted[values >= middle].sum() / ((values >= middle).sum() + wanted.sum()))


def settle(samples: Samples) -> tuple[Thresholds, dict[str, float]]:
    """Thresholds and the F1 each reaches on the samples."""
    chosen: dict[str, float] = {}
    reached: dict[str, float] = {}
    for name in (
        "person", "head", "ahoge", "tuft", "fused_bodies", "heat", "hand", "hair_color", "hair_length",
        "reversed_roles", "pose", *SCORED,
    ):  # fmt: skip
        scores, true = np.array(samples.pairs[name]).T
        choose = precise_threshold if name in _CAREFUL else best_threshold
        chosen[name], reached[name] = choose(scores, true)
    states = np.array([state for state, *_ in samples.hands])
    odds = np.array([values for _, values, _ in samples.hands])
    found = np.array([bool(seen) for *_, seen in samples.hands])
    left = np.ones(len(states), bool)
    for state in ("lost", "fused"):
        column = odds[:, HAND_STATES.index(state)]
        chosen[state], reached[state] = best_threshold(column[left], (states == state)[left])
        left &= column < chosen[state]
    chosen["minor"], reached["minor"] = best_threshold((1 - odds[:, 0])[left], (states != "holds")[left])
    chosen["second_opinion"], reached["second_opinion"] = _second_opinion(odds, states, found, chosen)
    heats, true = np.array(samples.pairs["heat"]).T
    chosen["faint"] = faintest(heats, true, chosen["heat"])
    # These two are asked the other way round: below them the answer is no.
    for name in ("asked", "pose"):
        chosen[name] = round(1 - chosen[name], 6)
    chosen["clear_face"] = round(float(np.quantile(samples.skins, _SMALL_SHARE)), 3)
    chosen["small_hand"] = round(float(np.quantile(samples.sizes, _SMALL_SHARE)), 1)
    return Thresholds(**chosen), reached


def faintest(heat: ArrayLike, true: ArrayLike, least: float) -> float:
    """The lowest heat such that what is hotter, but below ``least``, is an arm's end as often as not."""
    values, wanted = np.asarray(heat, float), np.asarray(true, bool)
    order = np.argsort(-values, kind="stable")
    order = order[values[order] < least]
    if not len(order):
        return least
    share = np.cumsum(wanted[order]) / np.arange(1, len(order) + 1)
    fair = np.flatnonzero(share >= 0.5)
    return round(float(values[order[fair[-1]]]), 4) if len(fair) else least


def _second_opinion(
    odds: NDArray[np.float64], states: NDArray[np.str_], found: NDArray[np.bool_], chosen: dict[str, float]
) -> tuple[float, float]:
    """How sure our own network must be of a lost or fused hand where MediaPipe sees a whole one."""
    broken = odds[:, HAND_STATES.index("lost")] + odds[:, HAND_STATES.index("fused")]
    true = (states == "lost") | (states == "fused")
    least = max(chosen["lost"], chosen["fused"])
    if not (found & true).any():
        return max(0.9, least), float("nan")
    value, f1 = best_threshold(broken[found], true[found])
    return max(value, least), f1


def measure(
    weights: Path, count: int, seed: int, device: str, pictures: Pictures | None = None
) -> tuple[Thresholds, dict[str, Any]]:
    """Look at ``count`` validation drawings, every other one degraded, and settle the thresholds.

    With ``pictures``, also at the validation part of the labelled sets that are there to learn from.
    """
    import torch

    from benchmarks.detectors.augment import degrade
    from detectors.errors import MissingWeights
    from detectors.weights import find

    try:
        bundle: Path | None = find("hand_landmarker")
    except MissingWeights:
        bundle = None
    sight, samples = Sight.load(weights, bundle, OPEN, device), Samples()
    torch.manual_seed(seed)
    started = time.monotonic()
    for start in range(0, count, 8):
        cases = [case_of("validation", i, seed) for i in range(start, min(start + 8, count))]
        drawings = torch.from_numpy(np.stack([case.image for case in cases])).permute(0, 3, 1, 2).float() / 255
        drawings[::2] = degrade(drawings[::2])
        images = list((drawings * 255).round().byte().permute(0, 2, 3, 1).numpy())
        cases = [replace(case, image=image) for case, image in zip(cases, images, strict=True)]
        for case, context in zip(cases, sight.look(images, [c.expectation for c in cases]), strict=True):
            gather(samples, case, context)
        if start % 80 == 0:
            print(f"{start + len(cases)}/{count} drawings, {time.monotonic() - started:.0f}s", file=sys.stderr)
    generated = 0
    for (_, ends), context in looks_at_labelled(sight, pictures or {}):
        if ends is not None:
            gather_ends(samples, ends, context)
            generated += 1
    thresholds, reached = settle(samples)
    notes = {"split": "validation", "drawings": count, "seed": seed, "mediapipe": bundle is not None}
    if generated:
        notes["generated"] = generated
    return thresholds, notes | {"f1": {name: _number(value) for name, value in reached.items()}}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else round(value, 4)


def manifest(folder: Path) -> list[dict[str, Any]]:
    """Entries of ``manifest.json`` for every weight file of a folder."""
    return [
        {
            "name": path.stem,
            "file": path.name,
            "source": f"python -m benchmarks.detectors.train {path.stem}",
            "licence": "AGPL-3.0-or-later",
            "size": path.stat().st_size,
            "sha256": sha256_of(path),
        }
        for path in sorted(folder.glob("*.safetensors"))
    ]


def _only(before: dict[str, Any], content: dict[str, Any], names: list[str]) -> dict[str, Any]:
    """What was stored before with only some thresholds measured anew; where those come from is kept apart."""
    reached = {name: value for name, value in content["measured_on"]["f1"].items() if name in names}
    return {
        **before,
        "thresholds": before["thresholds"] | {name: content["thresholds"][name] for name in names},
        "measured_later": content["measured_on"] | {"f1": reached},
    }


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detectors.calibrate", description=__doc__)
    parser.add_argument("--weights", type=Path, default=shipped_folder(), help="folder with the trained networks")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    add_pictures(parser)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=[field.name for field in fields(Thresholds) if field.name not in ("broken_heat", "there")],
        help="change these alone: of networks that have not seen what newer drawings show, the others are better kept",
    )
    options = parser.parse_args(arguments)
    thresholds, notes = measure(options.weights, options.images, options.seed, options.device, options.pictures)
    content: dict[str, Any] = {"thresholds": thresholds.to_json(), "measured_on": notes}
    if options.only:
        content = _only(json.loads((options.weights / FILE).read_text()), content, options.only)
    (options.weights / FILE).write_text(json.dumps(content, indent=2) + "\n")
    (options.weights / "manifest.json").write_text(json.dumps(manifest(options.weights), indent=2) + "\n")
    print(json.dumps(content, indent=2))


if __name__ == "__main__":
    main()
