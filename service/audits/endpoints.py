"""Drawing findings for people to judge, taking their verdicts, and saying what those do to the rates."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from service.audits.importing import import_rows
from service.audits.questions import Answer
from service.audits.schemas import (
    DrawIn,
    DrawOut,
    ImportOut,
    ItemOut,
    ItemPage,
    LabelIn,
    NextOut,
    Person,
    ResultsOut,
    UndoIn,
)
from service.audits.service import NOBODY
from service.audits.tables import LARGEST_TABLE_BYTES, read_table, write_table
from service.evaluations.dependencies import Space
from service.storage.uploads import raw_body
from service.web.caching import TaggedRoute
from service.web.paging import cursor_at, number_in_cursor
from service.web.problems import problems

router = APIRouter(prefix="/v1/evaluations/{evaluation_id}/audits", tags=["audits"], route_class=TaggedRoute)

ItemId = Annotated[int, Path(ge=1, lt=2**31, description="The item's number.")]
_CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"example": "item,label,second_label,person,question\n12,fails,,aya,Are …\n"}}}
}
_BODY = {"requestBody": {"required": True, "content": {"text/csv": {"schema": {"type": "string"}}}}}


@router.post("/draws", status_code=201, responses=problems(404, 409, 422))
def draw_items(evaluation_id: str, wanted: DrawIn, space: Space) -> DrawOut:
    """Draw items at random, stratified by checkpoint and by the machine's verdict, with every chance logged.

    The rare fails are drawn more often than their share, and the weights put that right. Nothing is drawn twice.
    """
    return DrawOut.of(space.audits.draw(evaluation_id, wanted.size, wanted.about, wanted.seed, wanted.question))


@router.get("/next", responses=problems(404))
def next_item(
    evaluation_id: str,
    space: Space,
    second: Annotated[bool, Query(description="The next one for a second, blind label.")] = False,
    person: Annotated[Person, Query()] = NOBODY,
) -> NextOut:
    """The next item that waits for a label, without a word of what the machine says."""
    view, waiting = space.audits.next(evaluation_id, second)
    undoable = space.audits.undoable(evaluation_id, person)
    return NextOut(item=ItemOut.of(view) if view else None, waiting=waiting, undoable=undoable)


@router.get("", responses=problems(404))
def list_items(
    evaluation_id: str,
    space: Space,
    limit: Annotated[int, Query(ge=1, le=500, description="How many at most.", examples=[100])] = 100,
    cursor: Annotated[str | None, Query(description="The last answer's `next`.", examples=["MTI"])] = None,
) -> ItemPage:
    """Items in the order they were drawn, with their labels and history."""
    views = space.audits.items(evaluation_id, number_in_cursor(cursor), limit)
    following = cursor_at(views[-1].id) if len(views) == limit else None
    return ItemPage(items=[ItemOut.of(view) for view in views], next=following)


@router.put("/{item_id}/label", responses=problems(404, 409, 422))
def label_item(evaluation_id: str, item_id: ItemId, given: Annotated[LabelIn, Body()], space: Space) -> ItemOut:
    """Judge an item, and see what the machine says. One's own earlier label is replaced and kept in the history."""
    answer = Answer(given.verdict)
    return ItemOut.of(space.audits.label(evaluation_id, item_id, answer, given.person, given.second, given.source))


@router.post("/undo", responses=problems(404, 422))
def undo_label(evaluation_id: str, given: UndoIn, space: Space) -> ItemOut:
    """Take back one's latest label; the item waits again."""
    return ItemOut.of(space.audits.undo(evaluation_id, given.person))


@router.get("/results", responses=problems(404))
def get_results(evaluation_id: str, space: Space) -> ResultsOut:
    """Corrected rates beside the machine's, its precision and recall on this run, agreement, and warnings."""
    return ResultsOut.of(space.audits.results(evaluation_id))


@router.get("/labels.csv", response_class=Response, responses={**_CSV, **problems(404)})
def export_table(evaluation_id: str, space: Space) -> Response:
    """Every item as a table, to fill in elsewhere or to keep. The machine's answer stands only beside a label."""
    table = write_table(space.audits.items(evaluation_id), "/v1/images/{}".format)
    headers = {"Content-Disposition": f'attachment; filename="audits-{evaluation_id[:40]}.csv"'}
    return Response(table, media_type="text/csv; charset=utf-8", headers=headers)


@router.post("/labels.csv", openapi_extra=_BODY, responses=problems(404, 409, 413, 422))
async def import_table(
    evaluation_id: str,
    request: Request,
    space: Space,
    person: Annotated[Person, Query()] = NOBODY,
) -> ImportOut:
    """Take the labels of a filled table: all of them, or none and the reason for each line that cannot be used."""
    content = b"".join([chunk async for chunk in raw_body(request, LARGEST_TABLE_BYTES)])
    rows = read_table(content, person)
    return ImportOut.of(await run_in_threadpool(import_rows, space.database, evaluation_id, rows))
