"""An audit's items as people see them: the picture, the question, and the machine's answer only after their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from service.audits import repository
from service.audits.gathering import current, entrants
from service.audits.questions import PICTURE, QUESTION, question_of
from service.audits.repository import ItemPlace
from service.database.models import AuditItem, AuditLabel, Evaluation
from service.evaluations import repository as evaluations
from service.evaluations.requests import EvaluationRequest


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


class Look:
    """Turns rows into views, within one session."""

    def __init__(self, session: Session, evaluation: Evaluation) -> None:
        self.session = session
        self._id = evaluation.id
        self._suite = EvaluationRequest.restore(evaluation.request).suite
        self._names = {each.id: each for each in entrants(evaluations.contenders(session, evaluation.id))}

    def view(self, place: ItemPlace, blind: bool = False) -> AuditView:
        """One item; ``blind`` leaves out what anybody said."""
        return self.views([place], blind)[0]

    def views(self, places: Sequence[ItemPlace], blind: bool = False) -> list[AuditView]:
        """Several items, in the same order."""
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
