"""Scoring a checkpoint as soon as it has come."""

from __future__ import annotations

from service.database.models import Checkpoint, Evaluation
from service.errors import Conflict
from service.evaluations.asking import as_before, make_request
from service.evaluations.requests import EvaluationRequest
from service.evaluations.workspace import Workspace


def score_arrival(space: Workspace, checkpoint: Checkpoint, suite_name: str) -> Evaluation:
    """Let a checkpoint join its run's evaluation with that suite, or begin one.

    Checkpoints that come one by one while a run is trained so end up on one leaderboard.

    Raises:
        UnknownSuite: there is no such suite.
    """
    asked = as_before(space, make_request(space.settings, space.library.suite(suite_name), [checkpoint]))
    for evaluation in _of_same_run(space, checkpoint):
        begun = EvaluationRequest.restore(evaluation.request)
        if checkpoint.id in begun.checkpoints and _alike(begun, asked):
            return space.evaluations.resume(evaluation.id)
        if _alike(begun, asked):
            try:
                return space.evaluations.extend(evaluation.id, [checkpoint])
            except Conflict:
                break  # there is one with all of these: asking for it finds it
    return space.evaluations.start(asked)


def _of_same_run(space: Workspace, checkpoint: Checkpoint) -> list[Evaluation]:
    """Evaluations that compare checkpoints of this run alone, newest first."""
    siblings = {each.id for each in space.registry.checkpoints_of(checkpoint.run.name)}
    return [
        evaluation for evaluation in space.evaluations.list_all() if set(evaluation.request["checkpoints"]) <= siblings
    ]


def _alike(one: EvaluationRequest, other: EvaluationRequest) -> bool:
    """Whether two requests differ in nothing but their checkpoints."""
    apart = {"checkpoints", "suite", "batch_chosen"}
    same_suite = one.suite.content_hash == other.suite.content_hash
    return same_suite and one.model_dump(exclude=apart) == other.model_dump(exclude=apart)
