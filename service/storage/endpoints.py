"""Runs and checkpoints: handing in, listing, looking inside, deleting; and images."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool

from service.database.models import Checkpoint
from service.errors import Conflict, NotFound
from service.evaluations.arriving import score_arrival
from service.evaluations.dependencies import OwnWorker, Space
from service.evaluations.worker import Worker
from service.evaluations.workspace import Workspace
from service.storage.checkpoints import checked_run_name
from service.storage.receiving import from_body, from_form, path_in, piece_into
from service.storage.schemas import (
    CheckpointDetail,
    CheckpointOut,
    CheckpointPage,
    EpochIn,
    FolderIn,
    FolderOut,
    PathIn,
    RefusedFile,
    RunOut,
    RunPage,
    UploadIn,
    UploadOut,
)
from service.web.caching import FOREVER, NOT_MODIFIED, TaggedRoute, has_it
from service.web.paging import cursor_at, number_in_cursor, read_cursor
from service.web.problems import problems

router = APIRouter(prefix="/v1", route_class=TaggedRoute)

_MAX_EPOCH = 10**9
RunName = Annotated[str, Path(description="The run's name.", examples=["v2"])]
CheckpointId = Annotated[str, Path(description="The checkpoint's id.", examples=["5f0c1f7c6f0e2c1a"])]
UploadId = Annotated[str, Path(description="The upload's id.", examples=["5b0b6f0f8a5c4f0e"])]
Epoch = Annotated[
    int | None,
    Query(ge=0, le=_MAX_EPOCH, description="The epoch, instead of what the file itself says.", examples=[148]),
]
Score = Annotated[
    str | None,
    Query(
        max_length=100,
        description="Score it at once with this suite: it joins the run's evaluation, or begins one.",
        examples=["keikana"],
    ),
]
Force = Annotated[
    bool, Query(description="Also take it out of the evaluations that use it, with its images; else a conflict.")
]
Limit = Annotated[int, Query(ge=1, le=500, description="How many at most.", examples=[100])]
Cursor = Annotated[str | None, Query(description="The last answer's `next`.", examples=[None])]
_FILE: dict[str, Any] = {"schema": {"type": "string", "format": "binary", "description": "The bytes."}}
_FORM: dict[str, Any] = {
    "schema": {
        "type": "object",
        "required": ["file"],
        "properties": {"file": {"type": "string", "format": "binary", "description": "The file."}},
    }
}
_BODIES: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The file itself (its name in `filename`), a form with it, or the path of one on the server.",
        "content": {
            "application/octet-stream": _FILE,
            "multipart/form-data": _FORM,
            "application/json": {"schema": PathIn.model_json_schema()},
        },
    }
}
_PIECE: dict[str, Any] = {"requestBody": {"required": True, "content": {"application/octet-stream": _FILE}}}


@router.get("/runs", tags=["runs"])
def list_runs(space: Space, limit: Limit = 100, cursor: Cursor = None) -> RunPage:
    """Training runs by name, each with its checkpoints."""
    after = read_cursor(cursor, 1)[0] if cursor is not None else ""
    names = space.registry.run_names(after, limit + 1)
    more, names = len(names) > limit, names[:limit]
    return RunPage(runs=[_run(space, name) for name in names], next=cursor_at(names[-1]) if more else None)


@router.get("/runs/{run}", tags=["runs"], responses=problems(404))
def get_run(run: RunName, space: Space) -> RunOut:
    """One training run with its checkpoints."""
    return _run(space, run)


@router.delete("/runs/{run}", tags=["runs"], status_code=204, responses=problems(404, 409))
def delete_run(run: RunName, space: Space, force: Force = False) -> None:
    """Forget a run and its checkpoints. Uploaded files are deleted; files registered where they lie stay."""
    _remove(space, space.registry.checkpoints_of(run), force, run)


@router.get("/runs/{run}/checkpoints", tags=["checkpoints"], responses=problems(404))
def list_checkpoints(run: RunName, space: Space, limit: Limit = 100, cursor: Cursor = None) -> CheckpointPage:
    """A run's checkpoints by epoch, those without one last."""
    start = number_in_cursor(cursor)
    found = space.registry.checkpoints_of(run)
    end = start + limit
    return CheckpointPage(
        checkpoints=[CheckpointOut.of(each) for each in found[start:end]],
        next=cursor_at(end) if end < len(found) else None,
    )


