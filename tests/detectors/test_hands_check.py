"""The hands check on hand-made contexts: rules that no drawing shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors import Finding, Severity, Verdict
from detectors.arms import ends_here, state_of
from detectors.assignment import Assignment
from detectors.checks import Hands
from detectors.checks.hands import sure_hands
from detectors.context import Context, Hand, Head, Person
from detectors.thresholds import Thresholds
from detectors.vocabulary import ARMS, ROLES
from tests.detectors.cases import expectation, scene

LIMITS = Thresholds(
    person=0.5, head=0.5, ahoge=0.5, tuft=0.5, fused_bodies=0.5, heat=0.4, faint=0.1, hand=0.5, lost=0.5, fused=0.5,
    minor=0.5, second_opinion=0.9, small_hand=10.0,
)  # fmt: skip
GOOD, LOST, FUSED = (0.97, 0.01, 0.01, 0.01), (0.1, 0.05, 0.05, 0.8), (0.05, 0.05, 0.85, 0.05)


def person(x: float, y: float) -> Person:
    box = (x, y, x + 80.0, y + 160.0)
    return Person(box, 0.9, np.zeros((256, 256), bool), Head((x, y, x + 60.0, y + 60.0), 0.9))


def hand(owner: int, states: tuple[float, ...] = GOOD, **more: object) -> Hand:
    base = Hand((50.0, 50.0), (40.0, 40.0, 60.0, 60.0), 0.9, states, seen=0.8, owner=owner)
    return replace(base, **more)  # type: ignore[arg-type]


def context(*hands: Hand) -> Context:
    """Piggyback: Kei, whose head is lower, carries Kana."""
    people = (person(40, 80), person(70, 20))
    assignment = Assignment({"kei": 0, "kana": 1}, kind="clear")
    return Context((256, 256), 1.0, expectation(scene("piggyback")), people, assignment, hands=hands)


def judge(*hands: Hand) -> dict[str | None, Finding]:
    return {f.character: f for f in Hands(LIMITS).detect(context(*hands))}


def test_a_carrier_who_shows_one_hand_lost_the_other() -> None:
    found = judge(hand(0), hand(1), hand(1))
    assert (found["kei"].verdict, found["kei"].severity) == (Verdict.FAILS, Severity.LOST)
    assert found["kei"].evidence["missing_box"] == [40.0, 80.0, 120.0, 240.0]
    assert found["kana"].verdict is Verdict.HOLDS


def test_the_one_who_rides_may_hide_her_hands() -> None:
    assert judge(hand(0), hand(0))["kana"].verdict is Verdict.NOT_MEASURABLE


def test_a_faint_trace_of_a_hand_is_no_lost_hand() -> None:
    assert judge(hand(0), hand(0, heat=0.2))["kei"].verdict is Verdict.HOLDS


def test_a_broken_hand_needs_less_heat_than_a_whole_one() -> None:
    limits = replace(LIMITS, broken_heat=0.15)
    faint = context(hand(0), hand(0, FUSED, heat=0.2, seen=0.0), hand(1), hand(1))
    assert {f.character: f.verdict for f in Hands(limits).detect(faint)}["kei"] is Verdict.FAILS
    assert {f.character: f.verdict for f in Hands(LIMITS).detect(faint)}["kei"] is Verdict.HOLDS
    fainter = context(hand(0), hand(0, FUSED, heat=0.12, seen=0.0), hand(1), hand(1))
    assert {f.character: f.verdict for f in Hands(limits).detect(fainter)}["kei"] is Verdict.HOLDS
    assert not ends_here(hand(0, heat=0.2), limits)
    assert ends_here(hand(0, LOST, heat=0.2), limits)
    assert not ends_here(hand(0, LOST, heat=0.2, landmarks=True), replace(limits, second_opinion=0.99))


def test_the_closer_look_must_see_a_broken_hand_too() -> None:
    limits = replace(LIMITS, broken_heat=0.15, there=0.6)
    for there, verdict in ((0.7, Verdict.FAILS), (0.5, Verdict.HOLDS)):
        for heat in (0.2, 0.9):
            seen = context(hand(0), hand(0, FUSED, heat=heat, there=there), hand(1), hand(1))
            assert {f.character: f.verdict for f in Hands(limits).detect(seen)}["kei"] is verdict
    assert ends_here(hand(0, there=0.0), limits)


def test_a_faint_stump_in_front_of_her_own_body_is_a_knee() -> None:
    limits, seen = replace(LIMITS, broken_heat=0.15), context(hand(0), hand(0, LOST, heat=0.2, seen=0.0), hand(1))
    whole = replace(seen.people[0], mask=np.ones((256, 256), bool))
    inside = replace(seen, people=(whole, seen.people[1]))
    assert {f.character: f.verdict for f in Hands(limits).detect(seen)}["kei"] is Verdict.FAILS
    assert {f.character: f.verdict for f in Hands(limits).detect(inside)}["kei"] is Verdict.HOLDS


def test_a_third_arm_is_nobodys() -> None:
    three = context(hand(0), hand(0), hand(0, FUSED, heat=0.5), hand(1), hand(1))
    assert {f.character: f.verdict for f in Hands(LIMITS).detect(three)}["kei"] is Verdict.HOLDS


def test_hands_may_lie_outside_of_the_picture() -> None:
    seen = context(hand(0))
    edge = replace(seen.people[0], box=(0.0, 80.0, 120.0, 240.0))
    assert sure_hands(replace(seen, people=(edge, seen.people[1])), 0) == 0
    close = replace(seen, expectation=replace(seen.expectation, distance="close"))
    assert sure_hands(close, 0) == 0


def test_small_hands_are_not_judged() -> None:
    tiny = hand(0, LOST, box=(40.0, 40.0, 46.0, 46.0))
    found = judge(tiny, tiny)["kei"]
    assert found.verdict is Verdict.NOT_MEASURABLE
    assert "small" in found.reason


@pytest.mark.parametrize(("landmarks", "state"), [(None, "lost"), (False, "lost"), (True, "minor")])
def test_mediapipe_can_clear_a_hand_but_never_condemn_one(landmarks: bool | None, state: str) -> None:
    assert state_of(hand(0, LOST, landmarks=landmarks), LIMITS) == state
    assert state_of(hand(0, GOOD, landmarks=False), LIMITS) == "holds"


def test_bare_skin_that_only_one_network_takes_for_a_hand_is_none() -> None:
    knee = hand(0, (0.3, 0.68, 0.01, 0.01), heat=0.7, seen=0.1)
    assert judge(hand(0), hand(0, heat=0.6), knee)["kei"].verdict is Verdict.HOLDS
    assert judge(replace(knee, owner=1))["kana"].verdict is Verdict.NOT_MEASURABLE


def test_what_is_left_of_a_fused_hand_need_not_look_like_one() -> None:
    assert judge(hand(0), hand(0, FUSED, seen=0.0))["kei"].severity is Severity.FUSED


def held(seen: Context, arms: str) -> Context:
    """The same picture with the first person's arms crossed or behind the back."""
    odds = {"arms": tuple(float(word == arms) for word in ARMS), "role": tuple(float(r == "apart") for r in ROLES)}
    first = replace(seen.people[0], answers=odds)
    return replace(seen, people=(first, *seen.people[1:]))


