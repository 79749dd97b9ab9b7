"""Which part of a grid to make when the whole is too much: the candidate band of epochs, the hard scenarios first.

The plans form a ladder from everything to a quick look. Epochs are cut before seeds and seeds before scenarios: a late
epoch is what people choose from, and an epoch with few images cannot be told from its neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from service.suites import Scenario, Suite

BAND = 0.8
"""Epochs from this share of a run's last epoch on are candidates: 120 to 150 of 150."""
BAND_AT_MOST = 10
SMALL_SCENARIOS = 8
SMALL_SEEDS = 8
SMALL = "small"
FULL = "full"
UNTIL = "decided"


@dataclass(frozen=True)
class Candidate:
    """A checkpoint that could take part."""

    id: str
    run: str
    epoch: int | None


@dataclass(frozen=True)
class Plan:
    """A part of a grid.

    Attributes:
        name: ``full``, ``small`` (the default), or what else was cut.
        checkpoints: those that take part, in the order given.
        suite: with the scenarios, hardest first, and the seeds that take part.
        left_out: what is not looked at, in words.
        budget: images at most, of an evaluation in rounds; ``None`` for a fixed grid.
    """

    name: str
    checkpoints: tuple[Candidate, ...]
    suite: Suite
    left_out: tuple[str, ...] = ()
    budget: int | None = None

    @property
    def images(self) -> int:
        """All images, the control's too; in rounds, as many as there may be."""
        return (len(self.checkpoints) + 1) * len(self.suite.cells()) if self.budget is None else self.budget

    @property
    def swaps(self) -> int:
        """How often a checkpoint (or the base) is made ready; in rounds, as often as can be.

        A checkpoint that has a part in a round gets an image of every scenario at least.
        """
        if self.budget is None:
            return len(self.checkpoints) + 1
        return max(self.budget // len(self.suite.scenarios), 1)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "name": self.name,
            "checkpoints": [{"id": each.id, "run": each.run, "epoch": each.epoch} for each in self.checkpoints],
            "scenarios": [scenario.name for scenario in self.suite.scenarios],
            "seeds": list(self.suite.seeds),
            "left_out": list(self.left_out),
            "until": None if self.budget is None else UNTIL,
        }


def ladder(
    candidates: Sequence[Candidate], suite: Suite, *, all_epochs: bool = False, all_seeds: bool = False
) -> list[Plan]:
    """The plans from the full one to a quick look, each smaller than the one before it.

    Args:
        candidates: every checkpoint that was asked for.
        suite: the whole suite.
        all_epochs: the epochs were chosen by hand; only the last, quick plans thin them.
        all_seeds: the seeds were chosen by hand and stay.
    """
    band = tuple(candidates) if all_epochs else candidate_band(candidates)
    rungs = [
        (FULL, tuple(candidates), len(suite.scenarios), len(suite.seeds)),
        ("candidate epochs", band, len(suite.scenarios), len(suite.seeds)),
        ("candidate epochs, fewer seeds", band, len(suite.scenarios), SMALL_SEEDS),
        (SMALL, band, SMALL_SCENARIOS, SMALL_SEEDS),
        ("half the seeds", band, SMALL_SCENARIOS, SMALL_SEEDS // 2),
        ("hardest scenarios", band, SMALL_SCENARIOS // 2, SMALL_SEEDS // 2),
        ("quick look", thinned(band, 5), SMALL_SCENARIOS // 2, SMALL_SEEDS // 2),
        ("glance", thinned(band, 3), SMALL_SCENARIOS // 2, SMALL_SEEDS // 4),
    ]
    plans: list[Plan] = []
    for name, chosen, scenarios, seeds in rungs:
        plan = _plan(name, candidates, chosen, suite, scenarios, len(suite.seeds) if all_seeds else seeds)
        if not plans or plan.images < plans[-1].images:
            plans.append(plan)
        elif name == SMALL and plans[-1].name != FULL:
            plans[-1] = replace(plans[-1], name=SMALL)
    return plans


def rounds_plan(candidates: Sequence[Candidate], suite: Suite, budget: int) -> Plan:
    """The plan of an evaluation in rounds: everything takes part, until it is decided or the budget is spent."""
    return Plan(f"until {UNTIL}", tuple(candidates), suite, budget=budget)


def small_plan(plans: Sequence[Plan]) -> Plan:
    """The default among the plans of a ladder: ``small``, or the full one where nothing had to be cut."""
    return next((plan for plan in plans if plan.name == SMALL), plans[0])


def candidate_band(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The late epochs of every run, evenly thinned; short runs stay whole, and so do files that say no epoch.

    >>> band = candidate_band([Candidate(str(e), "v2", e) for e in (*range(4, 150, 4), 150)])
    >>> [each.epoch for each in band]
    [120, 124, 128, 132, 136, 140, 144, 148, 150]
    """
    kept: list[Candidate] = []
    for _, group in groupby(candidates, key=lambda each: each.run):
        members = list(group)
        last = max((each.epoch for each in members if each.epoch is not None), default=0)
        late = [each for each in members if each.epoch is None or each.epoch >= BAND * last]
        kept += members if len(members) <= BAND_AT_MOST else thinned(late, BAND_AT_MOST)
    return tuple(kept)


def thinned(candidates: Sequence[Candidate], at_most: int) -> tuple[Candidate, ...]:
    """At most so many checkpoints, evenly spread, the first and the last among them."""
    if len(candidates) <= at_most:
        return tuple(candidates)
    step = (len(candidates) - 1) / (at_most - 1)
    return tuple(candidates[round(place * step)] for place in range(at_most))


def hard_first(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """Scenarios by how much can go wrong in them, otherwise in the suite's order."""
    return sorted(scenarios, key=_hardness, reverse=True)


def _hardness(scenario: Scenario) -> int:
    return (
        8 * scenario.contact
        + 4 * ("hands" in scenario.checks)
        + 2 * (len(scenario.cast) > 1)
        + (scenario.distance != "middle")
    )


def _plan(
    name: str,
    candidates: Sequence[Candidate],
    chosen: Sequence[Candidate],
    suite: Suite,
    scenarios: int,
    seeds: int,
) -> Plan:
    # The full plan keeps the suite's own order, so that it is the evaluation that the suite alone would give.
    ordered = list(suite.scenarios) if scenarios >= len(suite.scenarios) else hard_first(suite.scenarios)
    kept, dropped = ordered[:scenarios], ordered[scenarios:]
    left_out = []
    missing = len(candidates) - len(chosen)
    if missing:
        left_out.append(f"{missing} of {len(candidates)} checkpoints outside the candidate epochs")
    if dropped:
        left_out.append(f"scenarios {', '.join(scenario.name for scenario in dropped)}")
    if seeds < len(suite.seeds):
        left_out.append(f"{len(suite.seeds) - seeds} of {len(suite.seeds)} seeds")
    part = suite.model_copy(update={"scenarios": tuple(kept), "seeds": suite.seeds[:seeds]})
    return Plan(name, tuple(chosen), part, tuple(left_out))
