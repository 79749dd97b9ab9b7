"""Uses and what an image costs."""

from __future__ import annotations

import numpy as np
import pytest

from detectors.findings import Severity
from service.rankings import CellOutcome, OutcomeTable
from service.rankings.uses import USES, ScenarioFacts, Scoring, UnknownUse, parse_use
from tests.rankings.worlds import checkpoint, row

FACTS = {"piggyback": ScenarioFacts("piggyback", crossing=True), "hug": ScenarioFacts("hug")}


def test_a_use_takes_its_scenarios() -> None:
    table = OutcomeTable.from_outcomes([*checkpoint("hh", scenario="hug"), *checkpoint("fff", scenario="piggyback")])
    sizes = {name: len(use.restrict(table, FACTS)) for name, use in USES.items()}
    assert sizes == {"all": 5, "hard-contact": 3, "no-crossing": 2}


@pytest.mark.parametrize("text", ["", "hands", "hands=two", "hands=-1", "hands=1e9", "hands=nan", "crossing"])
def test_what_is_no_use_is_refused_with_those_there_are(text: str) -> None:
    with pytest.raises(UnknownUse):
        parse_use(text)
    with pytest.raises(UnknownUse, match="there is no check 'paws' here; there are hands"):
        parse_use("paws=1", {"hands"})


def test_own_weights_are_read() -> None:
    use = parse_use(" hands = 2, fusion=0.5 ", {"hands", "fusion"})
    assert (use.name, dict(use.weights)) == ("hands=2,fusion=0.5", {"hands": 2.0, "fusion": 0.5})


def test_an_image_costs_its_dearest_fault() -> None:
    outcomes = [
        CellOutcome("v1", 4, "hug", 1, False, (row("L", "hands"), row("f", "fusion"))),
        CellOutcome("v1", 4, "hug", 2, False, (row("h", "hands"), row("f", "fusion"))),
        CellOutcome("v1", 4, "hug", 3, False, (row("m", "hands"), row("h", "fusion"))),
        CellOutcome("v1", 4, "hug", 4, False, (row("?", "hands"), row("h", "fusion"))),
        CellOutcome("v1", 4, "hug", 5, False, (row("h", "hands"), row("f", "pose"))),
    ]
    table = OutcomeTable.from_outcomes(outcomes)
    assert Scoring().costs(table).tolist()[:3] == [1.0, 0.5, 0.1]
    assert np.isnan(Scoring().costs(table)[3])
    assert Scoring().costs(table)[4] == 0.0
    assert Scoring(weights={"fusion": 4.0}).costs(table).tolist()[:3] == pytest.approx([0.5, 0.5, 0.025])
    assert Scoring(weights={"hands": 0.0}).costs(table).tolist()[:4] == [0.5, 0.5, 0.0, 0.0]
    assert Scoring().only(Severity.LOST).costs(table).tolist()[:3] == [1.0, 0.0, 0.0]


def test_costs_by_cell_put_the_same_cell_of_two_checkpoints_in_one_column() -> None:
    table = OutcomeTable.from_outcomes([*checkpoint("hmL?x", epoch=4), *checkpoint("hhfh", epoch=8)])
    costs, places = Scoring().by_cell(table, [1, 0])
    assert costs[:, :3].tolist() == [[0.0, 0.0, 0.5], [0.0, 0.1, 1.0]]
    assert costs[0, 3] == 0.0
    assert np.isnan(costs[1, 3])
    assert costs.shape == (2, 4)  # the fifth cell was measured on neither
    assert places.tolist() == [0] * 4
    assert Scoring().dearest == 1.0
