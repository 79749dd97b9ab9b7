"""Building a ledger and timing its leaderboard, each in a process of its own."""

from __future__ import annotations

import resource
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

REPEATS = 5


def build(path: Path, size: tuple[int, int, int]) -> str:
    """Build a ledger of that many checkpoints, scenarios and seeds; returns the evaluation's id."""
    from benchmarks.leaderboard_speed.ledger import build as fill
    from service.database.engine import Database

    database = Database(f"sqlite:///{path}")
    evaluation = fill(database, *size, np.random.default_rng(0))
    database.close()
    return evaluation


def measure(path: Path, evaluation: str) -> dict[str, Any]:
    """Wall-clock seconds of ``EvaluationService.leaderboard``: from the database to plain JSON values."""
    from service.database.engine import Database
    from service.evaluations.service import EvaluationService
    from service.storage.images import ImageStore

    database = Database(f"sqlite:///{path}")
    service = EvaluationService(database, ImageStore(path.parent / "images"))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    times, processor = [], []
    for _ in range(REPEATS):
        started, used = time.perf_counter(), time.process_time()
        board = service.leaderboard(evaluation)
        times.append(time.perf_counter() - started)
        processor.append(time.process_time() - used)
    database.close()
    return {
        "entries": len(board["leaderboard"]),
        "seconds": round(statistics.median(times), 3),
        "slowest": round(max(times), 3),
        "first": round(times[0], 3),
        "cpu_seconds": round(statistics.median(processor), 3),
        "more_memory_mb": round((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024),
    }
