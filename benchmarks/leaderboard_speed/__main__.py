"""``python -m benchmarks.leaderboard_speed --json``: seconds and memory of one evaluation's leaderboard, by size."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.leaderboard_speed.measuring import REPEATS, build, measure

SIZES = ((10, 10, 8), (38, 20, 16), (38, 20, 64), (38, 40, 128), (38, 60, 160), (100, 52, 160))
"""Checkpoints, scenarios, seeds; twelve findings a cell. The third is the aim: 580,000 findings in under a second."""


def main() -> None:
    """Build each ledger, measure it in a process of its own, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leaderboard_speed", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--largest", type=int, default=10_000_000, help="leave out sizes with more findings")
    parser.add_argument("--folder", type=Path, default=None, help="where the databases are built; a temporary one else")
    given = parser.parse_args()
    points = []
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        for number, size in enumerate(SIZES):
            if 12 * int(np.prod(size)) <= given.largest:
                points.append(_point(Path(folder) / f"{number}.db", size))
                if not given.json:
                    print(json.dumps(points[-1]), flush=True)
    slope = np.polyfit(np.log([p["findings"] for p in points]), np.log([p["seconds"] for p in points]), 1)[0]
    result = {"points": points, "growth_exponent": round(float(slope), 2), "repeats": REPEATS}
    print(json.dumps(result))


def _point(path: Path, size: tuple[int, int, int]) -> dict[str, Any]:
    started = time.monotonic()
    context = multiprocessing.get_context("spawn")  # a fresh process each: its peak memory is the leaderboard's own
    evaluation = _in(context, build, path, size)
    built = time.monotonic() - started
    measured = _in(context, measure, path, evaluation)
    count = 12 * size[1] * (size[0] * size[2] + 1)
    megabytes = path.stat().st_size / 1e6
    path.unlink()
    return {
        "checkpoints": size[0],
        "scenarios": size[1],
        "seeds": size[2],
        "findings": count,
        **measured,
        "database_mb": round(megabytes),
        "build_s": round(built, 1),
    }


def _in(context: Any, function: Any, *arguments: Any) -> Any:
    with context.Pool(1) as pool:
        return pool.apply(function, arguments)


if __name__ == "__main__":
    main()
