"""Ahoge, bleed, identity, pose and follow-through on hand-made contexts: rules that no drawing shows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from detectors import Change, Character, Finding, Verdict
from detectors.assignment import TOPICS, ahoge_scores, assign, attribute_scores, outfit_of
from detectors.checks import (
    AhogeBleed,
    AhogeMissing,
    Cast,
    EyeBleed,
    FollowThrough,
    HairBleed,
    Identity,
    OutfitBleed,
    Pose,
)
from detectors.checks.pose import pose_odds
from detectors.context import Context, Head, Person
from detectors.expectations import Expectation, changed
from detectors.sharpness import sharpness
from detectors.vocabulary import (
    AHOGE_STATES,
    ARMS,
    EYE_COLORS,
    HAIR_COLORS,
    HAIR_LENGTHS,
    OUTFIT_COLORS,
    OUTFITS,
    ROLES,
)
from tests.detectors.cases import BOTH, expectation, scene
from tests.detectors.test_hands_check import LIMITS

KEI, KANA = BOTH


def odds(words: tuple[str, ...], word: str, sure: float = 0.94) -> tuple[float, ...]:
    return tuple(sure if w == word else (1 - sure) / (len(words) - 1) for w in words)


def person(hair: str, length: str, eyes: str, outfit: str, role: str = "together") -> Person:
    color, garment = outfit.split()
    answers = {"hair_color": odds(HAIR_COLORS, hair), "hair_length": odds(HAIR_LENGTHS, length),
               "eye_color": odds(EYE_COLORS, eyes)}  # fmt: skip
    body = {"outfit": odds(OUTFITS, garment), "outfit_color": odds(OUTFIT_COLORS, color), "role": odds(ROLES, role),
            "arms": odds(ARMS, "free")}  # fmt: skip
    box = (10.0, 10.0, 90.0, 200.0)
    return Person(box, 0.9, np.zeros((256, 256), bool), Head((20.0, 10.0, 80.0, 70.0), 0.9, answers), (), body)


def kei(**other: str) -> Person:
    return person(**{"hair": "blonde", "length": "long", "eyes": "blue", "outfit": "red blazer"} | other)


def kana(**other: str) -> Person:
    return person(**{"hair": "black", "length": "short", "eyes": "red", "outfit": "blue vest"} | other)


def context(*people: Person, asked: Expectation | None = None) -> Context:
    asked = asked or expectation(scene("together"))

    def who(judged: tuple[str, ...] = ()):
        cast = [replace(c, attributes=c.attributes.without(asked.changed(c.name))) for c in asked.cast]
        seen = [each.seen for each in people]
        fit = attribute_scores(seen, cast, judged) + ahoge_scores(seen, cast, judged)
        return assign(cast, fit, seen, [0.0] * len(people))

    blind = {topic: who(names) for topic, names in TOPICS.items()}
    return Context((256, 256), 1.0, asked, people, who(), blind=blind)


def verdicts(found: list[Finding]) -> Mapping[str | None, Verdict]:
    return {one.character: one.verdict for one in found}


def wearing(one: Person, state: str) -> Person:
    assert one.head is not None
    answers = {**one.head.answers, "ahoge": odds(AHOGE_STATES, state)}
    return replace(one, head=replace(one.head, answers=answers))


def ahoges(*people: Person) -> Mapping[str | None, Verdict]:
    looked = context(*people)
    return verdicts([*AhogeBleed(LIMITS).detect(looked), *AhogeMissing(LIMITS).detect(looked)])


def test_whose_ahoge_it_is_is_told_by_the_ahoge_only_where_nothing_else_tells() -> None:
    told = ahoges(wearing(kei(), "ahoge"), wearing(kana(), "none"))
    assert told == {"kei": Verdict.FAILS, "kana": Verdict.FAILS}
    twins = ahoges(wearing(kana(), "ahoge"), wearing(kana(), "none"))
    assert twins == {"kei": Verdict.HOLDS, "kana": Verdict.HOLDS}
    doubtful = ahoges(wearing(kana(), "ahoge"), wearing(kana(), "tuft"))
    assert doubtful == {"kei": Verdict.MINOR, "kana": Verdict.HOLDS}
    alike = ahoges(wearing(kana(), "ahoge"), wearing(kana(), "ahoge"))
    assert alike == {"kei": Verdict.FAILS, "kana": Verdict.HOLDS}


@pytest.mark.parametrize(
    ("check", "bled"),
    [
        (HairBleed, {"hair": "black"}),
        (HairBleed, {"length": "short"}),
        (EyeBleed, {"eyes": "red"}),
        (OutfitBleed, {"outfit": "blue vest"}),
    ],
)
def test_what_is_the_others_fails_on_her_alone(check: type, bled: dict[str, str]) -> None:
    found = check(LIMITS).detect(context(kei(**bled), kana()))
    assert verdicts(found) == {"kei": Verdict.FAILS, "kana": Verdict.HOLDS}
    assert found[0].evidence["whose"] == "kana"
    assert found[0].score == pytest.approx(0.94, abs=0.06)


def test_a_kei_with_all_of_kanas_hair_is_still_kei() -> None:
    swapped = context(kana(hair="blonde", length="long"), kei(hair="black", length="short"))
    assert swapped.blind["hair"].matches == {"kei": 1, "kana": 0}
    assert verdicts(HairBleed(LIMITS).detect(swapped)) == {"kei": Verdict.FAILS, "kana": Verdict.FAILS}


def test_one_attribute_does_not_turn_two_whose_hair_says_plainly_who_they_are() -> None:
    # They wear each other's eyes; their clothes are alike. Eyes alone would make both wear each other's hair.
    seen = context(kei(eyes="red"), kana(eyes="blue", outfit="red blazer"))
    assert seen.blind["hair"].matches == {"kei": 0, "kana": 1}
    assert verdicts(HairBleed(LIMITS).detect(seen)) == {"kei": Verdict.HOLDS, "kana": Verdict.HOLDS}
    # Where their hair differs in its colour alone, that outweighs nothing.
    colour = context(kei(eyes="red", length="short"), kana(eyes="blue", outfit="red blazer"))
    assert colour.blind["hair"].matches == {"kei": 1, "kana": 0}


def test_an_ahoge_tells_who_is_who_where_eyes_are_alike_and_hair_is_judged() -> None:
    left, right = wearing(kei(eyes="red"), "none"), wearing(kana(outfit="red blazer"), "ahoge")
    seen = context(left, right)
    assert verdicts(HairBleed(LIMITS).detect(seen)) == {"kei": Verdict.HOLDS, "kana": Verdict.HOLDS}
    assert verdicts(EyeBleed(LIMITS).detect(seen)) == {"kei": Verdict.FAILS, "kana": Verdict.HOLDS}


def test_what_is_judged_breaks_a_tie_and_outweighs_nothing() -> None:
    tie = context(
        wearing(kei(eyes="red", outfit="blue vest"), "none"), wearing(kana(eyes="blue", outfit="blue vest"), "ahoge")
    )
    # Eyes speak against the ahoge: hair decides, so that one fault is called and not two.
    assert verdicts(HairBleed(LIMITS).detect(tie)) == {"kei": Verdict.HOLDS, "kana": Verdict.HOLDS}
    assert verdicts(EyeBleed(LIMITS).detect(tie)) == {"kei": Verdict.FAILS, "kana": Verdict.FAILS}
    # One attribute alone is enough against it.
    other = context(kei(eyes="red", outfit="blue vest"), kana(eyes="blue", outfit="blue vest"))
    assert other.blind["eyes"].matches == {"kei": 0, "kana": 1}
    clothes = context(kana(outfit="red blazer", hair="red", eyes="green"), kana(hair="red", eyes="green"))
    assert clothes.blind["hair"].matches == {"kei": 0, "kana": 1}


def test_clothes_that_cannot_be_read_are_not_judged() -> None:
    def unread(who: Person, sure: float) -> Person:
        rest = (1 - sure) / (len(OUTFITS) - 1)
        return replace(
            who,
            answers={
                **who.answers,
                "outfit": tuple(max(p > 0.5, 0) * sure + (p < 0.5) * rest for p in who.answers["outfit"]),
            },
        )

    def shown(who: Person) -> Person:
        mask = np.zeros((256, 256), bool)
        mask[70:150, 20:80] = True
        return replace(who, mask=mask)

    read = verdicts(OutfitBleed(LIMITS).detect(context(shown(unread(kei(), 0.6)), shown(kana()))))
    assert read == {"kei": Verdict.HOLDS, "kana": Verdict.HOLDS}
    covered = OutfitBleed(LIMITS).detect(context(unread(kei(), 0.6), shown(kana())))
    assert (covered[0].verdict, covered[0].reason) == (
        Verdict.NOT_MEASURABLE,
        "too little of kei's clothes can be seen",
    )
    fault = verdicts(OutfitBleed(LIMITS).detect(context(unread(kei(outfit="blue vest"), 0.6), shown(kana()))))
    assert fault["kei"] is Verdict.FAILS
    dark = verdicts(OutfitBleed(LIMITS).detect(context(shown(unread(kei(), 0.2)), shown(kana()))))
    assert dark["kei"] is Verdict.NOT_MEASURABLE


def test_what_is_nobodys_is_drift_and_no_bleed() -> None:
    drifted = context(kei(hair="green", eyes="purple", outfit="pink dress"), kana())
    for check in (HairBleed, EyeBleed, OutfitBleed):
        assert verdicts(check(LIMITS).detect(drifted))["kei"] is Verdict.HOLDS


def test_an_outfit_she_may_wear_is_never_bleed() -> None:
    owns = replace(KEI, attributes=replace(KEI.attributes, outfits=("blue vest",)))
    asked = replace(expectation(scene("together")), cast=(owns, KANA))
    found = OutfitBleed(LIMITS).detect(context(kei(outfit="blue vest"), kana(), asked=asked))
    assert found[0].verdict is not Verdict.FAILS


def test_alone_she_is_compared_with_the_rest_of_the_suite() -> None:
    asked = replace(expectation(scene("standing")), cast=(KEI,), others=(KANA,))
    assert verdicts(HairBleed(LIMITS).detect(context(kei(hair="black"), asked=asked))) == {"kei": Verdict.FAILS}
    nobody = replace(asked, others=())
    assert verdicts(HairBleed(LIMITS).detect(context(kei(hair="black"), asked=nobody))) == {
        "kei": Verdict.NOT_MEASURABLE
    }


def test_words_that_no_network_knows_are_not_measurable() -> None:
    mai = Character("mai", "mai", replace(KANA.attributes, hair_color="silver", hair_length=None, eye_color=None))
    lee = Character("lee", "lee", replace(KEI.attributes, hair_color="gold", hair_length=None))
    asked = replace(expectation(scene("together")), cast=(lee, mai))
    found = HairBleed(LIMITS).detect(context(kei(), kana(), asked=asked))
    assert {one.verdict for one in found} == {Verdict.NOT_MEASURABLE}
    assert outfit_of("a silver ballgown") is None


def test_a_copy_of_the_other_fails_although_nothing_says_which_is_which() -> None:
    found = HairBleed(LIMITS).detect(context(kana(), kana(), asked=expectation(scene("apart"))))
    assert verdicts(found)["kana"] is Verdict.HOLDS or verdicts(found)["kei"] is Verdict.FAILS


RED = expectation(scene("together"), changes=(Change("kei", "hair_color", "red"),))


@pytest.mark.parametrize(("hair", "verdict"), [("red", "holds"), ("blonde", "fails"), ("green", "minor")])
def test_a_change_is_followed_ignored_or_became_something_else(hair: str, verdict: str) -> None:
    [found] = FollowThrough(LIMITS).detect(context(kei(hair=hair), kana(), asked=RED))
    assert (found.character, found.verdict.value) == ("kei", verdict)


def test_what_was_asked_for_is_no_bleed_and_still_herself() -> None:
    asked = replace(RED, changes=(Change("kei", "hair_color", "black"),))
    seen = context(kei(hair="black"), kana(), asked=asked)
    assert verdicts(HairBleed(LIMITS).detect(seen))["kei"] is Verdict.HOLDS
    assert verdicts(Identity(LIMITS).detect(seen))["kei"] is Verdict.HOLDS
    assert changed(KEI.attributes, {"outfit": "pink dress"}).wardrobe == ("pink dress",)


def test_identity_tells_a_copy_from_a_stranger() -> None:
    copy = Identity(LIMITS).detect(context(kana(), kana()))
    assert sorted(str(one.evidence.get("outcome")) for one in copy) == ["None", "copied"]
    [stranger, _] = Identity(LIMITS).detect(
        context(kei(hair="pink", length="short", eyes="green", outfit="pink dress"), kana())
    )
    assert (stranger.verdict, stranger.evidence["outcome"]) == (Verdict.FAILS, "drift")


def test_reference_pictures_can_say_that_somebody_else_is_meant() -> None:
    seen = replace(context(kei(), kana()), references={"kei": (0.4, 0.3), "kana": (0.7, 0.9)})
    found = {one.character: one for one in Identity(LIMITS).detect(seen)}
    assert found["kei"].verdict is Verdict.FAILS
    assert found["kana"].verdict is Verdict.HOLDS


def posed(asked: str, *roles: str) -> Finding:
    people = (kei(role=roles[0]), kana(role=roles[1]))
    [found] = Pose(LIMITS).detect(context(*people, asked=expectation(scene(asked))))
    return found


def test_a_pose_is_hit_reversed_or_another_one() -> None:
    hit = posed("piggyback", "piggyback_below", "piggyback_above")
    assert (hit.verdict, hit.evidence["outcome"]) == (Verdict.HOLDS, "asked")
    turned = posed("piggyback", "piggyback_above", "piggyback_below")
    assert (turned.verdict, turned.evidence["outcome"]) == (Verdict.FAILS, "reversed")
    missed = posed("princess carry", "together", "together")
    assert (missed.evidence["outcome"], missed.evidence["came_out"]) == ("other", "together")
    assert "side by side" in missed.reason


def test_two_heads_on_one_body_ran_together() -> None:
    seen = replace(context(kei()), loose_heads=((100.0, 10.0, 160.0, 70.0),))
    [found] = Pose(LIMITS).detect(seen)
    assert found.evidence["outcome"] == "fused"
    [alone] = Pose(LIMITS).detect(context(kei()))
    assert alone.evidence["came_out"] == "1 alone"


def test_nobody_named_as_below_means_that_either_order_is_a_hit() -> None:
    people = [kei(role="lap_sit_above"), kana(role="lap_sit_below")]
    found = pose_odds(people, [False, False])
    assert found["lap_sit"] > 0.5
    assert "reversed" not in found


def test_bystanders_are_no_fault_where_they_are_allowed() -> None:
    asked = expectation(scene("together"))
    crowd = (kei(), kana(), kei(hair="green"))
    assert Cast(LIMITS).detect(context(*crowd, asked=asked))[0].verdict is Verdict.FAILS
    [found] = Cast(LIMITS).detect(context(*crowd, asked=replace(asked, bystanders=True)))
    assert (found.verdict, found.evidence["bystanders"]) == (Verdict.HOLDS, 1)
    missing = Cast(LIMITS).detect(context(kei(), asked=replace(asked, bystanders=True)))
    assert missing[0].verdict is Verdict.FAILS


def test_a_blurred_background_is_less_sharp_than_the_people() -> None:
    rng = np.random.default_rng(0)
    image = np.full((256, 256, 3), 128, np.uint8)
    mask = np.zeros((256, 256), bool)
    mask[60:200, 60:200] = True
    image[mask] = rng.integers(0, 255, (int(mask.sum()), 3))
    people, background = sharpness(image, [mask], 1.0)
    assert people == pytest.approx(150, rel=0.7)
    assert background == pytest.approx(0, abs=5)
    assert sharpness(image, [], 1.0)[0] is None
