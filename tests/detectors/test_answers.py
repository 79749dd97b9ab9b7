"""The right answers about ahoges and hands: as drawn, and where nobody could tell."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.accuracy.measure import Counts, figures
from benchmarks.detectors.answers import answers_of
from benchmarks.detectors.cases import Case, character
from benchmarks.miniature.drawing import draw
from benchmarks.miniature.scenes import KANA, KEI, Failure, Scene
from detectors import Expectation, Finding, Severity, Verdict
from detectors.assignment import Assignment
from detectors.context import Context

CAST = (character("kei", KEI), character("kana", KANA))


def truths(scene: Scene) -> dict[tuple[str, str | None], str | None]:
    return answers_of(draw(scene), Expectation(CAST, "apart", False, "middle", ("hands",)))


def test_a_hand_that_went_with_its_arm_is_counted_by_limbs_alone() -> None:
    apart = Scene((KEI, KANA), "apart", failures=(Failure("missing_arm", 0),), seed=3)
    found = truths(apart)
    assert (found["hands", "kei"], found["hands_as_drawn", "kei"], found["limbs", "kei"]) == (None, "holds", "fails")
    assert found["hands", "kana"] == "holds"


def test_nobody_can_tell_whose_hand_it_is_of_two_who_look_alike() -> None:
    lost = (Failure("lost_hand", 0),)
    found = truths(Scene((KEI, KANA), "apart", failures=lost, seed=3))
    assert (found["hands", "kei"], found["hands", "kana"]) == ("lost", "holds")
    twins = truths(Scene((replace(KANA, ahoge=False), KANA), "apart", failures=lost, seed=3))
    assert (twins["hands", "kei"], twins["hands_as_drawn", "kei"], twins["hands", "kana"]) == (None, "lost", "holds")


def test_nobody_can_tell_whose_ahoge_it_is_of_two_who_look_alike() -> None:
    found = truths(Scene((KEI, KANA), "apart", failures=(Failure("ahoge_bleed", 0),), seed=3))
    assert (found["ahoge_bleed", "kei"], found["ahoge_missing", "kana"]) == ("fails", "holds")
    twins = truths(Scene((replace(KANA, ahoge=False), KANA), "apart", seed=3))
    assert (twins["ahoge_bleed", "kei"], twins["ahoge_bleed_as_drawn", "kei"]) == (None, "holds")
    both = truths(Scene((KANA, KANA), "apart", seed=3))  # whichever of them is Kei, she wears one
    assert (both["ahoge_bleed", "kei"], both["ahoge_missing", "kana"]) == ("fails", "holds")


def test_both_ways_of_counting_read_the_same_finding() -> None:
    drawing = draw(Scene((KEI, KANA), "apart", failures=(Failure("missing_arm", 0),), seed=3))
    expectation = Expectation(CAST, "apart", False, "middle", ("hands",))
    case = Case(drawing, drawing.image, expectation, answers_of(drawing, expectation), None, frozenset())
    said = [
        Finding("hands", Verdict.FAILS, "hands", "4", "kei", Severity.LOST),
        Finding("hands", Verdict.HOLDS, "hands", "4", "kana"),
    ]
    counts = Counts()
    counts.add(case, Context((256, 256), 1.0, expectation, (), Assignment({}, kind="clear")), said)
    assert figures(counts, "hands", ("lost",))["n"] == 1
    assert figures(counts, "hands_as_drawn", ("lost",))["precision"] == 0


def test_clothes_behind_somebody_else_are_hidden_whatever_they_are() -> None:
    bled = draw(Scene((KEI, KANA), "apart", failures=(Failure("outfit", 0),), seed=3))
    asked = Expectation(CAST, "apart", False, "middle", ("outfit_bleed",))
    assert answers_of(bled, asked)["outfit_bleed", "kei"] == "fails"
    kei = bled.people[0]
    body = kei.parts["body"] & (np.cumsum(kei.parts["body"]).reshape(kei.mask.shape) <= 300)
    covered = replace(kei, parts={**kei.parts, "body": body, "arm": np.zeros_like(kei.mask)})
    for people in ((covered, bled.people[1]), (replace(covered, look=KEI), bled.people[1])):
        found = answers_of(replace(bled, people=people), asked)
        assert (found["outfit_bleed", "kei"], found["outfit_bleed", "kana"]) == ("hidden", "holds")


def test_who_looks_wholly_like_another_is_judged_as_neither() -> None:
    asked = Expectation(CAST, "piggyback", True, "middle", ("cast",), below="kei")
    told = answers_of(draw(Scene((KEI, replace(KANA, eye_color="blue")), "piggyback", seed=3)), asked)
    assert (told["eye_bleed", "kana"], told["cast", None], told["pose", None]) == ("fails", "holds", "holds")
    # Each wears all that is the other's but the eyes: either the roles are reversed, or nearly everything bled.
    turned = (replace(KANA, eye_color="blue"), replace(KEI, eye_color="red"))
    found = answers_of(draw(Scene(turned, "piggyback", seed=3)), asked)
    for check in ("hair_bleed", "eye_bleed", "outfit_bleed"):
        assert found[check, "kei"] is None
    assert (found["hair_bleed_as_drawn", "kei"], found["eye_bleed_as_drawn", "kei"]) == ("fails", "holds")
    assert (found["pose", None], found["pose_as_drawn", None]) == (None, "holds")
    # Two who are both wholly Kana are a fault whoever they are.
    twice = answers_of(draw(Scene((KANA, KANA), "piggyback", seed=3)), asked)
    assert (twice["cast", None], twice["hair_bleed", "kei"]) == ("fails", "fails")