def test_of_crossed_arms_the_hand_that_shows_is_judged() -> None:
    stump = hand(0, LOST, heat=0.95, seen=0.0)
    assert judge(hand(0), stump)["kei"].severity is Severity.LOST
    [found, _] = Hands(LIMITS).detect(held(context(hand(0), stump), "crossed"))
    assert (found.verdict, found.evidence["arms"]) == (Verdict.HOLDS, "crossed")
    [gone, _] = Hands(LIMITS).detect(held(context(stump, replace(stump, heat=0.8)), "crossed"))
    assert gone.severity is Severity.LOST


def test_behind_the_back_no_hand_is_lost() -> None:
    elbow = hand(0, LOST, heat=0.95, seen=0.0)
    [found, _] = Hands(LIMITS).detect(held(context(elbow), "behind"))
    assert found.verdict is Verdict.NOT_MEASURABLE
    [shown, _] = Hands(LIMITS).detect(held(context(elbow, hand(0)), "behind"))
    assert shown.verdict is Verdict.HOLDS


def test_a_neighbour_may_cover_a_hand_of_somebody_in_a_row() -> None:
    asked = expectation(scene("apart"))
    room = Context((256, 256), 1.0, asked, (person(10, 40), person(150, 40)),
                   Assignment({"kei": 0, "kana": 1}, kind="clear"))  # fmt: skip
    assert sure_hands(room, 0) == 2
    assert sure_hands(replace(room, people=(person(10, 40), person(85, 40))), 0) == 0


def test_nobody_has_three_arms() -> None:
    stray = hand(0, LOST, heat=0.45, seen=0.0)
    assert judge(hand(0), hand(0), stray)["kei"].verdict is Verdict.HOLDS
    assert judge(hand(0), stray)["kei"].severity is Severity.LOST


def test_the_worst_hand_decides() -> None:
    fused, minor = (0.1, 0.1, 0.7, 0.1), (0.2, 0.7, 0.05, 0.05)
    assert judge(hand(0, minor), hand(0, fused))["kei"].severity is Severity.FUSED
    assert judge(hand(0, LOST), hand(0, fused))["kei"].severity is Severity.LOST
    assert judge(hand(0, minor), hand(0))["kei"].verdict is Verdict.MINOR
