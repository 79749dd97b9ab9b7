"""Drawing labels from a run whose truth is known, correcting its rates with them, and scoring the result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from service.audits.correction import checkpoint_rates, pooled_rate
from service.audits.counts import AuditCounts, Floats
from service.audits.quality import error_differs
from service.audits.sampling import draw_stratified

Run = dict[tuple[int, int], list[bool]]
"""Findings of a run by (verdict: 0 holds, 1 minor, 2 fails; checkpoint): whether each really fails."""


@dataclass
class Tally:
    """Errors and hits of one number of labels, gathered over repetitions."""

    before: list[float] = field(default_factory=list)
    after: list[float] = field(default_factory=list)
    own: list[float] = field(default_factory=list)
    covered: list[bool] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)
    pooled_before: list[float] = field(default_factory=list)
    pooled_after: list[float] = field(default_factory=list)
    pooled_covered: list[bool] = field(default_factory=list)
    normal_covered: list[bool] = field(default_factory=list)
    warned: list[bool] = field(default_factory=list)

    def add(self, counts: AuditCounts, truth: Floats, rng: np.random.Generator) -> None:
        """Correct one drawn set of labels and compare with the true rates, (K,)."""
        for place, (rate, real) in enumerate(zip(checkpoint_rates(counts, rng), truth, strict=True)):
            if rate.uncorrected is None or rate.corrected is None or rate.interval is None:
                continue
            self.before.append(rate.uncorrected - real)
            self.after.append(rate.corrected - real)
            self.covered.append(rate.interval[0] <= real <= rate.interval[1])
            self.widths.append(rate.interval[1] - rate.interval[0])
            alone = pooled_rate(counts.only(place), rng)
            if alone.corrected is not None:
                self.own.append(alone.corrected - real)
        pooled = pooled_rate(counts, rng)
        if pooled.corrected is not None and pooled.interval and pooled.normal_interval:
            real = float(np.average(truth, weights=counts.population.sum(1)))
            self.pooled_before.append((pooled.uncorrected or 0.0) - real)
            self.pooled_after.append(pooled.corrected - real)
            self.pooled_covered.append(pooled.interval[0] <= real <= pooled.interval[1])
            self.normal_covered.append(pooled.normal_interval[0] <= real <= pooled.normal_interval[1])
        p = error_differs([counts], rng, 400).p
        self.warned.append(p is not None and p < 0.05)

    def to_json(self) -> dict[str, Any]:
        """Root mean squared errors, coverage with its own 95 % interval, and how often the warning comes."""
        return {
            "error_before": _rms(self.before),
            "error_after": _rms(self.after),
            "error_by_own_labels": _rms(self.own),
            "coverage": _share(self.covered),
            "width": float(np.mean(self.widths)) if self.widths else None,
            "pooled_error_before": _rms(self.pooled_before),
            "pooled_error_after": _rms(self.pooled_after),
            "pooled_coverage": _share(self.pooled_covered),
            "normal_coverage": _share(self.normal_covered),
            "warned": _share(self.warned),
            "repetitions": len(self.warned),
        }


def audit(run: Run, labels: int, rng: np.random.Generator) -> AuditCounts:
    """Draw labels from a run as the service draws them, and answer with the truth."""
    checkpoints = 1 + max(checkpoint for _, checkpoint in run)
    shape = (checkpoints, 3)
    population, labelled, failing = (np.zeros(shape, np.int64) for _ in range(3))
    probability = np.ones(shape)
    for (verdict, checkpoint), findings in run.items():
        population[checkpoint, verdict] = len(findings)
    for drawn in draw_stratified(dict(sorted(run.items())), labels, rng):
        verdict, checkpoint = drawn.stratum
        labelled[checkpoint, verdict] += 1
        failing[checkpoint, verdict] += drawn.unit
        probability[checkpoint, verdict] = drawn.probability
    return AuditCounts(population, labelled, failing, probability)


def score(
    make: Callable[[np.random.Generator], tuple[Run, Floats]],
    label_numbers: Sequence[int],
    repetitions: int,
    rng: np.random.Generator,
) -> dict[str, Any]:
    """Repeat: make a run with its true rates, draw labels, correct. One tally for each number of labels."""
    tallies = {number: Tally() for number in label_numbers}
    for _ in range(repetitions):
        run, truth = make(rng)
        for number, tally in tallies.items():
            tally.add(audit(run, number, rng), truth, rng)
    return {str(number): tally.to_json() for number, tally in tallies.items()}


def _rms(errors: Sequence[float]) -> float | None:
    return float(np.sqrt(np.mean(np.square(errors)))) if errors else None


def _share(hits: Sequence[bool]) -> dict[str, Any] | None:
    """A share with its 95 % Wilson interval; repetitions are independent, checkpoints within one only nearly."""
    from service.rankings import wilson

    return {"share": float(np.mean(hits)), "interval": wilson(sum(hits), len(hits))} if hits else None
