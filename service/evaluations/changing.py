"""Changing evaluations that exist: more epochs, more seeds, or away with them."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence

from sqlalchemy.orm import Session

from service.database.engine import Database
from service.database.models import Checkpoint, Contender, Evaluation
from service.errors import Conflict, InvalidInput
from service.evaluations import repository
from service.evaluations.executor import Status
from service.evaluations.lease import at_work
from service.evaluations.plan import plan_more
from service.evaluations.requests import EvaluationRequest
from service.storage import repository as storage
from service.storage.images import ImageStore

MAX_SEEDS = 1000
MAX_CHECKPOINTS = 1000


def fresh_seeds(name: str, known: Collection[int], count: int) -> list[int]:
    """Seeds that were not used yet: the same ones whenever a suite of that name is asked for as many.

    >>> fresh_seeds("demo", [], 2) == fresh_seeds("demo", [], 2)
    True
    """
    found: list[int] = []
    for seed in _endless_seeds(name):
        if len(found) == count:
            break
        if seed not in known and seed not in found:
            found.append(seed)
    return found


def extend(
    database: Database,
    evaluation_id: str,
    checkpoints: Sequence[Checkpoint] = (),
    seeds: Sequence[int] = (),
    fresh: int = 0,
) -> Evaluation:
    """Plan more cells behind an evaluation's plan; what was planned keeps its batches and its images.

    Args:
        database: where it is.
        evaluation_id: the evaluation.
        checkpoints: further ones; each gets all cells. Those that take part already are passed over.
        seeds: further ones, for the control and every checkpoint; those it has already are passed over.
        fresh: how many seeds more that nobody has used, to confirm finalists on.

    Raises:
        NotFound: there is no such evaluation.
        InvalidInput: nothing of this is new, or it would be too much.
        Conflict: another evaluation is what this one would become.
    """
    with database.transaction() as session:
        evaluation = repository.get(session, evaluation_id)
        request = EvaluationRequest.restore(evaluation.request)
        if request.until is not None:
            raise InvalidInput(
                "an evaluation until decided plans its own cells; ask for a new one with a larger budget"
            )
        new = [each.id for each in checkpoints if each.id not in request.checkpoints]
        more = [seed for seed in dict.fromkeys(seeds) if seed not in request.suite.seeds]
        more += fresh_seeds(request.suite.name, [*request.suite.seeds, *more], fresh)
        if not new and not more:
            raise InvalidInput("these checkpoints and seeds take part already; name further ones")
        wanted = _larger(request, new, more)
        twin = repository.find_by_request(session, wanted.key)
        if twin is not None:
            raise Conflict(f"evaluation {twin.id} is this one with what you add; use that one")
        _plan(session, evaluation, request, wanted, new, more)
        repository.touch(session, [evaluation.id])
        evaluation.request, evaluation.request_key = wanted.model_dump(mode="json"), wanted.key
        evaluation.cancel_requested = False
        if not at_work(evaluation):
            evaluation.status, evaluation.executor, evaluation.error = Status.PLANNED, None, None
        return evaluation


def delete(database: Database, images: ImageStore, evaluation_id: str) -> None:
    """Remove an evaluation with those of its images and findings that no other one uses.

    Raises:
        NotFound: there is no such evaluation.
        Conflict: it is being worked on.
    """
    with database.transaction() as session:
        evaluation = repository.get(session, evaluation_id)
        if at_work(evaluation):
            raise Conflict(f"evaluation {evaluation_id} is being worked on; cancel it, and delete it when it has ended")
        files = storage.remove_evaluation(session, evaluation_id)
    images.remove(files)


def leave_out(database: Database, images: ImageStore, checkpoint_ids: Collection[str]) -> None:
    """Take checkpoints out of every evaluation, with their images; one that has no other checkpoint is removed.

    Raises:
        Conflict: one of the evaluations is being worked on; nothing is changed then.
    """
    files: list[str] = []
    with database.transaction() as session:
        for evaluation in repository.using(session, checkpoint_ids):
            if at_work(evaluation):
                raise Conflict(f"evaluation {evaluation.id} is being worked on; cancel it first")
            request = EvaluationRequest.restore(evaluation.request)
            left = tuple(each for each in request.checkpoints if each not in checkpoint_ids)
            if not left:
                files += storage.remove_evaluation(session, evaluation.id)
                continue
            for contender in repository.contenders(session, evaluation.id):
                if contender.checkpoint_id in checkpoint_ids:
                    files += storage.remove_contender(session, contender)
            smaller = request.model_copy(update={"checkpoints": left})
            evaluation.request = smaller.model_dump(mode="json")
            twin = repository.find_by_request(session, smaller.key)
            # Only one evaluation may answer to a request; this one then keeps a key that nobody asks by.
            evaluation.request_key = smaller.key if twin is None else f"left-over-{evaluation.id}"
            session.flush()
            repository.touch(session, [evaluation.id])
    images.remove(files)


def _larger(request: EvaluationRequest, checkpoints: Sequence[str], seeds: Sequence[int]) -> EvaluationRequest:
    all_seeds = (*request.suite.seeds, *seeds)
    all_checkpoints = (*request.checkpoints, *checkpoints)
    if len(all_seeds) > MAX_SEEDS or len(all_checkpoints) > MAX_CHECKPOINTS:
        raise InvalidInput(f"an evaluation has at most {MAX_SEEDS} seeds and {MAX_CHECKPOINTS} checkpoints")
    suite = request.suite.model_copy(update={"seeds": all_seeds})
    return request.model_copy(update={"suite": suite, "checkpoints": all_checkpoints})


def _plan(
    session: Session,
    evaluation: Evaluation,
    before: EvaluationRequest,
    wanted: EvaluationRequest,
    checkpoints: Sequence[str],
    seeds: Sequence[int],
) -> None:
    """New seeds for those who are there, then everything for those who come."""
    present = list(repository.contenders(session, evaluation.id))
    place = present[-1].position + 1
    coming = [
        Contender(evaluation_id=evaluation.id, checkpoint_id=each, position=place + number)
        for number, each in enumerate(checkpoints)
    ]
    session.add_all(coming)
    names = [scenario.name for scenario in before.suite.scenarios]
    added = [(name, seed) for name in names for seed in seeds]
    for contenders, cells in ((present, added), (coming, [(name, s) for name in names for s in wanted.suite.seeds])):
        position = repository.last_position(session, evaluation.id) + 1
        session.add_all(plan_more(evaluation, contenders, cells, wanted.batch_size, position))
        session.flush()


def _endless_seeds(name: str) -> Iterator[int]:
    number = 0
    while True:
        yield int(hashlib.sha256(f"{name} {number}".encode()).hexdigest()[:8], 16)
        number += 1
