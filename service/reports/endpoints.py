"""Leaderboards of runs, and reports in every form."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from starlette.background import BackgroundTask

from service.evaluations.dependencies import Space
from service.evaluations.schemas import For, ImageOut, LeaderboardOut, ReportOut
from service.evaluations.workspace import Workspace
from service.reports import render_report
from service.reports.delivery import SUFFIXES, run_leaderboard, write_report
from service.web.caching import TaggedRoute
from service.web.problems import problems

router = APIRouter(prefix="/v1", tags=["reports"], route_class=TaggedRoute)

Format = Literal["json", "html", "csv", "markdown", "findings", "single-page", "zip"]
_TEXT = {"schema": {"type": "string"}}
_REPORT = {
    200: {
        "content": {
            "text/html": _TEXT,
            "text/csv": _TEXT,
            "text/markdown": _TEXT,
            "application/zip": {"schema": {"type": "string", "format": "binary"}},
        },
        "description": "The report in the form that was asked for.",
    },
    **problems(404, 413),
}


@router.get("/runs/{run}/leaderboard", responses=problems(404))
def get_run_leaderboard(
    run: str,
    space: Space,
    suite: Annotated[
        str | None, Query(description="Of evaluations with this suite; by default any.", examples=["keikana"])
    ] = None,
    use: For = "all",
) -> LeaderboardOut:
    """A run's checkpoints, best first, from the newest evaluation that has results for them."""
    return LeaderboardOut.model_validate(run_leaderboard(space, run, suite, use))


@router.get("/evaluations/{evaluation_id}/report", response_model=ReportOut, responses=_REPORT)
def get_report(
    evaluation_id: str,
    request: Request,
    space: Space,
    format: Annotated[
        Format | None,
        Query(
            description="Instead of the Accept header. csv: failure rates; findings: all findings as CSV; single-page: "
            "one HTML file with its pictures inside; zip: the page, its pictures and all tables.",
            examples=["single-page"],
        ),
    ] = None,
) -> Response:
    """The leaderboard with every image and finding behind it, as data, as a table, or as a page to keep."""
    wanted = format or ("html" if prefers_page(request.headers.get("accept", "")) else "json")
    if wanted == "html":
        page = render_report(space.evaluations.report(evaluation_id, "/v1/images/{}".format))
        return HTMLResponse(page, headers={"Vary": "Accept", "Cache-Control": "no-cache"})
    board = space.evaluations.leaderboard(evaluation_id)
    if wanted == "json":
        images = space.evaluations.images(space.evaluations.state(evaluation_id).evaluation)
        shown = [ImageOut.of(image, board["unverified"]) for image in images]
        report = ReportOut.model_validate({**board, "images": shown})
        return JSONResponse(report.model_dump(mode="json"), headers={"Vary": "Accept"})
    return _file(space, evaluation_id, wanted)


_KINDS = {
    "csv": "text/csv; charset=utf-8",
    "findings": "text/csv; charset=utf-8",
    "markdown": "text/markdown; charset=utf-8",
    "single-page": "text/html; charset=utf-8",
    "zip": "application/zip",
}


def _file(space: Workspace, evaluation_id: str, wanted: str) -> Response:
    """A report as a file to keep; it is written beside the data first, since it can be large."""
    space.settings.reports_dir.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=space.settings.reports_dir, prefix=".sending-", delete=False) as made:
        target = Path(made.name)
    try:
        write_report(space, evaluation_id, wanted, target)
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    name = f"bleedcheck-{evaluation_id}{'-findings' if wanted == 'findings' else ''}.{SUFFIXES[wanted]}"
    return FileResponse(
        target,
        media_type=_KINDS[wanted],
        filename=name,
        headers={"Cache-Control": "no-store"},
        background=BackgroundTask(target.unlink, missing_ok=True),
    )


def prefers_page(accept: str) -> bool:
    """Whether a browser asks."""
    return "text/html" in [part.partition(";")[0].strip() for part in accept.split(",")]
