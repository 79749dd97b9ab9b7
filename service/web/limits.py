"""A cap on bodies, for every address that does not count its own."""

from __future__ import annotations

import re

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.errors import TooLarge, UnreadableRequest
from service.web.problems import answer_to

COUNTED_ELSEWHERE = re.compile(r"/v1/runs/[^/]+/(checkpoints|uploads(/[^/]+)?)")
"""Addresses that take whole files: they count with a limit of their own while they write."""


_BYTES = re.compile(r"[0-9]{1,18}")


def declared_bytes(headers: Headers) -> int | None:
    """How many bytes a body is said to have; ``None`` if nothing is said.

    Raises:
        UnreadableRequest: what is said is no number of bytes.
    """
    said = headers.get("content-length")
    if said is None:
        return None
    if _BYTES.fullmatch(said) is None:
        raise UnreadableRequest("the Content-Length is no number of bytes; leave it to the HTTP client")
    return int(said)


class BodyLimit:
    """ASGI middleware that refuses larger bodies, whether or not they say their size, and sizes that are none."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through with its body counted."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            declared = declared_bytes(Headers(scope=scope))
        except UnreadableRequest as error:
            await answer_to(error, scope)(scope, receive, send)
            return
        if COUNTED_ELSEWHERE.fullmatch(scope["path"]):
            await self._app(scope, receive, send)
            return
        if declared is not None and declared > self._limit:
            await answer_to(TooLarge(self._told), scope)(scope, receive, send)
            return
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self._limit:  # FastAPI lets only this class through while it reads a body
                raise HTTPException(413, "Too large")
            return message

        await self._app(scope, counted, send)

    @property
    def _told(self) -> str:
        return f"the body is larger than the {self._limit} bytes that this address takes"
