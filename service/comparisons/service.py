"""Two sides of a comparison, from one evaluation or from two of the same suite."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from service.errors import InvalidInput, NotFound, refuse_unknown
from service.evaluations.requests import EvaluationRequest
from service.evaluations.service import EvaluationService
from service.rankings import CONTROL, Flip, OutcomeTable, compare_runs, flipped
from service.reports.views import ReportImage
from service.suites import Suite

Place = tuple[str, int, int | None]


@dataclass(frozen=True)
class Side:
    """One side: a run in an evaluation, as a whole or at one epoch. The run "control" is the base without a LoRA."""

    evaluation: str
    run: str
    epoch: int | None = None

    @property
    def label(self) -> str:
        """For people."""
        return self.run if self.epoch is None else f"{self.run} epoch {self.epoch}"


@dataclass(frozen=True)
class Comparison:
    """What came of two sides.

    Attributes:
        first: the first side.
        second: the second side.
        differences: rates per check, whole images first, as plain JSON values.
        flips: images that fail on one side only, the second's worst turns first, each with both pictures' hashes.
        flipped: how many flips there are in all.
        pairs: images that both sides have.
    """

    first: Side
    second: Side
    differences: tuple[dict[str, Any], ...]
    flips: tuple[dict[str, Any], ...]
    flipped: int
    pairs: int


def compare(
    evaluations: EvaluationService,
    first: Side,
    second: Side,
    *,
    checks: Collection[str] | None = None,
    scenarios: Collection[str] | None = None,
    limit: int = 100,
) -> Comparison:
    """Compare two sides on the scenarios, seeds and, unless both name one, epochs that they share.

    Args:
        evaluations: where results are.
        first: the first side.
        second: the second side.
        checks: what can make an image flip; by default every check.
        scenarios: keep these only.
        limit: how many flips to return.

    Raises:
        NotFound: there is no such evaluation, or no such run in it.
        InvalidInput: both sides are the same, or of different suites, or these know no such check or scenario.
    """
    if first == second:
        raise InvalidInput("both sides are the same; name two runs, two epochs, or two evaluations")
    suites = [_suite(evaluations, side) for side in (first, second)]
    _check_alike(*suites)
    refuse_unknown(f"suite {suites[0].name}", "check", checks, suites[0].checks)
    refuse_unknown(f"suite {suites[0].name}", "scenario", scenarios, [each.name for each in suites[0].scenarios])
    one, two = (_images(evaluations, side, scenarios) for side in (first, second))
    epochs = first.epoch is None and second.epoch is None and CONTROL not in (first.run, second.run)
    names = ("first", "second")
    sides = [
        {(image.scenario, image.seed, image.epoch if epochs else None): image for image in images}
        for images in (one, two)
    ]
    suite = suites[0]
    table = OutcomeTable.from_outcomes(
        replace(
            image.outcome(suite.scenario(image.scenario).checks, image.seed in suite.pinned_seeds),
            run=name,
            epoch=place[2],
        )
        for name, side in zip(names, sides, strict=True)
        for place, image in side.items()
    )
    rng = np.random.default_rng(0)  # the same images always give the same intervals
    differences = [compare_runs(table, *names, check=check, rng=rng) for check in (None, *sorted(table.checks))]
    flips, count = flipped(table, *names, checks=checks, limit=limit)
    return Comparison(
        first,
        second,
        tuple(each.to_json() for each in differences if checks is None or each.check in (None, *checks)),
        tuple(_flip(each, sides[0], sides[1]) for each in flips),
        count,
        len(sides[0].keys() & sides[1].keys()),
    )


def _suite(evaluations: EvaluationService, side: Side) -> Suite:
    return EvaluationRequest.restore(evaluations.state(side.evaluation).evaluation.request).suite


def _check_alike(one: Suite, two: Suite) -> None:
    prompts = {scenario.name: scenario.prompt for scenario in one.scenarios}
    shared = [scenario for scenario in two.scenarios if prompts.get(scenario.name) == scenario.prompt]
    if not shared:
        raise InvalidInput(f"suites {one.name} and {two.name} share no scenario; compare evaluations of one suite")


def _images(evaluations: EvaluationService, side: Side, scenarios: Collection[str] | None) -> list[ReportImage]:
    everything = evaluations.images(evaluations.state(side.evaluation).evaluation)
    if side.run not in {image.run for image in everything}:
        known = ", ".join(sorted({image.run for image in everything})) or "no images yet"
        raise NotFound(f"evaluation {side.evaluation} has no run {side.run[:100]!r}; it has {known}")
    epochs = sorted({image.epoch for image in everything if image.run == side.run and image.epoch is not None})
    if side.epoch is not None and side.epoch not in epochs:
        raise NotFound(f"run {side.run} has no images of epoch {side.epoch}; it has {', '.join(map(str, epochs))}")
    return [
        image
        for image in everything
        if image.run == side.run
        and side.epoch in (None, image.epoch)
        and (scenarios is None or image.scenario in scenarios)
    ]


def _flip(flip: Flip, one: dict[Place, ReportImage], two: dict[Place, ReportImage]) -> dict[str, Any]:
    place = (flip.scenario, flip.seed, flip.epoch)
    return {
        "scenario": flip.scenario,
        "seed": flip.seed,
        "epoch": flip.epoch,
        "first": {"state": flip.first.name.lower(), "image": one[place].key},
        "second": {"state": flip.second.name.lower(), "image": two[place].key},
    }
