"""What a small table of seeds by epochs allows one to conclude, and what it does not, in words."""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.rankings.comparison import ALPHA, failures_needed, holm, mcnemar_exact
from service.rankings.intervals import wilson
from service.rankings.outcomes import MEASURED_GRADES, Grade
from service.rankings.recommendation import listed, percent
from service.rankings.table_of_outcomes import OutcomeTable

EXACT_COLUMNS = 7
"""Up to this many epochs the trend test counts every order (5,040 a row)."""


@dataclass(frozen=True)
class Conclusion:
    """What a table says about one check in one scenario of one run.

    Attributes:
        epochs: columns.
        seeds: rows with a verdict at every epoch.
        faults: rows with any fault, minor ones too, by epoch.
        failures: rows that fail, by epoch.
        trend_p: chance of so steady a worsening, were the epochs in no order; ``None`` where no row changes.
        separable: pairs of epochs that differ by failures beyond chance, all pairs taken together.
        can: what can be concluded, in sentences.
        cannot: what cannot.
    """

    epochs: tuple[int, ...]
    seeds: tuple[int, ...]
    faults: tuple[int, ...]
    failures: tuple[int, ...]
    trend_p: float | None
    separable: tuple[tuple[int, int], ...]
    can: tuple[str, ...]
    cannot: tuple[str, ...]


def conclude(table: OutcomeTable, run: str, scenario: str, check: str) -> Conclusion:
    """Read a table of seeds by epochs, as people draw it by hand.

    Three questions: does it get worse over the epochs (:func:`page_trend`), can any
    two epochs be told apart (exact McNemar, Holm over all pairs), and how safe is an epoch without a failure (Wilson).
    """
    epochs, seeds, grades = _rows(table, run, scenario, check)
    failures = tuple(int(count) for count in (grades >= Grade.CLEAR).sum(axis=0))
    faults = tuple(int(count) for count in (grades > Grade.HOLDS).sum(axis=0))
    trend = page_trend(grades)
    apart = _separable(epochs, grades)
    can, cannot = [], []
    if not len(seeds) or len(epochs) < 2:
        cannot.append("There are not two epochs with the same judged seeds: nothing can be compared.")
    elif trend is None:
        can.append(f"No seed changes over epochs {epochs[0]} to {epochs[-1]}.")
    elif trend <= ALPHA:
        can.append(
            f"In {scenario} the check {check} worsens from epoch {epochs[0]} to {epochs[-1]}: "
            f"so steady a worsening would come by luck {_times(trend)}."
        )
    else:
        cannot.append(f"That it gets worse over the epochs: that much would come by luck {_times(trend)}.")
    for place, epoch in enumerate(epochs if len(seeds) else ()):
        _, high = wilson(failures[place], len(seeds)) or (0.0, 1.0)
        if failures[place] == 0:
            cannot.append(
                f"That epoch {epoch} is safe: no failure on {len(seeds)} {'seed' if len(seeds) == 1 else 'seeds'} "
                f"leaves a failure rate of up to {percent(high)} possible."
            )
    if len(seeds) and len(epochs) > 1:
        _pairs_in_words(epochs, len(seeds), apart, can, cannot)
    return Conclusion(epochs, seeds, faults, failures, trend, apart, tuple(can), tuple(cannot))


def page_trend(grades: NDArray[np.int8]) -> float | None:
    """P-value that rows worsen from left to right, were the order within each row chance.

    Page's L for ordered alternatives (1963) with mid-ranks for ties; a row that never changes says nothing. Exact, over
    every order of every row, up to :data:`EXACT_COLUMNS` columns; beyond, by the normal approximation with L's exact
    mean and variance.

    Args:
        grades: shape ``(rows, columns)``, larger is worse.

    Returns:
        The p-value; ``None`` where no row changes.
    """
    # Twice the mid-ranks are whole numbers, so that equal sums are equal.
    ranked = [
        [2 * int((row < value).sum()) + int((row == value).sum()) + 1 for value in row]
        for row in grades
        if len(set(row.tolist())) > 1
    ]
    if not ranked:
        return None
    observed = sum(place * rank for ranks in ranked for place, rank in enumerate(ranks))
    return (_exact if len(ranked[0]) <= EXACT_COLUMNS else _normal)(ranked, observed)


