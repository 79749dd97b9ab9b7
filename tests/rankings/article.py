"""A hand table that somebody drew by eye: the gripping hand in the piggyback, three seeds by four epochs."""

from __future__ import annotations

from service.rankings import CellOutcome
from tests.rankings.worlds import outcome

EPOCHS = (140, 144, 148, 150)
HANDS = {7: "hhmm", 13: "hLLL", 99: "hhhm"}


def hand_table() -> list[CellOutcome]:
    """The table as outcomes; ``m`` is slightly off, ``L`` is lost."""
    return [
        outcome(letter, seed, run="v2", epoch=epoch, scenario="piggyback")
        for seed, letters in HANDS.items()
        for epoch, letter in zip(EPOCHS, letters, strict=True)
    ]
