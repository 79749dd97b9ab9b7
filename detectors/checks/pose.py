"""Did the asked pose come out, with the roles the right way round?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from detectors.checks.base import Check
from detectors.context import Context, Person
from detectors.findings import Finding, Severity, Verdict
from detectors.vocabulary import ROLES

SOLO = ("standing", "arms_up", "waving", "sitting")
_NAMES = {"apart": "side by side, apart", "together": "side by side", "princess_carry": "a princess carry",
          "piggyback": "piggyback", "hug": "a hug", "lap_sit": "sitting on a lap", "arms_up": "arms up",
          "standing": "standing", "waving": "waving", "sitting": "sitting"}  # fmt: skip


@dataclass(frozen=True)
class Pose(Check):
    """A hit rate of its own, apart from separation: fails when another pose came out, or the roles are reversed.

    The evidence says what came out: ``outcome`` is ``asked``, ``reversed``, ``other`` or ``fused``, and ``came_out``
    the pose.
    """

    name: ClassVar[str] = "pose"
    version: ClassVar[str] = "2"
    networks: ClassVar[tuple[str, ...]] = ("people", "heads", "likeness", "bodies", "contact")

    def detect(self, context: Context) -> list[Finding]:
        """One finding for the image."""
        asked, cast = context.expectation.pose, context.expectation.cast
        matches = [context.assignment.matches.get(character.name) for character in cast]
        people = [context.people[i] for i in matches if i is not None]
        evidence: dict[str, Any] = {"asked": asked, "person_boxes": [context.box(person.box) for person in people]}
        if asked is None:
            return [self.not_measurable("the scenario names no pose", **evidence)]
        if not people:
            return [self.not_measurable("nobody is in the picture", **evidence)]
        if len(people) < len(cast):
            return [self._incomplete(context, len(people), evidence)]
        odds = pose_odds(people, [character.name == context.expectation.below for character in cast])
        share = odds.pop("reversed", 0.0)
        if asked in ("standing", "apart") and len(cast) == 1:
            odds["standing"] = odds.get("standing", 0.0) + odds.pop("apart", 0.0)
        hit = odds.get(asked, 0.0)
        came_out = max(odds, key=odds.__getitem__)
        evidence["odds"] = {name: round(value, 3) for name, value in odds.items() if value >= 0.01}
        if hit < self.thresholds.pose and came_out != asked:
            evidence |= {"outcome": "other", "came_out": came_out}
            return [self._fails(f"{_NAMES[asked]} was asked for, and {_NAMES[came_out]} came out", 1 - hit, evidence)]
        if share >= self.thresholds.reversed_roles:
            evidence |= {"outcome": "reversed", "came_out": asked, "reversed": round(share, 3)}
            below = context.expectation.below
            return [self._fails(f"{_NAMES[asked]} came out with {below} on top", share, evidence)]
        evidence |= {"outcome": "asked", "came_out": asked}
        return [self.finding(Verdict.HOLDS, f"{_NAMES[asked]}, as asked", score=max(1 - hit, share), evidence=evidence)]

    def _incomplete(self, context: Context, found: int, evidence: dict[str, Any]) -> Finding:
        """Fewer people than asked for: they ran together, or somebody is missing."""
        heads = len(context.loose_heads) + sum(person.head is not None for person in context.people)
        fused = heads >= len(context.expectation.cast)
        evidence |= {"outcome": "fused" if fused else "other", "came_out": "fused" if fused else f"{found} alone"}
        asked = _NAMES[str(context.expectation.pose)]
        what = "the bodies ran into one" if fused else f"only {found} of {len(context.expectation.cast)} came out"
        return self._fails(f"{asked} was asked for, and {what}", None, evidence)

    def _fails(self, reason: str, score: float | None, evidence: dict[str, Any]) -> Finding:
        return self.finding(Verdict.FAILS, reason, severity=Severity.CLEAR, score=score, evidence=evidence)


def pose_odds(people: Sequence[Person], below: Sequence[bool]) -> dict[str, float]:
    """Probability of each pose from what every person does, as if they were independent, and of reversed roles.

    Args:
        people: the cast's people.
        below: for each whether she is the one who should carry or be sat upon; all false where nobody was named.

    Returns:
        Probability by pose, and under ``reversed`` the share of the wrong order in the likeliest pose with roles.
    """
    logs = [np.log(np.maximum(np.asarray(person.answers["role"]), 1e-4)) for person in people]
    solo = {name: sum(float(log[ROLES.index(name)]) for log in logs) for name in (*SOLO, "apart", "together", "hug")}
    roles: dict[str, tuple[float, float]] = {}
    if len(people) == 2:
        first = 0 if below[0] or not below[1] else 1
        for name in ("piggyback", "princess_carry", "lap_sit"):
            down, up = ROLES.index(f"{name}_below"), ROLES.index(f"{name}_above")
            order = float(logs[first][down] + logs[1 - first][up]), float(logs[first][up] + logs[1 - first][down])
            roles[name] = order
            solo[name] = float(np.logaddexp(*order))
    # The mean over people keeps one unsure reading of two from deciding alone.
    names = list(solo)
    values = np.array([solo[name] for name in names]) / len(people)
    odds = np.exp(values - values.max())
    result = {name: float(value) for name, value in zip(names, odds / odds.sum(), strict=True)}
    if roles and any(below):
        likeliest = max(roles, key=lambda name: result[name])
        result["reversed"] = float(np.exp(roles[likeliest][1] - np.logaddexp(*roles[likeliest])))
    return result
