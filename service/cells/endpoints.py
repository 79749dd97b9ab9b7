"""Cells, and what the detectors saw in them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import lru_cache
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request, Response

from detectors import Finding
from service.cells.drawing import LAYERS, Layer, crop, thumbnail
from service.cells.pieces import pieces_of
from service.cells.repository import CellFilter
from service.cells.schemas import BriefFinding, CellPage, ElsewhereOut, PieceOut, WholeCell, WholeCellPage
from service.cells.service import SeenCell, version_of
from service.errors import InvalidInput
from service.evaluations.dependencies import Space
from service.evaluations.schemas import FindingOut
from service.web.caching import FOREVER, NOT_MODIFIED, REVALIDATE, TaggedRoute, tagged
from service.web.paging import cursor_at, number_in_cursor
from service.web.problems import problems

router = APIRouter(prefix="/v1", tags=["cells"], route_class=TaggedRoute)

StateName = Literal["fails", "minor", "holds", "not_measurable", "invalid", "pending"]
SeverityName = Literal["lost", "fused", "clear", "minor"]
CellId = Annotated[int, Path(ge=1, le=2**53, description="The cell's number.", examples=[4711])]
Seed = Annotated[int, Query(ge=0, le=2**63 - 1)]
_PICTURE = {"schema": {"type": "string", "format": "binary"}}
_PNG = {200: {"content": {"image/png": _PICTURE}, "description": "The picture."}, **NOT_MODIFIED}
_WEBP = {200: {"content": {"image/webp": _PICTURE}, "description": "The picture."}, **NOT_MODIFIED}


@router.get("/evaluations/{evaluation_id}/cells", response_model=CellPage | WholeCellPage, responses=problems(404))
def list_cells(
    evaluation_id: str,
    space: Space,
    run: Annotated[list[str] | None, Query(description='Runs; "control" for no LoRA.', examples=[["v2"]])] = None,
    epoch: Annotated[list[int] | None, Query(description="Epochs.", examples=[[144, 148]])] = None,
    checkpoint: Annotated[list[str] | None, Query(description="Ids of checkpoints.", examples=[["5f0c"]])] = None,
    scenario: Annotated[list[str] | None, Query(description="Scenarios.", examples=[["piggyback"]])] = None,
    seed: Annotated[list[Seed] | None, Query(description="Seeds.", examples=[[7]])] = None,
    check: Annotated[str | None, Query(description="Narrow `state` to this check.", examples=["hands"])] = None,
    character: Annotated[str | None, Query(description="Narrow `state` to this character.", examples=["Kei"])] = None,
    state: Annotated[list[StateName] | None, Query(description="States.", examples=[["fails"]])] = None,
    severity: Annotated[list[SeverityName] | None, Query(description="Severities.", examples=[["lost"]])] = None,
    detail: Annotated[
        Literal["brief", "whole"], Query(description="whole: with evidence, pieces and addresses.")
    ] = "brief",
    limit: Annotated[int, Query(ge=1, le=1000, description="How many at most.", examples=[100])] = 100,
    cursor: Annotated[str | None, Query(description="The last answer's `next`.", examples=["NDcxMQ"])] = None,
) -> Response:
    """Cells in the order of the plan, those without an image yet too, narrowed by any of the filters.

    A run, epoch, checkpoint, scenario, check or character that the evaluation does not have is an error that names
    those it has.
    """
    wanted = CellFilter(
        scenarios=scenario, seeds=seed, states=state, severities=severity, check=check, character=character
    )
    found, after = space.cells.page(
        evaluation_id,
        wanted,
        runs=run,
        epochs=epoch,
        checkpoints=checkpoint,
        after=number_in_cursor(cursor),
        limit=limit,
        whole=detail == "whole",
    )
    following = cursor_at(after) if after is not None else None
    if detail == "brief":
        return Response(brief_page(found, following), media_type="application/json")
    prompts = {each.name: each.prompt for each in space.cells.request(evaluation_id).suite.scenarios}
    cells = [whole_cell(evaluation_id, seen, prompts[seen.row.cell.scenario]) for seen in found]
    return Response(WholeCellPage(cells=cells, next=following).model_dump_json(), media_type="application/json")


@router.get("/evaluations/{evaluation_id}/cells/{cell_id}", responses=problems(404))
def get_cell(evaluation_id: str, cell_id: CellId, space: Space) -> WholeCell:
    """One cell with everything behind its verdicts, the addresses of its pictures, and the control beside it."""
    seen = space.cells.get(evaluation_id, cell_id)
    prompt = space.cells.request(evaluation_id).suite.scenario(seen.row.cell.scenario).prompt
    cell = whole_cell(evaluation_id, seen, prompt, space.cells.control_of(evaluation_id, seen))
    elsewhere = [ElsewhereOut(**asdict(each)) for each in space.cells.elsewhere(evaluation_id, seen)]
    return cell.model_copy(update={"elsewhere": elsewhere})


@router.get(
    "/evaluations/{evaluation_id}/cells/{cell_id}/overlay",
    response_class=Response,
    responses={**_PNG, **problems(404, 503)},
)
def get_overlay(
    evaluation_id: str,
    cell_id: CellId,
    request: Request,
    space: Space,
    layers: Annotated[
        str, Query(description="Of masks, strands, hands, boxes; with commas.", examples=["masks,hands"])
    ] = ",".join(LAYERS),
    transparent: Annotated[bool, Query(description="The drawing alone, to lay over the image.")] = False,
    v: Annotated[str | None, Query(description="From `overlay_url`: what never changes.", examples=["17-1"])] = None,
) -> Response:
    """A cell's image with people's masks, strands, hands and other evidence drawn on it."""
    chosen = _layers(layers)
    seen = space.cells.get(evaluation_id, cell_id)
    image = seen.row.image.sha256 if seen.row.image else ""
    state = f"{image} {version_of(seen)} {sorted(chosen)} {transparent}"
    tag = hashlib.sha256(state.encode()).hexdigest()[:32]
    headers, known = tagged(request, tag, FOREVER if v == version_of(seen) else REVALIDATE)
    if known and image:
        return Response(status_code=304, headers=headers)
    return Response(space.cells.overlay(evaluation_id, seen, chosen, transparent), 200, headers, "image/png")


@router.get("/images/{sha256}/crop", response_class=Response, responses={**_PNG, **problems(404)})
def get_crop(
    sha256: str,
    request: Request,
    space: Space,
    box: Annotated[
        str,
        Query(
            pattern=r"^\d{1,5},\d{1,5},\d{1,5},\d{1,5}$",
            description="x0,y0,x1,y1 in pixels; what lies outside is cut off.",
            examples=["10,20,74,84"],
        ),
    ],
    size: Annotated[int, Query(ge=16, le=1024, description="Longer side, pixels.", examples=[256])] = 256,
) -> Response:
    """A piece of an image, enlarged. It never changes, so keep it for ever."""
    x0, y0, x1, y1 = (int(part) for part in box.split(","))
    headers, known = tagged(request, f"{sha256[:64]}-{x0}-{y0}-{x1}-{y1}-{size}", FOREVER)
    pixels_path = space.images.path(sha256)
    if known and pixels_path.is_file():
        return Response(status_code=304, headers=headers)
    pixels = space.images.load(sha256)
    height, width = pixels.shape[:2]
    inside = (min(x0, width), min(y0, height), min(x1, width), min(y1, height))
    if inside[2] <= inside[0] or inside[3] <= inside[1]:
        raise InvalidInput(f"box {box} has nothing of the image, which is {width} x {height}")
    return Response(crop(pixels, inside, size), 200, headers, "image/png")


@router.get("/images/{sha256}/thumbnail", response_class=Response, responses={**_WEBP, **problems(404)})
def get_thumbnail(
    sha256: str,
    request: Request,
    space: Space,
    size: Annotated[int, Query(ge=16, le=512, description="Longer side, pixels.", examples=[160])] = 160,
) -> Response:
    """An image made small, for grids. It never changes, so keep it for ever."""
    headers, known = tagged(request, f"{sha256[:64]}-small-{size}", FOREVER)
    if known and space.images.path(sha256).is_file():
        return Response(status_code=304, headers=headers)
    return Response(space.images.small(sha256, size, thumbnail), 200, headers, "image/webp")


def brief_page(found: Sequence[SeenCell], following: str | None) -> bytes:
    """A :class:`CellPage` as JSON, written straight from what the database said.

    Checking thousands of our own findings once more takes longer than reading them.
    """
    cells = ",".join(f'{_json(_facts(seen))[:-1]},"findings":[{_briefs(seen.findings)}]}}' for seen in found)
    return f'{{"cells":[{cells}],"next":{_json(following)}}}'.encode()


def whole_cell(evaluation_id: str, seen: SeenCell, prompt: str, control: int | None = None) -> WholeCell:
    """A cell with everything behind its verdicts."""
    image = seen.row.image
    address = f"/v1/images/{image.sha256}" if image else None
    pieces = pieces_of(seen.findings, image.width, image.height) if image else []
    return WholeCell(
        **_facts(seen),
        findings=[BriefFinding.of(finding) for finding in seen.findings],
        prompt=prompt,
        evidence=[FindingOut.model_validate(finding.to_json()) for finding in seen.findings],
        image_url=address,
        overlay_url=f"/v1/evaluations/{evaluation_id}/cells/{seen.row.cell.id}/overlay?v={version_of(seen)}"
        if image
        else None,
        pieces=[
            PieceOut(
                part=piece.part,
                character=piece.character,
                box=piece.box,
                checks=list(piece.checks),
                url=f"{address}/crop?box={','.join(map(str, piece.box))}&size=256",
            )
            for piece in pieces
        ],
        control=control,
    )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _briefs(findings: Sequence[Finding]) -> str:
    return ",".join(_brief(each.check, each.character, each.verdict, each.severity) for each in findings)


@lru_cache(maxsize=4096)
def _brief(check: str, character: str | None, verdict: str, severity: str | None) -> str:
    """What a :class:`BriefFinding` shows; there are few different ones, however many findings there are."""
    return _json({"check": check, "character": character, "verdict": verdict, "severity": severity})


def _facts(seen: SeenCell) -> dict[str, Any]:
    """What a :class:`CellOut` shows besides its findings."""
    cell, image = seen.row.cell, seen.row.image
    return {
        "id": cell.id,
        "run": seen.place.run,
        "epoch": seen.place.epoch,
        "checkpoint": seen.place.checkpoint,
        "scenario": cell.scenario,
        "seed": cell.seed,
        "state": seen.state,
        "severity": seen.severity,
        "image": image.sha256 if image else None,
        "width": image.width if image else None,
        "height": image.height if image else None,
        "invalid": image.invalid if image else None,
    }


def _layers(text: str) -> list[Layer]:
    asked = [part.strip() for part in text.split(",") if part.strip()]
    chosen = [layer for layer in LAYERS if layer in asked]
    if len(chosen) != len(set(asked)):
        raise InvalidInput(f"layers are {', '.join(LAYERS)}, with commas between them; not {text[:80]!r}")
    return chosen
