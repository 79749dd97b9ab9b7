"""Evaluations as the API takes and shows them."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from service.audits.schemas import ResultsOut
from service.evaluations.executor import status_words
from service.evaluations.states import EvaluationState, run_names
from service.rankings import LeaderboardAnswer
from service.reports.views import ReportImage

For = Annotated[
    str,
    Query(
        max_length=500,
        description="What for: all, hard-contact, no-crossing, or weights per check such as hands=2,fusion=1.",
        examples=["hard-contact"],
    ),
]


class EvaluationIn(BaseModel):
    """What to evaluate: whole runs, single checkpoints, or both, with one suite."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"runs": ["v1", "v2"], "suite": "keikana", "epochs": "120-150"},
                {"runs": ["v2"], "suite": "keikana", "until": "decided", "max_images": 1500},
                {"checkpoints": ["5f0c1f7c6f0e2c1a"], "suite": "demo", "seeds": 2},
            ]
        },
    )

    runs: list[str] = Field([], max_length=50, description="Runs whose checkpoints take part.")
    checkpoints: list[str] = Field([], max_length=1000, description="Ids of further checkpoints.")
    epochs: str | None = Field(None, description="Of the runs, only these epochs: 120-150, 120- or 148.")
    suite: str = Field("keikana", max_length=100, description="Name of a suite.", examples=["keikana"])
    suite_version: int | None = Field(
        None, ge=1, le=10**9, description="Its version; by default the newest.", examples=[1]
    )
    suite_yaml: str | None = Field(
        None, max_length=1_000_000, description="The text of a suite file, instead of a name.", examples=[None]
    )
    scenarios: list[str] = Field([], max_length=200, description="Only these scenarios of the suite, in this order.")
    seeds: int | None = Field(None, ge=1, le=1000, description="Only the suite's first seeds.")
    scale: float = Field(1.0, ge=-4.0, le=4.0, description="Strength of the checkpoints; 0 is the base model.")
    batch_size: int | None = Field(
        None, ge=1, le=64, description="Images that are generated together; by default what fits the machine's card."
    )
    until: Literal["decided"] | None = Field(
        None, description="decided: no fixed grid, but rounds of images where the ranking is still open."
    )
    max_images: int | None = Field(
        None, ge=1, le=1_000_000, description="With until: images at most; by default those of the whole grid."
    )


