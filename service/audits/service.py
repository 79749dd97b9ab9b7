"""Audits as the endpoints, the page and the command line use them: draw, ask, label, take back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from service.audits import repository
from service.audits.correction import warm_up
from service.audits.gathering import current, entrants, picture_states, stratum_name, target_of
from service.audits.questions import FINDINGS, LONGEST_QUESTION, PICTURE, QUESTION, Answer, question_of
from service.audits.repository import ItemPlace
from service.audits.results import AuditResults, work_out
from service.audits.sampling import allocate, draw_stratified
from service.database.engine import Database
from service.database.models import AuditDraw, AuditItem, AuditLabel, Evaluation
from service.errors import Conflict, InvalidInput, NotFound
from service.evaluations.executor import Status
from service.evaluations.requests import EvaluationRequest

LARGEST_DRAW = 2000
NOBODY = "unnamed"
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


@dataclass(frozen=True)
class AuditView:
    """One item as people see it.

    Attributes:
        id: its number.
        check: the check, ``picture`` for the whole picture, ``question`` for a free question.
        character: whom it is about.
        question: what is asked, in words.
        run, epoch, scenario, seed: which picture.
        image: the picture's hash; ``control`` is the same prompt and seed without a LoRA, where there is one.
        control: see ``image``.
        prompt: what the picture was asked to show.
        chance: chance the item had in its draw; ``None`` where somebody chose it.
        label: the label that counts; ``second`` the blind second one.
        second: see ``label``.
        person: who gave ``label``.
        machine: the machine's whole finding, only once there is a label: before, it would tell the answer.
        history: every label there ever was, oldest first.
    """

    id: int
    check: str
    character: str | None
    question: str
    run: str
    epoch: int | None
    scenario: str
    seed: int
    image: str | None
    control: str | None
    prompt: str
    chance: float | None
    label: str | None
    second: str | None
    person: str | None
    machine: Mapping[str, Any] | None
    history: tuple[Mapping[str, Any], ...]


class AuditService:
    """Human verdicts on an evaluation's findings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def draw(
        self,
        evaluation_id: str,
        size: int,
        about: str = FINDINGS,
        seed: int | None = None,
        question: str | None = None,
    ) -> Drawing:
        """Draw items at random, stratified by checkpoint and by the machine's verdict; none is drawn twice.

        Args:
            evaluation_id: the evaluation.
            size: how many.
            about: ``findings`` for those of every check, a check's name, ``picture`` for whole pictures, or
                ``question`` for a free question on whole pictures.
            seed: of the draw; another one for each draw by default.
            question: the free question.

        Raises:
            NotFound: there is no such evaluation.
            InvalidInput: there is nothing to draw, or the question is missing.
            Conflict: the evaluation still runs; later pictures would have had no chance.
        """
        if not 1 <= size <= LARGEST_DRAW:
            raise InvalidInput(f"a draw has 1 to {LARGEST_DRAW} items, not {size}")
        asked = _free_question(about, question)
        with self._database.transaction() as session:
            evaluation = _found(session, evaluation_id)
            if evaluation.status in (Status.PLANNED, Status.RUNNING):
                raise Conflict(
                    f"evaluation {evaluation_id} is {evaluation.status}; draw when it has finished, or cancel it: "
                    "pictures that come later would have had no chance to be drawn"
                )
            known = repository.targets(session, evaluation_id)
            strata = _strata(session, evaluation, about, asked, known)
            if not any(strata.values()):
                raise InvalidInput(f"evaluation {evaluation_id} has nothing left to draw for {about!r}")
            earlier = repository.draws(session, evaluation_id)
            number = len(earlier) if seed is None else seed
            draw = AuditDraw(evaluation_id=evaluation_id, about=about, seed=number, size=0, chances={})
            session.add(draw)
            session.flush()
            _fill(session, draw, strata, size, asked, known)
            return Drawing(draw.id, about, draw.size, number, draw.chances)

    def next(self, evaluation_id: str, second: bool = False) -> tuple[AuditView | None, int]:
        """The next item that waits for a label (or a blind second one), and how many wait.

        Raises:
            NotFound: there is no such evaluation.
        """
        warm_up()
        with self._looking(evaluation_id) as look:
            place = repository.next_item(look.session, evaluation_id, second)
            left = repository.waiting(look.session, evaluation_id, second)
            return (look.view(place, blind=True) if place else None), left

    def item(self, evaluation_id: str, item_id: int, blind: bool = False) -> AuditView:
        """One item.

        Raises:
            NotFound: there is no such evaluation or item.
        """
        with self._looking(evaluation_id) as look:
            return look.view(_place(look.session, evaluation_id, item_id), blind)

    def items(self, evaluation_id: str, after: int = 0, limit: int | None = None) -> list[AuditView]:
        """Items in the order they came, those behind number ``after``.

        Raises:
            NotFound: there is no such evaluation.
        """
        with self._looking(evaluation_id) as look:
            places = repository.items(look.session, evaluation_id, after, limit)
            return look.views(places)

    def label(
        self,
        evaluation_id: str,
        item_id: int,
        answer: Answer,
        person: str = NOBODY,
        second: bool = False,
        source: str = "api",
    ) -> AuditView:
        """Record a person's verdict. One's own earlier label is replaced and kept in the history.

        Raises:
            NotFound: there is no such evaluation or item.
            Conflict: somebody else's label counts already, or a second label comes before the first.
        """
        with self._database.transaction() as session:
            _found(session, evaluation_id)
            place = _place(session, evaluation_id, item_id)
            put_label(session, place.item, answer, person, second, source)
        return self.item(evaluation_id, item_id)

    def undo(self, evaluation_id: str, person: str = NOBODY) -> AuditView:
        """Take back a person's latest label; it stays in the history.

        Raises:
            NotFound: there is no such evaluation, or nothing to take back.
        """
        with self._database.transaction() as session:
            _found(session, evaluation_id)
            label = repository.last_label(session, evaluation_id, person)
            if label is None:
                raise NotFound(f"{person} has no label in evaluation {evaluation_id} to take back")
            repository.take_back(session, [label.id])
            item_id = label.item_id
        return self.item(evaluation_id, item_id, blind=True)

    def results(self, evaluation_id: str) -> AuditResults:
        """What the labels say at this moment.

        Raises:
            NotFound: there is no such evaluation.
        """
        with self._database.reading() as session:
            return work_out(session, _found(session, evaluation_id))

    def summary(self, evaluation_id: str) -> dict[str, Any] | None:
        """The results as plain JSON values, for a leaderboard; ``None`` while nobody has labelled anything.

        Raises:
            NotFound: there is no such evaluation.
        """
        with self._database.reading() as session:
            evaluation = _found(session, evaluation_id)
            return work_out(session, evaluation).to_json() if repository.any_label(session, evaluation_id) else None

    @contextmanager
    def _looking(self, evaluation_id: str) -> Iterator[_Look]:
        with self._database.reading() as session:
            yield _Look(session, _found(session, evaluation_id))


