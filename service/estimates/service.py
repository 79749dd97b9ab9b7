"""Estimates as the command line and the API use them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from service.database.models import Checkpoint
from service.errors import Conflict, InvalidInput
from service.estimates.figures import Estimate, Measurement, fitting_budget, largest_that_fits
from service.estimates.measuring import Measurements, is_measurable, measure
from service.estimates.plans import Candidate, Plan, ladder, rounds_plan, small_plan
from service.evaluations.executor import Status
from service.evaluations.requests import EvaluationRequest
from service.evaluations.rounds import budget_of, check_budget
from service.evaluations.workspace import Workspace


class EstimateService:
    """Says what evaluations will take on this machine.

    Args:
        space: the data folder; its models are opened for the warm-up and stay open for the evaluation.
    """

    def __init__(self, space: Workspace) -> None:
        self._space = space
        self._measurements = Measurements(space.settings.data_dir / "measurements.json")

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
    ) -> Estimate:
        """What a plan takes; images that an earlier evaluation of the same plan has made are not counted again."""
        existing = self._space.evaluations.find(planned_request(request, plan, measured))
        there = self._space.evaluations.state(existing.id).progress.generated if existing else 0
        if existing and plan.budget is not None and existing.status == Status.FINISHED:
            plan = replace(plan, budget=there)  # it was decided for less
        self._space.settings.data_dir.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(self._space.settings.data_dir).free
        return Estimate(plan, measured, there, free, price)

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
            max_hours: take the fullest plan that ends in time; with ``full``, the full one or none.
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
        estimates = [self.estimate(request, plan, measured, price) for plan in plans]
        default = plans[0] if full else small_plan(plans)
        taken = next(each for each in estimates if each.plan is default)
        if max_hours is not None:
            taken = largest_that_fits(estimates[:1] if full else estimates, max_hours)
        return [taken, *(each for each in estimates if each is not taken)]


def planned_request(request: EvaluationRequest, plan: Plan, measured: Measurement) -> EvaluationRequest:
    """The request for a plan's part of the grid, with no larger batches than the warm-up could make."""
    chosen = tuple(each.id for each in plan.checkpoints)
    batch_size = min(request.batch_size, measured.batch_size)
    return request.model_copy(update={"suite": plan.suite, "checkpoints": chosen, "batch_size": batch_size})
