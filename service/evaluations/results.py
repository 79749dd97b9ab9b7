"""What evaluations come to, read at any moment: leaderboards, pictures with their findings, reports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from detectors import Finding, Verdict
from service.database.engine import Database
from service.database.models import Contender, Detection, Evaluation
from service.evaluations import repository
from service.evaluations.counting import Counting
from service.evaluations.decision import advise, dropped, race_order, sentences
from service.evaluations.outcomes import outcome_table
from service.evaluations.ranked_by import ranking_arguments, values_of
from service.evaluations.requests import EvaluationRequest
from service.evaluations.rounds import RoundPlan, budget_of
from service.evaluations.settling import settle
from service.evaluations.states import EvaluationState, facts_of, run_names, state_of
from service.evaluations.trust import unanswered_checks, unverified_checks
from service.rankings import CONTROL, Checkpoint, answer
from service.rankings.locking import Cell
from service.reports.views import ReportImage, ReportScenario, ReportView, build_view


class EvaluationResults:
    """Reads evaluations and changes nothing.

    ``audited`` tells what people's labels on an evaluation say; whoever knows about audits sets it.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counting = Counting()
        self.audited: Callable[[str], dict[str, Any] | None] = not_audited

    def state(self, evaluation_id: str) -> EvaluationState:
        """An evaluation and how far it is.

        Raises:
            NotFound: there is no such evaluation.
        """
        with self._database.reading() as session:
            return state_of(session, repository.get(session, evaluation_id), self._counting)

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
            evaluation = repository.get(session, evaluation_id)
            contenders = repository.contenders(session, evaluation_id)
            rows = repository.outcome_rows(session, evaluation_id)
            failed = self._counting.of(session, evaluation).progress.failed
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
            "failed": failed,
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
        return facts_of(state, EvaluationRequest.restore(state.evaluation.request))

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
        facts = facts_of(state, request)
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


def _findings(detection: Detection | None, checks: Sequence[str]) -> tuple[Finding, ...]:
    if detection is None:
        return ()
    if detection.failure is not None:
        reason = f"the detectors broke down: {detection.failure}"
        return tuple(Finding(check, Verdict.NOT_MEASURABLE, "none", "0", reason=reason) for check in checks)
    return tuple(Finding.from_json(row.body) for row in detection.findings)
