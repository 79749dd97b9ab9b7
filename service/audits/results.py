"""What the labels say: corrected rates beside the machine's, precision and recall, agreement, warnings in words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from sqlalchemy.orm import Session

from service.audits import repository
from service.audits.correction import LEAST_LABELS, CorrectedRate, Interval, checkpoint_rates, pooled_rate
from service.audits.counts import AuditCounts
from service.audits.gathering import Entrant, Size, count, current, entrants, finding_sizes, picture_states
from service.audits.quality import Agreement, Difference, Quality, agreement, error_differs, quality
from service.audits.questions import FINDINGS, PICTURE, QUESTION, Answer
from service.audits.repository import ItemPlace
from service.database.models import AuditDraw, Evaluation
from service.evaluations import repository as evaluations
from service.evaluations.requests import EvaluationRequest
from service.rankings import CONTROL, percent, wilson
from service.rankings.comparison import holm

ALPHA = 0.05
_PSEUDO = (FINDINGS, PICTURE, QUESTION)


@dataclass(frozen=True)
class EntrantRate:
    """A checkpoint's (or the control's) rate of one check, before and after."""

    run: str
    epoch: int | None
    own_labels: int
    rate: CorrectedRate


@dataclass(frozen=True)
class CheckResult:
    """One check over the evaluation; ``unit`` says what a rate counts: ``finding`` or ``picture``.

    ``p_adjusted`` is the chance of such differences of its error between checkpoints if there were none, after Holm.
    """

    check: str
    unit: str
    pooled: CorrectedRate
    quality: Quality
    difference: Difference
    p_adjusted: float | None
    rates: tuple[EntrantRate, ...]


@dataclass(frozen=True)
class QuestionRate:
    """A free question's answers for one checkpoint or the control; cannot tell is in no rate."""

    run: str
    epoch: int | None
    labels: int
    fails: int
    rate: float | None
    interval: Interval | None


@dataclass(frozen=True)
class QuestionResult:
    """A free question over the evaluation."""

    question: str
    rates: tuple[QuestionRate, ...]


@dataclass(frozen=True)
class AuditResults:
    """Everything the labels say.

    Attributes:
        drawn: items that were drawn; ``labelled`` of them have a label, ``cant_tell`` of those say so.
        chosen: labelled items that somebody chose; they enter no rate.
        changed: labelled items whose finding is not what it was when it was drawn; they enter no rate.
        agreement: between first and blind second labels.
        difference: whether the machine errs alike at every checkpoint, over all checks.
        overall: all checks' findings together, from draws over all of them: what thirty labels can correct.
        checks: each check with a label.
        picture: whole pictures, if any has a label.
        questions: free questions.
        warnings: what to beware of, in words.
        sentences: what the labels do to the answer, in words.
    """

    drawn: int
    labelled: int
    cant_tell: int
    chosen: int
    changed: int
    agreement: Agreement
    difference: Difference
    overall: CheckResult | None
    checks: tuple[CheckResult, ...]
    picture: CheckResult | None
    questions: tuple[QuestionResult, ...]
    warnings: tuple[str, ...] = ()
    sentences: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass
class _Gathered:
    """What the results are worked out from."""

    order: list[Entrant]
    draws: Sequence[AuditDraw]
    sizes: dict[str, Size] = field(default_factory=dict)
    items: dict[str, list[ItemPlace]] = field(default_factory=lambda: defaultdict(list))


