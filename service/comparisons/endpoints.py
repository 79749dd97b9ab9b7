"""Comparing runs and checkpoints."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.comparisons.schemas import ComparisonOut
from service.comparisons.service import Side, compare
from service.evaluations.dependencies import Space
from service.web.caching import TaggedRoute
from service.web.problems import problems

router = APIRouter(prefix="/v1", tags=["comparisons"], route_class=TaggedRoute)

Run = Annotated[str, Query(max_length=200, description='A run; "control" is the base without a LoRA.', examples=["v1"])]
Epoch = Annotated[
    int | None, Query(ge=0, le=10**9, description="Only this epoch; by default all that both have.", examples=[148])
]
Checks = Annotated[
    list[str] | None, Query(description="What can make an image flip; by default every check.", examples=[["hands"]])
]
Scenarios = Annotated[list[str] | None, Query(description="Only these scenarios.", examples=[["piggyback"]])]
Limit = Annotated[int, Query(ge=0, le=1000, description="How many flips at most.", examples=[100])]


@router.get("/evaluations/{evaluation_id}/compare", responses=problems(404))
def compare_in_evaluation(
    evaluation_id: str,
    space: Space,
    first: Run,
    second: Run,
    first_epoch: Epoch = None,
    second_epoch: Epoch = None,
    check: Checks = None,
    scenario: Scenarios = None,
    limit: Limit = 100,
) -> ComparisonOut:
    """Compare two runs, or two checkpoints, of one evaluation: rates with intervals, and the images that flipped."""
    sides = Side(evaluation_id, first, first_epoch), Side(evaluation_id, second, second_epoch)
    return ComparisonOut.of(compare(space.evaluations, *sides, checks=check, scenarios=scenario, limit=limit))


@router.get("/compare", responses=problems(404))
def compare_evaluations(
    space: Space,
    first_evaluation: Annotated[str, Query(description="The first side's evaluation.", examples=["8d3c4b1f0a9e"])],
    second_evaluation: Annotated[str, Query(description="The second side's evaluation.", examples=["1c9b7df6c4f3"])],
    first: Run,
    second: Run,
    first_epoch: Epoch = None,
    second_epoch: Epoch = None,
    check: Checks = None,
    scenario: Scenarios = None,
    limit: Limit = 100,
) -> ComparisonOut:
    """Compare across two evaluations of one suite, on the scenarios and seeds that both have."""
    sides = Side(first_evaluation, first, first_epoch), Side(second_evaluation, second, second_epoch)
    return ComparisonOut.of(compare(space.evaluations, *sides, checks=check, scenarios=scenario, limit=limit))
