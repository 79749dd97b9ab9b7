"""Locked is right, unchangeable is not: stability across seeds and following a change, by epoch.

A character's hairstyle locks while she is baked in: from then on it is the same on every seed, which gives the choice
its lower bound. Baked on, she stays as she is even when other clothes are asked for, and hard details break: the upper
bound.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from service.rankings.clusters import wilson_ends
from service.rankings.intervals import LEVEL, Interval
from service.rankings.onset import SURE, find_onsets
from service.rankings.outcomes import MEASURED_GRADES, Grade
from service.rankings.table_of_outcomes import OutcomeTable

Cell = tuple[str, int | None, str, int]
"""Run, epoch, scenario, seed."""
Measures = Mapping[Cell, Mapping[str, float | str]]
"""What was measured on each cell's image, by name: a category (``bob``) or a number."""

LOCKED = 0.9
"""A look is locked where two seeds agree at least this often."""


@dataclass(frozen=True)
class EpochRate:
    """A share at one epoch.

    Attributes:
        epoch: the epoch.
        share: 0..1.
        interval: 95 %.
        images: how many images it rests on.
    """

    epoch: int
    share: float
    interval: Interval
    images: int


@dataclass(frozen=True)
class Locking:
    """When a look stops changing from seed to seed.

    Attributes:
        name: of the measure, such as ``hairstyle``.
        points: agreement by epoch, ascending; for numbers 1 less the spread as part of the run's largest.
        locked_from: first epoch from which two seeds agree at least :data:`LOCKED`; ``None`` if they never do.
        earliest: the same by the upper ends of the intervals.
        latest: by their lower ends; ``None`` if even the last epoch may not be locked.
    """

    name: str
    points: tuple[EpochRate, ...]
    locked_from: int | None
    earliest: int | None
    latest: int | None


@dataclass(frozen=True)
class EpochMean:
    """A number's mean at one epoch; ``interval`` is 95 %, ``None`` with a single image."""

    epoch: int
    mean: float
    interval: Interval | None
    images: int


@dataclass(frozen=True)
class Curve:
    """A number by ascending epoch, such as likeness: larger is more of it."""

    name: str
    points: tuple[EpochMean, ...]


@dataclass(frozen=True)
class Following:
    """How often a run follows when other hair or clothes are asked for.

    Attributes:
        points: share of measured images on which the change was followed, by ascending epoch.
        lost_from: first epoch from which it follows less than before; ``None`` if that is not to be seen.
        interval: first and last epoch that ``lost_from`` may be, 95 % credible.
        probability: that it follows less at all from some epoch on.
    """

    points: tuple[EpochRate, ...]
    lost_from: int | None
    interval: tuple[int, int] | None
    probability: float


