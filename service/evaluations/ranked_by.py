"""What an evaluation's suite and measures say to the ranking."""

from __future__ import annotations

from typing import Any

from detectors import Measure
from detectors.findings import Severity
from service.errors import InvalidInput
from service.rankings import SEVERITY_WEIGHTS, ScenarioFacts, Scoring, UnknownUse, parse_use
from service.suites import Suite

LOOKS = ("hairstyle", "costume", "outfit")
"""Measures of a character's looks: what locks while she is baked in."""


def ranking_arguments(suite: Suite, use: str = "all") -> dict[str, Any]:
    """What a suite and a use say to :func:`service.rankings.answer`.

    Raises:
        InvalidInput: there is no such use.
    """
    checks = {check for scenario in suite.scenarios for check in scenario.checks}
    try:
        wanted = parse_use(use, checks)
    except UnknownUse as error:
        raise InvalidInput(str(error)) from error
    return {
        "use": wanted,
        "scenarios": [ScenarioFacts(each.name, each.has_crossing, each.variant_of) for each in suite.scenarios],
        "scoring": Scoring({**SEVERITY_WEIGHTS, **{Severity(name): cost for name, cost in suite.severities.items()}}),
    }


def look_of(measure: Measure) -> tuple[str, str] | None:
    """A measure of somebody's looks as a name and one word; ``None`` for any other measure."""
    if measure.name not in LOOKS or measure.character is None:
        return None
    value = measure.value
    if isinstance(value, dict):
        words = [str(value[key]) for key in sorted(value) if isinstance(value[key], str | bool)]
        return (f"{measure.name} of {measure.character}", ", ".join(words)) if words else None
    return (f"{measure.name} of {measure.character}", value) if isinstance(value, str) else None
