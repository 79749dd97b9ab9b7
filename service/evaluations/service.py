"""Evaluations as the endpoints and the command line use them."""

from __future__ import annotations

from collections.abc import Sequence

from service.database.engine import Database
from service.database.models import Checkpoint, Evaluation
from service.errors import Conflict, NotFound
from service.evaluations import changing, repository
from service.evaluations.executor import Status
from service.evaluations.lease import at_work
from service.evaluations.plan import new_evaluation, plan_batches, plan_contenders
from service.evaluations.requests import EvaluationRequest
from service.evaluations.results import EvaluationResults
from service.evaluations.rounds import check_budget, next_rows
from service.storage import repository as storage
from service.storage.images import ImageStore


class EvaluationService(EvaluationResults):
    """Plans evaluations and changes them, and reads what they come to; executors do the work."""

    def __init__(self, database: Database, images: ImageStore) -> None:
        super().__init__(database)
        self._images = images

    def start(self, request: EvaluationRequest) -> Evaluation:
        """Plan an evaluation, or find the one that was planned for the same request.

        One that is there is planned again as far as something is left to do: batches that failed, images whose files
        are gone. Its status says whether an executor is needed.

        Raises:
            NotFound: there is no such checkpoint.
            InvalidInput: the budget cannot decide anything.
        """
        check_budget(request)
        key = request.key
        with self._database.transaction() as session:
            for identifier in request.checkpoints:
                if storage.find_checkpoint(session, identifier) is None:
                    raise NotFound(f"there is no checkpoint {identifier}")
            evaluation = repository.find_by_request(session, key)
            if evaluation is None:
                evaluation = new_evaluation(request)
                session.add(evaluation)
                session.flush()
                if request.until is None:
                    session.add_all(plan_batches(evaluation, request))
                else:
                    session.add_all(plan_contenders(evaluation, request))
                    session.flush()
                    session.add_all(next_rows(session, evaluation))
                return evaluation
        return self.resume(evaluation.id)

    def find(self, request: EvaluationRequest) -> Evaluation | None:
        """The evaluation that was planned for the same request, if there is one."""
        with self._database.reading() as session:
            return repository.find_by_request(session, request.key)

    def existing(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys of images (see :func:`service.evaluations.keys.image_key`) that were made by now."""
        with self._database.reading() as session:
            return repository.existing_images(session, keys)

    def resume(self, evaluation_id: str) -> Evaluation:
        """Plan again whatever of an evaluation is left to do; one that is being worked on is left alone.

        Raises:
            NotFound: there is no such evaluation.
        """
        with self._database.reading() as session:
            files = repository.image_files(session, evaluation_id)
        lost = [sha256 for sha256 in files if not self._images.exists(sha256)]
        with self._database.transaction() as session:
            evaluation = repository.get(session, evaluation_id)
            if not at_work(evaluation):
                repository.reopen(session, evaluation, lost)
            return evaluation

    def cancel(self, evaluation_id: str) -> Evaluation:
        """Ask for an evaluation to end; what is finished stays, and it can be resumed.

        Raises:
            NotFound: there is no such evaluation.
            Conflict: it is over already.
        """
        with self._database.transaction() as session:
            evaluation = repository.get(session, evaluation_id)
            if evaluation.status not in (Status.PLANNED, Status.RUNNING):
                raise Conflict(f"evaluation {evaluation_id} is {evaluation.status} already")
            evaluation.cancel_requested = True
            if not at_work(evaluation):
                evaluation.status, evaluation.executor = Status.CANCELLED, None
            return evaluation

    def list_all(self) -> list[Evaluation]:
        """Every evaluation, newest first."""
        with self._database.reading() as session:
            return list(repository.list_all(session))

    def page(self, before: tuple[float, str] | None, limit: int) -> list[Evaluation]:
        """At most ``limit`` evaluations, newest first, from those behind ``before`` (creation time, id) on."""
        with self._database.reading() as session:
            return list(repository.list_page(session, before, limit))

    def using(self, checkpoint_ids: Sequence[str]) -> list[str]:
        """Ids of the evaluations that any of these checkpoints takes part in, newest first."""
        with self._database.reading() as session:
            return [each.id for each in repository.using(session, checkpoint_ids)]

    def count_by_status(self) -> dict[str, int]:
        """How many evaluations there are in each status."""
        with self._database.reading() as session:
            return repository.count_by_status(session)

    def extend(
        self, evaluation_id: str, checkpoints: Sequence[Checkpoint] = (), seeds: Sequence[int] = (), fresh: int = 0
    ) -> Evaluation:
        """See :func:`service.evaluations.changing.extend`."""
        return changing.extend(self._database, evaluation_id, checkpoints, seeds, fresh)

    def delete(self, evaluation_id: str) -> None:
        """See :func:`service.evaluations.changing.delete`."""
        changing.delete(self._database, self._images, evaluation_id)

    def leave_out(self, checkpoint_ids: Sequence[str]) -> None:
        """See :func:`service.evaluations.changing.leave_out`."""
        changing.leave_out(self._database, self._images, checkpoint_ids)

    def waiting(self) -> list[str]:
        """Ids of evaluations that need an executor, oldest first."""
        with self._database.reading() as session:
            return [each.id for each in repository.waiting(session) if not at_work(each)]
