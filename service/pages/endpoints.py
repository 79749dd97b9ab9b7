"""The pages. Handlers find what a template shows and hand it over; no HTML is made here."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse, HTMLResponse

from service.cells.drawing import LAYERS
from service.evaluations.dependencies import Space
from service.evaluations.schemas import EvaluationOut
from service.evaluations.workspace import Workspace
from service.pages import assets, comparisons, grids, runs, strips
from service.pages.answers import CAUSE_WORDS, USES, build_answer
from service.pages.kept import find_kept
from service.pages.reference import read_operations
from service.pages.rendering import page
from service.reports.views import MINIATURE

router = APIRouter(include_in_schema=False)

Scenario = Annotated[str | None, Query(max_length=64)]
Use = Annotated[str, Query(max_length=300)]
Start = Annotated[int, Query(ge=0, le=1_000_000)]
FORMS = (
    ("single-page", "One page", "a single HTML file with every picture inside; opens anywhere, without Bleedcheck"),
    ("zip", "Zip", "the page, the pictures in full size and all tables; for many pictures"),
    ("markdown", "Markdown", "the answer and the leaderboard, for a post or a model card"),
    ("csv", "CSV", "every failure rate with its interval"),
    ("findings", "Findings", "every verdict on every picture, as CSV"),
    ("json", "JSON", "everything, for programs"),
)
"""Forms of the report to take away: what the API calls each, its name and what it is for."""
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
    evaluations, more = runs.recent_evaluations(space, runs.MANY if everything else runs.RECENT)
    return page(
        "runs.html.j2",
        **_layout(space, "runs", space.settings.base),
        runs=runs.run_cards(space),
        evaluations=evaluations,
        more=more,
        limit=space.settings.max_upload_bytes,
    )


@router.get("/evaluations/new")
def new_evaluation(
    space: Space,
    run: Annotated[list[str] | None, Query()] = None,
    suite: Annotated[str | None, Query(max_length=64)] = None,
) -> HTMLResponse:
    """Choose what to evaluate, and see what it costs before it starts."""
    return page(
        "new.html.j2",
        **_layout(space, "new", space.settings.base),
        runs=runs.run_cards(space),
        wanted=run or [],
        wanted_suite=suite,
        suites=[known.suite for known in space.library.list_all()],
    )


@router.get("/evaluations/{evaluation_id}")
def show_evaluation(
    evaluation_id: str, space: Space, use: Use = "all", part: Annotated[Literal["answer"] | None, Query()] = None
) -> HTMLResponse:
    """The answer of an evaluation, also while it runs; ``part=answer`` is what changes on that page."""
    return page(
        "answer.html.j2" if part else "evaluation.html.j2",
        **_of_evaluation(space, evaluation_id, "answer")[0],
        **_answer(space, evaluation_id, use),
    )


@router.get("/evaluations/{evaluation_id}/grid")
def show_grid(
    evaluation_id: str,
    space: Space,
    scenario: Scenario = None,
    check: Annotated[str | None, Query(max_length=64)] = None,
    state: Annotated[list[str] | None, Query()] = None,
    run: Annotated[list[str] | None, Query()] = None,
    part: Annotated[Literal["rows"] | None, Query()] = None,
    start: Start = 0,
) -> HTMLResponse:
    """One scenario's pictures, epochs across and seeds down; ``part=rows`` is further rows only."""
    layout, evaluation = _of_evaluation(space, evaluation_id, "grid")
    suite = space.cells.request(evaluation_id).suite
    wanted = grids.read_wanted(suite, scenario, check, state or (), run or ())
    return page(
        "grid-rows.html.j2" if part else "grid.html.j2",
        **layout,
        grid=grids.build_grid(space, evaluation, suite, wanted, start),
        grid_query=grids.query_of,
        rows_at_a_time=grids.ROWS_AT_A_TIME,
        state_words=grids.STATE_WORDS,
        layers=LAYERS,
    )


