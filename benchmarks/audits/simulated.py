"""Made-up runs of ten checkpoints, with a detector whose error is the same over epochs or grows with them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.audits.scoring import Run
from service.audits.counts import Floats

CHECKPOINTS, FINDINGS = 10, 200
RATES = {"low rates": (0.02, 0.08), "high rates": (0.20, 0.40)}
# (share of failures that is found, share of the others called a failure) at the first and at the last checkpoint.
ERRORS = {"equal": ((0.80, 0.06), (0.80, 0.06)), "differing": ((0.90, 0.03), (0.50, 0.15))}
# Share called minor among what is not called a failure: of real failures, and of the others.
_MINOR = (0.30, 0.03)


def maker(rates: str, error: str) -> Callable[[np.random.Generator], tuple[Run, Floats]]:
    """Makes runs of one kind: new pictures each time, with the same true rates."""
    truth = np.linspace(*RATES[rates], CHECKPOINTS)
    first, last = ERRORS[error]

    def make(rng: np.random.Generator) -> tuple[Run, Floats]:
        run: Run = {(verdict, checkpoint): [] for verdict in range(3) for checkpoint in range(CHECKPOINTS)}
        for checkpoint, rate in enumerate(truth):
            place = checkpoint / (CHECKPOINTS - 1)
            found, alarmed = (a + (b - a) * place for a, b in zip(first, last, strict=True))
            fails = rng.random(FINDINGS) < rate
            called = rng.random(FINDINGS) < np.where(fails, found, alarmed)
            minor = rng.random(FINDINGS) < np.where(fails, *_MINOR)
            for verdict, real in zip(np.where(called, 2, np.where(minor, 1, 0)), fails, strict=True):
                run[int(verdict), checkpoint].append(bool(real))
        return run, truth

    return make
