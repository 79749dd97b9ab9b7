"""The right answers about a drawing: what every check ought to say, from what is drawn and what was asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations

from benchmarks.detectors.truths import Drawn, arms_of, drawn, face_of, fused, ghost_of, kinds_of, limbs_of, scale_of
from benchmarks.miniature.truth import Drawing
from detectors import Character, Expectation
from detectors.expectations import changed

_AHOGE = {
    "ahoge_missing": {"ahoge": "holds", "tuft": "minor", "none": "fails"},
    "ahoge_bleed": {"ahoge": "fails", "tuft": "minor", "none": "holds"},
}
WORST_HANDS = ("lost", "fused", "minor", "holds")
BLEED = {
    "hair_bleed": ("hair_color", "hair_length"),
    "eye_bleed": ("eye_color",),
    "outfit_bleed": ("outfit",),
}
HEAD = ("hair_color", "hair_length", "eye_color")
LOOKS = (*HEAD, "outfit")
# An extra or asked person with fewer visible pixels, for a head of 74 pixels' height, is left to nobody's judgement.
_MIN_PERSON = 500.0
# Of four attributes: with half or fewer of her own she is not herself.
HERSELF = 0.5

Truth = dict[tuple[str, str | None], str | None]


def answers_of(drawing: Drawing, expectation: Expectation) -> Truth:
    """The right answer by (check, character); see :class:`benchmarks.detectors.cases.Case`."""
    everybody = readings(drawing, expectation)
    truth: Truth = {
        ("cast", None): _agreed(_cast(drawing, expectation, who) for who in everybody),
        ("cast_as_drawn", None): _cast(drawing, expectation, everybody[0]),
        ("pose", None): _agreed(_pose(drawing, expectation, who) for who in everybody),
        ("pose_as_drawn", None): _pose(drawing, expectation, everybody[0]),
    }
    if len(expectation.cast) >= 2 and expectation.contact:
        truth["fusion", None] = "fails" if fused(drawing) else "holds"
    for index, member in enumerate(expectation.cast):
        if index < len(drawing.scene.people):
            truth |= _about(drawing, expectation, index, member)
    return truth


def readings(drawing: Drawing, expectation: Expectation) -> list[tuple[int, ...]]:
    """Who of the drawn people each of the cast is: as drawn, then each way in which all look most like themselves.

    Somebody drawn with most of another one's attributes looks like that other one, and which of both is meant nobody
    can tell. The ahoge counts as the attributes of :data:`LOOKS` do.
    """
    cast, people = expectation.cast, drawing.scene.people
    as_drawn = tuple(range(min(len(cast), len(people))))
    if len(people) < len(cast):
        return [as_drawn]
    shown = [drawn(drawing, index) for index in range(len(people))]
    alike = [[_alike(one, expectation, member) for one in shown] for member in cast]
    ways = {who: sum(alike[c][p] for c, p in enumerate(who)) for who in permutations(range(len(people)), len(cast))}
    best = max(ways.values())
    return [as_drawn, *(who for who, score in ways.items() if score == best and who != as_drawn)]


def _alike(shown: Drawn, expectation: Expectation, member: Character) -> int:
    """How many of a character's attributes, as asked for and with the ahoge, somebody shows."""
    attributes = changed(member.attributes, expectation.changed(member.name))
    own = sum(value(shown, name) in attributes.values(name) for name in LOOKS)
    return own + (shown.ahoge == ("ahoge" if member.attributes.ahoge else "none"))


def _agreed(answers: Iterable[str | None]) -> str | None:
    """The answer that all give; ``None`` where they differ."""
    given = set(answers)
    return given.pop() if len(given) == 1 else None