def put_label(
    session: Session, item: AuditItem, answer: Answer, person: str, second: bool, source: str
) -> AuditLabel | None:
    """Add a label to an item; ``None`` if it says what this person's label says already.

    Raises:
        Conflict: see :meth:`AuditService.label`.
    """
    counting = current(item, second)
    if counting is not None:
        if counting.person != person:
            raise Conflict(
                f"item {item.id} has a label by {counting.person}; it can be taken back, or a second, blind label given"
            )
        if counting.verdict == answer:
            return None
        repository.take_back(session, [counting.id])
    elif second and current(item) is None:
        raise Conflict(f"item {item.id} has no first label yet")
    label = AuditLabel(item_id=item.id, verdict=answer.value, person=person, second=second, source=source)
    session.add(label)
    session.flush()
    return label


class _Look:
    """Turns rows into views, within one session."""

    def __init__(self, session: Session, evaluation: Evaluation) -> None:
        self.session = session
        self._id = evaluation.id
        self._suite = EvaluationRequest.restore(evaluation.request).suite
        self._names = {each.id: each for each in entrants(repository.contenders(session, evaluation.id))}

    def view(self, place: ItemPlace, blind: bool = False) -> AuditView:
        return self.views([place], blind)[0]

    def views(self, places: Sequence[ItemPlace], blind: bool = False) -> list[AuditView]:
        controls = repository.control_images(self.session, self._id, {(each.scenario, each.seed) for each in places})
        told = [] if blind else [each.item.cell_id for each in places if current(each.item)]
        bodies = repository.finding_bodies(self.session, told)
        return [self._view(each, controls, bodies, blind) for each in places]

    def _view(
        self,
        place: ItemPlace,
        controls: Mapping[tuple[str, int], str],
        bodies: Mapping[int, Sequence[dict[str, Any]]],
        blind: bool,
    ) -> AuditView:
        item, entrant = place.item, self._names[place.contender]
        first, second = (None, None) if blind else (current(item), current(item, True))
        scenario = self._suite.scenario(place.scenario)
        return AuditView(
            id=item.id,
            check=item.check,
            character=item.character,
            question=question_of(item.check, item.character, scenario.cast, item.question),
            run=entrant.run,
            epoch=entrant.epoch,
            scenario=place.scenario,
            seed=place.seed,
            image=place.image,
            control=controls.get((place.scenario, place.seed)),
            prompt=scenario.prompt,
            chance=item.probability,
            label=first.verdict if first else None,
            second=second.verdict if second else None,
            person=first.person if first else None,
            machine=_machine(item, bodies.get(item.cell_id, ())) if first else None,
            history=() if blind else tuple(_told(label) for label in item.labels),
        )


