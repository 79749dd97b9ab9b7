"""Cells as the API shows them."""

from __future__ import annotations

from pydantic import BaseModel, Field

from detectors import Finding
from service.evaluations.schemas import FindingOut


class BriefFinding(BaseModel):
    """One verdict without what is behind it."""

    check: str = Field(description="Name of the check.", examples=["ahoge_bleed"])
    character: str | None = Field(description="Whom it is about; null for the whole image.", examples=["Kei"])
    verdict: str = Field(description="holds, minor, fails or not_measurable.", examples=["fails"])
    severity: str | None = Field(description="lost, fused, clear or minor.", examples=["clear"])

    @classmethod
    def of(cls, finding: Finding) -> BriefFinding:
        """The verdict of a finding."""
        return cls(check=finding.check, character=finding.character, verdict=finding.verdict, severity=finding.severity)


class CellOut(BaseModel):
    """One checkpoint (or the control) x scenario x seed."""

    id: int = Field(description="Its number, for addresses.", examples=[4711])
    run: str = Field(description='The run, or "control".', examples=["v2"])
    epoch: int | None = Field(description="The checkpoint's epoch.", examples=[148])
    checkpoint: str | None = Field(description="The checkpoint's id; null for the control.", examples=["5f0c1f7c6f0e"])
    scenario: str = Field(description="The scenario's name.", examples=["piggyback"])
    seed: int = Field(description="The seed.", examples=[7])
    state: str = Field(
        description="fails, minor, holds, not_measurable, invalid, or pending while it is not judged; about the check "
        "and character that the list is narrowed to, else about the whole image.",
        examples=["fails"],
    )
    severity: str | None = Field(description="lost, fused, clear or minor, of the worst finding.", examples=["lost"])
    image: str | None = Field(description="The image's hash; null until it is made.", examples=["9f86d081884c7d65"])
    width: int | None = Field(description="Pixels.", examples=[1024])
    height: int | None = Field(description="Pixels.", examples=[1024])
    invalid: str | None = Field(description="Why it is no picture, if it is none.", examples=[None])
    findings: list[BriefFinding] = Field(description="What the detectors said.")


class CellPage(BaseModel):
    """Some cells, and where the next ones are."""

    cells: list[CellOut] = Field(description="In the order of the plan.")
    next: str | None = Field(description="Send it as `cursor` for the next ones; null at the end.", examples=["NDcxMQ"])


class PieceOut(BaseModel):
    """A piece of the picture that is worth enlarging."""

    part: str = Field(description="head, hand, contact or person.", examples=["hand"])
    character: str | None = Field(description="Whose it is.", examples=["Kei"])
    box: tuple[int, int, int, int] = Field(description="x0, y0, x1, y1 in pixels.", examples=[[10, 20, 74, 84]])
    checks: list[str] = Field(
        description="Checks that looked at it; each decides who is who without the trait it judges.",
        examples=[["hands"]],
    )
    url: str = Field(description="The piece, enlarged. It never changes.", examples=["/v1/images/9f86/crop?box=…"])


class ElsewhereOut(BaseModel):
    """Something that is lost because it is not there, and the other pictures of the same prompt and seed."""

    check: str = Field(description="Name of the check.", examples=["hands"])
    character: str | None = Field(description="Whom it is about.")
    shown: int = Field(description="Other pictures, the control's included, that show it. With 0 it may be covered.")
    pictures: int = Field(description="Other pictures that were judged.")


class WholeCell(CellOut):
    """A cell with everything behind its verdicts, and the addresses of its pictures."""

    prompt: str = Field(description="The complete prompt.", examples=["2girls, keichan, kanachan, hug, park"])
    evidence: list[FindingOut] = Field(description="The findings with their evidence.")
    image_url: str | None = Field(description="The image.", examples=["/v1/images/9f86d081884c7d65"])
    overlay_url: str | None = Field(
        description="The image with masks, strands, hands and boxes drawn on it; add `&layers=hands` for some of them, "
        "`&transparent=true` for the drawing alone.",
        examples=["/v1/evaluations/8d3c4b1f0a9e/cells/4711/overlay?v=17-1"],
    )
    pieces: list[PieceOut] = Field(description="Heads, hands, contact, people: pieces to enlarge.")
    control: int | None = Field(description="The control's cell with the same scenario and seed.", examples=[12])
    elsewhere: list[ElsewhereOut] | None = Field(
        None, description="What is lost because it is not there, on the other pictures; only of a cell asked for alone."
    )


class WholeCellPage(BaseModel):
    """Some whole cells, and where the next ones are."""

    cells: list[WholeCell] = Field(description="In the order of the plan.")
    next: str | None = Field(description="Send it as `cursor` for the next ones; null at the end.", examples=["NDcxMQ"])
