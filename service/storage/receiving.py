"""Taking a checkpoint out of a request, whatever form it comes in."""

from __future__ import annotations

from fastapi import Request
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from service.database.models import Checkpoint
from service.errors import InvalidInput
from service.evaluations.workspace import Workspace
from service.storage.schemas import PathIn
from service.storage.uploads import FORM_MARGIN_BYTES, FormFile, raw_body
from service.web.limits import declared_bytes

_MAX_JSON_BYTES = 64 << 10


async def path_in(request: Request) -> PathIn:
    """The path that a JSON body names.

    Raises:
        InvalidInput: it names none.
    """
    body = b"".join([chunk async for chunk in raw_body(request, _MAX_JSON_BYTES)])
    try:
        return PathIn.model_validate_json(body)
    except ValidationError as error:
        raise InvalidInput(f'send {{"path": "/absolute/path.safetensors"}}: {error.errors()[0]["msg"]}') from error


async def from_body(
    request: Request, space: Workspace, run: str, filename: str | None, epoch: int | None
) -> Checkpoint:
    """The checkpoint that is the body itself."""
    if filename is None:
        raise InvalidInput("say the file's name: POST …/checkpoints?filename=keikana_v2_epoch148.safetensors")
    limit = space.settings.max_upload_bytes
    size = declared_bytes(request.headers)
    base = space.settings.whole_base
    with await run_in_threadpool(space.registry.arrival, run, filename, limit, size=size, base=base) as arrival:
        async for chunk in raw_body(request, limit):
            await run_in_threadpool(arrival.write, chunk)
        return await run_in_threadpool(space.registry.keep, run, arrival, epoch)


async def from_form(request: Request, space: Workspace, run: str, epoch: int | None) -> Checkpoint:
    """The checkpoint in a form."""
    form = FormFile(request.headers["content-type"])
    limit = space.settings.max_upload_bytes
    chunks = raw_body(request, limit + FORM_MARGIN_BYTES)
    async for chunk in chunks:
        form.feed(chunk)
        if form.name is not None:
            break
    if form.name is None:
        raise InvalidInput("the form has no file; send it as a part with a file name")
    base = space.settings.whole_base
    with await run_in_threadpool(space.registry.arrival, run, form.name, limit, base=base) as arrival:
        await run_in_threadpool(arrival.write, form.take())
        async for chunk in chunks:
            form.feed(chunk)
            await run_in_threadpool(arrival.write, form.take())
        if not form.finished:
            raise InvalidInput("the form ends too early")
        return await run_in_threadpool(space.registry.keep, run, arrival, epoch)


async def piece_into(request: Request, space: Workspace, run: str, upload_id: str, offset: int) -> None:
    """Write the body behind what has come of an upload. What arrives is kept even if the connection breaks.

    Raises:
        InvalidInput: the file's beginning shows that it cannot be used; the upload is forgotten.
    """
    base = space.settings.whole_base
    try:
        with await run_in_threadpool(space.partial.open, run, upload_id, offset, base) as piece:
            async for chunk in raw_body(request, space.settings.max_upload_bytes):
                await run_in_threadpool(piece.write, chunk)
    except InvalidInput:
        await run_in_threadpool(space.partial.drop, upload_id)
        raise
