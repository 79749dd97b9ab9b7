"""Comparisons as the API shows them."""

from __future__ import annotations

from pydantic import BaseModel, Field

from service.comparisons.service import Comparison, Side

Interval = tuple[float, float]


class SideOut(BaseModel):
    """One side of a comparison."""

    evaluation: str = Field(description="The evaluation.", examples=["8d3c4b1f0a9e"])
    run: str = Field(description='The run; "control" is the base without a LoRA.', examples=["v1"])
    epoch: int | None = Field(description="The epoch; null for all.", examples=[148])

    @classmethod
    def of(cls, side: Side) -> SideOut:
        """A side."""
        return cls(evaluation=side.evaluation, run=side.run, epoch=side.epoch)


class CountsOut(BaseModel):
    """What became of one side's images."""

    fails: int = Field(description="Images that fail.", examples=[12])
    minor: int = Field(description="Images with a small fault only.", examples=[3])
    holds: int = Field(description="Images that hold.", examples=[81])
    not_measurable: int = Field(description="Images that could not be judged; in no rate.", examples=[0])
    rate: float | None = Field(description="fails / (fails + minor + holds).", examples=[0.125])
    interval: Interval | None = Field(description="95 % Wilson interval of the rate.", examples=[[0.07, 0.21]])


class DifferenceOut(BaseModel):
    """How much more often the second side fails than the first."""

    check: str | None = Field(description="The check; null for whole images.", examples=["hands"])
    first: CountsOut = Field(description="The first side.")
    second: CountsOut = Field(description="The second side.")
    difference: float | None = Field(description="Second rate minus first rate, -1..1.", examples=[-0.08])
    interval: Interval | None = Field(
        description="95 % interval of the difference, all images taken as independent.", examples=[[-0.15, -0.01]]
    )
    cluster_interval: Interval | None = Field(
        description="95 % interval with images of one scenario and seed taken together: the honest one for several "
        "epochs.",
        examples=[[-0.17, 0.01]],
    )
    pairs: int = Field(description="Images of the same scenario, seed and epoch measured on both.", examples=[96])
    paired_difference: float | None = Field(description="The difference on these pairs alone.", examples=[-0.08])
    paired_interval: Interval | None = Field(description="Its 95 % interval.", examples=[[-0.14, -0.02]])
    first_only: int = Field(description="Pairs on which only the first fails.", examples=[10])
    second_only: int = Field(description="Pairs on which only the second fails.", examples=[2])


class FlipSide(BaseModel):
    """One picture of a pair."""

    state: str = Field(description="holds, minor, clear, fused or lost.", examples=["lost"])
    image: str | None = Field(description="The image's hash.", examples=["9f86d081884c7d65"])


class FlipOut(BaseModel):
    """A pair of pictures of which one fails and the other does not."""

    scenario: str = Field(description="The scenario.", examples=["piggyback"])
    seed: int = Field(description="The seed.", examples=[7])
    epoch: int | None = Field(description="The epoch, if both sides are compared epoch by epoch.", examples=[148])
    first: FlipSide = Field(description="The first side's picture.")
    second: FlipSide = Field(description="The second side's picture.")


class ComparisonOut(BaseModel):
    """Two sides against each other."""

    first: SideOut = Field(description="The first side.")
    second: SideOut = Field(description="The second side.")
    differences: list[DifferenceOut] = Field(description="Whole images first, then check by check.")
    flipped: int = Field(description="Pairs of which one fails and the other does not.", examples=[12])
    flips: list[FlipOut] = Field(description="The worst turns for the second side first.")
    pairs: int = Field(description="Pictures that both sides have.", examples=[96])

    @classmethod
    def of(cls, found: Comparison) -> ComparisonOut:
        """A comparison."""
        return cls(
            first=SideOut.of(found.first),
            second=SideOut.of(found.second),
            differences=[DifferenceOut.model_validate(each) for each in found.differences],
            flipped=found.flipped,
            flips=[FlipOut.model_validate(each) for each in found.flips],
            pairs=found.pairs,
        )
