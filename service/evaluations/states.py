"""An evaluation as it is at this moment: how far it is, what its runs are called, what it was made with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.orm import Session

from service.database.models import Checkpoint, Contender, Evaluation
from service.evaluations import repository
from service.evaluations.counting import Counting
from service.evaluations.estimates import LOOKED_AT, seconds_left
from service.evaluations.executor import Progress, Status, status_words
from service.evaluations.requests import EvaluationRequest
from service.evaluations.trust import unanswered_checks
from service.rankings import CONTROL


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
        notes: what was done otherwise than asked, though it succeeded, each message once.
    """

    evaluation: Evaluation
    progress: Progress
    problems: tuple[str, ...]
    changing_nothing: tuple[str, ...]
    contenders: tuple[Contender, ...] = ()
    seconds_left: float | None = None
    notes: tuple[str, ...] = ()


def state_of(session: Session, evaluation: Evaluation, counting: Counting) -> EvaluationState:
    """The state of an evaluation that was read in this session."""
    contenders = repository.contenders(session, evaluation.id)
    names = run_names([contender.checkpoint for contender in contenders])
    counts = counting.of(session, evaluation)
    return EvaluationState(
        evaluation,
        counts.progress,
        counts.problems,
        tuple(_label(names, contender) for contender in contenders if contender.changes_nothing),
        tuple(contenders),
        _time_left(session, evaluation),
        counts.notes,
    )


def run_names(checkpoints: Sequence[Checkpoint | None]) -> dict[str, str]:
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


def _label(names: dict[str, str], contender: Contender) -> str:
    checkpoint = contender.checkpoint
    if checkpoint is None:
        return CONTROL
    return names[checkpoint.id] if checkpoint.epoch is None else f"{names[checkpoint.id]} epoch {checkpoint.epoch}"


def facts_of(state: EvaluationState, request: EvaluationRequest) -> dict[str, str]:
    """What was used to make and to judge the images, in words, by label."""
    generation = request.suite.generation
    facts = {
        "evaluation": f"{state.evaluation.id}, {status_words(state.evaluation.status, state.progress.failed)}",
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
    for number, note in enumerate(state.notes, start=1):
        facts[f"note {number}"] = note
    return facts