@router.get("/evaluations/{evaluation_id}/strip")
def show_strip(
    evaluation_id: str,
    space: Space,
    scenario: Scenario = None,
    seed: Annotated[int | None, Query(ge=0, le=2**63 - 1)] = None,
    look: Annotated[str | None, Query(max_length=100)] = None,
) -> HTMLResponse:
    """One seed across all epochs, enlarged where it matters."""
    layout, evaluation = _of_evaluation(space, evaluation_id, "strip")
    suite = space.cells.request(evaluation_id).suite
    return page(
        "strip.html.j2",
        **layout,
        strip=strips.build_strip(space, evaluation, suite, scenario, seed, look),
        layers=LAYERS,
    )


@router.get("/evaluations/{evaluation_id}/compare")
def show_comparison(
    evaluation_id: str,
    space: Space,
    first: Annotated[str | None, Query(max_length=200)] = None,
    second: Annotated[str | None, Query(max_length=200)] = None,
    part: Annotated[Literal["pairs"] | None, Query()] = None,
    start: Start = 0,
) -> HTMLResponse:
    """Two checkpoints on the same prompts and seeds, flipped pictures first; ``part=pairs`` is further pairs only."""
    layout, evaluation = _of_evaluation(space, evaluation_id, "compare")
    return page(
        "pairs.html.j2" if part else "compare.html.j2",
        **layout,
        comparison=comparisons.build_comparison(space, evaluation, first, second, start),
        turn_words=comparisons.TURN_WORDS,
        runs=space.boards.read(evaluation_id)["runs"] if part is None else None,
        layers=LAYERS,
    )


@router.get("/evaluations/{evaluation_id}/report")
def show_report(evaluation_id: str, space: Space, use: Use = "all") -> HTMLResponse:
    """The numbers to print, and the report in every form to take away."""
    return page(
        "report-page.html.j2",
        **_of_evaluation(space, evaluation_id, "report")[0],
        **_answer(space, evaluation_id, use),
        facts=tuple(space.evaluations.facts(evaluation_id).items()),
        forms=FORMS,
    )


@router.get("/audits/{evaluation_id}")
@router.get("/evaluations/{evaluation_id}/audit")
def show_audit(
    evaluation_id: str, space: Space, part: Annotated[Literal["results"] | None, Query()] = None
) -> HTMLResponse:
    """Judge pictures that were drawn at random; ``part=results`` is what the labels say so far."""
    suite = space.cells.request(evaluation_id).suite
    return page(
        "audit-results.html.j2" if part else "audit.html.j2",
        **_of_evaluation(space, evaluation_id, "audit")[0],
        checks=suite.checks,
        results=space.audits.results(evaluation_id),
    )


@router.get("/docs")
def show_reference(request: Request, space: Space) -> HTMLResponse:
    """The API, read from its OpenAPI document."""
    document = request.app.openapi()
    return page(
        "reference.html.j2",
        **_layout(space, "docs", ""),
        about=document["info"].get("description", ""),
        groups=read_operations(document),
    )


@router.get("/names")
def guess_names(file: Annotated[list[str], Query(max_length=200)]) -> list[dict[str, Any]]:
    """The run and the epoch that file names tell, before the files are sent."""
    return [asdict(guess) for guess in runs.guess_names(file)]


def _of_evaluation(space: Workspace, evaluation_id: str, here: str) -> tuple[dict[str, Any], EvaluationOut]:
    """What the layout of an evaluation's pages needs, and the evaluation.

    Raises:
        NotFound: there is no such evaluation.
    """
    evaluation = EvaluationOut.of(space.evaluations.state(evaluation_id))
    return {**_layout(space, here, evaluation.base), "evaluation": evaluation}, evaluation


def _answer(space: Workspace, evaluation_id: str, use: str) -> dict[str, Any]:
    """What the results' template needs.

    Raises:
        NotFound: there is no such evaluation.
        InvalidInput: there is no such use.
    """
    found = build_answer(space.boards.read(evaluation_id, use))
    kept = find_kept(space, evaluation_id, found)
    return {"answer": found, "kept": kept, "uses": USES, "cause_words": CAUSE_WORDS}


def _layout(space: Workspace, here: str, base: str) -> dict[str, Any]:
    """What the layout of every page needs."""
    return {
        "here": here,
        "base": base,
        "miniature": base == MINIATURE,
        "locked": space.settings.keys_required,
    }
