"""Starting, watching and reading evaluations."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from service.evaluations.asking import built_in_suite, make_request, select_checkpoints, with_seeds
from service.evaluations.dependencies import OwnWorker, Space
from service.evaluations.schemas import EvaluationIn, EvaluationOut, ImageOut, LeaderboardOut, ReportOut
from service.reports import render_report
from service.suites import parse_suite

router = APIRouter(prefix="/v1/evaluations", tags=["evaluations"])


@router.post("", status_code=202)
def start_evaluation(wanted: EvaluationIn, space: Space, worker: OwnWorker) -> EvaluationOut:
    """Evaluate checkpoints: every prompt with every seed at every epoch, and without any LoRA as the control.

    The work is done in the background. Asking for the same evaluation again gives the one that is there, and goes on
    with what it has left to do.
    """
    suite = built_in_suite(wanted.suite) if wanted.suite_yaml is None else parse_suite(wanted.suite_yaml)
    suite = with_seeds(suite, str(wanted.seeds) if wanted.seeds else None)
    chosen = select_checkpoints(space, wanted.runs, wanted.checkpoints, wanted.epochs)
    asked = make_request(space.settings, suite, chosen, scale=wanted.scale, batch_size=wanted.batch_size)
    evaluation = space.evaluations.start(asked)
    if worker is not None:
        worker.wake()
    return EvaluationOut.of(space.evaluations.state(evaluation.id))


@router.get("")
def list_evaluations(space: Space) -> list[EvaluationOut]:
    """Every evaluation, newest first."""
    return [EvaluationOut.of(space.evaluations.state(each.id)) for each in space.evaluations.list_all()]


@router.get("/{evaluation_id}")
def get_evaluation(evaluation_id: str, space: Space) -> EvaluationOut:
    """One evaluation and how far it is."""
    return EvaluationOut.of(space.evaluations.state(evaluation_id))


@router.post("/{evaluation_id}/cancel", status_code=202)
def cancel_evaluation(evaluation_id: str, space: Space) -> EvaluationOut:
    """End an evaluation after the batch at hand. What is finished stays, and it can be resumed."""
    space.evaluations.cancel(evaluation_id)
    return EvaluationOut.of(space.evaluations.state(evaluation_id))


@router.post("/{evaluation_id}/resume", status_code=202)
def resume_evaluation(evaluation_id: str, space: Space, worker: OwnWorker) -> EvaluationOut:
    """Go on with an evaluation that was cancelled or has failed, and repeat batches that went wrong."""
    space.evaluations.resume(evaluation_id)
    if worker is not None:
        worker.wake()
    return EvaluationOut.of(space.evaluations.state(evaluation_id))


@router.get("/{evaluation_id}/leaderboard")
def get_leaderboard(evaluation_id: str, space: Space) -> LeaderboardOut:
    """Every checkpoint, best first, with the uncertainty stated; also while the evaluation runs."""
    return LeaderboardOut.model_validate(space.evaluations.leaderboard(evaluation_id))


@router.get(
    "/{evaluation_id}/report",
    response_model=ReportOut,
    responses={200: {"content": {"text/html": {}}, "description": "The report, as JSON or as a page."}},
)
def get_report(
    evaluation_id: str,
    request: Request,
    space: Space,
    format: Annotated[
        Literal["json", "html"] | None, Query(description="Instead of the Accept header.", examples=["html"])
    ] = None,
) -> Response:
    """The leaderboard with every image and finding behind it: JSON, or a page with the pictures."""
    if (format or _preferred(request.headers.get("accept", ""))) == "html":
        page = render_report(space.evaluations.report(evaluation_id, "/v1/images/{}".format))
        return HTMLResponse(page, headers={"Vary": "Accept", "Cache-Control": "no-cache"})
    board = space.evaluations.leaderboard(evaluation_id)
    images = space.evaluations.images(space.evaluations.state(evaluation_id).evaluation)
    report = ReportOut.model_validate({**board, "images": [ImageOut.of(image) for image in images]})
    return JSONResponse(report.model_dump(mode="json"), headers={"Vary": "Accept"})


def _preferred(accept: str) -> str:
    """``html`` where a browser asks, ``json`` for everybody else."""
    kinds = [part.partition(";")[0].strip() for part in accept.split(",")]
    return "html" if "text/html" in kinds else "json"
