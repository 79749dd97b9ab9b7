"""Faults, styles and near misses that the checks are trained and measured on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.detectors.answers import answers_of
from benchmarks.detectors.cases import case_of
from benchmarks.detectors.sampling import scene_of
from benchmarks.detectors.truths import arms_of, drawn, face_of, ghost_of, limbs_of, role_of
from benchmarks.miniature.drawing import draw
from benchmarks.miniature.scenes import (
    BACKGROUNDS,
    FRESH2_BACKGROUNDS,
    FRESH_BACKGROUNDS,
    HELD_OUT_BACKGROUNDS,
    KANA,
    KEI,
    PATTERNS,
    ROWS,
    THICKET,
    Failure,
    Scene,
    Style,
)
from detectors import Attributes, Character, Expectation


def scene(pose: str, *faults: tuple[str, int], **more: object) -> Scene:
    people = (KEI,) if pose in ("standing", "sitting", "waving", "arms up") else (KEI, KANA)
    base = Scene(people, pose, failures=tuple(Failure(kind, who) for kind, who in faults), seed=3, rival=KANA)
    return replace(base, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["broken_face", "doubled", "leftover", "burnt", "extra_arm", "missing_arm",
                                  "missing_leg", "eye_color", "outfit", "hair_cut", "extra_leg"])  # fmt: skip
@pytest.mark.parametrize("pose", ["standing", "hug", "piggyback"])
def test_every_fault_is_seen_in_the_picture(kind: str, pose: str) -> None:
    person = 1 if pose == "piggyback" and kind != "hair_cut" else 0
    whole, faulty = draw(scene(pose)).image.astype(int), draw(scene(pose, (kind, person))).image.astype(int)
    assert (np.abs(whole - faulty).max(axis=2) > 40).sum() > 40


def test_a_missing_leg_leaves_fewer_pixels_of_legs_and_an_extra_one_more() -> None:
    def legs(*faults: tuple[str, int]) -> int:
        return int(draw(scene("standing", *faults)).people[0].parts["leg"].sum())

    assert legs(("missing_leg", 0)) < 0.7 * legs()
    assert legs(("extra_leg", 0)) > 1.2 * legs()
    assert limbs_of(draw(scene("standing", ("missing_leg", 0))), 0) == "missing"
    assert limbs_of(draw(scene("standing", ("missing_leg", 0), distance="close")), 0) is None


def test_hands_behind_the_back_are_hidden_and_crossed_arms_show_them() -> None:
    behind, crossed = (draw(scene("standing", arms=arms)) for arms in ("behind", "crossed"))
    assert {hand.state for hand in behind.people[0].hands} == {"occluded"}
    assert "holds" in {hand.state for hand in crossed.people[0].hands}
    assert (arms_of(behind, 0), arms_of(crossed, 0)) == ("behind", "crossed")


def test_three_and_four_people_stand_in_a_row() -> None:
    for count in (3, 4):
        drawing = draw(scene("apart", people=(KEI, KANA, KEI, KANA)[:count]))
        assert len(drawing.people) == count
        assert min(person.mask.sum() for person in drawing.people) > 2000


def test_truth_follows_the_faults() -> None:
    drawing = draw(scene("hug", ("eye_color", 0), ("outfit", 0), ("hair_cut", 0), ("doubled", 1), ("broken_face", 0)))
    shown = drawn(drawing, 0)
    assert (shown.eye_color, shown.outfit, shown.hair_length) == (KANA.eye_color, KANA.outfit, "short")
    assert (ghost_of(drawing, 0), ghost_of(drawing, 1)) == (None, "doubled")
    assert face_of(drawing, 0) == "broken"
    assert [role_of(draw(scene("piggyback")), i) for i in (0, 1)] == ["piggyback_below", "piggyback_above"]


def test_the_right_answers_follow_what_was_asked() -> None:
    kei = Character("kei", "kei", Attributes("blonde", "long", False, "blue", "red blazer"))
    kana = Character("kana", "kana", Attributes("black", "short", True, "red", "blue vest"))
    drawing = draw(scene("piggyback", ("hair_color", 0)))
    asked = Expectation((kei, kana), "piggyback", True, below="kei")
    truth = answers_of(drawing, asked)
    assert (truth["hair_bleed", "kei"], truth["hair_bleed", "kana"]) == ("fails", "holds")
    assert (truth["pose", None], truth["eye_bleed", "kei"]) == ("holds", "holds")
    assert answers_of(drawing, replace(asked, below="kana"))["pose", None] == "fails"
    owns_both = replace(kei, attributes=replace(kei.attributes, outfit="pink dress", outfits=("red blazer",)))
    assert answers_of(drawing, replace(asked, cast=(owns_both, kana)))["outfit_bleed", "kei"] == "holds"


def test_the_test_split_is_drawn_in_styles_that_nobody_trained_on() -> None:
    def styles(split: str) -> list[Scene]:
        return [scene_of(split, index) for index in range(150)]  # type: ignore[arg-type]

    trained, tested = [*styles("train"), *styles("validation")], styles("test")
    fresh, further = styles("fresh"), styles("fresh2")
    for field in ("line", "ink", "head", "width", "hair"):
        known = {getattr(one.style, field) for one in trained}
        both = known & {getattr(one.style, field) for one in (*tested, *fresh, *further)}
        assert not both, field
    settling = styles("settling")
    for field in ("line", "ink", "head", "width", "hair", "background"):
        others = {getattr(one.style, field, one.background) for one in (*trained, *tested, *fresh, *further)}
        assert not others & {getattr(one.style, field, one.background) for one in settling}, field
    assert {one.background for one in trained} <= {*BACKGROUNDS, PATTERNS, ROWS, THICKET}
    assert {one.background for one in tested} <= set(HELD_OUT_BACKGROUNDS)
    assert {one.background for one in fresh} == set(FRESH_BACKGROUNDS)
    assert {one.background for one in further} == set(FRESH2_BACKGROUNDS)
    assert not {ROWS, THICKET} & {one.background for one in styles("validation")}
    others = (*styles("validation"), *tested, *fresh, *further, *settling)
    assert {one.style.strand for one in others} == {0.0} != {one.style.strand for one in styles("train")}


def test_a_style_changes_pixels_and_no_truth() -> None:
    plain, other = draw(scene("hug")), draw(scene("hug", style=Style(1.5, "blue", 1.03, 0.95, 3)))
    assert not np.array_equal(plain.image, other.image)
    assert [len(p.hands) for p in plain.people] == [len(p.hands) for p in other.people]


def test_a_clean_case_has_no_fault_at_all() -> None:
    for index in range(12):
        case = case_of("test", index, clean=True)
        assert not case.drawing.scene.failures
        assert "fails" not in case.truth.values()
