"""Evaluations as the endpoints and the command line use them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from detectors import Finding, Verdict
from service.database.engine import Database
from service.database.models import Checkpoint as CheckpointRow
from service.database.models import Contender, Detection, Evaluation
from service.errors import Conflict, NotFound
from service.evaluations import changing, repository
from service.evaluations.counting import Counting
from service.evaluations.decision import advise, dropped, race_order, sentences
from service.evaluations.estimates import LOOKED_AT, seconds_left
from service.evaluations.executor import Progress, Status
from service.evaluations.lease import is_alive
from service.evaluations.outcomes import outcome_table
from service.evaluations.plan import new_evaluation, plan_batches, plan_contenders
from service.evaluations.ranked_by import ranking_arguments, values_of
from service.evaluations.requests import EvaluationRequest
from service.evaluations.rounds import RoundPlan, budget_of, check_budget, next_rows
from service.evaluations.settling import settle
from service.evaluations.trust import unanswered_checks, unverified_checks
from service.rankings import CONTROL, Checkpoint, answer
from service.rankings.locking import Cell
from service.reports.views import ReportImage, ReportScenario, ReportView, build_view
from service.storage import repository as storage
from service.storage.images import ImageStore


@dataclass(frozen=True)
class EvaluationState:
    """An evaluation and how far it is.

    Attributes:
        evaluation: its row.
        progress: in cells.
        problems: what went wrong with batches, each message once.
        changing_nothing: labels of checkpoints whose first image is the control's own.
        contenders: the control first, then checkpoints in the order of the plan.
        seconds_left: how long it will still take at its pace; ``None`` unless it is running and that can be told.
    """

    evaluation: Evaluation
    progress: Progress
    problems: tuple[str, ...]
    changing_nothing: tuple[str, ...]
    contenders: tuple[Contender, ...] = ()
    seconds_left: float | None = None


class EvaluationService:
    """Plans evaluations and reads their results; executors do the work.

    ``audited`` tells what people's labels on an evaluation say; whoever knows about audits sets it.
    """

    def __init__(self, database: Database, images: ImageStore) -> None:
        self._database = database
        self._images = images
        self._counting = Counting()
        self.audited: Callable[[str], dict[str, Any] | None] = not_audited

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

    def resume(self, evaluation_id: str) -> Evaluation:
        """Plan again whatever of an evaluation is left to do; one that is being worked on is left alone.

        Raises:
            NotFound: there is no such evaluation.
        """
        with self._database.reading() as session:
            files = repository.image_files(session, evaluation_id)
        lost = [sha256 for sha256 in files if not self._images.exists(sha256)]
        with self._database.transaction() as session:
            evaluation = _found(repository.find(session, evaluation_id), evaluation_id)
            if not (evaluation.executor and is_alive(evaluation.executor, evaluation.heartbeat_at)):
                repository.reopen(session, evaluation, lost)
            return evaluation

    def cancel(self, evaluation_id: str) -> Evaluation:
        """Ask for an evaluation to end; what is finished stays, and it can be resumed.

        Raises:
            NotFound: there is no such evaluation.
            Conflict: it is over already.
        """
        with self._database.transaction() as session:
            evaluation = _found(repository.find(session, evaluation_id), evaluation_id)
            if evaluation.status not in (Status.PLANNED, Status.RUNNING):
                raise Conflict(f"evaluation {evaluation_id} is {evaluation.status} already")
            evaluation.cancel_requested = True
            if not (evaluation.executor and is_alive(evaluation.executor, evaluation.heartbeat_at)):
                evaluation.status, evaluation.executor = Status.CANCELLED, None
            return evaluation

    def state(self, evaluation_id: str) -> EvaluationState:
        """An evaluation and how far it is.

        Raises:
            NotFound: there is no such evaluation.
        """
        with self._database.reading() as session:
            evaluation = _found(repository.find(session, evaluation_id), evaluation_id)
            contenders = repository.contenders(session, evaluation_id)
            names = run_names([contender.checkpoint for contender in contenders])
            counts = self._counting.of(session, evaluation)
            return EvaluationState(
                evaluation,
                counts.progress,
                counts.problems,
                tuple(_label(names, contender) for contender in contenders if contender.changes_nothing),
                tuple(contenders),
                _time_left(session, evaluation),
            )

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
        self, evaluation_id: str, checkpoints: Sequence[CheckpointRow] = (), seeds: Sequence[int] = (), fresh: int = 0
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
            found = [_found(repository.find(session, each), each) for each in repository.waiting(session)]
        return [each.id for each in found if not (each.executor and is_alive(each.executor, each.heartbeat_at))]

    def images(self, evaluation: Evaluation) -> list[ReportImage]:
        """Every image that the detectors have looked at, or that is invalid, in the order of the plan.

        Where the detectors broke down, each check that was asked for is not measurable, and says why.
        """
        suite = EvaluationRequest.restore(evaluation.request).suite
        with self._database.reading() as session:
            names = run_names([each.checkpoint for each in repository.contenders(session, evaluation.id)])
            rows = repository.results(session, evaluation.id)
        return [
            ReportImage(
                run=names[checkpoint.id] if checkpoint else CONTROL,
                epoch=checkpoint.epoch if checkpoint else None,
                scenario=cell.scenario,
                seed=cell.seed,
                key=image.sha256,
                width=image.width,
                height=image.height,
                findings=_findings(detection, suite.scenario(cell.scenario).checks),
                invalid=image.invalid,
            )
            for cell, image, checkpoint, detection in rows
            if detection is not None or image.invalid is not None
        ]

    def leaderboard(self, evaluation_id: str, use: str = "all", run: str | None = None) -> dict[str, Any]:
        """The leaderboard at this moment, as plain JSON values: every checkpoint, best first, and what follows from it.

        Args:
            evaluation_id: the evaluation.
            use: what the checkpoints are wanted for: ``all``, ``hard-contact``, ``no-crossing``, or own weights per
                check such as ``hands=2,fusion=1``.
            run: look at this run's checkpoints only, beside the control.

        Raises:
            NotFound: there is no such evaluation.
            InvalidInput: there is no such use.
        """
        settle()
        with self._database.reading() as session:
            evaluation = _found(repository.find(session, evaluation_id), evaluation_id)
            contenders = repository.contenders(session, evaluation_id)
            rows = repository.outcome_rows(session, evaluation_id)
        request = EvaluationRequest.restore(evaluation.request)
        plans = self._plans(evaluation_id)
        checkpoints = _checkpoints(contenders, plans)
        table = outcome_table(rows, checkpoints, request)
        if run is not None:
            wanted = [name == CONTROL or name.partition(" [")[0] == run for name, _ in table.checkpoints]
            table = table.keep(np.array(wanted, dtype=bool)[table.checkpoint])
        given = {
            **ranking_arguments(request.suite, use),
            "measures": self.measures(evaluation),
            "places": race_order(plans, checkpoints),
        }
        found = answer(table, **given).model_dump(mode="json")
        if plans:
            found |= advise(found, table, plans, checkpoints, budget_of(request), given)
        return {
            "evaluation": evaluation.id,
            "status": evaluation.status,
            "decision": None,  # only rounds come to one
            **found,
            "audits": self.audited(evaluation.id),
            "unverified": unverified_checks(request),
            "unanswered": unanswered_checks(request),
        }

    def _plans(self, evaluation_id: str) -> list[RoundPlan]:
        with self._database.reading() as session:
            return [RoundPlan.model_validate(each.plan) for each in repository.rounds(session, evaluation_id)]

    def measures(self, evaluation: Evaluation) -> dict[Cell, dict[str, float | str]]:
        """What was measured of each image's looks, by cell: a word or a number by name and character."""
        with self._database.reading() as session:
            checkpoints = {
                each.checkpoint_id: each.checkpoint for each in repository.contenders(session, evaluation.id)
            }
            names = run_names(list(checkpoints.values()))
            rows = repository.measures(session, evaluation.id)
        found: dict[Cell, dict[str, float | str]] = defaultdict(dict)
        for identifier, scenario, seed, measure in rows:
            checkpoint = checkpoints[identifier]
            if checkpoint is not None:
                found[names[checkpoint.id], checkpoint.epoch, scenario, seed] |= values_of(measure)
        return found

    def facts(self, evaluation_id: str) -> dict[str, str]:
        """What was used to make and to judge the images, in words, by label.

        Raises:
            NotFound: there is no such evaluation.
        """
        state = self.state(evaluation_id)
        return _facts(state, EvaluationRequest.restore(state.evaluation.request))

    def report(self, evaluation_id: str, picture_url: Callable[[str], str]) -> ReportView:
        """Everything there is to show of an evaluation, also while it runs.

        Args:
            evaluation_id: the evaluation.
            picture_url: an image's hash to its address.

        Raises:
            NotFound: there is no such evaluation.
        """
        state = self.state(evaluation_id)
        request = EvaluationRequest.restore(state.evaluation.request)
        suite = request.suite
        plans = self._plans(evaluation_id)
        checkpoints = _checkpoints(state.contenders, plans)
        facts = _facts(state, request)
        if plans:
            facts["decision"] = " ".join(sentences(plans, checkpoints, budget_of(request)))
        return build_view(
            self.images(state.evaluation),
            [ReportScenario(each.name, each.prompt, each.checks) for each in suite.scenarios],
            title=f"{suite.name}: which epoch to use",
            base=request.base,
            suite=f"{suite.name} {suite.version}",
            picture_url=picture_url,
            planned=state.progress.total,
            facts=facts,
            ranked_by={
                **ranking_arguments(suite),
                "measures": self.measures(state.evaluation),
                "places": race_order(plans, checkpoints),
            },
            dropped=dropped(plans, checkpoints),
            pinned_seeds=suite.pinned_seeds,
            unverified=unverified_checks(request),
            audits=self.audited(state.evaluation.id),
        )


