"""Made-up runs with a known truth, to see whether audits find it."""

from __future__ import annotations

import numpy as np

from service.audits.counts import AuditCounts
from service.audits.sampling import draw_stratified


def audited(
    truth: list[float], machine: tuple[float, float], findings: int, labels: int, rng: np.random.Generator
) -> AuditCounts:
    """Checkpoints with true failure rates, a machine of a sensitivity and a false alarm rate, and random labels."""
    sensitivity, alarms = machine
    strata: dict[tuple[int, int], list[bool]] = {(k, v): [] for v in range(3) for k in range(len(truth))}
    for k, rate in enumerate(truth):
        for fails in rng.random(findings) < rate:
            says = rng.random() < (sensitivity if fails else alarms)
            minor = rng.random() < (0.3 if fails else 0.03)
            strata[k, 2 if says else 1 if minor else 0].append(bool(fails))
    shape = (len(truth), 3)
    population = np.array([[len(strata[k, v]) for v in range(3)] for k in range(len(truth))])
    labelled, failing = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    probability = np.ones(shape)
    for drawn in draw_stratified(strata, labels, rng):
        labelled[drawn.stratum] += 1
        failing[drawn.stratum] += drawn.unit
        probability[drawn.stratum] = drawn.probability
    return AuditCounts(population, labelled, failing, probability)
