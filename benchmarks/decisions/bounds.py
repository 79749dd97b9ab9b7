"""The fewest images that any method needs: the information-theoretic lower bound of an instance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Floats = NDArray[np.float64]


def bernoulli_kl(first: Floats, second: Floats) -> Floats:
    """Kullback-Leibler divergence between Bernoulli rates, in nats.

    >>> float(bernoulli_kl(np.array(0.5), np.array(0.5)))
    0.0
    """
    p, q = (np.clip(rate, 1e-12, 1 - 1e-12) for rate in (first, second))
    return np.asarray(p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)))


def lower_bound(rates: Floats, margin: float = 0.02, error: float = 0.05) -> float:
    """Expected images that a method needs which is right with probability 1 - error on every instance of its kind.

    E[images] >= kl(error, 1 - error) · T, with 1/T = max over shares w of min over rivals a of
    inf over rates (x, y) with x >= y + margin of w_best kl(p_best, x) + w_a kl(p_a, y)
    (Garivier and Kaufmann 2016, theorem 1; with a margin Garivier and Kaufmann 2021). It holds for checkpoints whose
    rates and images have nothing to do with each other. A method that may count on smooth rates, or on pictures that
    share their noise, can do with less.

    Args:
        rates: true failure rates, shape (checkpoints,).
        margin: how far from the best still counts as right; 0 where only the best itself is right.
        error: allowed probability of a wrong answer.
    """
    order = np.sort(rates)
    best, rivals = order[0], order[1:]
    offsets = np.linspace(0.0, 1.0, 201)

    def least(shares: Floats) -> float:
        return float(_gain(shares[0], shares[1:], best, rivals, margin, offsets).min())

    def soft(logits: Floats) -> float:
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        gains = _gain(shares[0], shares[1:], best, rivals, margin, offsets)
        low = gains.min()  # a smooth minimum, so that the search has a slope to follow
        return float(np.log(np.exp(-(gains - low) / (0.02 * low)).sum()) * 0.02 - 1) * low

    start = np.concatenate([[0.0], -2 * np.log((rivals - best + margin) / (rivals[0] - best + margin))])
    found = minimize(soft, start, method="L-BFGS-B", options={"maxiter": 300})
    shares = np.exp(found.x - found.x.max())
    return float(bernoulli_kl(np.array(error), np.array(1 - error)) / least(shares / shares.sum()))


def _gain(share: float, others: Floats, best: float, rivals: Floats, margin: float, offsets: Floats) -> Floats:
    """Information per image against "this rival is better than the best by more than the margin", per rival."""
    low = np.maximum(best, margin)
    high = np.maximum(rivals + margin, low)
    worst_best = low + (high - low)[:, None] * offsets
    moved = np.clip(worst_best - margin, 1e-9, 1.0)
    gains = share * bernoulli_kl(np.array(best), worst_best) + others[:, None] * bernoulli_kl(rivals[:, None], moved)
    return np.asarray(gains.min(1))