def not_audited(_evaluation_id: str) -> dict[str, Any] | None:
    """Nobody has labelled anything."""
    return None


def run_names(checkpoints: Sequence[CheckpointRow | None]) -> dict[str, str]:
    """The run's name of each checkpoint, by id; the file's name is added where run and epoch do not tell two apart."""
    known = [checkpoint for checkpoint in checkpoints if checkpoint is not None]
    count = Counter((checkpoint.run.name, checkpoint.epoch) for checkpoint in known)
    return {
        each.id: each.run.name
        if count[each.run.name, each.epoch] == 1
        else f"{each.run.name} [{Path(each.path).stem} {each.id[:4]}]"
        for each in known
    }


def _time_left(session: Session, evaluation: Evaluation) -> float | None:
    if evaluation.status != Status.RUNNING:
        return None
    finishes = repository.last_finishes(session, evaluation.id, LOOKED_AT)
    return seconds_left(finishes, repository.open_batches(session, evaluation.id))


def _checkpoints(contenders: Sequence[Contender], plans: Sequence[RoundPlan]) -> dict[int, Checkpoint]:
    """Run and epoch of each contender by its position; the control's run is ``control``.

    Those that were removed since they raced have their place too.
    """
    names = run_names([each.checkpoint for each in contenders])
    raced = plans[0].playing if plans else []
    return {place: ("a removed checkpoint", None) for place in raced} | {
        each.position: (names[each.checkpoint.id], each.checkpoint.epoch) if each.checkpoint else (CONTROL, None)
        for each in contenders
    }


