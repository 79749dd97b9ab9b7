"""The HTTP service. Importing it does not import torch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from service import own_version
from service.access import endpoints as access
from service.access.guard import Guard
from service.audits import endpoints as audits
from service.cells import endpoints as cells
from service.comparisons import endpoints as comparisons
from service.errors import KNOWN, NotAllowed
from service.estimates import endpoints as estimates
from service.evaluations import endpoints as evaluations
from service.evaluations.executor import Models
from service.evaluations.worker import Worker
from service.evaluations.workspace import Workspace
from service.library import endpoints as library
from service.pages import endpoints as pages
from service.pages.problems import problem_page, wants_page
from service.reports import endpoints as reports
from service.settings import Settings
from service.storage import endpoints as storage
from service.storage.arrivals import clear_abandoned
from service.web import health
from service.web.description import describe
from service.web.limits import BodyLimit
from service.web.logs import quiet_logs
from service.web.problems import answer_to, problem_of
from service.web.queries import only_known
from service.web.repeats import Repeats
from service.web.telemetry import Metrics, Telemetry

ROUTERS = (
    storage.router,
    library.router,
    evaluations.router,
    estimates.router,
    reports.router,
    comparisons.router,
    cells.router,
    audits.router,
    pages.router,
    access.router,
    health.router,
)
"""A domain's endpoints come in here."""

_GZIP_FROM_BYTES = 1024
_GZIP_LEVEL = 5
"""Nearly as small as the highest, in less than half the time."""


def create_app(settings: Settings | None = None, models: Models | None = None) -> FastAPI:
    """The service on one data folder.

    Args:
        settings: what the operator wants; from the environment by default.
        models: what opens generators and detectors; the real ones by default.
    """
    wanted = settings or Settings()
    quiet_logs()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        space = app.state.workspace = Workspace(wanted, models)
        check_keys(space)
        app.state.worker = Worker(space.evaluations, space.executor) if wanted.work else None
        clear_abandoned(wanted.uploads_dir / "incoming")
        if app.state.worker is not None:
            app.state.worker.start()
        yield
        if app.state.worker is not None:
            app.state.worker.stop()
        space.close()

    app = FastAPI(
        title="Bleedcheck",
        version=own_version(),
        description="Scores LoRA checkpoints of drawn characters: which epoch bleeds, fuses or loses hands, how often.",
        lifespan=lifespan,
        dependencies=[Depends(only_known)],
        docs_url=None,  # the usual ones load their scripts from the internet
        redoc_url=None,
    )
    app.state.metrics = Metrics()
    app.openapi = lambda: describe(app)  # type: ignore[method-assign]
    for router in ROUTERS:
        app.include_router(router)
    for kind in (*KNOWN, RequestValidationError, HTTPException, UnicodeEncodeError, Exception):
        app.add_exception_handler(kind, _as_answer)
    # The last one added is the outermost.
    app.add_middleware(Repeats)
    app.add_middleware(BodyLimit, limit=wanted.max_body_bytes)
    app.add_middleware(GZipMiddleware, minimum_size=_GZIP_FROM_BYTES, compresslevel=_GZIP_LEVEL)
    app.add_middleware(Guard, settings=wanted)
    app.add_middleware(Telemetry, metrics=app.state.metrics)
    return app


def check_keys(space: Workspace) -> None:
    """See that a server which others can reach is locked.

    Raises:
        NotAllowed: it is not: there is no key yet.
    """
    if space.settings.keys_required and not space.keys.any_valid():
        raise NotAllowed(
            f"this server would listen on {space.settings.host} for others than this machine, and there is no key; "
            "make one first with `bleedcheck keys create --name NAME`, or set BLEEDCHECK_KEY"
        )


async def _as_answer(request: Request, error: Exception) -> Response:
    """The application's only handler of errors: a page for people who asked for one, else a problem document."""
    if wants_page(request):
        problem = problem_of(error)
        return problem_page(problem.title, problem.status, problem.detail)
    return answer_to(error, request.scope)