def _normal(ranked: list[list[int]], observed: int) -> float:
    places = np.arange(len(ranked[0]))
    mean = sum(places.sum() * np.mean(ranks) for ranks in ranked)
    spread = sum(np.var(places) * np.var(ranks) * len(places) ** 2 / (len(places) - 1) for ranks in ranked)
    return 0.5 * math.erfc(float((observed - mean) / np.sqrt(2 * spread)))


def _exact(ranked: list[list[int]], observed: int) -> float:
    total: dict[int, float] = {0: 1.0}
    for ranks in ranked:
        orders = Counter(
            sum(place * rank for place, rank in enumerate(order)) for order in itertools.permutations(ranks)
        )
        number = sum(orders.values())
        following: dict[int, float] = defaultdict(float)
        for (start, chance), (step, count) in itertools.product(total.items(), orders.items()):
            following[start + step] += chance * count / number
        total = following
    return min(1.0, sum(chance for value, chance in total.items() if value >= observed))


def _rows(
    table: OutcomeTable, run: str, scenario: str, check: str
) -> tuple[tuple[int, ...], tuple[int, ...], NDArray[np.int8]]:
    """Epochs, seeds that were judged at all of them, and their grades (seeds, epochs)."""
    nothing = np.zeros((0, 0), dtype=np.int8)
    if check not in table.checks or scenario not in table.scenarios:
        return (), (), nothing
    rows = np.flatnonzero(table.scenario == table.scenarios.index(scenario))
    words = {
        (int(table.seed[row]), epoch): int(table.grades[row, table.checks.index(check)])
        for row in rows
        for name, epoch in [table.checkpoints[int(table.checkpoint[row])]]
        if name == run and epoch is not None
    }
    epochs = tuple(sorted({epoch for _, epoch in words}))
    seeds = tuple(
        seed
        for seed in sorted({seed for seed, _ in words})
        if all(words.get((seed, epoch), Grade.NOT_ASKED) in MEASURED_GRADES for epoch in epochs)
    )
    grades = np.array([[words[seed, epoch] for epoch in epochs] for seed in seeds], dtype=np.int8)
    return epochs, seeds, grades.reshape(len(seeds), len(epochs))


def _separable(epochs: Sequence[int], grades: NDArray[np.int8]) -> tuple[tuple[int, int], ...]:
    pairs = list(itertools.combinations(range(len(epochs)), 2))
    fails = grades >= Grade.CLEAR
    values = [
        mcnemar_exact(int((fails[:, a] & ~fails[:, b]).sum()), int((fails[:, b] & ~fails[:, a]).sum()))
        for a, b in pairs
    ]
    return tuple((epochs[a], epochs[b]) for (a, b), p in zip(pairs, holm(values), strict=True) if p <= ALPHA)


def _pairs_in_words(
    epochs: Sequence[int], seeds: int, apart: Sequence[tuple[int, int]], can: list[str], cannot: list[str]
) -> None:
    if apart:
        can.append(f"These epochs differ in failures beyond chance: {listed([f'{a} and {b}' for a, b in apart])}.")
        return
    needed = failures_needed(1)
    reason = f"the {seeds} there are can never show it" if seeds < needed else "the failures here do not reach that"
    cannot.append(
        f"Which of epochs {listed([str(epoch) for epoch in epochs])} is better: to tell two of them apart takes at "
        f"least {needed} seeds that turn the same way, and {reason}."
    )


def _times(p: float) -> str:
    return f"once in {round(1 / p)}" if p < 0.4 else f"in {percent(p)} of cases"
