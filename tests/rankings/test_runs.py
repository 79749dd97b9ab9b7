"""Two runs, against numbers worked by hand and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep

from service.rankings import CellOutcome, Grade, OutcomeTable, compare_runs, flipped, wilson
from service.rankings.paired import difference_ends
from tests.rankings.worlds import checkpoint, outcome, row


@given(st.integers(0, 30), st.integers(1, 30), st.integers(0, 30), st.integers(1, 30))
def test_the_interval_of_a_difference_agrees_with_statsmodels(a: int, m: int, b: int, n: int) -> None:
    a, b = min(a, m), min(b, n)
    outcomes = [*checkpoint("f" * a + "h" * (m - a), "v1"), *checkpoint("f" * b + "h" * (n - b), "v2")]
    reference = confint_proportions_2indep(b, n, a, m, method="newcomb", compare="diff")
    assert compare_runs(outcomes, "v1", "v2").interval == pytest.approx(reference, abs=1e-9)


def newcombe_by_hand(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, float]:
    (low_1, high_1), (low_2, high_2) = wilson(*first) or (0, 1), wilson(*second) or (0, 1)
    rate_1, rate_2 = first[0] / first[1], second[0] / second[1]
    difference = rate_2 - rate_1
    return (
        difference - math.hypot(rate_2 - low_2, high_1 - rate_1),
        difference + math.hypot(high_2 - rate_2, rate_1 - low_1),
    )


def test_runs_differ_by_newcombes_interval() -> None:
    outcomes = [*checkpoint("f" * 12 + "h" * 12, "v1"), *checkpoint("f" * 3 + "h" * 21 + "?", "v2")]
    result = compare_runs(outcomes, "v1", "v2")
    assert result.difference == pytest.approx(3 / 24 - 12 / 24)
    assert result.interval == pytest.approx(newcombe_by_hand((12, 24), (3, 24)), abs=1e-9)


def test_a_comparison_keeps_to_its_check_character_scenarios_and_epochs() -> None:
    outcomes = [
        CellOutcome("v1", 4, "hug", 1, False, (row("f", "ahoge_bleed", "Kei"), row("h", "hands", "Kei"))),
        CellOutcome("v1", 8, "hug", 1, False, (row("h", "ahoge_bleed", "Kei"),)),
        CellOutcome("v1", 4, "solo", 1, False, (row("h", "ahoge_bleed", "Kana"),)),
        CellOutcome("v2", 4, "hug", 1, False, (row("h", "ahoge_bleed", "Kei"),)),
        CellOutcome("v2", 4, "solo", 1, False, (row("h", "cast", None),)),
    ]
    kei = compare_runs(outcomes, "v1", "v2", check="ahoge_bleed", character="Kei")
    assert (kei.first.fails, kei.first.holds, kei.second.measured) == (1, 1, 1)
    early = compare_runs(outcomes, "v1", "v2", check="ahoge_bleed", epochs={4}, scenarios={"hug"})
    assert (early.first.measured, early.second.measured) == (1, 1)
    assert compare_runs(outcomes, "v1", "v2", check="limbs").difference is None


def test_pooled_epochs_get_a_wider_interval_from_the_bootstrap() -> None:
    repeated = [image for epoch in range(20) for image in checkpoint("ffffhhhhhhhh", "v1", epoch)]
    repeated += [image for epoch in range(20) for image in checkpoint("fhhhhhhhhhhh", "v2", epoch)]
    result = compare_runs(repeated, "v1", "v2", rng=np.random.default_rng(0))
    assert result.cluster_interval is not None
    assert result.interval is not None
    low, high = result.cluster_interval
    assert low <= result.difference <= high  # type: ignore[operator]
    assert high - low > 2 * (result.interval[1] - result.interval[0])
    again = compare_runs(repeated, "v1", "v2", rng=np.random.default_rng(0))
    assert again.cluster_interval == result.cluster_interval


def test_the_bootstrap_claims_nothing_where_nothing_varies() -> None:
    outcomes = [*checkpoint("hhhh", "v1"), *checkpoint("hhhh", "v2")]
    assert compare_runs(outcomes, "v1", "v2", rng=np.random.default_rng(0)).cluster_interval is None


def test_with_many_clusters_the_closed_form_is_the_bootstrap(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    words = {
        (run, epoch): "".join(rng.choice(list("fh"), 250, p=(0.3 if run == "v1" else 0.2, 0.7 if run == "v1" else 0.8)))
        for run in ("v1", "v2")
        for epoch in (4, 8)
    }
    table = OutcomeTable.from_outcomes([each for key, word in words.items() for each in checkpoint(word, *key)])
    closed = compare_runs(table, "v1", "v2", rng=rng).cluster_interval
    monkeypatch.setattr("service.rankings.runs.MANY_CLUSTERS", 10**9)
    assert compare_runs(table, "v1", "v2", rng=rng).cluster_interval == pytest.approx(closed, abs=0.004)


def test_pairs_share_scenario_seed_and_epoch() -> None:
    outcomes = [
        *checkpoint("fhhh?", "v1", 4),
        *checkpoint("hfffh", "v2", 4),
        *checkpoint("ffff", "v1", 8),
        *checkpoint("ffff", "v2", 12),
    ]
    result = compare_runs(outcomes, "v1", "v2")
    assert (result.pairs, result.first_only, result.second_only) == (4, 1, 3)
    assert result.paired_difference == pytest.approx(0.5)
    assert result.paired_interval == pytest.approx(tuple(difference_ends(1, 3, 4)))


def test_epochs_of_one_seed_count_as_one_pair() -> None:
    def both(epochs: range) -> list[CellOutcome]:
        return [
            *(each for epoch in epochs for each in checkpoint("fffh", "v1", epoch)),
            *(each for epoch in epochs for each in checkpoint("hhhh", "v2", epoch)),
        ]

    once, often = compare_runs(both(range(1)), "v1", "v2"), compare_runs(both(range(9)), "v1", "v2")
    assert often.pairs == 9 * once.pairs
    assert often.paired_interval == pytest.approx(once.paired_interval)


def test_flips_are_listed_worst_turn_first() -> None:
    outcomes = [*checkpoint("hhhLm?", "v1", 140), *checkpoint("LfhhFL", "v2", 140), outcome("f", 9, run="v2", epoch=8)]
    flips, total = flipped(OutcomeTable.from_outcomes(outcomes), "v1", "v2")
    assert total == 4
    assert [(flip.seed, flip.first, flip.second) for flip in flips] == [
        (0, Grade.HOLDS, Grade.LOST),
        (1, Grade.HOLDS, Grade.CLEAR),
        (4, Grade.MINOR, Grade.FUSED),
        (3, Grade.LOST, Grade.HOLDS),
    ]
    assert {(flip.scenario, flip.epoch) for flip in flips} == {("hug", 140)}


def test_pinned_seeds_flip_but_do_not_count() -> None:
    outcomes = [
        CellOutcome(run, 4, "hug", seed, False, (row(letter),), pinned=seed == 13)
        for run, letters in (("v1", "hh"), ("v2", "hf"))
        for seed, letter in zip((7, 13), letters, strict=True)
    ]
    assert compare_runs(outcomes, "v1", "v2").second.measured == 1
    assert [flip.seed for flip in flipped(OutcomeTable.from_outcomes(outcomes), "v1", "v2")[0]] == [13]