def work_out(session: Session, evaluation: Evaluation) -> AuditResults:
    """The results of an evaluation's audits at this moment. The same labels always give the same figures."""
    places = repository.items(session, evaluation.id)
    labelled = [each for each in places if current(each.item)]
    drawn = [each for each in labelled if each.item.draw_id is not None]
    gathered = _Gathered(
        entrants(evaluations.contenders(session, evaluation.id)), repository.draws(session, evaluation.id)
    )
    everywhere = {draw.id for draw in gathered.draws if draw.about == FINDINGS}
    request = EvaluationRequest.restore(evaluation.request)
    states: dict[int, tuple[int, str]] = {}
    if any(each.item.check == PICTURE for each in drawn):
        states = picture_states(session, evaluation.id, request)
    fresh = _unchanged(session, drawn, states)
    for each in fresh:
        gathered.items[each.item.check].append(each)
        if each.item.draw_id in everywhere:
            gathered.items[FINDINGS].append(each)
    if drawn:
        counts = repository.verdict_counts(session, evaluation.id, request.suite.pinned_seeds)
        gathered.sizes = _sizes(finding_sizes(counts), states)
    checks = [_check(gathered, name, "finding") for name in sorted(gathered.items) if name not in _PSEUDO]
    checks = _adjusted(checks)
    picture = _check(gathered, PICTURE, "picture") if gathered.items.get(PICTURE) else None
    everything = [_counts(gathered, each.check, gathered.order) for each in checks]
    pairs = [
        (first.verdict, second.verdict)
        for each in labelled
        if (first := current(each.item)) and (second := current(each.item, True))
    ]
    found = AuditResults(
        drawn=sum(each.item.draw_id is not None for each in places),
        labelled=len(drawn),
        cant_tell=sum(_answer(each) == Answer.CANT_TELL for each in drawn),
        chosen=len(labelled) - len(drawn),
        changed=len(drawn) - len(fresh),
        agreement=agreement([first for first, _ in pairs], [second for _, second in pairs]),
        difference=error_differs(everything, np.random.default_rng(0)),
        overall=_check(gathered, FINDINGS, "finding") if gathered.items.get(FINDINGS) else None,
        checks=tuple(checks),
        picture=picture,
        questions=_questions(gathered),
    )
    return replace(found, warnings=_warnings(found, gathered), sentences=_sentences(found))


def _answer(place: ItemPlace) -> str | None:
    label = current(place.item)
    return label.verdict if label else None


def _unchanged(session: Session, drawn: Sequence[ItemPlace], states: Mapping[int, tuple[int, str]]) -> list[ItemPlace]:
    """Items whose finding still says what it said when it was drawn."""
    bodies = repository.finding_bodies(session, [each.item.cell_id for each in drawn])
    now = {
        (cell, body["check"], body.get("character")): body["verdict"]
        for cell, found in bodies.items()
        for body in found
    }
    now |= {(cell, PICTURE, None): state for cell, (_, state) in states.items()}
    return [
        each
        for each in drawn
        if each.item.check == QUESTION
        or now.get((each.item.cell_id, each.item.check, each.item.character)) == each.item.verdict
    ]


def _sizes(findings: Mapping[str, Size], states: Mapping[int, tuple[int, str]]) -> dict[str, Size]:
    everything: Counter[tuple[int, str]] = Counter()
    for each in findings.values():
        everything.update(each)
    return {**findings, FINDINGS: everything, PICTURE: Counter(states.values())}


def _counts(gathered: _Gathered, check: str, order: Sequence[Entrant]) -> AuditCounts:
    return count(check, gathered.sizes.get(check, {}), gathered.items[check], gathered.draws, order)


def _check(gathered: _Gathered, check: str, unit: str) -> CheckResult:
    """One check. The control's labels help to correct the control, and are in no figure over the checkpoints."""
    counts = _counts(gathered, check, gathered.order)
    trained = [entrant for entrant in gathered.order if entrant.run != CONTROL]
    of_checkpoints = _counts(gathered, check, trained)
    rng = np.random.default_rng(0)
    rates = checkpoint_rates(counts, rng)
    difference = error_differs([counts], rng)
    return CheckResult(
        check=check,
        unit=unit,
        pooled=pooled_rate(of_checkpoints, rng),
        quality=quality(of_checkpoints, rng),
        difference=difference,
        p_adjusted=difference.p,
        rates=tuple(
            EntrantRate(entrant.run, entrant.epoch, int(counts.labelled[row].sum()), rates[row])
            for row, entrant in enumerate(gathered.order)
        ),
    )


def _adjusted(checks: Sequence[CheckResult]) -> list[CheckResult]:
    tested = [each for each in checks if each.difference.p is not None]
    values = holm([each.difference.p or 0.0 for each in tested])
    by_check = {each.check: value for each, value in zip(tested, values, strict=True)}
    return [replace(each, p_adjusted=by_check.get(each.check)) for each in checks]


def _questions(gathered: _Gathered) -> tuple[QuestionResult, ...]:
    answers: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for each in gathered.items.get(QUESTION, ()):
        label = _answer(each)
        if label not in (None, Answer.CANT_TELL):
            answers[each.item.question or ""][each.contender].append(str(label))
    return tuple(
        QuestionResult(
            question, tuple(_question_rate(entrant, given.get(entrant.id, [])) for entrant in gathered.order)
        )
        for question, given in answers.items()
    )


def _question_rate(entrant: Entrant, answers: Sequence[str]) -> QuestionRate:
    """Within a checkpoint a free question's pictures are drawn with equal chances, so the plain share will do."""
    fails, labels = sum(each == Answer.FAILS for each in answers), len(answers)
    share = fails / labels if labels else None
    return QuestionRate(entrant.run, entrant.epoch, labels, fails, share, wilson(fails, labels))


