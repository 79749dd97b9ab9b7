"""Two phrasings of one picture, counted by hand."""

from __future__ import annotations

import pytest

from service.rankings import CellOutcome, OutcomeTable, wilson
from service.rankings.paired import difference_ends
from service.rankings.phrasings import PhrasingComparison, compare_phrasings
from service.rankings.uses import ScenarioFacts
from tests.rankings.worlds import row

FACTS = {"sentence": ScenarioFacts("sentence"), "tags": ScenarioFacts("tags", variant_of="sentence")}


def poses(letters: str, scenario: str, run: str = "v2", epoch: int | None = 140) -> list[CellOutcome]:
    return [CellOutcome(run, epoch, scenario, s, False, (row(x, "pose", None),)) for s, x in enumerate(letters)]


def compare(*parts: list[CellOutcome]) -> list[PhrasingComparison]:
    return compare_phrasings(OutcomeTable.from_outcomes([each for part in parts for each in part]), FACTS)


def test_hit_rates_stand_side_by_side() -> None:
    (result,) = compare(poses("ffffh?", "sentence"), poses("hhfmff", "tags"))
    assert (result.original.hits, result.original.measured) == (1, 5)
    assert (result.variant.hits, result.variant.measured) == (3, 6)
    assert result.variant.interval == pytest.approx(wilson(3, 6))
    assert (result.pairs, result.difference) == (5, pytest.approx(0.4))
    assert result.interval == pytest.approx(tuple(difference_ends(1, 3, 5)))


def test_the_control_is_compared_too_and_epochs_of_a_seed_are_one() -> None:
    epochs = [
        part
        for epoch in (140, 144)
        for part in (poses("fh", "sentence", epoch=epoch), poses("hh", "tags", epoch=epoch))
    ]
    results = compare(*epochs, poses("ff", "sentence", "control", None), poses("ff", "tags", "control", None))
    assert [result.run for result in results] == ["control", "v2"]
    assert results[0].difference == 0.0
    assert results[1].pairs == 4
    assert results[1].interval == pytest.approx(tuple(difference_ends(0, 1, 2)))


def test_without_a_common_seed_or_a_pose_there_is_no_difference() -> None:
    (result,) = compare(poses("h?", "sentence"), poses("?h", "tags"))
    assert (result.pairs, result.difference, result.interval) == (0, None, None)
    (unseen,) = compare(poses("??", "sentence"), poses("hh", "tags"))
    assert (unseen.original.rate, unseen.original.interval) == (None, None)
    assert compare(poses("h", "sentence")) == []
    hands = [CellOutcome("v2", 4, name, 1, False, (row("h"),)) for name in FACTS]
    assert compare(hands) == []
