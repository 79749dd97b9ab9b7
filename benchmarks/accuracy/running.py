"""Judging test drawings in several processes. Not in ``__main__``, which started processes could not import."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from benchmarks.accuracy.measure import Counts
from benchmarks.accuracy.overlays import write_mistakes
from benchmarks.detectors.cases import case_of
from benchmarks.detectors.sampling import Split
from detectors import DetectorSet, open_detectors

_CHUNK = 16
# One drawing of so many is clean.
CLEAN = 4


def measure(images: int, seed: int, workers: int, overlays: Path | None = None, split: Split = "test") -> Counts:
    """Judge ``images`` drawings in ``workers`` processes, with progress on standard error.

    Every fourth drawing is clean: no fault, and what was asked for. Pictures of the worst mistakes go to ``overlays``.
    Of the validation split any seed but 0, which has settled the thresholds, gives drawings that nothing has seen.
    """
    folder = str(overlays) if overlays else ""
    jobs = [(split, s, min(s + _CHUNK, images), seed, folder) for s in range(0, images, _CHUNK)]
    if workers <= 1:
        return _gather(map(judge, jobs), images)
    with multiprocessing.get_context("spawn").Pool(min(workers, len(jobs)), _one_thread) as pool:
        return _gather(pool.imap_unordered(judge, jobs), images)


def _gather(parts: Iterable[Counts], images: int) -> Counts:
    total, started = Counts(), time.monotonic()
    for counts in parts:
        total.merge(counts)
        left = (time.monotonic() - started) / total.pictures * (images - total.pictures)
        print(f"\r{total.pictures}/{images} drawings, {left:.0f} s left ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return total


def judge(job: tuple[Split, int, int, int, str]) -> Counts:
    """Count one stretch of drawings, ``(split, start, stop, seed, folder for overlays)``."""
    split, start, stop, seed, folder = job
    counts, detectors = Counts(), _detectors()
    numbers = range(start, stop)
    cases = [case_of(split, index, seed, clean=index % CLEAN == 0) for index in numbers]
    contexts = detectors.look([c.image for c in cases], [c.expectation for c in cases])
    for index, case, context in zip(numbers, cases, contexts, strict=True):
        findings = detectors.judge(context)
        counts.add(case, context, findings, clean=index % CLEAN == 0)
        if folder:
            write_mistakes(Path(folder), str(index), case, findings)
    return counts


@lru_cache(maxsize=1)
def _detectors() -> DetectorSet:
    return open_detectors()


def _one_thread() -> None:
    import cv2
    import torch

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
