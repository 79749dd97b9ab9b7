"""Corrected rates: nearer the truth, and intervals that hold what they say, from thirty labels on."""

from __future__ import annotations

import numpy as np
import pytest

from service.audits.correction import checkpoint_rates, effective_counts, pooled_rate, prediction_powered
from service.audits.counts import AuditCounts
from tests.audits.worlds import audited


def counts(population: list[int], labelled: list[int], failing: list[int]) -> AuditCounts:
    arrays = [np.array([row], np.int64) for row in (population, labelled, failing)]
    chance = np.divide(arrays[1], arrays[0], out=np.ones((1, 3)), where=arrays[0] > 0)
    return AuditCounts(*arrays, np.where(chance > 0, chance, 1.0))


def test_with_equal_weights_and_no_tuning_it_is_the_formula_of_the_paper() -> None:
    human = np.array([1.0, 0, 0, 1, 1, 0, 0, 0])
    machine = np.array([1.0, 0, 1, 1, 0, 0, 0, 0])
    everything = np.repeat([1.0, 0.0], [60, 140])
    value, (low, high) = prediction_powered(human, machine, everything, np.ones(8))
    gap = human - machine
    plain = everything.mean() + gap.mean()
    assert abs(value - plain) < 0.08  # tuning moves it a little
    assert low < value < high
    _, (low90, high90) = prediction_powered(human, machine, everything, np.ones(8), level=0.9)
    assert high90 - low90 == pytest.approx((high - low) * 1.6449 / 1.96, rel=1e-3)


def test_labels_of_everything_give_the_truth() -> None:
    everything = counts([40, 5, 10], [40, 5, 10], [4, 2, 9])
    rate = pooled_rate(everything, np.random.default_rng(0))
    assert rate.uncorrected == pytest.approx(10 / 55)
    assert rate.corrected == pytest.approx(15 / 55, abs=0.01)


def test_a_machine_that_is_never_contradicted_keeps_its_rate() -> None:
    perfect = counts([150, 10, 40], [20, 5, 15], [0, 0, 15])
    rate = pooled_rate(perfect, np.random.default_rng(0))
    assert rate.corrected == pytest.approx(rate.uncorrected, abs=0.01)
    assert rate.interval is not None
    assert rate.interval[0] < 0.2 < rate.interval[1]
    assert rate.interval[1] - rate.interval[0] > 0.02  # forty labels prove no perfection


def test_too_few_labels_leave_the_rate_alone_and_say_so() -> None:
    rate = pooled_rate(counts([150, 10, 40], [5, 0, 4], [1, 0, 2]), np.random.default_rng(0))
    assert (rate.corrected, rate.interval, rate.method, rate.uncorrected) == (None, None, "none", 0.2)
    assert "9 labels are too few" in rate.warning


def test_nothing_measured_is_said() -> None:
    rate = pooled_rate(counts([0, 0, 0], [0, 0, 0], [0, 0, 0]), np.random.default_rng(0))
    assert rate.uncorrected is None
    assert "measured nothing" in rate.warning


@pytest.mark.parametrize("fails", [0, 200])
def test_a_machine_that_always_says_the_same_is_corrected(fails: int) -> None:
    population = [200 - fails, 0, fails]
    labelled = [30 if size else 0 for size in population]
    rate = pooled_rate(counts(population, labelled, [each // 3 for each in labelled]), np.random.default_rng(0))
    assert rate.corrected == pytest.approx(1 / 3, abs=0.02)


@pytest.mark.parametrize("truth", [0.03, 0.3])
def test_intervals_cover_the_truth(truth: float) -> None:
    rng = np.random.default_rng(3)
    machine, covered, library, times = (0.8, 0.1), 0, 0, 250
    for _ in range(times):
        rate = pooled_rate(audited([truth], machine, 300, 30, rng), rng)
        assert rate.interval is not None
        assert rate.normal_interval is not None
        covered += rate.interval[0] <= truth <= rate.interval[1]
        library += rate.normal_interval[0] <= truth <= rate.normal_interval[1]
    assert covered / times >= 0.91
    if truth < 0.1:
        assert library / times < 0.85  # why the library's own interval is not the one that is given


def test_thirty_labels_bring_a_biased_machine_nearer_the_truth() -> None:
    rng, truth = np.random.default_rng(4), list(np.linspace(0.02, 0.08, 8))
    before, after = [], []
    for _ in range(30):
        for rate, real in zip(checkpoint_rates(audited(truth, (0.8, 0.12), 150, 30, rng), rng), truth, strict=True):
            assert rate.method == "shared"
            assert rate.uncorrected is not None
            assert rate.corrected is not None
            before.append((rate.uncorrected - real) ** 2)
            after.append((rate.corrected - real) ** 2)
    assert np.mean(after) < 0.5 * np.mean(before)


def test_checkpoints_that_differ_get_wider_intervals_than_equal_ones() -> None:
    population = np.tile([150, 10, 40], (6, 1))
    labelled = np.tile([8, 2, 8], (6, 1))
    equal, differing = (
        np.array([[0, 0, 8 - wrong] for wrong in errors]) for errors in ([4, 4, 4, 4, 4, 4], [2, 6, 2, 6, 2, 6])
    )
    widths = []
    for failing in (equal, differing):
        rates = checkpoint_rates(
            AuditCounts(population, labelled, failing, labelled / population), np.random.default_rng(0)
        )
        widths.append(np.mean([rate.interval[1] - rate.interval[0] for rate in rates if rate.interval]))
        values = [rate.corrected for rate in rates]
    assert widths[1] > 1.15 * widths[0]
    assert values[0] is not None
    assert values[1] is not None
    assert values[0] > values[1] + 0.03  # and each goes its own way


def test_a_checkpoint_with_labels_enough_is_corrected_by_them_alone() -> None:
    population = np.array([[150, 10, 40], [150, 10, 40]])
    labelled = np.array([[60, 5, 40], [5, 1, 4]])
    failing = np.array([[6, 2, 30], [0, 0, 4]])
    rates = checkpoint_rates(
        AuditCounts(population, labelled, failing, labelled / population), np.random.default_rng(0)
    )
    assert [rate.method for rate in rates] == ["own", "shared"]
    assert rates[0].labels == 105


def test_unequal_chances_count_less() -> None:
    population = np.array([[100, 0, 0], [1000, 0, 0]])
    labelled = np.array([[50, 0, 0], [50, 0, 0]])
    failing = np.array([[25, 0, 0], [5, 0, 0]])
    chance = np.array([[0.5, 1, 1], [0.05, 1, 1]])
    number, failed = effective_counts(AuditCounts(population, labelled, failing, chance))
    assert number[0] < 100
    assert failed[0] / number[0] == pytest.approx((100 * 0.5 + 1000 * 0.1) / 1100)


def test_counts_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="more labels than findings"):
        counts([1, 0, 0], [2, 0, 0], [0, 0, 0])
    with pytest.raises(ValueError, match="chance of having been drawn"):
        AuditCounts(np.array([[5, 0, 0]]), np.array([[1, 0, 0]]), np.array([[0, 0, 0]]), np.zeros((1, 3)))
    with pytest.raises(ValueError, match="must all be"):
        AuditCounts(*(np.zeros((2, 2), np.int64),) * 3, np.ones((2, 2)))