def _label(names: dict[str, str], contender: Contender) -> str:
    checkpoint = contender.checkpoint
    if checkpoint is None:
        return CONTROL
    return names[checkpoint.id] if checkpoint.epoch is None else f"{names[checkpoint.id]} epoch {checkpoint.epoch}"


def _found(evaluation: Evaluation | None, evaluation_id: str) -> Evaluation:
    if evaluation is None:
        raise NotFound(f"there is no evaluation {evaluation_id}")
    return evaluation


def _findings(detection: Detection | None, checks: Sequence[str]) -> tuple[Finding, ...]:
    if detection is None:
        return ()
    if detection.failure is not None:
        reason = f"the detectors broke down: {detection.failure}"
        return tuple(Finding(check, Verdict.NOT_MEASURABLE, "none", "0", reason=reason) for check in checks)
    return tuple(Finding.from_json(row.body) for row in detection.findings)


def _facts(state: EvaluationState, request: EvaluationRequest) -> dict[str, str]:
    generation = request.suite.generation
    facts = {
        "evaluation": f"{state.evaluation.id}, {state.evaluation.status}",
        "generation": f"{generation.sampler}, {generation.schedule}, {generation.steps} steps, "
        f"guidance {generation.guidance:g}, {generation.width}x{generation.height}",
        "checkpoint scale": f"{request.scale:g}",
    }
    for lora in request.extra:
        facts[f"fixed LoRA {Path(lora.path).name}"] = f"scale {lora.scale:g}, sha256 {lora.sha256}"
    for name, value in (state.evaluation.fingerprint or {}).items():
        if isinstance(value, str | int):
            facts[name] = str(value)
    facts["detector profile"] = request.detector_profile
    for check, reason in unanswered_checks(request).items():
        facts[f"{check.replace('_', ' ')} is in no rate"] = reason
    if state.changing_nothing:
        facts["change nothing"] = f"{', '.join(state.changing_nothing)}: the first image is the base model's own"
    for number, problem in enumerate(state.problems, start=1):
        facts[f"problem {number}"] = problem
    return facts