class ExtensionIn(BaseModel):
    """What to add to an evaluation: checkpoints, seeds, or both."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"runs": ["v2"], "epochs": "152-160"}, {"fresh_seeds": 8}]}
    )

    runs: list[str] = Field([], max_length=50, description="Runs whose checkpoints join.", examples=[["v2"]])
    checkpoints: list[str] = Field([], max_length=1000, description="Ids of checkpoints that join.", examples=[[]])
    epochs: str | None = Field(
        None, max_length=40, description="Of the runs, only these epochs: 120-150, 120- or 148.", examples=["152-160"]
    )
    seeds: list[Annotated[int, Field(ge=0, le=2**63 - 1)]] = Field(
        [], max_length=1000, description="Further seeds, for all checkpoints and the control.", examples=[[1001, 1002]]
    )
    fresh_seeds: int = Field(0, ge=0, le=1000, description="How many seeds more that were not used yet.", examples=[8])


class ProgressOut(BaseModel):
    """How far an evaluation is, in cells."""

    total: int = Field(description="All images of the plan, the control's too.")
    generated: int = Field(description="Images that exist.")
    judged: int = Field(description="Images that the detectors have judged; those that broke them are not among them.")
    failed: int = Field(description="Images that could not be made or judged.")
    done: float = Field(description="Share of the work behind us, 0..1.")


class ContenderOut(BaseModel):
    """A checkpoint that takes part."""

    checkpoint: str = Field(description="Its id.", examples=["5f0c1f7c6f0e2c1a"])
    run: str = Field(description="The run's name, as on the leaderboard.", examples=["v2"])
    epoch: int | None = Field(description="Its epoch.", examples=[148])
    file: str = Field(description="The file's own name.", examples=["keikana_v2_epoch148.safetensors"])


class EvaluationOut(BaseModel):
    """An evaluation and how far it is."""

    id: str = Field(description="Its name in every address.", examples=["8d3c4b1f0a9e"])
    status: str = Field(description="planned, running, finished, cancelled or failed.")
    status_text: str = Field(
        description="The status for people, with how many images failed.", examples=["finished, 3 failed"]
    )
    suite: str = Field(description="The suite's name.")
    base: str = Field(description="The base model.")
    created_at: float = Field(description="Seconds since 1970, UTC.")
    finished_at: float | None = Field(description="The same; null while it is not finished.")
    error: str | None = Field(description="Why it failed, if it did; resume it when that is mended.")
    progress: ProgressOut = Field(description="How far it is.")
    seconds_left: float | None = Field(
        description="How long it will still take at its pace; null unless it is running and that can be told.",
        examples=[184.5],
    )
    checkpoints: list[ContenderOut] = Field(description="What is compared, in the order of the plan.")
    scenarios: list[str] = Field(description="Names of the suite's scenarios.", examples=[["together", "hug"]])
    seeds: list[int] = Field(description="The seeds.", examples=[[7, 13, 99]])
    problems: list[str] = Field(description="What went wrong with single batches.")
    notes: list[str] = Field(
        description="What was done otherwise than asked, though it succeeded: such as fewer images at once."
    )
    changing_nothing: list[str] = Field(
        description="Checkpoints whose first image is the base model's own: most likely they were not applied."
    )

    @classmethod
    def of(cls, state: EvaluationState) -> EvaluationOut:
        """The evaluation of a state."""
        row, progress = state.evaluation, state.progress
        suite = row.request["suite"]
        names = run_names([each.checkpoint for each in state.contenders])
        return cls(
            id=row.id,
            status=row.status,
            status_text=status_words(row.status, progress.failed),
            suite=row.suite,
            base=row.request["base"],
            created_at=row.created_at,
            finished_at=row.finished_at,
            error=row.error,
            progress=ProgressOut(
                total=progress.total,
                generated=progress.generated,
                judged=progress.judged,
                failed=progress.failed,
                done=progress.done,
            ),
            seconds_left=state.seconds_left,
            checkpoints=[
                ContenderOut(checkpoint=each.id, run=names[each.id], epoch=each.epoch, file=Path(each.path).name)
                for each in (contender.checkpoint for contender in state.contenders)
                if each is not None
            ],
            scenarios=[scenario["name"] for scenario in suite["scenarios"]],
            seeds=suite["seeds"],
            problems=list(state.problems),
            notes=list(state.notes),
            changing_nothing=list(state.changing_nothing),
        )


class EvaluationPage(BaseModel):
    """Some evaluations, and where the next ones are."""

    evaluations: list[EvaluationOut] = Field(description="Newest first.")
    next: str | None = Field(description="Send it as `cursor` for the next ones; null at the end.", examples=[None])


class LeaderboardOut(LeaderboardAnswer):
    """Every checkpoint, best first, and what follows from it."""

    evaluation: str = Field(description="The evaluation's id.")
    status: str = Field(description="planned, running, finished, cancelled or failed: figures may still change.")
    failed: int = Field(description="Images that could not be made or judged; they are in no rate.", examples=[0])
    audits: ResultsOut | None = Field(
        None, description="The rates after people's audits, beside the machine's; null while nobody has labelled."
    )
    unverified: list[str] = Field([], description="Checks whose error on pictures of this kind nobody has measured.")
    unanswered: dict[str, str] = Field(
        {}, description="Checks that the detector profile has nothing for, with the reason; they are in no rate."
    )
    decision: dict[str, Any] | None = Field(
        None,
        description="Of an evaluation until decided: how it ended (leader, tie or budget spent), the rounds, and why "
        "each checkpoint was dropped.",
    )


class FindingOut(BaseModel):
    """One verdict."""

    check: str = Field(description="Name of the check.", examples=["ahoge_bleed"])
    character: str | None = Field(description="Whom it is about; null for the whole image.")
    verdict: str = Field(description="holds, minor, fails or not_measurable.")
    severity: str | None = Field(description="lost, fused, clear or minor.")
    score: float | None = Field(description="The detector's own confidence that it fails, 0..1.")
    reason: str = Field(description="One sentence, always there for not_measurable.")
    detector: str = Field(description="Who says so.")
    version: str = Field(description="Its version.")
    evidence: dict[str, Any] = Field(description="The facts behind it; boxes are x0, y0, x1, y1 in pixels.")
    verified: bool = Field(True, description="Whether the check's error on pictures of this kind is measured.")


class ImageOut(BaseModel):
    """One cell's image and everything that was found on it."""

    run: str = Field(description='The run, or "control".')
    epoch: int | None = Field(description="The checkpoint's epoch.")
    scenario: str = Field(description="The scenario's name.")
    seed: int = Field(description="The seed.")
    image: str | None = Field(description="The image's hash: GET /v1/images/{hash}.")
    width: int = Field(description="Pixels.")
    height: int = Field(description="Pixels.")
    invalid: str | None = Field(description="Why it is no picture, if it is none.")
    findings: list[FindingOut] = Field(description="What the detectors said.")

    @classmethod
    def of(cls, image: ReportImage, unverified: Collection[str] = ()) -> ImageOut:
        """The image of a report; ``unverified`` are the checks whose error nobody has measured."""
        return cls(
            run=image.run,
            epoch=image.epoch,
            scenario=image.scenario,
            seed=image.seed,
            image=image.key,
            width=image.width,
            height=image.height,
            invalid=image.invalid,
            findings=[
                FindingOut.model_validate({**finding.to_json(), "verified": finding.check not in unverified})
                for finding in image.findings
            ],
        )


class ReportOut(LeaderboardOut):
    """A leaderboard with every image behind it."""

    images: list[ImageOut] = Field(description="In the order of the plan.")
