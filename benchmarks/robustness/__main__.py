"""Command line of the robustness benchmark."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Sequence
from typing import Any

from benchmarks.detectors.cases import Case, case_of
from benchmarks.robustness.flips import CHANGES, Flips, Image, Verdicts, verdicts_of
from detectors import DetectorSet, open_detectors

_BATCH = 16


def measure(images: int, seed: int, device: str) -> dict[str, Any]:
    """Look at test drawings one at a time, then in every other way, and compare. Interrupted, it gives what it has.

    Args:
        images: how many drawings of the test split.
        seed: of the series of drawings.
        device: torch device.
    """
    detectors = open_detectors(device=device)
    flips = {name: Flips() for name in ("twice", "batch of 16", *CHANGES)}
    done, started = 0, time.monotonic()
    try:
        for first in range(0, images, _BATCH):
            _look(detectors, range(first, min(first + _BATCH, images)), seed, flips)
            done = min(first + _BATCH, images)
            left = (time.monotonic() - started) / done * (images - done)
            print(f"\r{done}/{images} drawings, {left:.0f} s left ", end="", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print(f"\nstopped after {done} drawings", file=sys.stderr)
    print(file=sys.stderr)
    return {"images": done, "seed": seed, "device": device, "changes": {n: f.summary() for n, f in flips.items()}}


def _look(detectors: DetectorSet, indices: range, seed: int, flips: dict[str, Flips]) -> None:
    """Look at some drawings in every way, and count when all of it is done."""
    cases = [case_of("test", index, seed) for index in indices]
    pictures = [case.image for case in cases]
    single = _one_by_one(detectors, cases, pictures)
    ways: dict[str, list[Verdicts]] = {"twice": _one_by_one(detectors, cases, pictures)}
    together = detectors.detect(pictures, [case.expectation for case in cases])
    ways["batch of 16"] = [verdicts_of(found) for found in together]
    for name, change in CHANGES.items():
        ways[name] = _one_by_one(detectors, cases, [change(picture) for picture in pictures])
    for name, found in ways.items():
        for before, after in zip(single, found, strict=True):
            flips[name].add(before, after)


def _one_by_one(detectors: DetectorSet, cases: Sequence[Case], pictures: Sequence[Image]) -> list[Verdicts]:
    return [
        verdicts_of(detectors.detect([picture], [case.expectation])[0])
        for picture, case in zip(pictures, cases, strict=True)
    ]


def markdown(result: dict[str, Any]) -> str:
    """The table for RESULTS.md: share of verdicts that change, their interval, and how many cross."""
    names = list(result["changes"])
    lines = [f"| check | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for check in next(iter(result["changes"].values())):
        cells = []
        for name in names:
            row = result["changes"][name].get(check)
            if row is None:
                cells.append("-")
                continue
            low, high = row["interval"]
            cells.append(
                f"{row['share']:.2%} [{low:.2%}, {high:.2%}], {row['changed']}/{row['verdicts']}, {row['crossed']}"
            )
        lines.append(f"| {check} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.robustness", description=__doc__)
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1, help="another seed gives another independent series of drawings")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args()
    signal.signal(signal.SIGINT, signal.default_int_handler)  # shells ignore it for what they start in the background
    result = measure(options.images, options.seed, options.device)
    print(json.dumps(result) if options.json else markdown(result))


if __name__ == "__main__":
    main()
