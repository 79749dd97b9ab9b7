from __future__ import annotations

import numpy as np
import pytest

from detectors import Attributes, Character
from detectors.assignment import assign, attribute_scores
from detectors.vocabulary import EYE_COLORS, HAIR_COLORS, HAIR_LENGTHS
from tests.detectors.cases import BOTH

KEI_ASKED, KANA_ASKED = BOTH


def head(hair: str, length: str, eyes: str, sure: float = 0.9) -> dict[str, list[float]]:
    def odds(words: tuple[str, ...], word: str) -> list[float]:
        return [sure if w == word else (1 - sure) / (len(words) - 1) for w in words]

    return {
        "hair_color": odds(HAIR_COLORS, hair),
        "hair_length": odds(HAIR_LENGTHS, length),
        "eye_color": odds(EYE_COLORS, eyes),
    }


KEI, KANA = head("blonde", "long", "blue"), head("black", "short", "red")


def matched(*heads: dict[str, list[float]], cast: tuple[Character, ...] = BOTH):
    return assign(cast, attribute_scores(heads, cast), heads, [0.0] * len(heads))


def test_each_is_who_she_looks_like() -> None:
    assert matched(KANA, KEI).matches == {"kei": 1, "kana": 0}
    assert matched(KANA, KEI).kind == "clear"
    assert matched(KANA, KEI).agreement == {"kei": 1.0, "kana": 1.0}


@pytest.mark.parametrize(
    ("kei", "kind"),
    [
        (head("black", "long", "blue"), "blend"),
        (head("black", "short", "blue"), "dominance"),
        (KANA, "dominance"),
        (head("green", "long", "brown"), "clear"),
    ],
)
def test_a_bled_character_is_still_matched(kei: dict[str, list[float]], kind: str) -> None:
    found = matched(kei, KANA)
    assert set(found.matches) == {"kei", "kana"}
    assert not found.unmatched
    assert found.kind == kind
    if kei is not KANA:
        assert found.matches == {"kei": 0, "kana": 1}


def test_two_who_wear_parts_of_each_other_are_a_swap() -> None:
    found = matched(head("black", "long", "blue"), head("blonde", "short", "red"))
    assert found.kind == "swap"
    assert found.matches == {"kei": 0, "kana": 1}


def test_somebody_who_shows_nothing_of_anybody_drifted() -> None:
    assert matched(head("green", "short", "brown"), cast=(KEI_ASKED,)).kind == "drift"


def test_a_whole_copy_is_named() -> None:
    assert matched(KANA, KANA).copies == {"kei": "kana"}
    assert not matched(head("black", "short", "blue"), KANA).copies


def test_who_is_left_over_is_said() -> None:
    found = matched(KANA)
    assert (found.matches, found.unmatched) == ({"kana": 0}, ("kei",))
    crowd = matched(KANA, head("green", "short", "brown"), KEI)
    assert (crowd.matches, crowd.strangers) == ({"kei": 2, "kana": 0}, (1,))
    assert matched().kind == "none"


def test_the_ahoge_never_decides() -> None:
    plain = Character("A", "a", Attributes(hair_color="blue", ahoge=True))
    other = Character("B", "b", Attributes(hair_color="blue", ahoge=False))
    seen = {**head("blue", "long", "red"), "ahoge": [0.0, 0.0, 1.0]}
    assert np.ptp(attribute_scores([seen], (plain, other))) == 0


def test_doubt_is_a_small_margin() -> None:
    assert matched(KEI, KANA).margin["kei"] > 3
    twins = matched(KANA, KANA).margin
    assert twins["kana"] == pytest.approx(0, abs=1e-6)


def test_words_nobody_taught_are_left_out() -> None:
    odd = Character("C", "c", Attributes(hair_color="rainbow", eye_color="red"))
    assert matched(KANA, cast=(odd, KEI_ASKED)).matches["C"] == 0
    assert matched(KANA, cast=(KANA_ASKED,)).agreement == {"kana": 1.0}
