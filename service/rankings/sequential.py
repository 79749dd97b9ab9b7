"""A test that may be looked at after every round: is this checkpoint still in the race for the best?

Each checkpoint stakes a fortune against the claim "I am (one of) the best": on every shared cell it is bet that it
fails where its rivals pass. If the claim is true no betting scheme makes money, so a fortune that has grown 1/level
times refutes it, at whatever moment one looks (Ville 1939; Ramdas, Grünwald, Vovk and Shafer 2023, "Game-theoretic
statistics and safe anytime-valid inference"). For two checkpoints and equal stakes this is the sequential form of
McNemar's test: only discordant cells move the fortune, by 1 + b or 1 - b.

The functions take any number of leading dimensions, written ``...``: one race, or thousands of simulated ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

BETS = np.geomspace(0.02, 0.98, 16)
"""Shares of the fortune that are staked. All are played at once from equal parts, so that no tuning is needed: the
fortune follows the best of them up to a factor of 16 (the mixture method of Robbins 1970)."""


def settle(outcomes: Floats, rivals: Floats, stakes: Floats) -> Floats:
    """How a round changes every checkpoint's log fortune, for each of :data:`BETS`.

    A cell's gain is x = (fails) - (share of its rivals, by weight, that fail), -1..1, and the fortune is multiplied by
    1 + b · stake · x. With one complete block (every scenario at least once, each of its n cells at stake 1/n) the
    expected factor is at most exp(b · sum over scenarios of E[x]), which is at most 1 for a checkpoint whose mean rate
    over scenarios is no higher than any rival's: by 1 + y <= exp(y), given cells that are independent of each other.
    The weights may be anything that was known before the round.

    Args:
        outcomes: 1 fails, 0 does not, nan not measured or not run; shape (..., checkpoints, cells).
        rivals: weight of each checkpoint as somebody's rival, at least 0; shape (..., checkpoints).
        stakes: what a cell counts: one over the number of its scenario's cells in its block; shape (..., cells).

    Returns:
        Change of the log fortunes, shape (..., checkpoints, len(BETS)).
    """
    measured = ~np.isnan(outcomes)
    fails = np.where(measured, outcomes, 0.0)
    weights = rivals[..., None] * measured
    others = weights.sum(-2, keepdims=True) - weights
    lost = (weights * fails).sum(-2, keepdims=True) - weights * fails
    playing = measured & (others > 1e-9)
    gain = np.where(playing, fails - np.clip(lost / np.where(playing, others, 1.0), 0.0, 1.0), 0.0)
    gain = gain * stakes[..., None, :]
    return np.stack([np.log1p(bet * gain).sum(-1) for bet in BETS], axis=-1)


def log_fortune(log_by_bet: Floats) -> Floats:
    """Log of the whole fortune from the log fortunes by bet; the start is 0. Shape (..., len(BETS)) to (...).

    >>> float(log_fortune(np.zeros(len(BETS))))
    0.0
    """
    return np.logaddexp.reduce(log_by_bet, axis=-1) - np.log(log_by_bet.shape[-1])


def dropping_line(checkpoints: int, level: float) -> float:
    """Log fortune from which a checkpoint counts as worse.

    A best checkpoint ever reaches it with probability at most level · (K - 1)/K, by Ville's inequality. With K equal
    checkpoints the chance that all but one are dropped, so that a leader is named where there is none, is then at most
    ``level``: naming anyone drops each of the others, and sums to K/(K - 1) times that bound.

    Args:
        checkpoints: how many are compared, K.
        level: the error that is promised, 0..1.
    """
    return float(-np.log(level * (checkpoints - 1) / checkpoints)) if checkpoints > 1 else np.inf