def _about(drawing: Drawing, expectation: Expectation, index: int, member: Character) -> Truth:
    """The right answers about one character who is drawn."""
    shown, name = drawn(drawing, index), member.name
    truth: Truth = {}
    told = _told(shown, expectation, member)
    check = "ahoge_missing" if member.attributes.ahoge else "ahoge_bleed"
    as_drawn = truth[f"{check}_as_drawn", name] = _AHOGE[check].get(shown.ahoge or "")
    everybody = {drawn(drawing, i).ahoge for i in range(min(len(drawing.scene.people), len(expectation.cast)))}
    truth[check, name] = as_drawn if told or len(everybody) == 1 else None
    for check, attributes in BLEED.items():
        people = [drawn(drawing, who[index]) for who in readings(drawing, expectation)]
        said = [_bleed(one, expectation, member, attributes) for one in people]
        truth[check, name], truth[f"{check}_as_drawn", name] = _agreed(said), said[0]
    drawn_as = truth["hands_as_drawn", name] = _hands(drawing, index)
    lost_with_arm = "missing_arm" in kinds_of(drawing, index) and drawn_as != "lost"
    truth["hands", name] = None if lost_with_arm or not told else drawn_as
    for check, found, good in (
        ("limbs", limbs_of(drawing, index), "whole"),
        ("face", face_of(drawing, index), "whole"),
        ("ghost", ghost_of(drawing, index), "clean"),
    ):
        truth[check, name] = None if found is None else "holds" if found == good else "fails"
    truth["identity", name] = _identity(shown, expectation, member)
    asked = expectation.changed(name)
    if asked:
        truth["follow_through", name] = _followed(shown, member, asked)
    return truth


def _hands(drawing: Drawing, index: int) -> str | None:
    """The worst visible hand as drawn, ``hidden`` behind the back, or ``None`` where something covers both."""
    if arms_of(drawing, index) == "behind":
        return "hidden"
    states = {hand.state for hand in drawing.people[index].hands} - {"occluded"}
    return min(states, key=WORST_HANDS.index, default=None)


def _told(shown: Drawn, expectation: Expectation, member: Character) -> bool:
    """Whether she looks more like herself than like another of the cast: else nobody can tell whose head or hand it is.

    The ahoge is no evidence here.
    """
    own = share(shown, expectation, member)
    return all(share(shown, expectation, other) < own for other in expectation.cast if other is not member)


def value(shown: Drawn, attribute: str) -> str:
    """What is drawn of an attribute, in a character's words."""
    return f"{shown.outfit_color} {shown.outfit}" if attribute == "outfit" else str(getattr(shown, attribute))


def looks(shown: Drawn) -> dict[str, str]:
    """All that is drawn of :data:`LOOKS`, in a character's words."""
    return {name: value(shown, name) for name in LOOKS}


def _bleed(shown: Drawn, expectation: Expectation, member: Character, attributes: tuple[str, ...]) -> str | None:
    """``fails`` where an attribute is another's and not her own, ``hidden`` where clothes are too covered to tell.

    ``None`` where a head is hidden, or nobody owns another.
    """
    possible = False
    for attribute in attributes:
        own = {*member.attributes.values(attribute), expectation.changed(member.name).get(attribute)}
        foreign = {v for rival in expectation.rivals(member.name) for v in rival.attributes.values(attribute)} - own
        possible = possible or bool(foreign)
        if attribute == "outfit" and foreign and not shown.dressed:
            return "hidden"
        if value(shown, attribute) in foreign and (attribute == "outfit" or shown.judgeable):
            return "fails"
    visible = shown.judgeable or attributes == ("outfit",)
    return "holds" if possible and visible else None


def share(shown: Drawn, expectation: Expectation, who: Character) -> float:
    """Share of a character's attributes, as asked for, that somebody shows."""
    attributes = changed(who.attributes, expectation.changed(who.name))
    return sum(value(shown, name) in attributes.values(name) for name in LOOKS) / len(LOOKS)


def _identity(shown: Drawn, expectation: Expectation, member: Character) -> str | None:
    """``fails`` with at most half of her own attributes or more of another's; ``None`` with three of four."""
    if not shown.judgeable:
        return None
    own = share(shown, expectation, member)
    nearest = max((share(shown, expectation, rival) for rival in expectation.rivals(member.name)), default=0.0)
    if own <= HERSELF or nearest > own:
        return "fails"
    return "holds" if own == 1.0 else None


