"""What suites and measures say to the ranking."""

from __future__ import annotations

import pytest

from detectors import Measure
from detectors.findings import Severity
from service.errors import InvalidInput
from service.evaluations.ranked_by import ranking_arguments, values_of
from service.suites import load_suite


def test_a_suite_says_what_crosses_and_what_is_a_variant() -> None:
    arguments = ranking_arguments(load_suite("keikana"), "hard-contact")
    facts = {fact.name: fact for fact in arguments["scenarios"]}
    assert [name for name, fact in facts.items() if fact.crossing] == [
        "piggyback",
        "princess-carry",
        "lap-sit-sentence",
        "lap-sit-tags",
    ]
    assert facts["lap-sit-tags"].variant_of == "lap-sit-sentence"
    assert arguments["use"].crossing is True


def test_severities_of_a_suite_go_over_the_usual_ones() -> None:
    suite = load_suite("demo").model_copy(update={"severities": {"minor": 0.0}})
    costs = ranking_arguments(suite)["scoring"].severities
    assert (costs[Severity.MINOR], costs[Severity.LOST]) == (0.0, 1.0)


@pytest.mark.parametrize("use", ["crossing", "paws=2", "hands=-1"])
def test_an_unknown_use_is_bad_input(use: str) -> None:
    with pytest.raises(InvalidInput):
        ranking_arguments(load_suite("demo"), use)


def test_words_lock_and_numbers_make_curves() -> None:
    assert values_of(Measure("costume", "Kana", {"outfit": "blue vest", "vector": [0.1]})) == {
        "costume of Kana": "blue vest"
    }
    assert values_of(Measure("costume", "Kana", {"vector": [0.1]})) == {}
    assert values_of(Measure("likeness", "Kei", {"words": 0.7, "references": 0.9})) == {
        "likeness of Kei, by words": 0.7,
        "likeness of Kei, by references": 0.9,
    }
    assert values_of(Measure("sharpness_background", None, {"distance": "far", "value": 0.2})) == {
        "sharpness of background, far": 0.2
    }
