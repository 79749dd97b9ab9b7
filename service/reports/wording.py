"""Words for people: what checks, states and severities are called on a page."""

from __future__ import annotations

from detectors.findings import Severity
from service.rankings import Judgement, State

SYMBOLS = {
    State.HOLDS: "✓",
    State.MINOR: "~",
    State.FAILS: "✕",
    State.NOT_MEASURABLE: "?",
    State.INVALID: "!",
}

STATE_MEANINGS = {
    State.HOLDS: "every check was measured and holds",
    State.MINOR: "every check was measured; a small fault, no failure",
    State.FAILS: "at least one check fails",
    State.NOT_MEASURABLE: "a check could not be judged, and none fails: neither a pass nor a failure",
    State.INVALID: "no usable picture (black, near constant or not a number): counted apart",
}

CHECK_MEANINGS = {
    "cast": "too many or too few people",
    "ahoge_bleed": "a character without an ahoge wears one",
    "ahoge_missing": "the owner lost her ahoge",
    "hair_bleed": "the other one's hair colour or length",
    "outfit_bleed": "the other one's outfit",
    "eye_bleed": "the other one's eye colour",
    "fusion": "two bodies merge where they touch",
    "hands": "a hand is fused or lost",
    "limbs": "an extra or a missing arm or leg",
    "identity": "not like the character",
    "face": "a broken or drifted face",
    "ghost": "doubled contours or leftovers",
    "pose": "another pose than asked",
    "follow_through": "asked for a change, nothing changed",
}


def check_label(check: str) -> str:
    """``ahoge_bleed`` as people read it: ``ahoge bleed``."""
    return check.replace("_", " ")


def state_label(judgement: Judgement) -> str:
    """A short word for a state; a failure by its kind, where it has one."""
    if judgement.state is State.FAILS and judgement.severity in (Severity.LOST, Severity.FUSED):
        return str(judgement.severity)
    return {State.NOT_MEASURABLE: "not measurable"}.get(judgement.state, str(judgement.state))
