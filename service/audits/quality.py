"""How good the machine and the people are on this very run. Pure: counts in, figures out, explicit generators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.audits.correction import DRAWS, LEVEL, Interval, effective_counts
from service.audits.counts import FAILS, AuditCounts, Floats, Integers
from service.rankings import wilson

PERMUTATIONS = 2000


@dataclass(frozen=True)
class Quality:
    """Precision and recall of "the machine says it fails", against people's labels, with 95 % intervals.

    Attributes:
        precision: of the machine's fails, the share that really fails, 0..1; ``None`` without a label on one of them.
        recall: of the real failures, the share the machine found; ``None`` if no labelled finding fails.
        labels: audits they rest on.
        alarms: labels on findings that the machine says fail.
    """

    precision: float | None
    precision_interval: Interval | None
    recall: float | None
    recall_interval: Interval | None
    labels: int
    alarms: int


@dataclass(frozen=True)
class Agreement:
    """Two labels on the same findings, the second given blind.

    Attributes:
        pairs: findings with two labels.
        share: part of them on which both agree, 0..1.
        share_interval: its 95 % Wilson interval.
        kappa: Cohen's kappa, at most 1; ``None`` where both always say the same single word: chance explains it all.
        kappa_interval: ``share_interval`` with the same chance taken off; it never shrinks to a point.
    """

    pairs: int
    share: float | None
    share_interval: Interval | None
    kappa: float | None
    kappa_interval: Interval | None


@dataclass(frozen=True)
class Difference:
    """Whether the machine's error is the same at every checkpoint.

    Attributes:
        p: chance of such differences if it were; ``None`` where no label or no error tells.
        labels: audits it rests on.
        errors: labels that contradict the machine.
        rates: (K,) share of contradicted labels at each checkpoint; ``None`` without labels.
    """

    p: float | None
    labels: int
    errors: int
    rates: tuple[float | None, ...]


def quality(counts: AuditCounts, rng: np.random.Generator) -> Quality:
    """Precision and recall over all checkpoints, weighted to the whole population of findings.

    Intervals come from Beta posteriors (Jeffreys' prior) of the share that really fails under each of the machine's
    verdicts.
    """
    number, failing = effective_counts(counts)
    truth = rng.beta(failing + 0.5, number - failing + 0.5, (DRAWS, len(number)))
    population = counts.population.sum(0)
    alarms, misses = population[FAILS] * truth[:, FAILS], (population[:FAILS] * truth[:, :FAILS]).sum(1)
    share = np.divide(failing, number, out=np.zeros_like(number), where=number > 0)
    found, missed = population[FAILS] * share[FAILS], (population[:FAILS] * share[:FAILS]).sum()
    labelled = int(counts.labelled[:, FAILS].sum())
    known = found + missed > 0
    return Quality(
        precision=float(share[FAILS]) if labelled else None,
        precision_interval=_quantiles(truth[:, FAILS]) if labelled else None,
        recall=float(found / (found + missed)) if known else None,
        recall_interval=_quantiles(alarms / (alarms + misses)) if known else None,
        labels=counts.labels,
        alarms=labelled,
    )


def agreement(first: Sequence[str], second: Sequence[str]) -> Agreement:
    """Cohen's kappa (Educational and Psychological Measurement 20, 1960) of two labels on the same findings.

    The interval takes the Wilson interval of the share that agrees and the chance agreement as it is. The usual
    asymptotic one has no width where all agree, which is what careful people do on thirty findings.

    >>> round(agreement(["fails", "holds", "holds", "fails"], ["fails", "holds", "fails", "fails"]).kappa, 2)
    0.5
    """
    if len(first) != len(second):
        raise ValueError(f"{len(first)} first labels came with {len(second)} second ones")
    if not first:
        return Agreement(0, None, None, None, None)
    words = sorted({*first, *second})
    same, n = sum(a == b for a, b in zip(first, second, strict=True)), len(first)
    low, high = wilson(same, n) or (0.0, 1.0)
    chance = sum(first.count(word) * second.count(word) for word in words) / n**2
    if chance == 1.0:
        return Agreement(n, same / n, (low, high), None, None)

    def beyond_chance(share: float) -> float:
        return (share - chance) / (1 - chance)

    return Agreement(n, same / n, (low, high), beyond_chance(same / n), (beyond_chance(low), beyond_chance(high)))


def error_differs(
    groups: Sequence[AuditCounts], rng: np.random.Generator, permutations: int = PERMUTATIONS
) -> Difference:
    """Test whether labels contradict the machine equally often at every checkpoint.

    A permutation test: labels change checkpoints within the same check and the same verdict of the machine, so that a
    checkpoint which merely fails more often does not look like one that is judged worse. Two statistics are asked, one
    for any difference (sum of squared errors over chance at each checkpoint) and one for a trend in the checkpoints'
    order; twice the smaller p is given (Bonferroni).

    Args:
        groups: one for each check, over the same checkpoints in the order of their epochs.
        rng: for the permutations.
        permutations: how many.
    """
    if not groups:
        return Difference(None, 0, 0, ())
    wrong = [_wrong(counts) for counts in groups]
    labelled = np.concatenate([counts.labelled for counts in groups], axis=1)
    errors = np.concatenate(wrong, axis=1)
    totals, mistakes = labelled.sum(1), errors.sum(1)
    rates = tuple(float(e / n) if n else None for e, n in zip(mistakes, totals, strict=True))
    n, e = int(totals.sum()), int(mistakes.sum())
    if (totals > 0).sum() < 2 or e == 0 or not _can_differ(labelled, errors):
        return Difference(None, n, e, rates)
    chance = labelled * (errors.sum(0) / np.maximum(labelled.sum(0), 1))
    expected = chance.sum(1)
    seen = _statistics(mistakes[None].astype(float), expected)[0]
    shuffled = np.zeros((permutations, len(totals)))
    for column in range(labelled.shape[1]):
        shuffled += _shuffle(labelled[:, column], int(errors[:, column].sum()), rng, permutations)
    drawn = _statistics(shuffled, expected)
    tails = [(1 + (drawn[:, s] >= seen[s] - 1e-9).sum()) / (permutations + 1) for s in range(2)]
    return Difference(float(min(1.0, 2 * min(tails))), n, e, rates)


def _wrong(counts: AuditCounts) -> Integers:
    """Labels that contradict the machine, (K, 3)."""
    wrong = counts.failing.copy()
    wrong[:, FAILS] = counts.labelled[:, FAILS] - counts.failing[:, FAILS]
    return wrong


def _can_differ(labelled: Integers, errors: Integers) -> bool:
    """Whether any group has labels at two checkpoints and both right and wrong ones."""
    spread = (labelled > 0).sum(0) > 1
    total, wrong = labelled.sum(0), errors.sum(0)
    return bool((spread & (wrong > 0) & (wrong < total)).any())


def _statistics(mistakes: Floats, expected: Floats) -> Floats:
    """Both statistics of each row of ``mistakes``, (rows, K): any difference and the trend, (rows, 2)."""
    gap = mistakes - expected
    known = expected > 0
    order = np.arange(gap.shape[1]) - (gap.shape[1] - 1) / 2
    return np.stack([(gap[:, known] ** 2 / expected[known]).sum(1), np.abs(gap @ order)], axis=1)


def _shuffle(labelled: Integers, errors: int, rng: np.random.Generator, times: int) -> Integers:
    """Errors dealt out to checkpoints at random, (times, K)."""
    if errors == 0:
        return np.zeros((times, len(labelled)), np.int64)
    return rng.multivariate_hypergeometric(labelled, errors, size=times)


def _quantiles(draws: Floats) -> Interval:
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)
