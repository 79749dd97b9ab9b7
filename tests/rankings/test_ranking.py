"""Everything that follows from outcomes, on small worlds whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.findings import Severity
from service.rankings import CellOutcome, OutcomeTable, ScenarioFacts, Scoring, parse_use
from service.rankings.attribution import Kind
from service.rankings.locking import Cell
from service.rankings.onset import share_of_rises
from service.rankings.ranking import Ranking, rank
from service.rankings.sweet_spot import SweetSpot, find_sweet_spot, pairs_to_tell_apart
from tests.rankings.worlds import checkpoint, outcome

FACTS = (ScenarioFacts("piggyback", crossing=True), ScenarioFacts("hug"))


def breaking() -> list[CellOutcome]:
    """A run whose ahoge bleeds early, and whose hands break in the piggyback from epoch 144 on; the base bleeds too."""
    hug = {120: 12, 128: 8, 136: 3, 140: 1, 144: 1, 148: 0, 150: 0}
    hands = {120: 0, 128: 0, 136: 0, 140: 0, 144: 9, 148: 12, 150: 15}
    outcomes = [
        outcome("f" if seed < fails else "h", seed, run="v2", epoch=epoch, scenario="hug", check="ahoge_bleed")
        for epoch, fails in hug.items()
        for seed in range(24)
    ]
    outcomes += [
        outcome("L" if seed < fails else "h", seed, run="v2", epoch=epoch, scenario="piggyback")
        for epoch, fails in hands.items()
        for seed in range(24)
    ]
    outcomes += [
        outcome("f" if seed < 16 else "h", seed, run="control", epoch=None, scenario="hug", check="ahoge_bleed")
        for seed in range(24)
    ]
    return outcomes


def looks() -> dict[Cell, dict[str, float | str]]:
    def word(epoch: int, seed: int) -> str:
        return "bob" if epoch >= 136 or seed % 2 else "braid"

    return {
        ("v2", epoch, "hug", seed): {"hairstyle of Kei": word(epoch, seed)}
        for epoch in (120, 128, 136, 140, 144, 148, 150)
        for seed in range(24)
    }


def ranked(use: str = "all", scoring: Scoring | None = None) -> tuple[Ranking, SweetSpot]:
    table = OutcomeTable.from_outcomes(breaking())
    ranking = rank(table, use=parse_use(use), scenarios=FACTS, measures=looks(), scoring=scoring)
    return ranking, find_sweet_spot(ranking, FACTS)


def test_only_those_in_the_race_are_recommended_and_compared() -> None:
    table = OutcomeTable.from_outcomes(
        [*checkpoint("h" * 4, epoch=4), *checkpoint("hhhf" * 6, epoch=8), *checkpoint("hhff" * 6, epoch=12)]
    )
    ranking = rank(table, among=[("v1", 8), ("v1", 12)])
    assert [entry.epoch for entry in ranking.board] == [4, 8, 12]
    assert ranking.recommendation.leader is ranking.board[1]
    assert [item.other.epoch for item in ranking.recommendation.comparisons] == [12]


def test_the_sweet_spot_lies_between_locking_and_breaking() -> None:
    ranking, spot = ranked()
    assert spot.checkpoint == ("v2", 140)
    assert spot.locked_from == 136
    assert spot.breaks_from is not None
    assert (spot.breaks_from.check, spot.breaks_from.epoch) == ("hands", 144)
    assert any("From epoch 144 on, v2 fails more often in hands" in text for text in spot.trade_offs)
    assert any("locked from epoch 136 on, so it is here" in text for text in spot.trade_offs)
    assert any(text.startswith("In ahoge bleed v2 epoch 148 fails on 0%") for text in spot.trade_offs)
    assert "For pictures without crossing hands (standing, hugs, solo), v2 epoch 150 is expected to cost less." in (
        spot.would_change
    )
    assert ranking.beliefs[("v2", 140)].p_best > 0.5


def test_each_use_has_its_own_answer() -> None:
    hard, _ = ranked("hard-contact")
    easy, _ = ranked("no-crossing")
    assert hard.recommendation.entry is not None
    assert hard.recommendation.entry.epoch in (120, 128, 136, 140)
    assert {entry.epoch for entry in hard.recommendation.worse} >= {144, 148, 150}
    assert easy.recommendation.entry is not None
    assert easy.recommendation.entry.epoch in (144, 148, 150)
    assert set(easy.board[0].checks) == {"ahoge_bleed"}


def test_own_weights_leave_a_check_out() -> None:
    ranking, _ = ranked("hands=0")
    assert ranking.board[0].epoch in (148, 150)
    assert ranking.board[0].failure_rate == 0.0


def test_the_onset_is_that_of_the_mode_check_and_scenario() -> None:
    ranking, _ = ranked()
    found = {(item.check, item.mode, item.scenario): item for item in ranking.onsets}
    onset = found["hands", "lost", "piggyback"]
    assert (onset.epoch, onset.interval) == (144, (144, 144))
    assert (onset.before, onset.after) == (0.0, pytest.approx(36 / 72))
    assert ("hands", "fused", "piggyback") not in found
    assert not any(item.check == "ahoge_bleed" for item in ranking.onsets)


def test_what_the_base_does_too_is_the_bases() -> None:
    table = OutcomeTable.from_outcomes([each for each in breaking() if each.epoch in (None, 120)])
    (cause,) = rank(table).causes
    assert (cause.check, cause.kind, cause.fails) == ("ahoge_bleed", Kind.BASE, 12)


def test_searching_many_flat_series_finds_no_onset() -> None:
    rng = np.random.default_rng(8)
    outcomes = [
        outcome(str(rng.choice(list("hhhhhmfFL"))), seed, epoch=epoch, scenario=scenario)
        for epoch in range(0, 40, 4)
        for scenario in "abcdefgh"
        for seed in range(8)
    ]
    assert rank(OutcomeTable.from_outcomes(outcomes)).onsets == ()


def test_the_share_of_rises_is_estimated_from_all_series() -> None:
    assert share_of_rises([]) == pytest.approx(0.5)
    assert share_of_rises([0.1] * 500) < 0.01
    half = share_of_rises([1e6] * 250 + [1e-6] * 250)
    assert half == pytest.approx(0.5, abs=0.01)


def test_severities_decide_between_faults() -> None:
    outcomes = [*checkpoint("L" * 4 + "h" * 20, epoch=4), *checkpoint("f" * 5 + "h" * 19, epoch=40)]
    table = OutcomeTable.from_outcomes(outcomes)
    severe = rank(table).recommendation
    assert severe.leader is not None
    assert severe.entry is not None
    assert (severe.leader.epoch, severe.entry.epoch) == (4, 40)
    alike = rank(table, scoring=Scoring(dict.fromkeys(Severity, 1.0))).recommendation
    assert alike.entry is not None
    assert alike.entry.epoch == 4


def test_a_race_may_say_the_order() -> None:
    table = OutcomeTable.from_outcomes([*checkpoint("hh", epoch=4), *checkpoint("fh", epoch=8)])
    assert [entry.epoch for entry in rank(table, places={("v1", 8): 0, ("v1", 4): 1}).board] == [8, 4]


def test_the_same_images_always_give_the_same_answer() -> None:
    first, second = (ranked()[0] for _ in range(2))
    assert first.beliefs == second.beliefs
    assert first.cochran == second.cochran


def test_images_to_tell_two_apart_have_the_power_they_promise() -> None:
    needed = pairs_to_tell_apart(10, 40, 250)
    assert needed is not None
    rng = np.random.default_rng(0)
    draws = rng.multinomial(needed, [0.04, 0.16, 0.80], size=4000)
    z = (draws[:, 1] - draws[:, 0]) / np.sqrt(np.maximum(1, draws[:, 0] + draws[:, 1]))
    assert (np.abs(z) > 1.96).mean() == pytest.approx(0.8, abs=0.05)
    assert pairs_to_tell_apart(0, 6, 6) == 6
    assert pairs_to_tell_apart(3, 3, 10) is None
    assert pairs_to_tell_apart(0, 0, 0) is None


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["v1", "v2", "control"]), st.sampled_from([4, 8, 12, None]), st.text("hmfFL?x", max_size=5)
        ),
        max_size=6,
        unique_by=lambda group: group[:2],
    )
)
def test_any_outcomes_have_an_answer(groups: list[tuple[str, int | None, str]]) -> None:
    outcomes = [image for run, epoch, letters in groups for image in checkpoint(letters, run, epoch)]
    ranking = rank(OutcomeTable.from_outcomes(outcomes))
    spot = find_sweet_spot(ranking)
    assert (spot.checkpoint is None) == (ranking.recommendation.entry is None)
    if ranking.beliefs:
        assert sum(belief.p_best for belief in ranking.beliefs.values()) == pytest.approx(1.0)
        assert min(belief.regret for belief in ranking.beliefs.values()) >= 0
    if spot.checkpoint is not None:
        assert spot.checkpoint in ranking.beliefs
