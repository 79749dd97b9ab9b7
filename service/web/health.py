"""Signs of life, readiness, and metrics."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from service.errors import NotReady
from service.evaluations.dependencies import Space
from service.evaluations.executor import Status
from service.web import readiness
from service.web.problems import problems
from service.web.telemetry import Metrics

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """A sign of life."""

    status: str = Field(description="ok.", examples=["ok"])
    version: str = Field(description="Version of Bleedcheck.", examples=["0.1.0"])


class Readiness(BaseModel):
    """What a working server needs, each with ``ok`` or what is wrong."""

    status: str = Field(description="ok.", examples=["ok"])
    database: str = Field(description="Whether the database answers.", examples=["ok"])
    disk: str = Field(description="Whether files can be written, and that there is room.", examples=["ok"])


def _metrics(request: Request) -> Metrics:
    metrics: Metrics = request.app.state.metrics
    return metrics


@router.get("/healthz")
def health(request: Request) -> Health:
    """Whether the service answers."""
    return Health(status="ok", version=request.app.version)


@router.get("/readyz", responses=problems(503, 507))
def ready(space: Space) -> Readiness:
    """Whether the service can do its work: the database answers and the disk can be written."""
    found = readiness.look(space.database, space.settings.data_dir)
    wrong = [f"{name}: {value}" for name, value in found.items() if value != "ok"]
    if wrong:
        raise NotReady("; ".join(wrong))
    return Readiness(status="ok", **found)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}, "description": "For Prometheus."}},
)
def metrics(space: Space, meters: Annotated[Metrics, Depends(_metrics)]) -> Response:
    """Requests, their duration, and evaluations by status, in Prometheus' text format."""
    counts = space.evaluations.count_by_status()
    for status in Status:
        meters.evaluations.labels(status.value).set(counts.get(status.value, 0))
    return Response(generate_latest(meters.registry), media_type=CONTENT_TYPE_LATEST)
