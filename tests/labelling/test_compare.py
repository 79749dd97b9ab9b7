"""Labels against what the detectors say."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmarks.labelling import BROKEN, SHIPPED, labelled_set, set_folder
from benchmarks.labelling.compare import Compared, from_left, markdown, summary, truths
from benchmarks.labelling.labels import BODIES, PEOPLE, read_labels
from detectors import Expectation, Finding, Severity, Verdict
from detectors.assignment import Assignment
from detectors.context import Context, Head, Person
from detectors.vocabulary import AHOGE_STATES, EYE_COLORS, HAIR_COLORS, HAIR_LENGTHS
from service.suites import load_suite

SETS = Path(__file__).parents[2] / "benchmarks" / "labelling" / "sets"
LABEL = {
    "people": "2",
    "fusion": "no",
    "pose": "hug",
    "left_hair": "blonde",
    "left_length": "long",
    "left_ahoge": "ahoge",
    "left_eyes": "blue",
    "left_outfit": "red blazer",
    "right_hair": "black",
    "right_length": "short",
    "right_ahoge": "ahoge",
    "right_eyes": "red",
    "right_outfit": "blue vest",
    "kei": "left",
    "body": "whole",
    "left_hands": "holds",
    "right_hands": "hidden",
}


def one_hot(words: tuple[str, ...], word: str) -> tuple[float, ...]:
    return tuple(float(each == word) for each in words)


def person(x: float, hair: str, ahoge: str) -> Person:
    answers = {
        "hair_color": one_hot(HAIR_COLORS, hair),
        "hair_length": one_hot(HAIR_LENGTHS, "long"),
        "ahoge": one_hot(AHOGE_STATES, ahoge),
        "eye_color": one_hot(EYE_COLORS, "blue"),
    }
    box = (x, 10.0, x + 40, 60.0)
    return Person(box, 0.9, np.zeros((4, 4), bool), Head(box, 0.9, answers))


def context(*people: Person, scenario: str = "hug") -> Context:
    expectation: Expectation = load_suite("keikana").expectation(scenario)
    return Context((256, 256), 1.0, expectation, people, Assignment())


def test_positions_become_names() -> None:
    found = {(check, name): truth for check, name, truth in truths(LABEL, context())}
    assert found["ahoge_bleed", "Kei"] == "fails"
    assert found["ahoge_missing", "Kana"] == "holds"
    swapped = {(check, name): truth for check, name, truth in truths({**LABEL, "kei": "right"}, context())}
    assert swapped["ahoge_bleed", "Kei"] == "fails"
    assert swapped["ahoge_missing", "Kana"] == "holds"


def test_look_alikes_have_no_names_and_no_certain_cast() -> None:
    checks = {check for check, _, _ in truths({**LABEL, "kei": "?"}, context())}
    assert checks == {"fusion", "pose"}
    assert ("cast", None, "fails") in truths({**LABEL, "kei": "?", "people": "3"}, context())


def test_two_heads_of_the_same_character_are_one_girl_twice() -> None:
    twice = {**LABEL, "kei": "?", "right_hair": "blonde", "right_length": "long", "right_eyes": "blue"}
    assert ("cast", None, "fails") in truths(twice, context())
    assert "cast" not in {check for check, _, _ in truths({**twice, "right_eyes": "?"}, context())}


def test_where_somebody_should_carry_a_right_pose_says_nothing_about_who() -> None:
    label = {**LABEL, "pose": "piggyback"}
    assert "pose" not in {check for check, _, _ in truths(label, context(scenario="piggyback"))}
    assert ("pose", None, "fails") in truths({**label, "pose": "hug"}, context(scenario="piggyback"))


def test_bleed_and_identity_follow_from_what_each_wears() -> None:
    def right(label: dict[str, str], scenario: str = "hug") -> dict[tuple[str, str | None], str]:
        return {(check, name): truth for check, name, truth in truths(label, context(scenario=scenario))}

    clean = right(LABEL)
    for check in ("hair_bleed", "eye_bleed", "outfit_bleed", "identity"):
        assert clean[check, "Kei"] == clean[check, "Kana"] == "holds", check
    assert clean["pose", None] == "holds"
    bled = right({**LABEL, "right_hair": "blonde", "right_eyes": "blue"})
    assert [bled[check, "Kana"] for check in ("hair_bleed", "eye_bleed", "outfit_bleed", "identity")] == [
        "fails",
        "fails",
        "holds",
        "fails",
    ]
    assert ("identity", "Kana") not in right({**LABEL, "right_eyes": "green"})
    assert ("eye_bleed", "Kana") not in right({**LABEL, "right_eyes": "?"})


def test_what_was_asked_for_is_followed_kept_or_something_else() -> None:
    for worn, truth in (("green dress", "holds"), ("red blazer", "fails"), ("other", "minor")):
        label = {**LABEL, "people": "1", "kei": "absent", "left_outfit": worn}
        assert ("follow_through", "Kei", truth) in truths(label, context(scenario="kei-dress"))


def test_alone_she_is_on_the_left_whoever_she_looks_like() -> None:
    label = {**LABEL, "people": "1", "kei": "absent", "right_ahoge": "absent"}
    assert ("ahoge_bleed", "Kei", "fails") in truths(label, context(scenario="kei-solo"))


def test_heads_are_read_from_the_left_and_counted() -> None:
    people = (person(150, "black", "ahoge"), person(20, "orange", "ahoge"))
    assert [p.box[0] for p in from_left(people)] == [20, 150]
    compared = Compared()
    finding = Finding("ahoge_bleed", Verdict.FAILS, "x", "1", "Kei", Severity.CLEAR)
    compared.add(LABEL, context(*people), [finding])
    result = summary(compared)
    assert result["checks"]["ahoge_bleed"]["recall"] == 1.0
    assert result["readings"]["hair"]["wrong"] == {"blonde read as orange": 1}
    assert (result["readings"]["ahoge"]["right"], result["readings"]["ahoge"]["n"]) == (2, 2)
    assert result["readings"]["length"]["wrong"] == {"short read as long": 1}


def test_a_picture_with_another_number_of_heads_is_not_read() -> None:
    compared = Compared()
    compared.add(LABEL, context(person(20, "blonde", "none")), [])
    assert compared.heads == (2, 0)
    assert not compared.readings


def test_every_shipped_label_has_its_picture_and_its_checkpoint() -> None:
    cells, labels = labelled_set(SHIPPED)
    assert len(cells) >= 600
    assert labels.keys() == {cell.number for cell in cells}
    assert all(row.keys() == (PEOPLE | BODIES).keys() for row in labels.values())
    for sheet, least in (("people", 100), ("bodies", 100)):
        second = read_labels(SETS / "second" / f"{sheet}.csv")
        assert len(second) >= least
        assert second.keys() <= labels.keys()


def test_checkpoints_are_ordered_by_the_labels_and_the_machine() -> None:
    compared = Compared()
    fails = Finding("ahoge_bleed", Verdict.FAILS, "x", "1", "Kei", Severity.CLEAR)
    holds = Finding("ahoge_bleed", Verdict.HOLDS, "x", "1", "Kei")
    clean = {**LABEL, "left_ahoge": "none"}
    for label, finding, epoch in ((clean, holds, 8), (clean, fails, 8), (LABEL, fails, 20), (LABEL, fails, 20)):
        compared.add(label, context(person(20, "blonde", "none")), [finding], ("v1", epoch))
    rows = summary(compared)["checkpoints"]
    assert [(row["epoch"], row["labelled"], row["machine"], row["pictures"]) for row in rows] == [
        (8, 0, 1, 2),
        (20, 2, 2, 2),
    ]
    assert summary(compared)["order"] == 1.0
    assert "v1 epoch 20" in markdown(summary(compared))


def test_only_bodies_labelled_is_enough_for_hands_limbs_and_fusion() -> None:
    compared = Compared()
    label = {"people": "2", "pose": "hug", "kei": "right", "fusion": "yes", "body": "whole", "left_hands": "lost",
             "right_hands": "fused", "left_limbs": "extra", "right_limbs": "whole"}  # fmt: skip
    found = [
        Finding("fusion", Verdict.FAILS, "x", "1", None, Severity.CLEAR),
        Finding("hands", Verdict.FAILS, "x", "1", "Kei", Severity.MINOR),
        Finding("hands", Verdict.HOLDS, "x", "1", "Kana"),
        Finding("limbs", Verdict.HOLDS, "x", "1", "Kei"),
        Finding("limbs", Verdict.FAILS, "x", "1", "Kana", Severity.CLEAR),
        Finding("hair_bleed", Verdict.FAILS, "x", "1", "Kana", Severity.CLEAR),
    ]
    compared.add(label, context(person(20, "blonde", "none"), person(90, "black", "ahoge")), found, ("smeared", 24))
    result = summary(compared)
    told = {name: (f["positives"], f["n"], f["recall"]) for name, f in result["checks"].items() if f["n"]}
    assert told == {
        "fusion": (1, 1, 1.0),
        "hands": (2, 2, 0.5),
        "hands_lost": (1, 2, 0.0),
        "hands_fused": (1, 2, 1.0),
        "limbs": (1, 2, 1.0),
    }
    assert result["runs"]["smeared"]["limbs"] == result["checks"]["limbs"]
    assert not result["readings"]["hair"]["n"]
    assert "| smeared: hands | " in markdown(result)
    assert "identity" not in markdown(result)


def test_the_broken_set_asks_for_hands_wherever_they_show() -> None:
    suite = load_suite(set_folder(BROKEN) / "suite.yaml")
    assert all("hands" in scenario.checks and "limbs" in scenario.checks for scenario in suite.scenarios)
    assert sum("fusion" in scenario.checks for scenario in suite.scenarios) == 6


def test_each_ones_hands_count_for_her() -> None:
    compared = Compared()
    found = [
        Finding("hands", Verdict.HOLDS, "x", "1", "Kei"),
        Finding("hands", Verdict.FAILS, "x", "1", "Kana", Severity.LOST),
    ]
    compared.add({**LABEL, "right_hands": "fused"}, context(person(20, "blonde", "none")), found)
    result = summary(compared)
    hands = result["checks"]["hands"]
    assert (hands["n"], hands["positives"], hands["recall"]) == (2, 1, 1.0)
    assert result["hands"] == {"fused: lost": 1, "holds: holds": 1}
    assert result["checkpoints"][0]["labelled"] == 1
