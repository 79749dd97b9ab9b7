"""From rows to what the statistics work on: who could be asked about what, with which chance, and what people said."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from sqlalchemy.orm import Session

from service.audits import repository
from service.audits.counts import VERDICTS, AuditCounts
from service.audits.questions import FINDINGS, PICTURE, Answer
from service.audits.repository import ItemPlace, VerdictCount
from service.audits.sampling import either
from service.database.models import AuditDraw, AuditItem, AuditLabel, Contender
from service.evaluations.requests import EvaluationRequest
from service.evaluations.states import run_names
from service.evaluations.trust import unanswered_checks
from service.evaluations.verdicts import brief_findings
from service.rankings import CONTROL, CellOutcome, FindingRow, judge

Size = Mapping[tuple[int, str], int]
"""Findings of one check, by contender and the machine's verdict."""


@dataclass(frozen=True)
class Entrant:
    """A checkpoint of the evaluation, or its control."""

    id: int
    run: str
    epoch: int | None

    @property
    def label(self) -> str:
        """What people call it."""
        return self.run if self.epoch is None else f"{self.run} epoch {self.epoch}"


def entrants(rows: Sequence[Contender]) -> list[Entrant]:
    """The checkpoints by run and epoch, the control last."""
    names = run_names([row.checkpoint for row in rows])
    found = [
        Entrant(row.id, names[row.checkpoint.id], row.checkpoint.epoch)
        if row.checkpoint
        else Entrant(row.id, CONTROL, None)
        for row in rows
    ]
    return sorted(found, key=lambda each: (each.run == CONTROL, each.run, each.epoch is None, each.epoch or 0))


def target_of(check: str, cell: int, character: str | None, question: str | None = None) -> str:
    """The one name of what an item is about."""
    return "|".join([check, str(cell), character or "", question or ""])


def stratum_name(contender: int, verdict: str) -> str:
    """A stratum as a draw logs it."""
    return f"{contender}|{verdict}"


def chance(draws: Iterable[AuditDraw], check: str, contender: int, verdict: str) -> float:
    """Chance of a finding to have been drawn by any of the draws, 0..1."""
    total = 0.0
    for draw in draws:
        if draw.about == check or (draw.about == FINDINGS and check != PICTURE):
            stratum = draw.chances.get(stratum_name(contender, verdict))
            total = either(total, stratum["chance"]) if stratum else total
    return total


def picture_states(session: Session, evaluation_id: str, request: EvaluationRequest) -> dict[int, tuple[int, str]]:
    """Contender and what the machine makes of the whole picture, by cell; only where everything that the profile has
    a detector for could be measured, and not for seeds that enter no rate."""
    unanswered = unanswered_checks(request).keys()
    expected = {
        each.name: tuple(check for check in each.checks if check not in unanswered) for each in request.suite.scenarios
    }
    states = {}
    for place in repository.cells(session, evaluation_id):
        if place.seed in request.suite.pinned_seeds or place.invalid is not None:
            continue
        state = _picture_state(place.verdicts or "", expected[place.scenario])
        if state in VERDICTS:
            states[place.cell] = (place.contender, state)
    return states


@lru_cache(maxsize=65536)
def _picture_state(verdicts: str, expected: tuple[str, ...]) -> str:
    found = [FindingRow(each.check, None, each.verdict, each.severity) for each in brief_findings(verdicts)]
    return str(judge(CellOutcome("", None, "", 0, False, tuple(found), expected)).state)


def finding_sizes(counts: Iterable[VerdictCount]) -> dict[str, dict[tuple[int, str], int]]:
    """How many findings with a measured verdict there are, by check, and then by contender and verdict."""
    sizes: dict[str, dict[tuple[int, str], int]] = defaultdict(lambda: defaultdict(int))
    for each in counts:
        for finding in brief_findings(each.verdicts):
            if finding.verdict in VERDICTS:
                sizes[finding.check][each.contender, finding.verdict.value] += each.pictures
    return sizes


def current(item: AuditItem, second: bool = False) -> AuditLabel | None:
    """The label of an item that counts: the last one that was not taken back."""
    kept = [label for label in item.labels if label.undone_at is None and label.second is second]
    return kept[-1] if kept else None


def count(
    check: str, size: Size, items: Sequence[ItemPlace], draws: Sequence[AuditDraw], order: Sequence[Entrant]
) -> AuditCounts:
    """The counts of one check over the entrants, in their order.

    Args:
        check: the check, or :data:`PICTURE`.
        size: how many findings there are.
        items: drawn items of that check, whose finding still is what it was when it was drawn.
        draws: every draw of the evaluation.
        order: the rows.
    """
    place = {entrant.id: row for row, entrant in enumerate(order)}
    shape = (len(order), len(VERDICTS))
    population, labelled, failing = (np.zeros(shape, np.int64) for _ in range(3))
    probability = np.ones(shape)
    for (contender, verdict), number in size.items():
        if contender in place:
            population[place[contender], VERDICTS.index(verdict)] = number
    for each in items:
        label = current(each.item)
        if label is None or label.verdict == Answer.CANT_TELL or each.contender not in place:
            continue
        spot = (place[each.contender], VERDICTS.index(each.item.verdict or ""))
        labelled[spot] += 1
        failing[spot] += label.verdict == Answer.FAILS
        probability[spot] = chance(draws, check, each.contender, each.item.verdict or "")
    return AuditCounts(population, labelled, failing, probability)
