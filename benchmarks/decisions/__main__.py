"""How good decisions are: coverage of intervals, images for a decision, errors of stopping early.

``python -m benchmarks.decisions --seed S --json [--quick]``.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # thousands of small matrices: threads only get in each other's way

import argparse
import importlib
import importlib.util
import json
import sys
import time
from typing import Any

import numpy as np

from benchmarks.decisions import images, stopping


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decisions", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="seed of every simulation")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="fewer races, in under a minute; intervals say how few")
    parser.add_argument(
        "--only", choices=["coverage", "images", "stopping", "findings", "second-look"], help="one part"
    )
    given = parser.parse_args()
    result = measure(given.seed, given.quick, given.only)
    if given.json:
        print(json.dumps(result))
    else:
        print(json.dumps(result, indent=1))


def measure(seed: int, quick: bool, only: str | None = None) -> dict[str, Any]:
    """Every part, each with a stream of random numbers of its own."""
    result: dict[str, Any] = {"seed": seed, "quick": quick}
    started = time.monotonic()
    if only in (None, "coverage") and importlib.util.find_spec("benchmarks.decisions.coverage"):
        coverage = importlib.import_module("benchmarks.decisions.coverage")
        result["coverage"] = coverage.measure(seed, quick)
    if only in (None, "images"):
        result["images_to_95"] = {}
        for place, (name, instance) in enumerate(images.INSTANCES.items()):
            if quick and name not in images.QUICK:
                continue
            races = images.QUICK[name] if quick else instance.races
            result["images_to_95"][name] = images.measure(instance, races, _stream(seed, place))
            if not quick:
                print(name, json.dumps(result["images_to_95"][name]), file=sys.stderr, flush=True)
    if only in (None, "stopping"):
        stops = stopping.measure(quick, _stream(seed, 100))
        result["type_one_error"] = stops["rate"]
        result["stopping"] = stops
    if only == "findings":
        result["findings"] = importlib.import_module("benchmarks.decisions.findings").measure(seed, quick)
    if only == "second-look":
        result["second_look"] = importlib.import_module("benchmarks.decisions.second_look").measure(seed, quick)
    result["seconds"] = round(time.monotonic() - started, 1)
    return result


def _stream(seed: int, place: int) -> np.random.Generator:
    return np.random.default_rng([seed, place])


if __name__ == "__main__":
    main()
