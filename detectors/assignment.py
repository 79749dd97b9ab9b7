"""Which person is which character: one-to-one, from likeness and attributes; what is judged breaks ties at most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.expectations import Attributes, Character
from detectors.vocabulary import EYE_COLORS, HAIR_COLORS, HAIR_LENGTHS, OUTFIT_COLORS, OUTFITS

Answers = Mapping[str, Sequence[float]]
Scores = NDArray[np.float64]
# A network that is sure and wrong about one attribute must not outweigh all others.
_FLOOR = 0.02
# What is judged may itself be on the wrong person, so no attribute of it may outweigh another one; but that both wear
# each other's is rarer than that neither does, so it decides where nothing else does. Of hair, colour and length go
# astray each on its own: that both are on the wrong girl, on both girls, is rarer than one other attribute that is.
_JUDGED_FLOOR = 0.1
_CLASSES: dict[str, tuple[str, ...]] = {
    "hair_color": HAIR_COLORS,
    "hair_length": HAIR_LENGTHS,
    "eye_color": EYE_COLORS,
}
# The attributes that count for little while one of them is judged.
TOPICS: dict[str, tuple[str, ...]] = {
    "ahoge": ("ahoge",),
    "hair": ("hair_color", "hair_length"),
    "eyes": ("eye_color",),
    "outfit": ("outfit",),
}


@dataclass(frozen=True)
class Assignment:
    """Who is who.

    Attributes:
        matches: character name to index of the person.
        unmatched: names of characters nobody was left for.
        strangers: indices of people nobody asked for.
        kind: ``clear``, or what is wrong with the picture as a whole: ``dominance`` (somebody looks more like
            another of the cast than like her own match), ``swap`` (two people wear parts of each other), ``blend`` (one
            wears a part of another), ``drift`` (somebody shows nothing of any character), ``none`` (nobody to match).
        agreement: by character, share of her stated attributes that the matched person shows, 0..1.
        margin: by character, what the best matching would lose without this match, in nats.
        copies: character whose match has a head with nothing of her own and everything of another character of the
            cast (where their heads differ in one attribute alone: also the other's clothes), to that other character.
    """

    matches: Mapping[str, int] = field(default_factory=dict)
    unmatched: tuple[str, ...] = ()
    strangers: tuple[int, ...] = ()
    kind: str = "none"
    agreement: Mapping[str, float] = field(default_factory=dict)
    margin: Mapping[str, float] = field(default_factory=dict)
    copies: Mapping[str, str] = field(default_factory=dict)

    def facts(self, character: str) -> dict[str, Any]:
        """The evidence about one character's match."""
        facts: dict[str, Any] = {"assignment": self.kind}
        if character in self.agreement:
            facts["agreement"] = round(self.agreement[character], 3)
        if character in self.margin:
            facts["margin"] = round(self.margin[character], 2)
        return facts


def outfit_of(text: str) -> tuple[int, int] | None:
    """The garment and its colour as class numbers, or ``None`` for an outfit that the network has no words for.

    >>> outfit_of("red blazer")
    (1, 0)
    """
    words = text.lower().split()
    garments, colors = ([k for k, name in enumerate(names) if name in words] for names in (OUTFITS, OUTFIT_COLORS))
    return (garments[0], colors[0]) if garments and colors else None


def stated(attributes: Attributes) -> dict[str, Any]:
    """The stated attributes that the networks know: class numbers, for ``outfit`` a tuple of allowed pairs of them."""
    found: dict[str, Any] = {}
    for name, classes in _CLASSES.items():
        word = getattr(attributes, name)
        if word in classes:
            found[name] = classes.index(word)
    outfits = tuple(pair for text in attributes.wardrobe if (pair := outfit_of(text)))
    if outfits and len(outfits) == len(attributes.wardrobe):
        found["outfit"] = outfits
    return found


def probability(answers: Answers, attribute: str, word: str) -> float | None:
    """Probability that a person shows ``word`` of an attribute; ``None`` where no network has words for it."""
    if attribute == "outfit":
        pair = outfit_of(word)
        if pair is None or "outfit" not in answers:
            return None
        return float(answers["outfit"][pair[0]] * answers["outfit_color"][pair[1]])
    classes = _CLASSES[attribute]
    return float(answers[attribute][classes.index(word)]) if word in classes and attribute in answers else None


def read(answers: Answers, attribute: str) -> str | None:
    """The likeliest word for an attribute of a person, or ``None`` if no network has seen it."""
    if attribute not in answers:
        return None
    best = int(np.argmax(answers[attribute]))
    if attribute == "outfit":
        return f"{OUTFIT_COLORS[int(np.argmax(answers['outfit_color']))]} {OUTFITS[best]}"
    return _CLASSES[attribute][best]


def ahoge_scores(seen: Sequence[Answers], cast: Sequence[Character], judged: Sequence[str] = ()) -> Scores:
    """The same as :func:`attribute_scores` for the ahoge alone, (people, characters). A tuft speaks for neither."""
    scores = np.zeros((len(seen), len(cast)))
    floor = _floor("ahoge", judged)
    for p, answers in enumerate(seen):
        if "ahoge" not in answers:
            continue
        none, tuft, clear = answers["ahoge"]
        for c, character in enumerate(cast):
            if character.attributes.ahoge is not None:
                shown = (clear if character.attributes.ahoge else none) + tuft / 2
                scores[p, c] = math.log(max(float(shown), floor))
    return scores


def attribute_scores(seen: Sequence[Answers], cast: Sequence[Character], judged: Sequence[str] = ()) -> Scores:
    """How well each person shows what each character owns, the ahoge left out.

    Args:
        seen: each person's answers; those about the head are missing where it is not visible.
        cast: the characters.
        judged: attributes under judgement; each counts at most log 0.1.

    Returns:
        (people, characters): the sum of log probabilities of the stated attributes, each no lower than log 0.02.
    """
    scores = np.zeros((len(seen), len(cast)))
    for c, character in enumerate(cast):
        for name in stated(character.attributes):
            for p, answers in enumerate(seen):
                odds = [probability(answers, name, word) for word in character.attributes.values(name)]
                known = [value for value in odds if value is not None]
                if known:
                    scores[p, c] += math.log(max(*known, _floor(name, judged)))
    return scores


def _floor(name: str, judged: Sequence[str]) -> float:
    return _JUDGED_FLOOR if name in judged else _FLOOR


def assign(cast: Sequence[Character], fit: Scores, seen: Sequence[Answers], quality: Sequence[float]) -> Assignment:
    """Match people with characters one-to-one so that the summed fit is highest.

    Nobody stays unmatched while both a person and a character are left: a character whose attributes bled away must
    still be judged. With more people than characters the rest are strangers.

    Args:
        cast: the characters.
        fit: (people, characters) log-likelihoods.
        seen: each person's answers, for the kind of the outcome.
        quality: of each person in nats, how sure it is that this is a person at all; decides among look-alikes.
    """
    from scipy.optimize import linear_sum_assignment

    people = len(fit)
    if not people or not cast:
        return Assignment(unmatched=tuple(c.name for c in cast), strangers=tuple(range(people)))
    total = fit + np.asarray(quality)[:, None]
    rows, columns = linear_sum_assignment(total, maximize=True)
    pairs = {int(c): int(p) for p, c in sorted(zip(rows, columns, strict=True), key=lambda pair: pair[1])}
    best = float(total[rows, columns].sum())
    worn = {c: [_worn(seen[p], character) for character in cast] for c, p in pairs.items()}
    return Assignment(
        matches={cast[c].name: p for c, p in pairs.items()},
        unmatched=tuple(character.name for c, character in enumerate(cast) if c not in pairs),
        strangers=tuple(p for p in range(people) if p not in pairs.values()),
        kind=_kind(cast, worn),
        agreement={
            cast[c].name: len(rows_[c]) / len(wanted)
            for c, rows_ in worn.items()
            if (wanted := [name for name in stated(cast[c].attributes) if name in seen[pairs[c]]])
        },
        margin={cast[c].name: _margin(total, best, p, c) for c, p in pairs.items()} if max(total.shape) > 1 else {},
        copies=_copies(cast, worn, {c: set(seen[p]) for c, p in pairs.items()}),
    )


def _margin(total: Scores, best: float, person: int, character: int) -> float:
    """How much the best matching loses when this pair is forbidden."""
    from scipy.optimize import linear_sum_assignment

    without = total.copy()
    without[person, character] = -1e6
    rows, columns = linear_sum_assignment(without, maximize=True)
    return min(best - float(without[rows, columns].sum()), 99.0)


def _worn(answers: Answers, character: Character) -> set[str]:
    """Which of a character's stated attributes a person shows."""
    shown = set()
    for name, wanted in stated(character.attributes).items():
        if name == "outfit" and name in answers:
            worn = (int(np.argmax(answers["outfit"])), int(np.argmax(answers["outfit_color"])))
            shown |= {name} if worn in wanted else set()
        elif name in answers and int(np.argmax(answers[name])) == wanted:
            shown.add(name)
    return shown


def _kind(cast: Sequence[Character], worn: Mapping[int, Sequence[set[str]]]) -> str:
    """What is wrong with the picture as a whole, from what each matched person wears of each character."""
    borrowed, doubles = 0, False
    for c, row in worn.items():
        own = stated(cast[c].attributes)
        for o, other in enumerate(cast):
            theirs = {n for n in row[o] if stated(other.attributes)[n] != own.get(n)} if o != c else set()
            borrowed += bool(theirs)
            doubles = doubles or (bool(theirs) and len(row[o]) > len(row[c]))
    if doubles:
        return "dominance"
    if borrowed:
        return "swap" if borrowed > 1 else "blend"
    if any(stated(cast[c].attributes) and not row[c] for c, row in worn.items()):
        return "drift"
    return "clear"


def _copies(
    cast: Sequence[Character], worn: Mapping[int, Sequence[set[str]]], readable: Mapping[int, set[str]]
) -> dict[str, str]:
    """Matched people who are another character of the cast; see :class:`Assignment`.

    The head decides, since clothes change; but where two heads differ in a single attribute, that attribute on the
    other is bleed and no second copy, unless the clothes (where they can be read) are the other's too.
    """
    copies = {}
    for c, row in worn.items():
        own = stated(cast[c].attributes)
        for o, other in enumerate(cast):
            theirs = stated(other.attributes)
            differing = {n for n in theirs if own.get(n) != theirs[n]}
            head = differing - {"outfit"}
            telling = head if len(head) > 1 or "outfit" not in readable[c] else differing
            whole = set(theirs) - {"outfit"} | telling
            if o != c and head and whole <= row[o] and not row[c] & telling:
                copies[cast[c].name] = other.name
    return copies
