"""What a person is asked: one question for each check, without a hint of what the machine says."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from service.errors import InvalidInput

FINDINGS = "findings"
"""A draw over every check's findings."""
PICTURE = "picture"
"""The pseudo check of a whole picture: it fails if any of its checks fails."""
QUESTION = "question"
"""The pseudo check of a free question."""
LONGEST_QUESTION = 300


class Answer(StrEnum):
    """What a person can say. ``cant_tell`` enters no rate."""

    HOLDS = "holds"
    MINOR = "minor"
    FAILS = "fails"
    CANT_TELL = "cant_tell"


_SPELLINGS = {"can't tell": "cant_tell", "cannot tell": "cant_tell", "can’t tell": "cant_tell", "?": "cant_tell"}

_QUESTIONS = {
    "cast": "Are exactly {cast} in the picture, each of them once, and nobody else?",
    "ahoge_bleed": "Is {who}'s head free of an ahoge? She owns none; a small tuft is minor.",
    "ahoge_missing": "Does {who} wear her ahoge? One that shrank to a tuft is minor.",
    "hair_bleed": "Is {who}'s hair her own in colour and length, with nothing of the other one's?",
    "eye_bleed": "Are {who}'s eyes of her own colour?",
    "outfit_bleed": "Does {who} wear her own outfit, with nothing of the other one's?",
    "fusion": "Do the bodies stay two where they touch, with a boundary that can be followed?",
    "hands": "Are all visible hands of {who} whole? Slightly off is minor; fused or lost fails.",
    "limbs": "Has {who} two arms and two legs as far as they can be seen, none too many, none missing?",
    "identity": "Is this {who}, as the references show her?",
    "face": "Is {who}'s face whole and on model, neither ghosted nor drifted?",
    "ghost": "Is the picture free of doubled contours, leftovers and burnt colours?",
    "pose": "Did the asked pose come out, with the roles as asked?",
    "follow_through": "Did {who} change as the prompt asks?",
    PICTURE: "Would you keep this picture? It fails if anything in it is clearly broken or bled across.",
}


def question_of(check: str, character: str | None, cast: Sequence[str], free: str | None = None) -> str:
    """The question in words.

    >>> question_of("fusion", None, ["Kei", "Kana"])
    'Do the bodies stay two where they touch, with a boundary that can be followed?'
    >>> question_of("ahoge_missing", "Kana", ["Kei", "Kana"])
    'Does Kana wear her ahoge? One that shrank to a tuft is minor.'
    """
    if free is not None:
        return free
    words = _QUESTIONS.get(check, f"Does {check.replace('_', ' ')} hold{' for {who}' if character else ''}?")
    return words.format(who=character or "everybody", cast=" and ".join(cast))


def read_answer(text: str) -> Answer:
    """A label as people write it.

    Raises:
        InvalidInput: it is none.

    >>> read_answer("Can't tell").value
    'cant_tell'
    """
    word = text.strip().lower()
    try:
        return Answer(_SPELLINGS.get(word, word.replace(" ", "_")))
    except ValueError:
        raise InvalidInput(f"{text[:40]!r} is no label; write holds, minor, fails or cant_tell") from None
