"""Handing in checkpoints, listing them, and looking at images."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from service.database.models import Checkpoint
from service.errors import InvalidInput, NotFound
from service.evaluations.dependencies import Space
from service.evaluations.workspace import Workspace
from service.storage import repository
from service.storage.checkpoints import checked_run_name
from service.storage.schemas import CheckpointOut, PathIn, RunOut
from service.storage.uploads import FORM_MARGIN_BYTES, FormFile, raw_body

router = APIRouter(prefix="/v1")

_MAX_JSON_BYTES = 64 << 10
_FOREVER = "public, max-age=31536000, immutable"  # what an image's name names never changes
_BODIES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {
                "schema": {"type": "string", "format": "binary", "description": "The file; its name in `filename`."}
            },
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
            "application/json": {"schema": PathIn.model_json_schema()},
        },
    }
}


@router.get("/runs", tags=["checkpoints"])
def list_runs(space: Space) -> list[RunOut]:
    """Every training run with its checkpoints."""
    with space.database.reading() as session:
        return [
            RunOut(
                name=run.name,
                checkpoints=[CheckpointOut.of(each) for each in repository.list_checkpoints(session, run.name)],
            )
            for run in repository.list_runs(session)
        ]


@router.post("/runs/{run}/checkpoints", tags=["checkpoints"], status_code=201, openapi_extra=_BODIES)
async def add_checkpoint(
    run: str,
    request: Request,
    space: Space,
    filename: Annotated[
        str | None,
        Query(
            description="The file's name, for a raw body. The trainer's own name tells the epoch.",
            examples=["keikana_v2_epoch148.safetensors"],
        ),
    ] = None,
    epoch: Annotated[int | None, Query(ge=0, description="The epoch, where the file itself does not say it.")] = None,
) -> CheckpointOut:
    """Hand in a checkpoint: as a raw body, as a form, or as the path of a file that the operator allows.

    The same file handed in twice is the same checkpoint. The file is checked while it arrives and refused unless every
    tensor has a place in the base model.
    """
    checked_run_name(run)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        path = (await _path(request)).path
        allowed = space.settings.allowed_folders
        checkpoint = await run_in_threadpool(
            space.registry.register_path, run, path, allowed, epoch, space.settings.whole_base
        )
    elif kind == "multipart/form-data":
        checkpoint = await _from_form(request, space, run, epoch)
    else:
        checkpoint = await _from_body(request, space, run, filename, epoch)
    return CheckpointOut.of(checkpoint)


@router.get(
    "/images/{sha256}",
    tags=["images"],
    response_class=FileResponse,
    responses={
        200: {"content": {"image/png": {}, "image/webp": {}}, "description": "The image."},
        304: {"description": "You have it."},
    },
)
def get_image(sha256: str, request: Request, space: Space) -> Response:
    """An image by the hash of its file. It never changes, so keep it for ever."""
    path = space.images.path(sha256)
    headers = {"ETag": f'"{sha256}"', "Cache-Control": _FOREVER}
    if request.headers.get("if-none-match", "").strip() in (f'"{sha256}"', "*"):
        return Response(status_code=304, headers=headers)
    if not path.is_file():
        raise NotFound(f"there is no image {sha256}")
    return FileResponse(path, media_type=f"image/{path.suffix[1:]}", headers=headers)


async def _path(request: Request) -> PathIn:
    body = b"".join([chunk async for chunk in raw_body(request, _MAX_JSON_BYTES)])
    try:
        return PathIn.model_validate_json(body)
    except ValidationError as error:
        raise InvalidInput(f'send {{"path": "/absolute/path.safetensors"}}: {error.errors()[0]["msg"]}') from error


async def _from_body(
    request: Request, space: Workspace, run: str, filename: str | None, epoch: int | None
) -> Checkpoint:
    if filename is None:
        raise InvalidInput("say the file's name: POST …/checkpoints?filename=keikana_v2_epoch148.safetensors")
    limit = space.settings.max_upload_bytes
    with await run_in_threadpool(space.registry.arrival, run, filename, limit) as arrival:
        async for chunk in raw_body(request, limit):
            await run_in_threadpool(arrival.write, chunk)
        return await run_in_threadpool(space.registry.keep, run, arrival, epoch, space.settings.whole_base)


async def _from_form(request: Request, space: Workspace, run: str, epoch: int | None) -> Checkpoint:
    form = FormFile(request.headers["content-type"])
    limit = space.settings.max_upload_bytes
    chunks = raw_body(request, limit + FORM_MARGIN_BYTES)
    async for chunk in chunks:
        form.feed(chunk)
        if form.name is not None:
            break
    if form.name is None:
        raise InvalidInput("the form has no file; send it as a part with a file name")
    with await run_in_threadpool(space.registry.arrival, run, form.name, limit) as arrival:
        await run_in_threadpool(arrival.write, form.take())
        async for chunk in chunks:
            form.feed(chunk)
            await run_in_threadpool(arrival.write, form.take())
        if not form.finished:
            raise InvalidInput("the form ends too early")
        return await run_in_threadpool(space.registry.keep, run, arrival, epoch, space.settings.whole_base)
