"""Who is who on labelled pictures: what the labels make right, written down before any answer was looked at.

**Who is Kei.** Asked of a picture of two of whom the labels say which is Kei (``kei`` is ``left`` or ``right``). The
answer is where the person matched with Kei has her head, left or right of the one matched with Kana; labels have no
boxes, so somebody further who is seen besides these two is no matter here. With nobody for either it is ``unmatched``,
which counts as not right. Look-alikes (``kei`` unsure) have no right answer and are not asked.

**The kind.** By the definition that the drawings are judged by (:func:`benchmarks.detectors.answers.kind_of`), of
pictures with as many people as were asked for. One alone is the character asked for. What the labels leave open is
filled in every way in which it can be: an unsure answer may be any, ``other`` clothes may be every outfit that the
question does not name (further outfits of the two among them) or nobody's, and of look-alikes either may be Kei. A kind
is the right answer where all ways agree on it; ``not clear`` is right where no way is clear. Where neither is so the
picture has no right answer, and is told as left out.

**The cast.** Wrong is another number of people than was asked for, or somebody with wholly another's head, by the
definition of the drawings (:func:`benchmarks.detectors.answers.doubled`); what is left open is filled in as above.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations, product
from typing import Any

from benchmarks.accuracy.measure import Counts, figures
from benchmarks.detectors.answers import LOOKS, doubled, kind_of
from benchmarks.labelling.labels import OUTFITS, SIDES, UNSURE, Row
from detectors.context import Context, Person
from detectors.expectations import Expectation
from detectors.vocabulary import HAIR_LENGTHS
from service.rankings import wilson

KEI, KANA = "Kei", "Kana"
ATTRIBUTES = {"hair_color": "hair", "hair_length": "length", "eye_color": "eyes", "outfit": "outfit"}
"""A character's attribute -> the question about one person that answers it."""
NOT_CLEAR = ("swap", "blend", "dominance", "drift")
KINDS = ("clear", *NOT_CLEAR)
ANSWERS = (*KINDS, "not_measurable")
"""What the machine can say; with nobody to match it cannot say a kind."""
_NOBODYS = "nobody's"
# Names under which answers are counted: whether the picture is clear, of all and of two; and the kind.
_CLEAR, _OF_TWO, _KIND = "assignment", "assignment_of_two", "assignment_kind"


def side_of(label: Row, name: str, cast: Sequence[str]) -> str | None:
    """Where a character stands, by the labels; alone she is on the left, whoever she looks like."""
    if len(cast) == 1:
        return "left"
    kei = label["kei"]
    if kei not in SIDES:
        return None
    return kei if name == KEI else SIDES[1 - SIDES.index(kei)]


def kinds_by_labels(label: Row, expectation: Expectation) -> set[str]:
    """The kinds of assignment that a picture may have; empty where other than as many people as asked for are there.

    Once both ``clear`` and another kind may be, no further ones are looked for.
    """
    if label["people"] != str(len(expectation.cast)) or len(expectation.cast) > len(SIDES):
        return set()
    kinds: set[str] = set()
    for order in _orders(label, expectation):
        for people in product(*(list(_ways(label, side, expectation)) for side in order)):
            kinds.add(kind_of(people, expectation))
            if len(kinds) > 1 and "clear" in kinds:
                return kinds
    return kinds


def cast_by_labels(label: Row, expectation: Expectation) -> str | None:
    """Whether exactly the asked people are there, ``holds`` or ``fails``; ``None`` if the labels leave it open."""
    if label["people"] == UNSURE or len(expectation.cast) > len(SIDES):
        return None
    if label["people"] != str(len(expectation.cast)):
        return "fails"
    answers = set()
    for order in _orders(label, expectation):
        each = [
            {doubled(shown, expectation, index) for shown in _ways(label, side, expectation)}
            for index, side in enumerate(order)
        ]
        answers |= {any(copies) for copies in product(*each)}
    return None if len(answers) > 1 else "fails" if answers.pop() else "holds"


def _orders(label: Row, expectation: Expectation) -> list[tuple[str, ...]]:
    """Where each of the cast may stand: as the labels say, or of look-alikes either way round."""
    cast = [character.name for character in expectation.cast]
    stands = tuple(side for name in cast if (side := side_of(label, name, cast)))
    return [stands] if len(stands) == len(cast) else list(permutations(SIDES))


