"""P-values against a leader that was picked on the same images."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm, studentized_range

from service.rankings.comparison import mcnemar_exact
from service.rankings.selection import correct_for_selection


def against_best(fails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P-values against the column with the fewest failures, and the columns with that one first."""
    order = np.argsort(fails.sum(axis=0), kind="stable")
    fails = fails[:, order]
    leader = fails[:, [0]]
    first, second = (leader > fails[:, 1:]).sum(axis=0), (fails[:, 1:] > leader).sum(axis=0)
    values = [mcnemar_exact(a, b) if b > a else 1.0 for a, b in zip(first.tolist(), second.tolist(), strict=True)]
    return np.array(values), fails


def test_two_checkpoints_need_no_correction() -> None:
    fails = np.array([[0, 1]] * 7 + [[0, 0]] * 5, dtype=float)
    found = correct_for_selection(np.array([2 / 2**7]), fails, 0.05, np.random.default_rng(0))
    assert found.adjusted == pytest.approx([2 / 2**7])
    assert found.threshold == pytest.approx([0.05])


def test_independent_checkpoints_are_held_to_the_studentized_range() -> None:
    rng = np.random.default_rng(1)
    fails = (rng.random((20_000, 6)) < 0.3).astype(float)
    values = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    found = correct_for_selection(values, fails, 0.05, rng)
    line = studentized_range.ppf(0.95, 6, np.inf) / np.sqrt(2)
    assert -norm.ppf(found.threshold[-1] / 2) == pytest.approx(line, abs=0.1)
    assert list(found.threshold) == sorted(found.threshold, reverse=True)


def test_likeness_is_made_use_of_and_bonferroni_is_never_exceeded() -> None:
    rng = np.random.default_rng(2)
    alone = (rng.random((400, 12)) < 0.3).astype(float)
    # Columns that are copies in pairs: half as many to tell apart.
    alike = np.repeat(alone[:, :6], 2, axis=1)
    values = np.full(11, 0.001)
    strict, mild = (correct_for_selection(values, each, 0.05, np.random.default_rng(0)) for each in (alone, alike))
    assert mild.threshold.min() > 1.5 * strict.threshold.min()
    assert (strict.adjusted <= 66 * 0.001 + 1e-9).all()
    assert (strict.threshold >= 0.05 / 66 - 1e-12).all()


def test_equal_checkpoints_are_called_worse_as_seldom_as_promised() -> None:
    rng = np.random.default_rng(3)
    wrong = {"plain": 0, "corrected": 0}
    for _ in range(300):
        hardness = rng.beta(2, 4, size=(200, 1))
        values, fails = against_best((rng.random((200, 8)) < hardness).astype(float))
        wrong["plain"] += bool(values.min() * 7 <= 0.05)
        wrong["corrected"] += bool(correct_for_selection(values, fails, 0.05, rng).adjusted.min() <= 0.05)
    assert wrong["corrected"] <= 300 * 0.05 + 2 * np.sqrt(300 * 0.05 * 0.95)
    assert wrong["plain"] > 1.5 * wrong["corrected"]


def test_nothing_measured_and_nothing_different_are_no_proof() -> None:
    rng = np.random.default_rng(0)
    for fails in (np.full((3, 3), np.nan), np.zeros((4, 3)), np.zeros((0, 3))):
        found = correct_for_selection(np.array([1.0, 1.0]), fails, 0.05, rng)
        assert found.adjusted.tolist() == [1.0, 1.0]
        assert np.isfinite(found.threshold).all()
