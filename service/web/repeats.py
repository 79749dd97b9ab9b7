"""``Idempotency-Key``: a POST that is sent again, because its answer got lost, is answered again and not done again."""

from __future__ import annotations

import hashlib
import re
import time
from typing import Any

from sqlalchemy.exc import IntegrityError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.database.engine import Database
from service.database.models import IdempotentAnswer
from service.errors import Conflict, InvalidInput, KeyReused
from service.web import repository

HEADER = "idempotency-key"
KEPT_S = 24 * 3600.0
ABANDONED_S = 600.0
"""After this long without an answer the first request is taken to have died with its server."""
MAX_ANSWER_BYTES = 1 << 20
_USABLE = re.compile(r"[\x21-\x7e]{1,200}")
_KEPT_HEADERS = ("content-type", "location", "etag")


class Repeats:
    """ASGI middleware. Only what succeeded is kept: what failed has changed nothing and may be tried again."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, from memory if it is a repeated one."""
        key = Headers(scope=scope).get(HEADER) if scope["type"] == "http" and scope["method"] == "POST" else None
        if key is None:
            await self._app(scope, receive, send)
            return
        if not _USABLE.fullmatch(key):
            raise InvalidInput("Idempotency-Key must be 1 to 200 printable characters without spaces, such as a UUID")
        database: Database = scope["app"].state.workspace.database
        caller = scope.get("state", {}).get("caller")
        name = f"{getattr(caller, 'key_id', None) or ''}:{key}"
        known = await run_in_threadpool(_begin, database, name)
        body = _Body(scope, receive)
        if known is not None:
            await body.drain()
            if known.request_hash != body.digest:
                raise KeyReused("this Idempotency-Key was used for another request; give every request its own")
            await _repeated(known)(scope, receive, send)
            return
        answer = _Answer(send)
        try:
            await self._app(scope, body.receive, answer.send)
        finally:
            await run_in_threadpool(_end, database, name, body.digest, answer if answer.worth_keeping else None)


class _Body:
    """A body on its way through, hashed together with what it was sent to."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        kind = Headers(scope=scope).get("content-type", "").partition(";")[0]
        self._hash = hashlib.sha256(f"{scope['path']}?{scope['query_string'].decode('latin-1')} {kind}\n".encode())
        self._receive = receive

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()

    async def receive(self) -> Message:
        message = await self._receive()
        self._hash.update(message.get("body", b""))
        return message

    async def drain(self) -> None:
        while True:
            message = await self.receive()
            if message["type"] != "http.request" or not message.get("more_body", False):
                return


class _Answer:
    """An answer on its way out, with a copy of it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""
        self._whole = False
        self._too_large = False

    @property
    def worth_keeping(self) -> bool:
        return 200 <= self.status < 400 and self._whole and not self._too_large

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            found = Headers(raw=message["headers"])
            self.headers = {name: found[name] for name in _KEPT_HEADERS if name in found}
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            self._too_large = self._too_large or len(self.body) > MAX_ANSWER_BYTES
            self.body = b"" if self._too_large else self.body
            self._whole = not message.get("more_body", False)
        await self._send(message)


def _begin(database: Database, name: str) -> IdempotentAnswer | None:
    """Claim a key for a first request, or return what was answered to it.

    Raises:
        Conflict: the first request is still being worked on.
    """
    now = time.time()
    try:
        with database.transaction() as session:
            repository.forget_answers(session, finished_before=now - KEPT_S, unfinished_before=now - ABANDONED_S)
            known = repository.find_answer(session, name)
            if known is None:
                session.add(IdempotentAnswer(key=name, request_hash="", status=None, headers=None, body=None))
                return None
    except IntegrityError:  # the same key, at the same moment, in another process
        raise Conflict("the first request with this Idempotency-Key is still being worked on; wait for it") from None
    if known.status is None:
        raise Conflict("the first request with this Idempotency-Key is still being worked on; wait for it")
    return known


def _end(database: Database, name: str, digest: str, answer: _Answer | None) -> None:
    with database.transaction() as session:
        kept: dict[str, Any] | None = None
        if answer is not None:
            kept = {"status": answer.status, "headers": answer.headers, "body": answer.body}
        repository.settle_answer(session, name, digest, kept)


def _repeated(known: IdempotentAnswer) -> Response:
    headers = {**(known.headers or {}), "idempotency-replayed": "true"}
    return Response(known.body, known.status or 200, headers)
