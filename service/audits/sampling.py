"""Which findings a person is asked about: drawn at random, with a known chance for each. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

Stratum = TypeVar("Stratum", bound=Hashable)
Unit = TypeVar("Unit")


@dataclass(frozen=True)
class Drawn(Generic[Stratum, Unit]):
    """One finding that was drawn, from which stratum, and the chance it had in this draw, above 0 and at most 1."""

    unit: Unit
    stratum: Stratum
    probability: float


def allocate(sizes: Sequence[int], count: int) -> list[float]:
    """How many of ``count`` draws each stratum gets on average: in proportion to the root of its size.
    it.

    The root (Bankier's power allocation with power 1/2, The American Statistician 42, 1988) is a compromise: in
    proportion to the size, the rare fails would hardly be looked at and precision never be known; in equal parts, the
    many holds, where faults are missed, would.

    >>> allocate([100, 4], 12)
    [10.0, 2.0]
    """
    wanted = [0.0] * len(sizes)
    open_ = [place for place, size in enumerate(sizes) if size > 0]
    left = float(min(count, sum(sizes)))
    while open_ and left > 0:
        roots = sum(sizes[place] ** 0.5 for place in open_)
        full = [place for place in open_ if left * sizes[place] ** 0.5 / roots >= sizes[place]]
        if not full:
            for place in open_:
                wanted[place] = left * sizes[place] ** 0.5 / roots
            break
        for place in full:
            wanted[place] = float(sizes[place])
            left -= sizes[place]
            open_.remove(place)
    return wanted


def draw_stratified(
    strata: Mapping[Stratum, Sequence[Unit]], count: int, rng: np.random.Generator
) -> list[Drawn[Stratum, Unit]]:
    """Draw ``count`` units without replacement, in random order.

    Every unit has a chance above zero, however few are drawn: the average numbers of :func:`allocate` are rounded at
    random (systematic sampling over the strata in their given order, so neighbours share what rounding leaves), and a
    unit's chance is its stratum's average number over its size.

    Args:
        strata: the units of each stratum.
        count: how many to draw; all of them if there are fewer.
        rng: decides everything.
    """
    names = list(strata)
    average = allocate([len(strata[name]) for name in names], count)
    ends = np.round(np.cumsum(average), 9)
    marks = np.floor(np.concatenate([[0.0], ends]) + rng.random())
    numbers = np.diff(marks).astype(int)
    drawn: list[Drawn[Stratum, Unit]] = []
    for name, mean, number in zip(names, average, numbers, strict=True):
        units = strata[name]
        chosen = rng.choice(len(units), min(int(number), len(units)), replace=False) if number else ()
        drawn += [Drawn(units[int(place)], name, min(mean / len(units), 1.0)) for place in chosen]
    return [drawn[int(place)] for place in rng.permutation(len(drawn))]


def either(first: float, second: float) -> float:
    """Chance of being drawn in one draw or in a later one from what was left.

    >>> either(0.5, 0.5)
    0.75
    """
    return 1 - (1 - first) * (1 - second)
