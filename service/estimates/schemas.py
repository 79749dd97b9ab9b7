"""Estimates as the API takes and shows them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from service.evaluations.schemas import EvaluationIn


class EstimateIn(EvaluationIn):
    """An evaluation as it would be started, and what is known about the machine's price and the time there is."""

    full: bool = Field(False, description="Take the whole grid instead of the small plan.")
    max_hours: float | None = Field(None, ge=0.0, description="Take the fullest plan that ends within these hours.")
    price: float | None = Field(None, ge=0.0, description="What an hour of this machine costs, in any currency.")


class PlannedCheckpoint(BaseModel):
    """A checkpoint that takes part."""

    id: str = Field(description="The checkpoint's id.")
    run: str = Field(description="Its run.")
    epoch: int | None = Field(description="Its epoch.")


class PlanOut(BaseModel):
    """A part of the grid."""

    name: str = Field(description="full, small, or what else is cut.", examples=["small"])
    checkpoints: list[PlannedCheckpoint] = Field(description="Those that take part.")
    scenarios: list[str] = Field(description="Scenarios, in the order they are made.")
    seeds: list[int] = Field(description="Seeds.")
    left_out: list[str] = Field(description="What is not looked at, in words.")
    until: Literal["decided"] | None = Field(
        None, description="decided: it is made in rounds, and images, hours, disk and cost are what they take at most."
    )


class EstimateOut(BaseModel):
    """What a plan takes on this machine, with nothing else running on it."""

    plan: PlanOut = Field(description="What would be generated.")
    images: int = Field(description="All images of the plan, the control's too; with until, at most.")
    images_there: int = Field(description="Those of them that exist already.")
    hours: float = Field(description="Hours until the answer.")
    seconds_per_image: float = Field(description="Seconds an image takes all in all.")
    disk_bytes: int = Field(description="Bytes that the new images need.")
    disk_free_bytes: int = Field(description="Bytes that are free.")
    disk_enough: bool = Field(description="Whether the new images fit on the disk.")
    price_per_hour: float | None = Field(description="As stated.")
    cost: float | None = Field(description="What the hours cost; null without a price.")
    measured: dict[str, Any] = Field(description="The warm-up's own figures, in seconds and bytes.")


class EstimatesOut(EstimateOut):
    """The plan to take, and all others."""

    notices: list[str] = Field(
        description="What to know of the base before it is used: its licence, rounded weights, too few steps for it."
    )
    other_plans: list[EstimateOut] = Field(description="From the fullest to the smallest.")
