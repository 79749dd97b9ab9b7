"""From a request to fixed batches: the plan never changes, so that a resumed evaluation makes the same pixels."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

from service.database.models import Batch, Cell, Contender, Evaluation
from service.evaluations.executor import Status
from service.evaluations.requests import EvaluationRequest


def new_evaluation(request: EvaluationRequest) -> Evaluation:
    """The row of a new evaluation."""
    return Evaluation(
        id=uuid.uuid4().hex[:12],
        request_key=request.key,
        suite=request.suite.name,
        request=request.model_dump(mode="json"),
        status=Status.PLANNED,
    )


def plan_batches(evaluation: Evaluation, request: EvaluationRequest) -> Iterator[Contender | Batch]:
    """The contenders, the control first, each followed by its batches.

    Every contender has the same cells in the same order, cut into the same batches: its images meet the same
    neighbours as the control's. A batch never mixes contenders; its prompts may differ.
    """
    cells = [(scenario.name, seed) for scenario, seed in request.suite.cells()]
    groups = [cells[start : start + request.batch_size] for start in range(0, len(cells), request.batch_size)]
    for place, contender in enumerate(plan_contenders(evaluation, request)):
        yield contender
        for number, group in enumerate(groups):
            yield _batch(evaluation, contender, place * len(groups) + number, group)


def plan_more(
    evaluation: Evaluation,
    contenders: Sequence[Contender],
    cells: Sequence[tuple[str, int]],
    batch_size: int,
    position: int,
) -> Iterator[Batch]:
    """Batches behind the plan: the same further cells for each of the contenders, the first one at ``position``."""
    groups = [cells[start : start + batch_size] for start in range(0, len(cells), batch_size)]
    for contender in contenders:
        for group in groups:
            yield _batch(evaluation, contender, position, group)
            position += 1


def plan_contenders(evaluation: Evaluation, request: EvaluationRequest) -> list[Contender]:
    """What is compared, the control first."""
    return [
        Contender(evaluation_id=evaluation.id, checkpoint_id=checkpoint, position=place)
        for place, checkpoint in enumerate((None, *request.checkpoints))
    ]


def _batch(evaluation: Evaluation, contender: Contender, position: int, group: Sequence[tuple[str, int]]) -> Batch:
    return Batch(
        evaluation_id=evaluation.id,
        contender=contender,
        position=position,
        cells=[
            Cell(evaluation_id=evaluation.id, position=place, scenario=scenario, seed=seed)
            for place, (scenario, seed) in enumerate(group)
        ],
    )