def measure_locking(measures: Measures, run: str, name: str) -> Locking:
    """Agreement of a look between seeds, by epoch, and from when on it is locked.

    For categories the share of pairs of seeds, within each scenario, that show the same (one less the unbiased
    Gini-Simpson index). For numbers the variance between seeds within a scenario, as part of the largest there is at
    any epoch. Neither looks at whether the look is the right one. Agreement is made monotone over epochs (isotonic
    regression) before it is held against :data:`LOCKED`. Intervals are Wilson's with one half of the images as the
    number of independent pairs, which is cautious.

    Args:
        measures: by cell; cells without ``name`` are left out.
        run: name of the run.
        name: of the measure.
    """
    groups: dict[int, dict[str, list[float | str]]] = defaultdict(lambda: defaultdict(list))
    for (cell_run, epoch, scenario, _), values in measures.items():
        if cell_run == run and epoch is not None and name in values:
            groups[epoch][scenario].append(values[name])
    shared = {
        epoch: [part for part in scenarios.values() if len(part) > 1] for epoch, scenarios in sorted(groups.items())
    }
    shared = {epoch: parts for epoch, parts in shared.items() if parts}
    agreement = _agreement(shared)
    points = []
    for epoch, share in agreement.items():
        images = sum(len(part) for part in shared[epoch])
        low, high = wilson_ends(share * (images // 2), images // 2)
        points.append(EpochRate(epoch, share, (float(low), float(high)), images))
    return Locking(
        name=name,
        points=tuple(points),
        locked_from=_reaches(points, [point.share for point in points]),
        earliest=_reaches(points, [point.interval[1] for point in points]),
        latest=_reaches(points, [point.interval[0] for point in points]),
    )


def measure_curve(measures: Measures, run: str, name: str) -> Curve:
    """A number's mean at each epoch, such as likeness to the references or sharpness of people from afar.

    The interval is Student's over (scenario, seed): how much the mean would move with other seeds.

    Args:
        measures: by cell; cells without ``name`` are left out.
        run: name of the run.
        name: of the measure.
    """
    from scipy.special import stdtrit  # slow to import, so only where it is needed

    values: dict[int, list[float]] = defaultdict(list)
    for (cell_run, epoch, _, _), found in measures.items():
        if cell_run == run and epoch is not None and isinstance(found.get(name), int | float):
            values[epoch].append(float(found[name]))
    points = []
    for epoch, numbers in sorted(values.items()):
        mean, count = math.fsum(numbers) / len(numbers), len(numbers)
        half = None
        if count > 1:
            half = float(stdtrit(count - 1, (1 + LEVEL) / 2)) * float(np.std(numbers, ddof=1)) / math.sqrt(count)
        points.append(EpochMean(epoch, mean, None if half is None else (mean - half, mean + half), count))
    return Curve(name, tuple(points))


def measure_following(table: OutcomeTable, run: str) -> Following:
    """How often each epoch of a run follows an asked change (the check ``follow_through``), and when that is lost."""
    if "follow_through" not in table.checks:
        return Following((), None, None, 0.0)
    counts = table.rated.count_checks()[:, :, table.checks.index("follow_through")].sum(axis=1)
    known = [
        (epoch, counts[code])
        for code, (name, epoch) in enumerate(table.checkpoints)
        if name == run and epoch is not None and counts[code][MEASURED_GRADES].sum()
    ]
    points = []
    for epoch, row in known:
        measured, fails = int(row[MEASURED_GRADES].sum()), int(row[Grade.CLEAR : Grade.INVALID].sum())
        low, high = wilson_ends(measured - fails, measured)
        points.append(EpochRate(epoch, 1 - fails / measured, (float(low), float(high)), measured))
    if not points:
        return Following((), None, None, 0.0)
    totals = [point.images for point in points]
    found = find_onsets([round((1 - point.share) * point.images) for point in points], totals)
    chance, place = float(found.probability[0]), int(found.first[0])
    if chance < SURE:
        return Following(tuple(points), None, None, chance)
    interval = (points[int(found.low[0])].epoch, points[int(found.high[0])].epoch)
    return Following(tuple(points), points[place].epoch, interval, chance)


def _agreement(groups: Mapping[int, Sequence[Sequence[float | str]]]) -> dict[int, float]:
    if any(isinstance(value, str) for parts in groups.values() for part in parts for value in part):
        result = {}
        for epoch, parts in groups.items():
            same = sum(count * (count - 1) for part in parts for count in Counter(map(str, part)).values())
            result[epoch] = same / sum(len(part) * (len(part) - 1) for part in parts)
        return result
    spread = {
        epoch: float(
            sum(np.var(np.asarray(part, dtype=float)) * len(part) for part in parts)
            / sum(len(part) - 1 for part in parts)
        )
        for epoch, parts in groups.items()
    }
    largest = max(spread.values(), default=0.0)
    return {epoch: 1.0 if largest == 0 else 1 - value / largest for epoch, value in spread.items()}


def _reaches(points: Sequence[EpochRate], shares: Sequence[float]) -> int | None:
    """First epoch at which the shares, made monotone, are at least :data:`LOCKED`."""
    if not points:
        return None
    from scipy.optimize import isotonic_regression  # slow to import, so only where it is needed

    fitted = isotonic_regression(shares, weights=[point.images for point in points]).x
    return next((point.epoch for point, value in zip(points, fitted, strict=True) if value >= LOCKED - 1e-9), None)
