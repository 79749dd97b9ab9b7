"""Drawn scenes with injected faults, judged by the real detectors; the truth of the drawing is the person's answer.

Drawings are sharper than generated pictures and the detectors hardly err on them, so every "epoch" is softened: by the
same amount, or by more and more, which makes the detectors' error differ between epochs.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.audits.scoring import Run
from benchmarks.detectors.cases import case_of
from detectors import DetectorSet, Verdict, open_detectors
from service.audits.counts import VERDICTS, Floats

# By how much a picture is shrunk before it is enlarged again, for each of four epochs.
SOFTNESS = {"equal": (0.15, 0.15, 0.15, 0.15), "differing": (1.0, 0.25, 0.15, 0.1)}
_BATCH = 8


def soften(image: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    """An (H, W, 3) image shrunk to ``share`` of its sides and enlarged again."""
    if share == 1.0:
        return image
    height, width = image.shape[:2]
    small = cv2.resize(image, (round(width * share), round(height * share)), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def judged(images: int, seed: int) -> dict[str, Run]:
    """Both kinds of run, judged once: ``images`` test drawings for each of four epochs."""
    detectors = open_detectors()
    known: dict[tuple[int, float], list[tuple[int, bool]]] = {}
    runs: dict[str, Run] = {}
    for name, softness in SOFTNESS.items():
        run: Run = {(verdict, epoch): [] for verdict in range(len(VERDICTS)) for epoch in range(len(softness))}
        for epoch, share in enumerate(softness):
            if (epoch, share) not in known:
                known[epoch, share] = _findings(detectors, range(epoch * images, (epoch + 1) * images), seed, share)
            for verdict, fails in known[epoch, share]:
                run[verdict, epoch].append(fails)
        runs[name] = run
    return runs


def maker(run: Run) -> Callable[[np.random.Generator], tuple[Run, Floats]]:
    """The same judged pictures each time, with their own true rates: only the labels are drawn anew."""
    truth = np.array(machine_rates(run)["true"])

    def make(_rng: np.random.Generator) -> tuple[Run, Floats]:
        return run, truth

    return make


def machine_rates(run: Run) -> dict[str, list[float]]:
    """What the machine says and what is true, for each epoch."""
    epochs = range(1 + max(epoch for _, epoch in run))
    sizes = np.array([[len(run[verdict, epoch]) for verdict in range(len(VERDICTS))] for epoch in epochs])
    fails = np.array([[sum(run[verdict, epoch]) for verdict in range(len(VERDICTS))] for epoch in epochs])
    wrong = fails[:, 0] + fails[:, 1] + sizes[:, 2] - fails[:, 2]
    return {
        "machine": [float(each) for each in sizes[:, 2] / sizes.sum(1)],
        "true": [float(each) for each in fails.sum(1) / sizes.sum(1)],
        "error": [float(each) for each in wrong / sizes.sum(1)],
        "findings": [float(each) for each in sizes.sum(1)],
    }


def _findings(detectors: DetectorSet, numbers: Sequence[int], seed: int, share: float) -> list[tuple[int, bool]]:
    """(verdict, whether it really fails) of every measured finding whose truth can be seen in the drawing."""
    found: list[tuple[int, bool]] = []
    started = time.monotonic()
    for start in range(0, len(numbers), _BATCH):
        cases = [case_of("test", number, seed) for number in numbers[start : start + _BATCH]]
        answers = detectors.detect([soften(case.image, share) for case in cases], [c.expectation for c in cases])
        for case, findings in zip(cases, answers, strict=True):
            for finding in findings:
                truth = case.truth.get((finding.check, finding.character))
                if truth is not None and finding.verdict is not Verdict.NOT_MEASURABLE:
                    found.append((VERDICTS.index(finding.verdict), _fails(finding.check, truth)))
    print(f"{len(numbers)} drawings in {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return found


def _fails(check: str, truth: str) -> bool:
    return truth in ("lost", "fused") if check == "hands" else truth == "fails"
