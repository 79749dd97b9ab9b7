"""From which epoch on a fault is more frequent than before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.rankings.intervals import LEVEL

Floats = NDArray[np.float64]

SURE = 0.95
"""An onset is reported as one from this probability on."""


def share_of_rises(odds: Any) -> float:
    """How many of many series have a rise, estimated from all of them: what one is believed before its own counts.

    Empirical Bayes for many questions at once (Scott and Berger 2010): the share under which the series as they are
    are most probable, by expectation maximisation, with one made-up series that rises and one that does not. Where
    thousands are searched and nothing happens, a single odd one is then no longer taken for a rise.

    Args:
        odds: shape ``(series,)``: odds of a rise at even odds before.
    """
    odds = np.asarray(odds, dtype=float)
    share = 0.5
    for _ in range(200):
        before, share = share, float((1 + (share * odds / (1 - share + share * odds)).sum()) / (2 + len(odds)))
        if abs(share - before) < 1e-6:
            break
    return share


@dataclass(frozen=True)
class Onsets:
    """Onsets of many series at once; each attribute has shape ``(series,)``, places are indices of epochs.

    Attributes:
        probability: of a rise at all, 0..1, against one rate throughout; even odds before looking.
        first: the most probable place of the first epoch with the higher rate; -1 where no rise is possible.
        low: first place of the 95 % credible interval.
        high: last place of it.
        before: rate before ``first``, 0..1; NaN if there is none.
        after: rate from ``first`` on.
    """

    probability: Floats
    first: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    before: Floats
    after: Floats


def find_onsets(fails: Any, totals: Any) -> Onsets:
    """Fit one step up to each series of failure counts by epoch.

    The change-point model for binomial counts (Smith 1975): one rate before, a higher one from some epoch on, each with
    a Jeffreys prior, every epoch equally likely to be the first. Rates and place are integrated out in closed form, so
    many tries are paid for: the more epochs, the more a rise has to stand out. A slow rise appears as a step with a
    wide interval.

    Args:
        fails: shape ``(series, epochs)``, ascending epochs.
        totals: measured images, the same shape; 0 where there are none.
    """
    fails, totals = np.atleast_2d(np.asarray(fails, dtype=float)), np.atleast_2d(np.asarray(totals, dtype=float))
    series, epochs = fails.shape
    if epochs < 2 or not series:
        nothing, nowhere = np.full(series, np.nan), np.full(series, -1, dtype=np.int64)
        return Onsets(np.zeros(series), nowhere, nowhere, nowhere, nothing, nothing)
    fails_before, before = np.cumsum(fails, axis=1)[:, :-1], np.cumsum(totals, axis=1)[:, :-1]
    all_fails, every = fails.sum(axis=1, keepdims=True), totals.sum(axis=1, keepdims=True)
    fails_after, after = all_fails - fails_before, every - before
    one = _evidence(all_fails, every)[:, 0]
    two = _evidence(fails_before, before) + _evidence(fails_after, after)
    rises = (before > 0) & (after > 0) & (fails_after * before > fails_before * after)
    # A place between two epochs without images is no place of its own.
    rises &= totals[:, 1:] > 0
    weight = np.where(rises, np.exp(two - one[:, None]), 0.0) / (epochs - 1)
    # Half of all steps go up: knowing that this one does doubles its weight.
    total = 2 * weight.sum(axis=1)
    share = np.divide(weight, weight.sum(axis=1, keepdims=True), out=np.zeros_like(weight), where=weight > 0)
    place = np.argmax(share, axis=1)
    possible = total > 0
    low, high = _credible(share)
    rows = np.arange(series)
    with np.errstate(invalid="ignore", divide="ignore"):
        rate_before = np.where(possible, fails_before[rows, place] / before[rows, place], np.nan)
        rate_after = np.where(possible, fails_after[rows, place] / after[rows, place], np.nan)
    return Onsets(
        probability=total / (1 + total),
        first=np.where(possible, place + 1, -1),
        low=np.where(possible, low + 1, -1),
        high=np.where(possible, high + 1, -1),
        before=rate_before,
        after=rate_after,
    )


def _evidence(fails: Floats, totals: Floats) -> Floats:
    """Log probability of the outcomes in their order, the rate integrated over the Jeffreys prior."""
    from scipy.special import betaln  # slow to import, so only where it is needed

    return np.asarray(betaln(fails + 0.5, totals - fails + 0.5) - betaln(0.5, 0.5))


def _credible(share: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last place of the smallest set of places with 95 % of the probability."""
    order = np.argsort(-share, axis=1, kind="stable")
    ranked = np.take_along_axis(share, order, axis=1)
    needed = np.cumsum(ranked, axis=1) - ranked < LEVEL
    places = np.where(needed & (ranked > 0), order, -1)
    high = places.max(axis=1)
    low = np.where(places >= 0, places, share.shape[1]).min(axis=1)
    return low, high