def _machine(item: AuditItem, bodies: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    if item.check == QUESTION:
        return None
    if item.check == PICTURE:
        return {"verdict": item.verdict, "findings": list(bodies)}
    same = [body for body in bodies if (body["check"], body.get("character")) == (item.check, item.character)]
    return same[0] if same else {"verdict": item.verdict, "score": item.score}


def _told(label: AuditLabel) -> dict[str, Any]:
    return {
        "verdict": label.verdict,
        "person": label.person,
        "second": label.second,
        "source": label.source,
        "created_at": label.created_at,
        "undone_at": label.undone_at,
    }


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
    suite = EvaluationRequest.restore(evaluation.request).suite
    if about in (FINDINGS, *{name for each in suite.scenarios for name in each.checks}):
        check = None if about == FINDINGS else about
        for found in repository.findings(session, evaluation.id, check, suite.pinned_seeds):
            strata[found.verdict, found.contender].append((found.cell, found.check, found.character))
    elif about == PICTURE:
        for cell, (contender, state) in picture_states(session, evaluation.id, suite).items():
            strata[state, contender].append((cell, PICTURE, None))
    elif about == QUESTION:
        for place in repository.cells(session, evaluation.id):
            if place.invalid is None and place.seed not in suite.pinned_seeds:
                strata["", place.contender].append((place.cell, QUESTION, None))
    else:
        checks = ", ".join(sorted({name for each in suite.scenarios for name in each.checks}))
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


def _found(session: Session, evaluation_id: str) -> Evaluation:
    evaluation = repository.find_evaluation(session, evaluation_id)
    if evaluation is None:
        raise NotFound(f"there is no evaluation {evaluation_id}")
    return evaluation


def _place(session: Session, evaluation_id: str, item_id: int) -> ItemPlace:
    place = repository.find_item(session, evaluation_id, item_id)
    if place is None:
        raise NotFound(f"evaluation {evaluation_id} has no audit item {item_id}")
    return place
