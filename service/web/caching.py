"""ETags: what a client has already is not sent again."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi.routing import APIRoute
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


class TaggedRoute(APIRoute):
    """A route whose whole JSON answers to GET have an ETag of their content, or are 304 if the client has them.

    It sees an answer before it is sent, so what has a tag already, streams, files and pictures go out as they are.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What FastAPI calls for a request."""
        answer = super().get_route_handler()

        async def tag(request: Request) -> Response:
            made = await answer(request)
            return _with_tag(request, made) if request.method == "GET" and _is_plain_json(made) else made

        return tag


def _is_plain_json(made: Response) -> bool:
    whole = made.status_code == 200 and "content-length" in made.headers and "etag" not in made.headers
    return whole and made.headers.get("content-type", "").startswith("application/json")


def _with_tag(request: Request, made: Response) -> Response:
    cache = made.headers.get("cache-control", REVALIDATE)
    headers, known = tagged(request, hashlib.sha256(made.body).hexdigest()[:32], cache)
    if known:
        vary = {"Vary": made.headers["vary"]} if "vary" in made.headers else {}
        return Response(status_code=304, headers={**headers, **vary}, background=made.background)
    made.headers.update(headers)
    return made
