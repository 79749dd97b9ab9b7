"""Starting, watching and reading evaluations."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from sse_starlette import EventSourceResponse

from service.errors import InvalidInput
from service.evaluations.asking import asked_for, select_checkpoints
from service.evaluations.dependencies import OwnWorker, Space
from service.evaluations.events import HEADERS, HEARTBEAT_S, event_id, is_over
from service.evaluations.schemas import (
    EvaluationIn,
    EvaluationOut,
    EvaluationPage,
    ExtensionIn,
    For,
    LeaderboardOut,
)
from service.web.caching import NOT_MODIFIED, REVALIDATE, TaggedRoute, packed_json, tagged
from service.web.paging import cursor_at, read_cursor
from service.web.problems import problems

router = APIRouter(prefix="/v1/evaluations", tags=["evaluations"], route_class=TaggedRoute)

_EVENT = {
    "type": "object",
    "description": "One event.",
    "properties": {
        "event": {"type": "string", "description": "progress or end.", "example": "progress"},
        "id": {"type": "string", "description": "Send the last one as Last-Event-ID.", "example": "running-8-4-0-24"},
        "data": {"type": "string", "description": "The evaluation as JSON.", "example": '{"status": "running"}'},
        "retry": {"type": "integer", "description": "Milliseconds before connecting again.", "example": 3000},
    },
}


@router.post("", status_code=202, responses=problems(404))
def start_evaluation(wanted: EvaluationIn, space: Space, worker: OwnWorker) -> EvaluationOut:
    """Evaluate checkpoints: every prompt with every seed at every epoch, and without any LoRA as the control.

    The work is done in the background. Asking for the same evaluation again gives the one that is there, and goes on
    with what it has left to do.
    """
    asked, _ = asked_for(space, wanted)
    evaluation = space.evaluations.start(asked)
    if worker is not None:
        worker.wake()
    return EvaluationOut.of(space.evaluations.state(evaluation.id))


@router.get("")
def list_evaluations(
    space: Space,
    limit: Annotated[int, Query(ge=1, le=200, description="How many at most.", examples=[50])] = 50,
    cursor: Annotated[str | None, Query(description="The last answer's `next`.", examples=[None])] = None,
) -> EvaluationPage:
    """Evaluations, newest first."""
    found = space.evaluations.page(_place(cursor), limit + 1)
    more, found = len(found) > limit, found[:limit]
    return EvaluationPage(
        evaluations=[EvaluationOut.of(space.evaluations.state(each.id)) for each in found],
        next=cursor_at(found[-1].created_at, found[-1].id) if more else None,
    )


@router.get("/{evaluation_id}", responses=problems(404))
def get_evaluation(evaluation_id: str, space: Space) -> EvaluationOut:
    """One evaluation and how far it is."""
    return EvaluationOut.of(space.evaluations.state(evaluation_id))


@router.delete("/{evaluation_id}", status_code=204, responses=problems(404, 409))
def delete_evaluation(evaluation_id: str, space: Space) -> None:
    """Remove an evaluation with those of its images and findings that no other one uses. Cancel it first."""
    space.evaluations.delete(evaluation_id)


@router.post("/{evaluation_id}/extend", status_code=202, responses=problems(404, 409))
def extend_evaluation(evaluation_id: str, wanted: ExtensionIn, space: Space, worker: OwnWorker) -> EvaluationOut:
    """Add checkpoints or seeds; also while it runs. What is there keeps its images."""
    space.evaluations.state(evaluation_id)
    asked = wanted.runs or wanted.checkpoints
    chosen = select_checkpoints(space, wanted.runs, wanted.checkpoints, wanted.epochs) if asked else []
    space.evaluations.extend(evaluation_id, chosen, wanted.seeds, wanted.fresh_seeds)
    if worker is not None:
        worker.wake()
    return EvaluationOut.of(space.evaluations.state(evaluation_id))


@router.get(
    "/{evaluation_id}/events",
    response_class=EventSourceResponse,
    responses={
        200: {"content": {"text/event-stream": {"schema": _EVENT}}, "description": "Events, as they come."},
        204: {"description": "It is over, and the client has heard so: do not connect again."},
        **problems(404),
    },
)
async def follow_evaluation(
    evaluation_id: str,
    space: Space,
    last_event_id: Annotated[
        str | None, Header(max_length=200, description="The last event that came through.", examples=[None])
    ] = None,
) -> Response:
    """Progress as server-sent events: `progress` with the whole state whenever it changes, `end` when it is over.

    A comment is sent every 15 seconds as a sign of life.
    """
    state = await space.feed.state(evaluation_id)
    if is_over(state) and last_event_id == event_id(state):
        return Response(status_code=204)
    return EventSourceResponse(space.feed.follow(evaluation_id, last_event_id), headers=HEADERS, ping=HEARTBEAT_S)


@router.post("/{evaluation_id}/cancel", status_code=202, responses=problems(404, 409))
def cancel_evaluation(evaluation_id: str, space: Space) -> EvaluationOut:
    """End an evaluation after the batch at hand. What is finished stays, and it can be resumed."""
    space.evaluations.cancel(evaluation_id)
    return EvaluationOut.of(space.evaluations.state(evaluation_id))


@router.post("/{evaluation_id}/resume", status_code=202, responses=problems(404))
def resume_evaluation(evaluation_id: str, space: Space, worker: OwnWorker) -> EvaluationOut:
    """Go on with an evaluation that was cancelled or has failed, and repeat batches that went wrong."""
    space.evaluations.resume(evaluation_id)
    if worker is not None:
        worker.wake()
    return EvaluationOut.of(space.evaluations.state(evaluation_id))


@router.get(
    "/{evaluation_id}/leaderboard", response_model=LeaderboardOut, responses={**problems(404, 422), **NOT_MODIFIED}
)
def get_leaderboard(evaluation_id: str, request: Request, space: Space, use: For = "all") -> Response:
    """Every checkpoint, best first, with the uncertainty stated; also while the evaluation runs."""
    tag = space.boards.tag(evaluation_id, use)
    headers, known = tagged(request, tag, REVALIDATE)
    if known:
        return Response(status_code=304, headers=headers)
    return packed_json(request, space.boards.get(tag, evaluation_id, use), headers)


def _place(cursor: str | None) -> tuple[float, str] | None:
    if cursor is None:
        return None
    created, last = read_cursor(cursor, 2)
    try:
        return float(created), last
    except ValueError:
        raise InvalidInput("the cursor is none; send the last answer's `next`") from None
