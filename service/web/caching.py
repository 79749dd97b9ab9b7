"""ETags: what a client has already is not sent again."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

FOREVER = "private, max-age=31536000, immutable"
"""For what is named by its content: it never changes. Private, since a key may be needed to read it."""
REVALIDATE = "private, no-cache"
"""For what may change: keep it, and ask before using it."""

NOT_MODIFIED: dict[int | str, dict[str, Any]] = {304: {"description": "You have it: the ETag that you sent is right."}}


def has_it(request: Request, tag: str) -> bool:
    """Whether the client's ``If-None-Match`` names this tag, which is given without its quotes."""
    known = request.headers.get("if-none-match", "")
    return known.strip() == "*" or f'"{tag}"' in [each.strip().removeprefix("W/") for each in known.split(",")]


def tagged(request: Request, tag: str, cache: str, **headers: str) -> tuple[dict[str, str], bool]:
    """The headers of an answer with that tag, and whether the client has it already."""
    return {"ETag": f'"{tag}"', "Cache-Control": cache, **headers}, has_it(request, tag)


def packed_json(request: Request, packed: bytes, headers: Mapping[str, str]) -> Response:
    """JSON that is kept as gzip packed it: sent as it is to clients that can unpack it."""
    vary = {**headers, "Vary": "Accept-Encoding"}
    if "gzip" in request.headers.get("accept-encoding", ""):
        return Response(packed, 200, {**vary, "Content-Encoding": "gzip"}, "application/json")
    return Response(gzip.decompress(packed), 200, vary, "application/json")


def conditional(request: Request, model: BaseModel) -> Response:
    """A model as JSON with an ETag of its content, or 304 if the client has it."""
    body = model.model_dump_json().encode()
    headers, known = tagged(request, hashlib.sha256(body).hexdigest()[:32], REVALIDATE)
    if known:
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)
