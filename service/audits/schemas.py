"""Audits as the API takes and shows them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.audits.draws import LARGEST_DRAW, Drawing
from service.audits.importing import Imported
from service.audits.questions import FINDINGS, LONGEST_QUESTION
from service.audits.results import AuditResults
from service.audits.service import NOBODY
from service.audits.views import AuditView

Interval = tuple[float, float]
Verdict = Literal["holds", "minor", "fails", "cant_tell"]
Person = Annotated[str, Field(min_length=1, max_length=80, description="Who says so.", examples=["aya"])]


def _examples(*examples: dict[str, Any]) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": list(examples)})


class DrawIn(BaseModel):
    """How many items to draw, and about what."""

    model_config = _examples(
        {"size": 30},
        {"size": 40, "about": "picture"},
        {"size": 24, "about": "question", "question": "Are all shadows possible?"},
    )

    size: int = Field(30, ge=1, le=LARGEST_DRAW, description="How many.")
    about: str = Field(
        FINDINGS,
        max_length=100,
        description="findings: of every check. A check's name. picture: whole pictures. question: a free question.",
    )
    seed: int | None = Field(None, ge=0, lt=2**31, description="The same seed draws the same items.")
    question: str | None = Field(None, max_length=LONGEST_QUESTION, description="The free question.")


class DrawOut(BaseModel):
    """What was drawn."""

    id: int = Field(description="The draw's number.")
    about: str = Field(description="What it is about.")
    size: int = Field(description="Items drawn: as many as asked, give or take one, or all that were left.")
    seed: int = Field(description="Its seed.")
    strata: dict[str, dict[str, float]] = Field(
        description="By contender and verdict: how many findings there were, and each one's chance to be drawn."
    )

    @classmethod
    def of(cls, drawing: Drawing) -> DrawOut:
        """The answer to a draw."""
        return cls(**asdict(drawing))


class LabelIn(BaseModel):
    """A person's verdict on an item."""

    model_config = _examples(
        {"verdict": "fails", "person": "aya"}, {"verdict": "holds", "person": "ben", "second": True}
    )

    verdict: Verdict = Field(description="holds, minor, fails or cant_tell.")
    person: Person = NOBODY
    second: bool = Field(False, description="A second label, given blind, to see how well people agree.")
    source: Literal["api", "page"] = Field("api", description="Where it was given.")


class UndoIn(BaseModel):
    """Whose latest label is taken back."""

    model_config = _examples({"person": "aya"})

    person: Person = NOBODY


class LabelOut(BaseModel):
    """One label of an item's history."""

    verdict: str = Field(description="holds, minor, fails or cant_tell.")
    person: str = Field(description="Who gave it.")
    second: bool = Field(description="Whether it is a blind second one.")
    source: str = Field(description="api, page or csv.")
    created_at: float = Field(description="Seconds since 1970, UTC.")
    undone_at: float | None = Field(description="When it was taken back or replaced.")


class ItemOut(BaseModel):
    """One question to a person, with its labels. The machine's answer is told only once there is a label."""

    id: int = Field(description="The item's number.", examples=[12])
    check: str = Field(description="The check; picture for the whole picture, question for a free one.")
    character: str | None = Field(description="Whom it is about.")
    question: str = Field(description="What is asked, in words.")
    run: str = Field(description='The run, or "control".')
    epoch: int | None = Field(description="The checkpoint's epoch.")
    scenario: str = Field(description="The scenario's name.")
    seed: int = Field(description="The seed.")
    prompt: str = Field(description="What the picture was asked to show.")
    image: str | None = Field(description="The image's hash: GET /v1/images/{hash}.")
    control: str | None = Field(description="The same prompt and seed without a LoRA.")
    chance: float | None = Field(description="Its chance to be drawn; null where somebody chose it.")
    label: str | None = Field(description="The label that counts.")
    second: str | None = Field(description="The blind second label.")
    person: str | None = Field(description="Who gave the label.")
    machine: dict[str, Any] | None = Field(description="The machine's finding, once there is a label.")
    history: list[LabelOut] = Field(description="Every label there ever was, oldest first.")

    @classmethod
    def of(cls, view: AuditView) -> ItemOut:
        """The item of a view."""
        return cls.model_validate({**asdict(view), "history": list(view.history)})


class ItemPage(BaseModel):
    """Some items."""

    items: list[ItemOut] = Field(description="In the order they were drawn.")
    next: str | None = Field(description="The cursor for those behind them; null: there are no more.")


class NextOut(BaseModel):
    """The item to judge next."""

    item: ItemOut | None = Field(description="null: nothing waits. Draw more.")
    waiting: int = Field(description="Items that wait for a label, this one included.")
    undoable: bool = Field(description="Whether the person who asks has a label here to take back.")