@router.post(
    "/runs/{run}/checkpoints",
    tags=["checkpoints"],
    status_code=201,
    openapi_extra=_BODIES,
    responses=problems(404),
)
async def add_checkpoint(
    run: RunName,
    request: Request,
    space: Space,
    worker: OwnWorker,
    filename: Annotated[
        str | None,
        Query(
            description="The file's name, for a raw body. The trainer's own name tells the epoch.",
            examples=["keikana_v2_epoch148.safetensors"],
        ),
    ] = None,
    epoch: Epoch = None,
    evaluate: Score = None,
) -> CheckpointOut:
    """Hand in a checkpoint: as a raw body, as a form, or as the path of a file that the operator allows.

    The same file handed in twice is the same checkpoint. The file is checked while it arrives and refused unless every
    tensor has a place in the base model. For files that take long, see the uploads in pieces.
    """
    checked_run_name(run)
    if evaluate is not None:
        await run_in_threadpool(space.library.suite, evaluate)  # a wrong name is told before the file is sent
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        path = (await path_in(request)).path
        allowed = space.settings.allowed_folders
        checkpoint = await run_in_threadpool(
            space.registry.register_path, run, path, allowed, epoch, space.settings.whole_base
        )
    elif kind == "multipart/form-data":
        checkpoint = await from_form(request, space, run, epoch)
    else:
        checkpoint = await from_body(request, space, run, filename, epoch)
    return await run_in_threadpool(_taken, space, worker, checkpoint, evaluate)


@router.post("/runs/{run}/folder", tags=["checkpoints"], status_code=201, responses=problems(404))
def add_folder(run: RunName, wanted: FolderIn, space: Space, worker: OwnWorker, evaluate: Score = None) -> FolderOut:
    """Register every LoRA file below a folder of the server that its operator allows. They stay where they lie."""
    checked_run_name(run)
    settings = space.settings
    taken, refused = space.registry.register_folder(run, wanted.path, settings.allowed_folders, settings.whole_base)
    return FolderOut(
        checkpoints=[_taken(space, worker, each, evaluate) for each in taken],
        refused=[RefusedFile(file=path.name, reason=reason) for path, reason in refused],
    )


@router.get("/runs/{run}/checkpoints/{checkpoint_id}", tags=["checkpoints"], responses=problems(404))
def get_checkpoint(run: RunName, checkpoint_id: CheckpointId, space: Space) -> CheckpointDetail:
    """Look inside a checkpoint: format, rank, alpha, base, which modules it changes, and who uses it."""
    return _detail(space, space.registry.get(run, checkpoint_id))


@router.patch("/runs/{run}/checkpoints/{checkpoint_id}", tags=["checkpoints"], responses=problems(404))
def change_checkpoint(run: RunName, checkpoint_id: CheckpointId, wanted: EpochIn, space: Space) -> CheckpointDetail:
    """Say a checkpoint's epoch, whatever the file says; leaderboards that exist show it too."""
    return _detail(space, space.registry.set_epoch(run, checkpoint_id, wanted.epoch))


@router.delete(
    "/runs/{run}/checkpoints/{checkpoint_id}", tags=["checkpoints"], status_code=204, responses=problems(404, 409)
)
def delete_checkpoint(run: RunName, checkpoint_id: CheckpointId, space: Space, force: Force = False) -> None:
    """Forget a checkpoint. An uploaded file is deleted; one that was registered where it lies stays."""
    _remove(space, [space.registry.get(run, checkpoint_id)], force)


@router.post("/runs/{run}/uploads", tags=["uploads"], status_code=201)
def begin_upload(run: RunName, wanted: UploadIn, space: Space, response: Response) -> UploadOut:
    """Begin to hand in a checkpoint in pieces: send them with PATCH, and go on where it broke off."""
    partial = space.partial.begin(run, wanted.filename, wanted.size, wanted.epoch)
    response.headers["Location"] = f"/v1/runs/{run}/uploads/{partial.id}"
    return UploadOut(id=partial.id, filename=partial.filename, size=partial.size, offset=0)


