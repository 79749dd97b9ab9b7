"""The pages. Handlers find what a template shows and hand it over; no HTML is made here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse

from service.evaluations.dependencies import Space
from service.evaluations.schemas import EvaluationOut
from service.pages import assets, runs
from service.pages.answers import build_answer
from service.pages.rendering import page
from service.reports.views import MINIATURE

router = APIRouter(include_in_schema=False)

_FOREVER = "public, max-age=31536000, immutable"


@router.get(assets.PREFIX + "/{name}")
def get_asset(name: str, request: Request, v: str = "") -> Response:
    """One of the pages' own files; with its mark in the address it can be kept for ever."""
    mark = assets.mark(name)
    headers = {"ETag": f'"{mark}"', "Cache-Control": _FOREVER if v == mark else "no-cache"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return FileResponse(assets.find(name), media_type=assets.media_type(name), headers=headers)


@router.get("/")
def show_runs(space: Space, everything: Annotated[bool, Query(alias="all")] = False) -> HTMLResponse:
    """Runs, their checkpoints, and the evaluations there are."""
    evaluations, total = runs.recent_evaluations(space, None if everything else runs.RECENT)
    return page(
        "runs.html.j2",
        here="runs",
        miniature=space.settings.base == MINIATURE,
        base=space.settings.base,
        runs=runs.run_cards(space),
        evaluations=evaluations,
        total=total,
        limit=space.settings.max_upload_bytes,
    )


@router.get("/evaluations/new")
def new_evaluation(space: Space, run: Annotated[list[str] | None, Query()] = None) -> HTMLResponse:
    """Choose what to evaluate, and see what it costs before it starts."""
    return page(
        "new.html.j2",
        here="new",
        miniature=space.settings.base == MINIATURE,
        base=space.settings.base,
        runs=runs.run_cards(space),
        wanted=run or [],
        suites=runs.suites_to_choose(),
    )


@router.get("/evaluations/{evaluation_id}")
def show_evaluation(
    evaluation_id: str, space: Space, part: Annotated[Literal["answer"] | None, Query()] = None
) -> HTMLResponse:
    """The answer of an evaluation, also while it runs; ``part=answer`` is what changes on that page."""
    evaluation = EvaluationOut.of(space.evaluations.state(evaluation_id))
    return page(
        "answer.html.j2" if part else "evaluation.html.j2",
        here="answer",
        miniature=evaluation.base == MINIATURE,
        evaluation=evaluation,
        answer=build_answer(space.evaluations.leaderboard(evaluation_id)),
    )


@router.get("/names")
def guess_names(file: Annotated[list[str], Query(max_length=200)]) -> list[dict[str, Any]]:
    """The run and the epoch that file names tell, before the files are sent."""
    return [asdict(guess) for guess in runs.guess_names(file)]
