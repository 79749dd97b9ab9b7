"""Drawing what people are asked about, at random, with every chance written down."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy.orm import Session

from service.audits import repository
from service.audits.gathering import picture_states, stratum_name, target_of
from service.audits.questions import FINDINGS, LONGEST_QUESTION, PICTURE, QUESTION
from service.audits.sampling import allocate, draw_stratified
from service.database.models import AuditDraw, AuditItem, Evaluation
from service.errors import Conflict, InvalidInput
from service.evaluations.executor import Status
from service.evaluations.requests import EvaluationRequest

LARGEST_DRAW = 2000
Stratum = tuple[str, int]
Unit = tuple[int, str, str | None]
"""Cell, check and character of what is asked about."""


@dataclass(frozen=True)
class Drawing:
    """What a draw gave: how many items, from which strata (by name: size and chance), and with which seed."""

    id: int
    about: str
    size: int
    seed: int
    strata: Mapping[str, Mapping[str, float]]


def draw(
    session: Session, evaluation: Evaluation, size: int, about: str, seed: int | None, question: str | None
) -> Drawing:
    """Draw items and store them; see :meth:`service.audits.service.AuditService.draw`."""
    if not 1 <= size <= LARGEST_DRAW:
        raise InvalidInput(f"a draw has 1 to {LARGEST_DRAW} items, not {size}")
    asked = _free_question(about, question)
    if evaluation.status in (Status.PLANNED, Status.RUNNING):
        raise Conflict(
            f"evaluation {evaluation.id} is {evaluation.status}; draw when it has finished, or cancel it: "
            "pictures that come later would have had no chance to be drawn"
        )
    known = repository.targets(session, evaluation.id)
    strata = _strata(session, evaluation, about, asked, known)
    if not any(strata.values()):
        raise InvalidInput(f"evaluation {evaluation.id} has nothing left to draw for {about!r}")
    number = len(repository.draws(session, evaluation.id)) if seed is None else seed
    row = AuditDraw(evaluation_id=evaluation.id, about=about, seed=number, size=0, chances={})
    session.add(row)
    session.flush()
    _fill(session, row, strata, size, asked, known)
    return Drawing(row.id, about, row.size, number, row.chances)


def _free_question(about: str, question: str | None) -> str | None:
    text = " ".join((question or "").split())
    if about != QUESTION:
        if text:
            raise InvalidInput("a free question is asked with about=question")
        return None
    if not 3 <= len(text) <= LONGEST_QUESTION:
        raise InvalidInput(f"ask a question of 3 to {LONGEST_QUESTION} characters, such as: Are all shadows possible?")
    return text


def _strata(
    session: Session, evaluation: Evaluation, about: str, question: str | None, known: Mapping[str, AuditItem]
) -> dict[Stratum, list[Unit]]:
    """What can still be drawn, by verdict and contender; a free question knows no verdict."""
    strata: dict[Stratum, list[Unit]] = defaultdict(list)
    request = EvaluationRequest.restore(evaluation.request)
    suite = request.suite
    if about in (FINDINGS, *suite.checks):
        check = None if about == FINDINGS else about
        for found in repository.findings(session, evaluation.id, check, suite.pinned_seeds):
            strata[found.verdict, found.contender].append((found.cell, found.check, found.character))
    elif about == PICTURE:
        for cell, (contender, state) in picture_states(session, evaluation.id, request).items():
            strata[state, contender].append((cell, PICTURE, None))
    elif about == QUESTION:
        for place in repository.cells(session, evaluation.id):
            if place.invalid is None and place.seed not in suite.pinned_seeds:
                strata["", place.contender].append((place.cell, QUESTION, None))
    else:
        checks = ", ".join(suite.checks)
        raise InvalidInput(f"{about!r} cannot be audited; choose {FINDINGS}, {PICTURE}, {QUESTION}, or one of {checks}")
    free = {name for name, item in known.items() if item.draw_id is None}
    return {
        stratum: [unit for unit in units if (name := _target(unit, question)) not in known or name in free]
        for stratum, units in sorted(strata.items())
    }


def _target(unit: Unit, question: str | None) -> str:
    cell, check, character = unit
    return target_of(check, cell, character, question)


def _fill(
    session: Session,
    draw: AuditDraw,
    strata: Mapping[Stratum, Sequence[Unit]],
    size: int,
    question: str | None,
    known: Mapping[str, AuditItem],
) -> None:
    """Draw, and store what was drawn with the chance of every stratum."""
    drawn = draw_stratified(strata, size, np.random.default_rng((draw.seed, len(known))))
    scores = _scores(session, [each.unit for each in drawn])
    sizes = [len(units) for units in strata.values()]
    chances = {
        stratum_name(contender, verdict): {"size": number, "chance": min(mean / number, 1.0)}
        for (verdict, contender), number, mean in zip(strata, sizes, allocate(sizes, size), strict=True)
        if number
    }
    for position, each in enumerate(drawn):
        cell, check, character = each.unit
        verdict, _ = each.stratum
        name = _target(each.unit, question)
        item = known.get(name) or AuditItem(evaluation_id=draw.evaluation_id, target=name)
        item.draw_id, item.cell_id, item.position = draw.id, cell, position
        item.check, item.character, item.question = check, character, question
        item.verdict, item.score, item.probability = verdict or None, scores.get(each.unit), each.probability
        session.add(item)
    draw.size, draw.chances = len(drawn), chances
    session.flush()


def _scores(session: Session, units: Sequence[Unit]) -> dict[Unit, float]:
    bodies = repository.finding_bodies(session, {cell for cell, _, _ in units})
    return {
        (cell, body["check"], body.get("character")): body["score"]
        for cell, found in bodies.items()
        for body in found
        if body.get("score") is not None
    }
