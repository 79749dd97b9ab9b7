"""What small tables allow one to conclude."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from service.rankings import OutcomeTable, seed_table
from service.rankings.conclusion import conclude, page_trend
from service.rankings.onset import SURE, find_onsets
from service.rankings.posterior import posterior
from service.rankings.uses import Scoring
from tests.rankings.article import EPOCHS, hand_table
from tests.rankings.worlds import checkpoint


def test_the_hand_table_reads_as_it_was_drawn() -> None:
    assert seed_table(hand_table(), "v2", "piggyback", "hands", "Kei").rows() == [
        ["seed", "epoch 140", "epoch 144", "epoch 148", "epoch 150"],
        ["7", "holds", "holds", "minor", "minor"],
        ["13", "holds", "lost", "lost", "lost"],
        ["99", "holds", "holds", "holds", "minor"],
    ]


def test_the_hand_table_shows_a_trend_and_cannot_place_it() -> None:
    result = conclude(OutcomeTable.from_outcomes(hand_table()), "v2", "piggyback", "hands")
    assert (result.epochs, result.seeds) == (EPOCHS, (7, 13, 99))
    assert (result.failures, result.faults) == ((0, 1, 1, 1), (0, 1, 2, 3))
    # Each row is sorted: 1 order in 6, in 4 and in 4.
    assert result.trend_p == pytest.approx(1 / 96)
    assert result.separable == ()
    assert result.can == (
        "In piggyback the check hands worsens from epoch 140 to 150: "
        "so steady a worsening would come by luck once in 96.",
    )
    assert result.cannot == (
        "That epoch 140 is safe: no failure on 3 seeds leaves a failure rate of up to 56% possible.",
        "Which of epochs 140, 144, 148 and 150 is better: to tell two of them apart takes at least 6 seeds that turn "
        "the same way, and the 3 there are can never show it.",
    )


def test_the_hand_table_gives_no_sure_onset_and_no_sure_best() -> None:
    table = OutcomeTable.from_outcomes(hand_table())
    lost = find_onsets([0, 1, 1, 1], [3] * 4)
    faulty = find_onsets([0, 1, 2, 3], [3] * 4)
    assert lost.probability[0] < faulty.probability[0] < SURE
    costs, places = Scoring().by_cell(table, range(4))
    belief = posterior(costs, places, ["v2"] * 4, EPOCHS, np.random.default_rng(0))
    assert belief.p_best.argmax() == 0
    assert belief.p_best[0] < 0.95


def test_with_sixteen_seeds_it_can_be_said() -> None:
    words = {140: "h" * 16, 144: "h" * 12 + "LLLL", 148: "h" * 4 + "L" * 12, 150: "L" * 16}
    outcomes = [each for epoch, word in words.items() for each in checkpoint(word, "v2", epoch, "piggyback")]
    result = conclude(OutcomeTable.from_outcomes(outcomes), "v2", "piggyback", "hands")
    assert (140, 148) in result.separable
    assert (140, 144) not in result.separable
    assert result.trend_p is not None
    assert result.trend_p < 1e-6
    assert "140 and 148" in result.can[1]


def test_the_trend_is_pages_where_rows_have_no_ties() -> None:
    grades = np.array([[1, 2, 3, 4], [1, 3, 2, 4], [2, 1, 3, 4]], dtype=np.int8)
    assert page_trend(grades) == pytest.approx(stats.page_trend_test(grades, method="exact").pvalue)


def test_rows_without_a_change_say_nothing() -> None:
    assert page_trend(np.ones((5, 4), dtype=np.int8)) is None
    changing = np.array([[1, 1, 4]], dtype=np.int8)
    assert page_trend(np.vstack([changing, np.ones((4, 3), dtype=np.int8)])) == page_trend(changing)


def test_over_many_epochs_the_trend_is_scipys_approximation() -> None:
    rng = np.random.default_rng(1)
    grades = np.array([rng.permutation(12) + np.arange(12) * 0.4 for _ in range(10)]).argsort().argsort()
    reference = stats.page_trend_test(grades, method="asymptotic").pvalue
    assert page_trend(grades.astype(np.int8)) == pytest.approx(reference, rel=1e-6)


@pytest.mark.parametrize("words", [{}, {140: "h"}, {140: "?", 144: "h"}])
def test_too_little_is_said_to_be_too_little(words: dict[int, str]) -> None:
    outcomes = [each for epoch, word in words.items() for each in checkpoint(word, "v2", epoch)]
    result = conclude(OutcomeTable.from_outcomes(outcomes), "v2", "hug", "hands")
    assert result.can == ()
    assert result.cannot[0].startswith("There are not two epochs")


def test_no_change_and_a_weak_trend() -> None:
    flat = [*checkpoint("hh", "v2", 4), *checkpoint("hh", "v2", 8)]
    assert conclude(OutcomeTable.from_outcomes(flat), "v2", "hug", "hands").can == (
        "No seed changes over epochs 4 to 8.",
    )
    weak = [*checkpoint("hhf", "v2", 4), *checkpoint("fhh", "v2", 8)]
    assert conclude(OutcomeTable.from_outcomes(weak), "v2", "hug", "hands").cannot[0].startswith("That it gets worse")