@router.get("/runs/{run}/uploads/{upload_id}", tags=["uploads"], responses=problems(404))
def get_upload(run: RunName, upload_id: UploadId, space: Space) -> UploadOut:
    """How much of an upload has come: ask here after a connection broke."""
    partial, come = space.partial.find(run, upload_id)
    return UploadOut(id=partial.id, filename=partial.filename, size=partial.size, offset=come)


@router.patch("/runs/{run}/uploads/{upload_id}", tags=["uploads"], openapi_extra=_PIECE, responses=problems(404, 409))
async def continue_upload(
    run: RunName,
    upload_id: UploadId,
    request: Request,
    space: Space,
    worker: OwnWorker,
    offset: Annotated[int, Query(ge=0, le=2**53, description="Where this piece begins.", examples=[1048576])],
    evaluate: Score = None,
) -> UploadOut:
    """Send the next piece of an upload; the last one makes it a checkpoint.

    What has come stays if the connection breaks: ask for the offset and go on. A file that turns out to be no usable
    checkpoint is refused and forgotten.
    """
    await piece_into(request, space, run, upload_id, offset)
    partial, come = await run_in_threadpool(space.partial.find, run, upload_id)
    answer = UploadOut(id=partial.id, filename=partial.filename, size=partial.size, offset=come)
    if come == partial.size:
        try:
            path = await run_in_threadpool(space.partial.finish, partial)
            base = space.settings.whole_base
            checkpoint = await run_in_threadpool(space.registry.keep_file, run, path, partial.epoch, base)
        finally:
            await run_in_threadpool(space.partial.drop, upload_id)
        answer.checkpoint = await run_in_threadpool(_taken, space, worker, checkpoint, evaluate)
    return answer


@router.delete("/runs/{run}/uploads/{upload_id}", tags=["uploads"], status_code=204, responses=problems(404))
def drop_upload(run: RunName, upload_id: UploadId, space: Space) -> None:
    """Forget an upload that is not whole."""
    partial, _ = space.partial.find(run, upload_id)
    space.partial.drop(partial.id)


@router.get(
    "/images/{sha256}",
    tags=["images"],
    response_class=FileResponse,
    responses={
        200: {
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}} for kind in ("image/png", "image/webp")
            },
            "description": "The image.",
        },
        **NOT_MODIFIED,
        **problems(404),
    },
)
def get_image(sha256: str, request: Request, space: Space) -> Response:
    """An image by the hash of its file. It never changes, so keep it for ever."""
    path = space.images.path(sha256)
    headers = {"ETag": f'"{sha256}"', "Cache-Control": FOREVER}
    if has_it(request, sha256):
        return Response(status_code=304, headers=headers)
    if not path.is_file():
        raise NotFound(f"there is no image {sha256}")
    return FileResponse(path, media_type=f"image/{path.suffix[1:]}", headers=headers)


def _run(space: Workspace, name: str) -> RunOut:
    found = space.registry.checkpoints_of(name)
    return RunOut(name=name, checkpoints=[CheckpointOut.of(each) for each in found])


def _detail(space: Workspace, checkpoint: Checkpoint) -> CheckpointDetail:
    return CheckpointDetail.detailed(checkpoint, space.evaluations.using([checkpoint.id]))


def _taken(space: Workspace, worker: Worker | None, checkpoint: Checkpoint, suite: str | None) -> CheckpointOut:
    """What is answered for a checkpoint that was taken; it is scored, if that was asked for."""
    answer = CheckpointOut.of(checkpoint)
    if suite is not None:
        answer.evaluation = score_arrival(space, checkpoint, suite).id
        if worker is not None:
            worker.wake()
    return answer


def _remove(space: Workspace, checkpoints: list[Checkpoint], force: bool, run: str | None = None) -> None:
    identifiers = [each.id for each in checkpoints]
    using = space.evaluations.using(identifiers)
    if using and not force:
        raise Conflict(
            f"evaluation{'s' if len(using) > 1 else ''} {', '.join(using)} would lose results; delete "
            f"{'them' if len(using) > 1 else 'it'} first, or add ?force=true to take them out there too"
        )
    space.evaluations.leave_out(identifiers)
    space.registry.remove(checkpoints, run)