def _ways(label: Row, side: str, expectation: Expectation) -> Iterator[Mapping[str, str]]:
    """Everything that somebody may show of :data:`LOOKS`, by the labels."""
    for words in product(*(_possible(name, label[f"{side}_{ATTRIBUTES[name]}"], expectation) for name in LOOKS)):
        yield dict(zip(LOOKS, words, strict=True))


def _possible(attribute: str, answer: str, expectation: Expectation) -> list[str]:
    """What an answer may mean: itself, or of what is left open each word that one of the cast owns, or nobody's.

    Of words that the same characters own one is enough.
    """
    owned = {word for character in expectation.cast for word in character.attributes.values(attribute)}
    if answer == UNSURE:
        words = owned if owned >= set(HAIR_LENGTHS) else owned | {_NOBODYS}
    elif (attribute, answer) == ("outfit", "other"):
        words = owned - set(OUTFITS) | {_NOBODYS}
    else:
        return [answer]
    owners = {word: tuple(word in c.attributes.values(attribute) for c in expectation.cast) for word in words}
    return sorted({whose: word for word, whose in sorted(owners.items())}.values())


def kei_by_matches(context: Context) -> str | None:
    """The side on which the matched Kei has her head, beside the matched Kana; ``None`` if either has nobody."""
    kei, kana = context.person_of(KEI), context.person_of(KANA)
    if kei is None or kana is None:
        return None
    return "left" if _place(kei) < _place(kana) else "right"


def _place(person: Person) -> float:
    """The middle of somebody's head from left to right, times two; of all of her where no head was found."""
    box = person.head.box if person.head else person.box
    return box[0] + box[2]


@dataclass
class WhoIsWho:
    """What was counted about the assignment.

    Attributes:
        kei: ``right``, ``wrong`` and ``unmatched``, of pictures of two where the labels say who is Kei.
        counts: kinds given against right ones.
        left_out: pictures of as many people as were asked for whose labels leave open even whether they are clear.
    """

    kei: Counter[str] = field(default_factory=Counter)
    counts: Counts = field(default_factory=Counts)
    left_out: int = 0

    def add(self, label: Row, context: Context) -> None:
        """Count one picture; ``label`` answers every question."""
        cast = [character.name for character in context.expectation.cast]
        if label["people"] == "2" and sorted(cast) == sorted((KEI, KANA)) and label["kei"] in SIDES:
            said = kei_by_matches(context)
            self.kei["unmatched" if said is None else "right" if said == label["kei"] else "wrong"] += 1
        kinds = kinds_by_labels(label, context.expectation)
        given = context.assignment.kind if context.assignment.kind in KINDS else "not_measurable"
        if len(kinds) == 1:
            self.counts.answers["", _KIND, next(iter(kinds)), given] += 1
        if kinds == {"clear"} or (kinds and "clear" not in kinds):
            truth = "holds" if kinds == {"clear"} else "fails"
            answer = {"clear": "holds", "not_measurable": given}.get(given, "fails")
            for name in (_CLEAR, *([_OF_TWO] if len(cast) > 1 else [])):
                self.counts.answers["", name, truth, answer] += 1
        self.left_out += bool(kinds) and "clear" in kinds and len(kinds) > 1

    def checks(self) -> dict[str, dict[str, Any]]:
        """Figures of "not clear", of all and of two, and of each kind."""
        return {
            **{name: figures(self.counts, name, ["fails"]) for name in (_CLEAR, _OF_TWO)},
            **{f"{_CLEAR}_{kind}": figures(self.counts, _KIND, [kind]) for kind in NOT_CLEAR},
        }

    def summary(self) -> dict[str, Any]:
        """What ``--json`` prints: who is Kei, the confusion of kinds, and how many are right."""
        kinds = {(truth, given): n for (_, name, truth, given), n in self.counts.answers.items() if name == _KIND}
        right = sum(n for (truth, given), n in kinds.items() if truth == given)
        return {
            "kei": _share(self.kei["right"], sum(self.kei.values()))
            | {answer: self.kei[answer] for answer in ("right", "wrong", "unmatched")},
            "kinds": {f"{truth}: {given}": n for (truth, given), n in sorted(kinds.items())},
            "kind": _share(right, sum(kinds.values())),
            "left_out": self.left_out,
        }


def _share(right: int, n: int) -> dict[str, Any]:
    return {"share": right / n if n else None, "n": n, "interval": wilson(right, n)}
