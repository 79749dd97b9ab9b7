"""Who is who: what labels make right, and how the machine's answer is counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.detectors.answers import answers_of, outcome_of, value
from benchmarks.detectors.cases import character
from benchmarks.detectors.truths import drawn
from benchmarks.labelling.assigning import ATTRIBUTES, KINDS, WhoIsWho, cast_by_labels, kei_by_matches, kinds_by_labels
from benchmarks.labelling.compare import Compared, markdown, summary
from benchmarks.labelling.labels import OUTFITS, completed
from benchmarks.miniature.drawing import draw
from benchmarks.miniature.scenes import KANA, KEI, Failure, Look, Scene
from benchmarks.miniature.truth import Drawing
from detectors import Expectation
from detectors.assignment import Assignment
from detectors.context import Context, Head, Person
from service.suites import load_suite

KEIKANA = load_suite("keikana")
HUG = KEIKANA.expectation("hug")
LABEL = completed({
    "people": "2", "kei": "left",
    "left_hair": "blonde", "left_length": "long", "left_eyes": "blue", "left_outfit": "red blazer",
    "right_hair": "black", "right_length": "short", "right_eyes": "red", "right_outfit": "blue vest",
})  # fmt: skip


def person(x: float) -> Person:
    box = (x, 10.0, x + 40, 60.0)
    return Person((0.0, 0.0, 256.0, 256.0), 0.9, np.zeros((4, 4), bool), Head(box, 0.9))


def context(matches: Mapping[str, int], kind: str = "clear", asked: Expectation = HUG) -> Context:
    people = (person(150), person(20), person(80))
    return Context((256, 256), 1.0, asked, people, Assignment(matches, kind=kind))


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({}, "clear"),
        ({"right_eyes": "blue"}, "blend"),
        ({"right_eyes": "blue", "left_eyes": "red"}, "swap"),
        ({"right_eyes": "blue", "right_hair": "blonde", "right_length": "long"}, "dominance"),
        ({"right_eyes": "green", "right_hair": "pink", "right_outfit": "green dress", "left_hair": "pink"}, "clear"),
        # Two attributes are nobody's, but short hair is Kana's.
        ({"left_eyes": "green", "left_hair": "pink", "left_length": "short"}, "blend"),
        # Of two who are both wholly Kei it is no matter which of them is.
        ({"kei": "?", "right_hair": "blonde", "right_length": "long", "right_eyes": "blue",
          "right_outfit": "red blazer"}, "dominance"),
        # Each wears all that is the other's, if the labels say so.
        ({"kei": "right"}, "dominance"),
        # What cannot be seen is no matter where every answer comes to the same.
        ({"right_eyes": "blue", "right_hair": "blonde", "right_length": "long", "left_eyes": "?"}, "dominance"),
    ],
)  # fmt: skip
def test_the_kind_follows_from_the_labels(changes: dict[str, str], kind: str) -> None:
    assert kinds_by_labels({**LABEL, **changes}, HUG) == {kind}


def test_what_the_labels_leave_open_is_left_open() -> None:
    # Other clothes may be Kei's own hoodie, Kana's, or nobody's.
    assert kinds_by_labels({**LABEL, "left_outfit": "other"}, HUG) == {"clear", "blend"}
    assert kinds_by_labels({**LABEL, "left_eyes": "?"}, HUG) == {"clear", "blend"}
    # Not clear, whatever the clothes are, but which kind they decide.
    label = {**LABEL, "right_eyes": "blue", "left_outfit": "other"}
    assert kinds_by_labels(label, HUG) == {"blend", "swap"}
    assert "clear" in kinds_by_labels({**LABEL, "kei": "?"}, HUG)
    assert kinds_by_labels({**LABEL, "people": "3"}, HUG) == set()


def test_one_alone_is_clear_unless_she_is_nobody() -> None:
    alone = {**LABEL, "people": "1", "kei": "absent"}
    solo, dress = KEIKANA.expectation("kei-solo"), KEIKANA.expectation("kei-dress")
    assert kinds_by_labels(alone, solo) == {"clear"}
    assert kinds_by_labels({**alone, "left_hair": "pink"}, solo) == {"clear"}
    nobody = {**alone, "left_hair": "pink", "left_length": "short", "left_eyes": "green"}
    assert kinds_by_labels({**nobody, "left_outfit": "green dress"}, solo) == {"drift"}
    # Where a dress is asked for, clothes are no evidence.
    assert kinds_by_labels(nobody, solo) == {"clear"}
    assert kinds_by_labels(nobody, dress) == {"drift"}


def labelled(drawing: Drawing) -> dict[str, str]:
    """What a labeller who makes no mistake writes down about a drawing of Kei on the left and Kana on the right."""
    row = {"people": "2", "kei": "left"}
    for index, side in enumerate(("left", "right")):
        for attribute, question in ATTRIBUTES.items():
            word = value(drawn(drawing, index), attribute)
            row[f"{side}_{question}"] = "other" if attribute == "outfit" and word not in OUTFITS else word
    return completed(row)


@pytest.mark.parametrize(
    "people",
    [
        (KEI, KANA),
        (KEI, replace(KANA, eye_color="blue")),
        (replace(KEI, eye_color="red"), replace(KANA, eye_color="blue")),
        (KEI, replace(KEI, ahoge=True)),
        (replace(KEI, hair_color="black", eye_color="red"), KANA),
        (replace(KEI, hair_color="pink", hair_length="short", eye_color="green", outfit="hoodie"), KANA),
    ],
)
@pytest.mark.parametrize("failure", [None, "hair_pull", "hair_color", "outfit"])
def test_labels_and_drawings_are_judged_by_one_definition(people: tuple[Look, Look], failure: str | None) -> None:
    failures = (Failure(failure, 1),) if failure else ()
    drawing = draw(Scene(people, "apart", failures=failures, seed=3))
    # Without further outfits "other" clothes can only be nobody's.
    asked = Expectation((character("Kei", KEI), character("Kana", KANA)), "apart", False, "middle", ("cast",))
    assert kinds_by_labels(labelled(drawing), asked) == {outcome_of(drawing, asked)}
    assert cast_by_labels(labelled(drawing), asked) == answers_of(drawing, asked)["cast_as_drawn", None]


def test_somebody_with_wholly_anothers_head_is_there_twice_whatever_the_other_one_lost() -> None:
    copy = {**LABEL, "right_hair": "blonde", "right_length": "long", "right_eyes": "blue", "right_outfit": "other"}
    for changes in ({}, {"left_hair": "orange"}, {"left_eyes": "?"}, {"kei": "?"}):
        assert cast_by_labels({**copy, **changes}, HUG) == "fails", changes
    assert cast_by_labels({**copy, "right_eyes": "purple"}, HUG) == "holds"
    # Whether it is a copy hangs on eyes that the labels leave open, or on which of them is Kei.
    assert cast_by_labels({**copy, "right_eyes": "?"}, HUG) is None
    assert cast_by_labels({**copy, "left_hair": "orange", "kei": "?"}, HUG) is None
    # Of look-alikes who are both like nobody no reading has a copy.
    alike = {**copy, "right_eyes": "purple", "left_eyes": "purple", "kei": "?"}
    assert cast_by_labels(alike, HUG) == "holds"


def test_another_number_of_people_is_wrong_and_an_unsure_one_open() -> None:
    assert cast_by_labels({**LABEL, "people": "3"}, HUG) == "fails"
    assert cast_by_labels({**LABEL, "people": "?"}, HUG) is None
    solo = KEIKANA.expectation("kei-solo")
    assert cast_by_labels({**LABEL, "people": "1", "left_hair": "?"}, solo) == "holds"
    assert cast_by_labels(LABEL, solo) == "fails"


def test_kei_is_where_her_head_is_beside_kanas() -> None:
    assert kei_by_matches(context({"Kei": 1, "Kana": 0})) == "left"
    assert kei_by_matches(context({"Kei": 0, "Kana": 2})) == "right"
    # Somebody further left, whom nobody asked for, changes nothing.
    assert kei_by_matches(context({"Kei": 2, "Kana": 0})) == "left"
    assert kei_by_matches(context({"Kei": 1})) is None


def test_right_wrong_and_unmatched_are_counted_where_the_labels_say_who_is_kei() -> None:
    who = WhoIsWho()
    for label, matches in (
        (LABEL, {"Kei": 1, "Kana": 0}),
        (LABEL, {"Kei": 1, "Kana": 2}),
        (LABEL, {"Kei": 0, "Kana": 1}),
        (LABEL, {"Kana": 1}),
        ({**LABEL, "kei": "?"}, {"Kei": 0, "Kana": 1}),
    ):
        who.add(label, context(matches))
    kei = who.summary()["kei"]
    assert (kei["right"], kei["wrong"], kei["unmatched"], kei["n"], kei["share"]) == (2, 1, 1, 4, 0.5)
    low, high = kei["interval"]
    assert low < 0.5 < high


def test_kinds_are_counted_as_checks_are() -> None:
    compared = Compared()
    blend = {**LABEL, "right_eyes": "blue"}
    unclear = {**blend, "left_outfit": "other"}
    for label, kind in (
        (LABEL, "clear"),
        (LABEL, "blend"),
        (blend, "blend"),
        (blend, "swap"),
        (blend, "clear"),
        (blend, "none"),  # nobody to match: a fault that was not seen
        (unclear, "dominance"),
        ({**LABEL, "left_outfit": "other"}, "clear"),
    ):
        compared.add(label, context({"Kei": 1, "Kana": 0}, kind), [])
    alone = {**LABEL, "people": "1", "kei": "absent"}
    compared.add(alone, context({"Kei": 0}, "clear", KEIKANA.expectation("kei-solo")), [])
    result = summary(compared)
    checks, told = result["checks"], result["assignment"]
    assert (checks["assignment"]["n"], checks["assignment"]["positives"]) == (8, 5)
    two = checks["assignment_of_two"]
    assert (two["n"], two["positives"], two["not_measurable"]) == (7, 5, 1)
    assert (two["precision"], two["recall"]) == (3 / 4, 3 / 5)
    assert (checks["assignment_blend"]["precision"], checks["assignment_blend"]["recall"]) == (1 / 2, 1 / 4)
    assert not checks["assignment_blend"]["enough"]
    assert told["left_out"] == 1
    assert (told["kind"]["n"], told["kind"]["share"]) == (7, 3 / 7)
    assert told["kinds"] == {
        "blend: blend": 1, "blend: clear": 1, "blend: not_measurable": 1, "blend: swap": 1, "clear: blend": 1,
        "clear: clear": 2,
    }  # fmt: skip
    lines = markdown(result).splitlines()
    assert "| clear | 2 | 0 | 1 | 0 | 0 | 0 |" in lines
    assert "| blend | 1 | 1 | 1 | 0 | 0 | 1 |" in lines
    assert any(line.startswith("| assignment_blend | 0.500 ") and "4 of 7 (few)" in line for line in lines)
    assert set(KINDS) <= {line.split(" | ")[0].removeprefix("| ") for line in lines}