def _warnings(found: AuditResults, gathered: _Gathered) -> tuple[str, ...]:
    told = []
    everything = [each for each in (*found.checks, found.picture) if each]
    few = [each.check for each in everything if each.pooled.corrected is None]
    if few:
        told.append(
            f"Too few labels to correct {_list(few)} (at least {LEAST_LABELS} are needed): there the machine's rates "
            "stand as they are."
        )
    differing = [each for each in everything if each.p_adjusted is not None and each.p_adjusted < ALPHA]
    for each in differing:
        told.append(
            f"The machine's error on {_word(each.check)} differs between checkpoints (p = {each.p_adjusted:.3f}): "
            f"{_spread(each, gathered.order)}. Its uncorrected rates cannot be compared across epochs; label more of "
            "each checkpoint."
        )
    if found.difference.p is not None and found.difference.p < ALPHA and not differing:
        told.append(
            f"Over all checks the machine's error differs between checkpoints (p = {found.difference.p:.3f}), though "
            "no single check shows it: compare uncorrected rates across epochs with care."
        )
    if found.changed:
        told.append(f"{found.changed} labels are about findings that have changed since; they are left out.")
    kappa = found.agreement.kappa
    if kappa is not None and found.agreement.pairs >= 10 and kappa < 0.6:
        told.append(
            f"People do not agree with each other (kappa {kappa:.2f} on {found.agreement.pairs} findings): settle what "
            "the questions mean before the labels are trusted."
        )
    return tuple(told)


def _spread(result: CheckResult, order: Sequence[Entrant]) -> str:
    known = [(rate, entrant) for rate, entrant in zip(result.difference.rates, order, strict=True) if rate is not None]
    low, high = min(known, key=lambda pair: pair[0]), max(known, key=lambda pair: pair[0])
    return f"labels contradict {percent(low[0])} of it at {low[1].label} and {percent(high[0])} at {high[1].label}"


def _sentences(found: AuditResults) -> tuple[str, ...]:
    if not found.labelled:
        return ("Nobody has labelled a drawn finding yet: every rate is the machine's alone.",)
    told = [
        f"{found.labelled} of {found.drawn} drawn items are labelled"
        + (f", {found.cant_tell} of them with cannot tell." if found.cant_tell else ".")
    ]
    for each in filter(None, (found.overall, *found.checks, found.picture)):
        rate = each.pooled
        if rate.corrected is not None and rate.interval is not None and rate.uncorrected is not None:
            told.append(
                f"{_word(each.check).capitalize()}: the machine says {percent(rate.uncorrected)} fail, corrected "
                f"{percent(rate.corrected)} ({percent(rate.interval[0])} to {percent(rate.interval[1])})."
            )
    told.append(_answer_after(found.picture))
    return tuple(told)


def _answer_after(picture: CheckResult | None) -> str:
    """What the correction does to the question which checkpoint fails least."""
    rows = [each for each in picture.rates if each.run != CONTROL] if picture else []
    known = [each for each in rows if each.rate.corrected is not None and each.rate.uncorrected is not None]
    if len(known) < 2:
        return (
            "The order of the checkpoints rests on the machine alone: to correct it, label whole pictures "
            "(bleedcheck audit --about picture, or the audit page)."
        )
    before = min(known, key=lambda each: each.rate.uncorrected or 0.0)
    after = min(known, key=lambda each: each.rate.corrected or 0.0)
    low, high = after.rate.interval or (0.0, 1.0)
    others = sum((each.rate.interval or (0.0, 1.0))[0] <= high for each in known if each is not after)
    open_ = f"the intervals of {others} other{'s' if others != 1 else ''} reach into its own" if others else (
        "no other's interval reaches into its own"
    )  # fmt: skip
    name = _label(after)
    same = f"{name} still fails least" if after is before else f"{name} fails least instead of {_label(before)}"
    return f"Corrected, {same}: {percent(after.rate.corrected or 0.0)} ({percent(low)} to {percent(high)}); {open_}."


def _label(each: EntrantRate) -> str:
    return each.run if each.epoch is None else f"{each.run} epoch {each.epoch}"


def _word(check: str) -> str:
    return {PICTURE: "whole pictures", FINDINGS: "all checks together"}.get(check, check.replace("_", " "))


def _list(checks: Sequence[str]) -> str:
    words = [_word(each) for each in checks]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
