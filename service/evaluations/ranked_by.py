"""What an evaluation's suite and measures say to the ranking."""

from __future__ import annotations

from typing import Any

from detectors import Measure
from detectors.findings import Severity
from service.errors import InvalidInput
from service.rankings import SEVERITY_WEIGHTS, ScenarioFacts, Scoring, UnknownUse, parse_use
from service.suites import Suite

LOOKS = ("hairstyle", "costume")
"""Measures of a character's looks: what locks while she is baked in."""


def ranking_arguments(suite: Suite, use: str = "all") -> dict[str, Any]:
    """What a suite and a use say to :func:`service.rankings.answer`.

    Raises:
        InvalidInput: there is no such use.
    """
    checks = set(suite.checks)
    try:
        wanted = parse_use(use, checks)
    except UnknownUse as error:
        raise InvalidInput(str(error)) from error
    return {
        "use": wanted,
        "scenarios": [ScenarioFacts(each.name, each.has_crossing, each.variant_of) for each in suite.scenarios],
        "scoring": Scoring({**SEVERITY_WEIGHTS, **{Severity(name): cost for name, cost in suite.severities.items()}}),
    }


def values_of(measure: Measure) -> dict[str, float | str]:
    """A measure as the ranking takes it: words for looks, numbers for the rest, each under a name for people.

    >>> values_of(Measure("hairstyle", "Kei", {"hair_color": "blonde", "hair_length": "long", "vector": [0.9]}))
    {'hairstyle of Kei': 'blonde, long'}
    >>> values_of(Measure("sharpness_people", None, {"distance": "far", "value": 0.3}))
    {'sharpness of people, far': 0.3}
    """
    whom = f" of {measure.character}" if measure.character else ""
    value = measure.value if isinstance(measure.value, dict) else {"value": measure.value}
    words = [str(value[key]) for key in sorted(value) if isinstance(value[key], str)]
    if measure.name in LOOKS:
        return {f"{measure.name}{whom}": ", ".join(words)} if words else {}
    name = measure.name.replace("_", " of ", 1) + whom
    found: dict[str, float | str] = {}
    for key, number in value.items():
        if isinstance(number, int | float) and not isinstance(number, bool):
            aspect = ", ".join([*words, *([] if key == "value" else [f"by {key}"])])
            found[f"{name}, {aspect}" if aspect else name] = float(number)
    return found
