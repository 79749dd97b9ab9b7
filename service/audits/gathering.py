"""From rows to what the statistics work on: who could be asked about what, with which chance, and what people said."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from detectors.findings import Severity, Verdict
from service.audits import repository
from service.audits.counts import VERDICTS, AuditCounts
from service.audits.questions import FINDINGS, PICTURE, Answer
from service.audits.repository import ItemPlace
from service.audits.sampling import either
from service.database.models import AuditDraw, AuditItem, AuditLabel, Contender
from service.evaluations.states import run_names
from service.rankings import CONTROL, CellOutcome, FindingRow, judge
from service.suites import Suite

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


def picture_states(session: Session, evaluation_id: str, suite: Suite) -> dict[int, tuple[int, str]]:
    """Contender and what the machine makes of the whole picture, by cell; only where everything could be
    measured, and not for seeds that enter no rate."""
    rows: dict[int, list[FindingRow]] = defaultdict(list)
    for cell, check, verdict, severity in repository.all_findings(session, evaluation_id):
        rows[cell].append(FindingRow(check, None, Verdict(verdict), Severity(severity) if severity else None))
    states = {}
    for place in repository.cells(session, evaluation_id):
        if place.seed in suite.pinned_seeds:
            continue
        expected = suite.scenario(place.scenario).checks
        outcome = CellOutcome(
            "", None, place.scenario, place.seed, place.invalid is not None, tuple(rows[place.cell]), expected
        )
        state = str(judge(outcome).state)
        if state in VERDICTS:
            states[place.cell] = (place.contender, state)
    return states


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
