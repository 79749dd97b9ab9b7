"""Whose fault a failure is: this checkpoint's, the seed's, or the base model's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from service.rankings.clusters import wilson_ends
from service.rankings.intervals import Interval
from service.rankings.outcomes import CONTROL, MEASURED_GRADES, Grade
from service.rankings.paired import difference_ends
from service.rankings.table_of_outcomes import Checkpoint, OutcomeTable

OFTEN = 0.5
"""From this rate on a failure is the rule and not the exception."""
BASE_SHARE = 0.5
"""A failure is the base model's if at least this part of it would be there without the LoRA."""


class Kind(StrEnum):
    """Whose fault a failure is."""

    SYSTEMATIC = "systematic"
    OCCASIONAL = "occasional"
    BASE = "base"


@dataclass(frozen=True)
class Cause:
    """Why one check fails in one scenario.

    Attributes:
        scenario: name.
        check: name.
        kind: ``base`` where the base model without the LoRA fails at least half as often; else ``systematic`` where it
            fails on at least half of the seeds, ``occasional`` where on fewer.
        sure: whether the interval lies wholly on that side; with few seeds it seldom does.
        fails: images on which it fails.
        measured: images on which it was measured.
        interval: 95 % Wilson interval of the rate.
        control_fails: the same without the LoRA.
        control_measured: 0 if the control was not measured: then ``base`` is not ruled out, and nothing is sure.
        excess: 95 % interval of the rate less the control's, on the same seeds; ``None`` without common seeds.
    """

    scenario: str
    check: str
    kind: Kind
    sure: bool
    fails: int
    measured: int
    interval: Interval
    control_fails: int
    control_measured: int
    excess: Interval | None

    @property
    def rate(self) -> float:
        """Failure rate, 0..1."""
        return self.fails / self.measured


@dataclass(frozen=True)
class PairCounts:
    """Two checkpoints on the same cells, by scenario and check; each attribute has shape ``(scenarios, checks)``."""

    first_only: NDArray[np.int64]
    second_only: NDArray[np.int64]
    pairs: NDArray[np.int64]


def pair_counts(table: OutcomeTable, first: Sequence[int], second: Sequence[int]) -> PairCounts:
    """Count the cells on which two checkpoints were both measured, and where only one of them fails.

    Args:
        table: images; pinned ones count like others.
        first: codes of checkpoints.
        second: as many codes, each compared with its counterpart; the counts of all pairs are added up.
    """
    shape = (len(table.scenarios), len(table.checks))
    only = [np.zeros(shape, dtype=np.int64) for _ in range(3)]
    cells = table.cells
    for one, two in zip(first, second, strict=True):
        a, b = np.flatnonzero(table.checkpoint == one), np.flatnonzero(table.checkpoint == two)
        _, mine, theirs = np.intersect1d(cells[a], cells[b], assume_unique=True, return_indices=True)
        left, right = table.grades[a[mine]], table.grades[b[theirs]]
        both = np.isin(left, MEASURED_GRADES) & np.isin(right, MEASURED_GRADES)
        fails_left, fails_right = left >= Grade.CLEAR, right >= Grade.CLEAR
        found = (both & fails_left & ~fails_right, both & ~fails_left & fails_right, both)
        for counts, rows in zip(only, found, strict=True):
            np.add.at(counts, table.scenario[a[mine]], rows)
    return PairCounts(*only)


def attribute(table: OutcomeTable, checkpoint: Checkpoint) -> list[Cause]:
    """Sort a checkpoint's failures, by check and scenario: those of most images first.

    The yardstick is frequency: what happens on every seed is the checkpoint's doing, what happens now and then is the
    seed's, and what happens without the LoRA as well is nobody's who trained it.
    """
    rated = table.rated
    counts = rated.count_checks()
    code = table.checkpoints.index(checkpoint)
    control = [place for place, (run, _) in enumerate(table.checkpoints) if run == CONTROL]
    own, others = counts[code], counts[control].sum(axis=0) if control else np.zeros_like(counts[code])
    fails, measured = _rates(own)
    control_fails, control_measured = _rates(others)
    ends = wilson_ends(fails, measured)
    pairs = pair_counts(rated, control[:1], [code]) if control else None
    excess = difference_ends(pairs.first_only, pairs.second_only, pairs.pairs) if pairs else None
    causes = []
    for place, check in zip(*np.nonzero(fails), strict=True):
        at = (place, check)
        low, high = (float(end) for end in ends[at])
        paired = excess is not None and pairs is not None and pairs.pairs[at] > 0
        span = (float(excess[at][0]), float(excess[at][1])) if paired and excess is not None else None
        rate = float(fails[at] / measured[at])
        known = bool(control_measured[at])
        kind, sure = _kind(rate, (low, high), control_fails[at] / control_measured[at] if known else None, span)
        causes.append(
            Cause(
                scenario=table.scenarios[place],
                check=table.checks[check],
                kind=kind,
                sure=sure,
                fails=int(fails[at]),
                measured=int(measured[at]),
                interval=(low, high),
                control_fails=int(control_fails[at]),
                control_measured=int(control_measured[at]),
                excess=span,
            )
        )
    return sorted(causes, key=lambda cause: (-cause.fails, -cause.rate, cause.scenario, cause.check))


def _rates(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return counts[..., Grade.CLEAR : Grade.INVALID].sum(axis=-1), counts[..., MEASURED_GRADES].sum(axis=-1)


def _kind(rate: float, interval: Interval, control: float | None, excess: Interval | None) -> tuple[Kind, bool]:
    allowed = (1 - BASE_SHARE) * rate
    if control is not None and rate - control <= allowed:
        return Kind.BASE, excess is not None and excess[1] <= allowed
    own = excess is not None and excess[0] > 0
    if rate >= OFTEN:
        return Kind.SYSTEMATIC, interval[0] >= OFTEN and own
    # Without a failure in the control there is little to rule out: the interval of the rate alone decides.
    return Kind.OCCASIONAL, interval[1] < OFTEN and (own or control == 0)