class ImportOut(BaseModel):
    """What a table brought."""

    labels: int = Field(description="New labels.")
    unchanged: int = Field(description="Labels that were there already.")
    chosen: int = Field(description="Rows about findings that were not drawn: they correct no rate.")

    @classmethod
    def of(cls, imported: Imported) -> ImportOut:
        """The answer to an import."""
        return cls(**asdict(imported))


class CorrectedOut(BaseModel):
    """A failure rate before and after."""

    uncorrected: float | None = Field(description="The machine's rate; null if it measured nothing.")
    corrected: float | None = Field(description="After the audits; null where there are too few labels.")
    interval: Interval | None = Field(description="95 % interval of the corrected rate.")
    normal_interval: Interval | None = Field(description="ppi-python's own; too narrow for few labels.")
    labels: int = Field(description="Labels it rests on.")
    method: str = Field(description="own, shared (labels of all checkpoints, as far as they are alike) or none.")
    warning: str = Field(description="Why there is no correction.")


class QualityOut(BaseModel):
    """How often the machine is right when it says fails, and how many failures it finds, on this very run."""

    precision: float | None = Field(description="Of its fails, those that really fail.")
    precision_interval: Interval | None = Field(description="95 % interval.")
    recall: float | None = Field(description="Of the real failures, those it found.")
    recall_interval: Interval | None = Field(description="95 % interval.")
    labels: int = Field(description="Labels it rests on.")
    alarms: int = Field(description="Of those, labels on its fails.")


class DifferenceOut(BaseModel):
    """Whether the machine errs alike at every checkpoint."""

    p: float | None = Field(description="Chance of such differences if it did; null where no label tells.")
    labels: int = Field(description="Labels it rests on.")
    errors: int = Field(description="Labels that contradict the machine.")
    rates: list[float | None] = Field(description="Share of contradicted labels for each of the rates' rows.")


class EntrantRateOut(BaseModel):
    """One checkpoint's rate of a check."""

    run: str = Field(description='The run, or "control".')
    epoch: int | None = Field(description="The checkpoint's epoch.")
    own_labels: int = Field(description="Labels on its own pictures.")
    rate: CorrectedOut = Field(description="Before and after.")


class CheckResultOut(BaseModel):
    """One check, corrected."""

    check: str = Field(description="The check; findings for all together, picture for whole pictures.")
    unit: str = Field(description="What its rates count: finding or picture.")
    pooled: CorrectedOut = Field(description="Over all checkpoints, the control left out.")
    quality: QualityOut = Field(description="Precision and recall.")
    difference: DifferenceOut = Field(description="Whether its error differs between checkpoints.")
    p_adjusted: float | None = Field(description="The difference's p after Holm's correction over the checks.")
    rates: list[EntrantRateOut] = Field(description="Per checkpoint, the control last.")


class AgreementOut(BaseModel):
    """First and blind second labels."""

    pairs: int = Field(description="Items with both.")
    share: float | None = Field(description="Part on which they agree.")
    share_interval: Interval | None = Field(description="95 % Wilson interval.")
    kappa: float | None = Field(description="Cohen's kappa.")
    kappa_interval: Interval | None = Field(description="95 % interval.")


class QuestionRateOut(BaseModel):
    """A free question's answers for one checkpoint."""

    run: str = Field(description='The run, or "control".')
    epoch: int | None = Field(description="The checkpoint's epoch.")
    labels: int = Field(description="Answers.")
    fails: int = Field(description="Answers that say fails.")
    rate: float | None = Field(description="Their share.")
    interval: Interval | None = Field(description="95 % Wilson interval.")


class QuestionResultOut(BaseModel):
    """A free question."""

    question: str = Field(description="Its words.")
    rates: list[QuestionRateOut] = Field(description="Per checkpoint, the control last.")


class ResultsOut(BaseModel):
    """What the labels say, at this moment."""

    drawn: int = Field(description="Items drawn.")
    labelled: int = Field(description="Of those, with a label.")
    cant_tell: int = Field(description="Of those, labels that say cannot tell.")
    chosen: int = Field(description="Labelled items that nobody drew; in no rate.")
    changed: int = Field(description="Labelled items whose finding has changed since; in no rate.")
    agreement: AgreementOut = Field(description="How well people agree.")
    difference: DifferenceOut = Field(description="Over all checks.")
    overall: CheckResultOut | None = Field(description="All checks' findings together.")
    checks: list[CheckResultOut] = Field(description="Each check with a label.")
    picture: CheckResultOut | None = Field(description="Whole pictures.")
    questions: list[QuestionResultOut] = Field(description="Free questions.")
    warnings: list[str] = Field(description="What to beware of.")
    sentences: list[str] = Field(description="What the labels do to the answer.")

    @classmethod
    def of(cls, results: AuditResults) -> ResultsOut:
        """The results as the API shows them."""
        return cls.model_validate(results.to_json())