def _followed(shown: Drawn, member: Character, asked: dict[str, str]) -> str | None:
    if not shown.judgeable:
        return None
    missed = [name for name, word in asked.items() if value(shown, name) != word]
    if not missed:
        return "holds"
    return "fails" if all(value(shown, name) in member.attributes.values(name) for name in missed) else "minor"


def _pose(drawing: Drawing, expectation: Expectation, who: tuple[int, ...]) -> str | None:
    scene = drawing.scene
    if len(drawing.people) != len(expectation.cast) or len(scene.people) != len(expectation.cast):
        return None  # with too few or too many people, what the pose is is a matter of taste
    if any(f.kind == "fused_bodies" for f in scene.failures):
        return None
    if scene.pose.replace(" ", "_") != expectation.pose:
        return "fails"
    below = [member.name for member in expectation.cast].index(expectation.below) if expectation.below else None
    return "holds" if below is None or who[below] == 0 else "fails"


def _cast(drawing: Drawing, expectation: Expectation, who: tuple[int, ...]) -> str | None:
    asked = expectation.cast
    areas = [float(person.mask.sum()) for person in drawing.people]
    if min(areas) < _MIN_PERSON * scale_of(drawing) ** 2:
        return None
    if any(doubled(looks(drawn(drawing, person)), expectation, index) for index, person in enumerate(who)):
        return "fails"
    there = len(drawing.people)
    return "fails" if there < len(asked) or (there > len(asked) and not expectation.bystanders) else "holds"


def doubled(shown: Mapping[str, str], expectation: Expectation, index: int) -> bool:
    """Whether one of the cast is wholly another; see ``copies`` of :class:`detectors.assignment.Assignment`.

    Args:
        shown: what she shows of :data:`LOOKS`.
        expectation: what was asked for.
        index: which of the cast she is.
    """
    own = expectation.cast[index].attributes
    for other in expectation.cast:
        theirs = other.attributes
        differing = {name for name in LOOKS if set(theirs.values(name)) != set(own.values(name))}
        head = differing - {"outfit"}
        telling = head if len(head) > 1 else differing
        if (
            head
            and all(shown[name] in theirs.values(name) for name in {*HEAD, *telling})
            and not any(shown[name] in own.values(name) for name in telling)
        ):
            return True
    return False


def outcome_of(drawing: Drawing, expectation: Expectation) -> str | None:
    """The right kind of assignment, by the definitions of :class:`detectors.assignment.Assignment`."""
    if len(drawing.people) != len(expectation.cast) or len(drawing.scene.people) != len(expectation.cast):
        return None
    shown = [drawn(drawing, index) for index in range(len(expectation.cast))]
    if not all(one.judgeable for one in shown):
        return None
    return kind_of([looks(one) for one in shown], expectation)


def kind_of(people: Sequence[Mapping[str, str]], expectation: Expectation) -> str:
    """The kind of assignment of people of whom all is known, by those same definitions.

    Args:
        people: what each of the cast shows of :data:`LOOKS`, in the cast's order.
        expectation: what was asked for; what a prompt changes about somebody is no evidence.
    """
    borrowed, drifted = 0, False
    cast = [(m, [n for n in LOOKS if n not in expectation.changed(m.name)]) for m in expectation.cast]
    for one, (member, names) in zip(people, cast, strict=True):
        mine = {name for name in names if one[name] in member.attributes.values(name)}
        drifted = drifted or not mine
        for other, theirs in cast:
            if other is member:
                continue
            worn = {name for name in theirs if one[name] in other.attributes.values(name)}
            foreign = {
                n
                for n in worn
                if set(other.attributes.values(n)) != set(member.attributes.values(n) if n in names else ())
            }
            borrowed += bool(foreign)
            if foreign and len(worn) > len(mine):
                return "dominance"
    if borrowed:
        return "swap" if borrowed > 1 else "blend"
    return "drift" if drifted else "clear"
