"""The HTTP service. Importing it does not import torch."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from service.audits import endpoints as audits
from service.errors import KNOWN, title_of
from service.estimates import endpoints as estimates
from service.evaluations import endpoints as evaluations
from service.evaluations.executor import Models
from service.evaluations.worker import Worker
from service.evaluations.workspace import Workspace
from service.pages import endpoints as pages
from service.pages.problems import problem_page, wants_page
from service.settings import Settings
from service.storage import endpoints as storage
from service.storage.arrivals import clear_abandoned

logger = logging.getLogger(__name__)

_PROBLEM_TYPE = "application/problem+json"


class Problem(BaseModel):
    """What every error looks like (RFC 9457)."""

    type: str = Field("about:blank", description="Always this: the title tells the kind.")
    title: str = Field(description="The kind of problem.", examples=["Unmapped keys"])
    status: int = Field(description="The HTTP status.", examples=[422])
    detail: str = Field(description="What is wrong and what to do about it.")


class Health(BaseModel):
    """A sign of life."""

    status: str = Field(description="ok.", examples=["ok"])
    version: str = Field(description="Version of Bleedcheck.")


def create_app(settings: Settings | None = None, models: Models | None = None) -> FastAPI:
    """The service on one data folder.

    Args:
        settings: what the operator wants; from the environment by default.
        models: what opens generators and detectors; the real ones by default.
    """
    wanted = settings or Settings()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        space = app.state.workspace = Workspace(wanted, models)
        app.state.worker = Worker(space.evaluations, space.executor) if wanted.work else None
        clear_abandoned(wanted.uploads_dir / "incoming")
        if app.state.worker is not None:
            app.state.worker.start()
        yield
        if app.state.worker is not None:
            app.state.worker.stop()
        space.close()

    problems = {code: {"model": Problem, "content": {_PROBLEM_TYPE: {}}} for code in ("4XX", "5XX")}
    app = FastAPI(
        title="Bleedcheck",
        version=_version(),
        description="Scores LoRA checkpoints of drawn characters: which epoch bleeds, fuses or loses hands, how often.",
        lifespan=lifespan,
        responses=problems,  # type: ignore[arg-type]
    )
    app.include_router(storage.router)
    app.include_router(evaluations.router)
    app.include_router(audits.router)
    app.include_router(pages.router)
    app.include_router(estimates.router)
    for kind in (*KNOWN, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _as_problem)

    @app.get("/healthz", tags=["health"])
    def health() -> Health:
        """Whether the service answers."""
        return Health(status="ok", version=app.version)

    return app


def _version() -> str:
    try:
        return version("bleedcheck")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"


async def _as_problem(request: Request, error: Exception) -> Response:
    """The one place where errors become answers."""
    problem = _problem(error)
    if problem.status >= 500:
        logger.error("%s %s: %s", request.method, request.url.path, error, exc_info=error)
    if wants_page(request):
        return problem_page(problem.title, problem.status, problem.detail)
    headers = error.headers if isinstance(error, HTTPException) else None
    return JSONResponse(problem.model_dump(), problem.status, headers, _PROBLEM_TYPE)


def _problem(error: Exception) -> Problem:
    if isinstance(error, KNOWN):
        return Problem(title=title_of(error), status=error.status, detail=str(error))
    if isinstance(error, RequestValidationError):
        faults = [f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in error.errors()]
        return Problem(title="Invalid request", status=422, detail="; ".join(faults))
    if isinstance(error, HTTPException):
        return Problem(title=str(error.detail), status=error.status_code, detail=f"{error.detail}: see /docs")
    return Problem(title="Internal error", status=500, detail="something went wrong here; the server's log says what")
