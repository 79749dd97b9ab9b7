"""Estimates as the command line and the API use them."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from service.database.models import Checkpoint
from service.errors import Conflict, InvalidInput
from service.estimates.figures import Estimate, Measurement, fitting_budget, largest_that_fits
from service.estimates.measuring import Measurements, is_measurable, measure
from service.estimates.plans import Candidate, Plan, ladder, rounds_plan, small_plan
from service.evaluations.executor import Status
from service.evaluations.keys import image_key
from service.evaluations.requests import EvaluationRequest
from service.evaluations.rounds import budget_of, check_budget
from service.evaluations.workspace import Workspace
from service.suites import Suite

Made = tuple[str | None, str, int]
"""A checkpoint's id (``None`` for the control), a scenario's name, a seed."""


class EstimateService:
    """Says what evaluations will take on this machine.

    Args:
        space: the data folder; its models are opened for the warm-up and stay open for the evaluation.
    """

    def __init__(self, space: Workspace) -> None:
        self._space = space
        settings = space.settings
        self._measurements = Measurements(settings.data_dir / "measurements.json", settings.card, settings.image_format)

    def is_measured(self, request: EvaluationRequest) -> bool:
        """Whether this machine's figures for a request are known, so that nothing has to be opened."""
        return self._measurements.find(request) is not None

    def measured(self, request: EvaluationRequest, checkpoints: Sequence[Checkpoint]) -> Measurement:
        """This machine's figures for a request, from the last time or from a warm-up of some seconds.

        Raises:
            InvalidInput: the images exist already.
            Conflict: an evaluation is running here, and the warm-up would disturb it.
        """
        if not is_measurable(request):
            raise InvalidInput("these images exist already: there is nothing to plan")
        known = self._measurements.find(request)
        if known is not None:
            return known
        busy = self._space.executor.busy
        if not busy.acquire(blocking=False):
            raise Conflict("an evaluation is running on this machine; ask again when it has finished")
        try:
            path = Path(checkpoints[0].path) if checkpoints and checkpoints[0].path else None
            present = path if path is not None and path.is_file() else None
            measured = measure(self._space.executor.models, self._space.images, request, present)
        finally:
            busy.release()
        self._measurements.keep(request, measured)
        return measured

    def estimate(
        self,
        request: EvaluationRequest,
        plan: Plan,
        measured: Measurement,
        price: float | None = None,
        made: Collection[Made] | None = None,
    ) -> Estimate:
        """What a plan takes; images that exist are not counted again.

        Args:
            request: for everything that was asked for.
            plan: the part of it.
            measured: this machine.
            price: of an hour of it.
            made: what exists, whichever evaluation made it; ``None`` counts what one of the same plan has made.
        """
        existing = self._space.evaluations.find(planned_request(request, plan, measured))
        own = there = self._space.evaluations.state(existing.id).progress.generated if existing else 0
        if made is not None:
            parts = (None, *(each.id for each in plan.checkpoints))
            there = sum((part, *cell) in made for part in parts for cell in _names(plan.suite))
        if existing and plan.budget is not None and existing.status == Status.FINISHED:
            plan = replace(plan, budget=there)  # it was decided for less
        is_begun = existing is not None and existing.status != Status.FINISHED and own > 0
        self._space.settings.data_dir.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._space.settings.data_dir).free
        return Estimate(plan, measured, there, free, price, is_begun)

    def notices(self, request: EvaluationRequest) -> list[str]:
        """What a person has to know about the base before it is used for a request.

        Raises:
            BaseNotFound, UnusableBase: the base is not there, or cannot be used.
        """
        if not is_measurable(request):
            return []
        from service.generation.opening import base_notices
        from service.generation.port import GenerationSettings

        settings = GenerationSettings(**request.suite.generation.model_dump())
        return base_notices(request.base, settings, [(Path(lora.path), lora.scale) for lora in request.extra])

    def _made(
        self, request: EvaluationRequest, measured: Measurement, checkpoints: Sequence[Checkpoint]
    ) -> set[Made] | None:
        """The cells of a request whose images exist; ``None`` where the measurement does not say what makes them."""
        if measured.fingerprint is None:
            return None
        keys: dict[str, list[Made]] = {}  # scenarios may share a prompt
        for name, sha256 in [(None, None), *((each.id, each.sha256) for each in checkpoints)]:
            for scenario, seed in request.suite.cells():
                key = image_key(measured.fingerprint, sha256, request.scale, scenario.prompt, seed)
                keys.setdefault(key, []).append((name, scenario.name, seed))
        return {cell for key in self._space.evaluations.existing(list(keys)) for cell in keys[key]}

    def choose(
        self,
        request: EvaluationRequest,
        checkpoints: Sequence[Checkpoint],
        *,
        full: bool = False,
        max_hours: float | None = None,
        price: float | None = None,
        all_epochs: bool = False,
        all_seeds: bool = False,
    ) -> list[Estimate]:
        """The estimate of the plan to take, and then those of every other plan, from the fullest to the smallest.

        Of an evaluation until decided there is one only: what it takes at most.

        Args:
            request: for everything that was asked for.
            checkpoints: its checkpoints.
            full: take the full plan.
            max_hours: take the fullest plan that ends in time, first of those that were begun; with ``full``, the full
                one or none.
            price: of an hour of this machine.
            all_epochs: the epochs were chosen by hand.
            all_seeds: the seeds were chosen by hand.

        Raises:
            InvalidInput: no plan ends within ``max_hours``, or the budget cannot decide anything.
            Conflict: see :meth:`measured`.
        """
        check_budget(request)
        candidates = [Candidate(each.id, each.run.name, each.epoch) for each in checkpoints]
        if request.until is not None:
            plan = rounds_plan(candidates, request.suite, budget_of(request))
            only = self.estimate(request, plan, self.measured(request, checkpoints), price)
            return [fitting_budget(only, max_hours)]
        plans = ladder(candidates, request.suite, all_epochs=all_epochs, all_seeds=all_seeds)
        measured = self.measured(request, checkpoints)
        made = self._made(request, measured, checkpoints)
        estimates = [self.estimate(request, plan, measured, price, made) for plan in plans]
        default = plans[0] if full else small_plan(plans)
        taken = next(each for each in estimates if each.plan is default)
        if max_hours is not None:
            # What was begun is gone on with, also on another machine, or with other plans nearly within the hours.
            begun = [each for each in estimates if each.is_begun and each.hours <= max_hours]
            taken = largest_that_fits(estimates[:1] if full else begun or estimates, max_hours)
        return [taken, *(each for each in estimates if each is not taken)]


def _names(suite: Suite) -> list[tuple[str, int]]:
    return [(scenario.name, seed) for scenario, seed in suite.cells()]


def planned_request(request: EvaluationRequest, plan: Plan, measured: Measurement) -> EvaluationRequest:
    """The request for a plan's part of the grid, with no larger batches than the warm-up could make."""
    chosen = tuple(each.id for each in plan.checkpoints)
    batch_size = min(request.batch_size, measured.batch_size)
    return request.model_copy(update={"suite": plan.suite, "checkpoints": chosen, "batch_size": batch_size})
