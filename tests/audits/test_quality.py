"""Precision, recall, agreement, and whether the machine errs alike everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from statsmodels.stats.inter_rater import cohens_kappa, to_table

from service.audits.counts import AuditCounts
from service.audits.quality import agreement, error_differs, quality
from tests.audits.worlds import audited


def test_precision_and_recall_of_a_known_machine() -> None:
    rng = np.random.default_rng(0)
    found = quality(audited([0.2] * 4, (0.7, 0.05), 500, 900, rng), rng)
    assert found.precision == pytest.approx(0.2 * 0.7 / (0.2 * 0.7 + 0.8 * 0.05), abs=0.06)
    assert found.recall == pytest.approx(0.7, abs=0.08)


def test_their_intervals_cover() -> None:
    rng, times, hits = np.random.default_rng(1), 200, np.zeros(2)
    real = (0.2 * 0.7 / (0.2 * 0.7 + 0.8 * 0.05), 0.7)
    for _ in range(times):
        found = quality(audited([0.2] * 3, (0.7, 0.05), 200, 60, rng), rng)
        for place, interval in enumerate((found.precision_interval, found.recall_interval)):
            assert interval is not None
            hits[place] += interval[0] <= real[place] <= interval[1]
    assert (hits / times > 0.9).all()


def test_without_a_label_on_an_alarm_there_is_no_precision() -> None:
    counts = AuditCounts(np.array([[50, 0, 9]]), np.array([[20, 0, 0]]), np.array([[0, 0, 0]]), np.full((1, 3), 0.4))
    found = quality(counts, np.random.default_rng(0))
    assert (found.precision, found.recall, found.precision_interval) == (None, None, None)


def test_kappa_is_that_of_another_library() -> None:
    rng = np.random.default_rng(2)
    first = [str(each) for each in rng.choice(["holds", "minor", "fails"], 200, p=[0.6, 0.1, 0.3])]
    second = [each if rng.random() < 0.8 else str(rng.choice(["holds", "fails"])) for each in first]
    codes = [[sorted(set(first + second)).index(word) for word in pair] for pair in zip(first, second, strict=True)]
    table, _ = to_table(np.array(codes))
    assert agreement(first, second).kappa == pytest.approx(cohens_kappa(table, return_results=False))


def test_its_interval_covers() -> None:
    rng, times, hits = np.random.default_rng(3), 300, 0
    chance = np.array([0.6, 0.1, 0.3])
    words = np.array(["holds", "minor", "fails"])
    real = 0.85  # share who copy the first answer; the others answer at random with the same chances
    for _ in range(times):
        first = rng.choice(words, 40, p=chance)
        second = np.where(rng.random(40) < real, first, rng.choice(words, 40, p=chance))
        interval = agreement(list(first), list(second)).kappa_interval
        hits += interval is not None and interval[0] <= real <= interval[1]
    assert hits / times > 0.91


def test_full_agreement_is_no_certainty() -> None:
    found = agreement(["fails"] * 10 + ["holds"] * 10, ["fails"] * 10 + ["holds"] * 10)
    assert found.kappa == 1.0
    assert found.kappa_interval is not None
    assert found.kappa_interval[0] < 0.8


def test_always_the_same_word_has_no_kappa() -> None:
    assert agreement(["holds"] * 9, ["holds"] * 9).kappa is None
    assert agreement([], []).share is None
    with pytest.raises(ValueError, match="came with"):
        agreement(["holds"], [])


def _machine(errors: list[float], labels: int, rng: np.random.Generator) -> AuditCounts:
    population = np.tile([150, 10, 40], (len(errors), 1))
    labelled = np.tile([labels // 2, 0, labels - labels // 2], (len(errors), 1))
    wrong = rng.binomial(labelled, np.array(errors)[:, None])
    failing = wrong.copy()
    failing[:, 2] = labelled[:, 2] - wrong[:, 2]
    return AuditCounts(population, labelled, failing, np.full(population.shape, 0.2))


def test_an_equal_error_is_rarely_called_different() -> None:
    rng = np.random.default_rng(4)
    answers = [error_differs([_machine([0.1] * 8, 12, rng)], rng, 300).p for _ in range(200)]
    assert np.mean([p is not None and p < 0.05 for p in answers]) < 0.08


@pytest.mark.parametrize("errors", [[0.02, 0.05, 0.1, 0.2, 0.3, 0.5], [0.02, 0.5, 0.02, 0.5, 0.02, 0.5]])
def test_an_error_that_grows_or_jumps_is_found(errors: list[float]) -> None:
    rng = np.random.default_rng(5)
    answers = [error_differs([_machine(errors, 20, rng)], rng, 300).p for _ in range(40)]
    assert np.mean([p is not None and p < 0.05 for p in answers]) > 0.85


def test_failing_more_often_is_no_different_error() -> None:
    """Checkpoints at which the machine says fails more often, with the same error under each verdict."""
    rng, low = np.random.default_rng(6), 0
    for _ in range(100):
        population = np.array([[190 - 18 * k, 0, 10 + 18 * k] for k in range(8)])
        labelled = np.round(population / 10).astype(np.int64)
        wrong = rng.binomial(labelled, [0.02, 0.0, 0.4])
        failing = wrong.copy()
        failing[:, 2] = labelled[:, 2] - wrong[:, 2]
        found = error_differs([AuditCounts(population, labelled, failing, np.full((8, 3), 0.1))], rng, 300)
        low += found.p is not None and found.p < 0.05
        assert found.rates[7] is not None
    assert low <= 10


def test_no_label_or_no_error_is_no_answer() -> None:
    rng = np.random.default_rng(7)
    assert error_differs([], rng).p is None
    assert error_differs([_machine([0.0] * 4, 10, rng)], rng).p is None
    assert error_differs([_machine([0.5], 10, rng)], rng).p is None
