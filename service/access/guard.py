"""What stands in front of every address: host, site, key."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from service.access.keys import ANYBODY, Caller, KeyRing
from service.access.origins import SAFE_METHODS, check_host, check_site
from service.access.sessions import COOKIE, Sessions
from service.errors import BleedcheckError, NotAllowed, Unauthorized
from service.settings import Settings
from service.web.problems import answer_to

PUBLIC = frozenset({"/healthz", "/readyz", "/login", "/logout"})
PUBLIC_FOLDER = "/static/"
"""Styles and scripts of the pages: the login needs them too."""


class Guard:
    """ASGI middleware that lets a request through, or answers with a problem.

    The caller is put into the request's state as ``caller``.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._hosts = settings.answered_hosts
        self._keys_required = settings.keys_required

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one request through, or not."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        try:
            check_host(headers.get("host", ""), self._hosts)
            check_site(scope["method"], headers.get("host", ""), headers.get("sec-fetch-site"), headers.get("origin"))
            scope.setdefault("state", {})["caller"] = await self._caller(scope, headers)
        except BleedcheckError as error:
            await _refusal(scope, headers, error)(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _caller(self, scope: Scope, headers: Headers) -> Caller:
        if not self._keys_required:
            return ANYBODY
        workspace = scope["app"].state.workspace
        caller = await run_in_threadpool(_who, workspace.keys, workspace.sessions, headers)
        if caller is None:
            if scope["path"] in PUBLIC or scope["path"].startswith(PUBLIC_FOLDER):
                return ANYBODY
            raise Unauthorized('send a key: "Authorization: Bearer bck_…" (`bleedcheck keys create` makes one)')
        if scope["method"] not in SAFE_METHODS and not caller.may_write and scope["path"] not in PUBLIC:
            raise NotAllowed("this key can only read; ask the operator for one with the scope write")
        return caller


def _who(keys: KeyRing, sessions: Sessions, headers: Headers) -> Caller | None:
    """The caller by key or cookie; a key that is wrong is refused, an old cookie is none.

    Raises:
        Unauthorized: the key is not known.
    """
    kind, _, key = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return keys.caller(key.strip())
    cookie = session_cookie(headers)
    key_id = sessions.read(cookie) if cookie else None
    return keys.caller_of_id(key_id) if key_id else None


def session_cookie(headers: Headers) -> str | None:
    """The session's cookie, if the request has one that can be read."""
    cookies: SimpleCookie = SimpleCookie()
    try:
        cookies.load(headers.get("cookie", ""))
    except CookieError:
        return None
    return cookies[COOKIE].value if COOKIE in cookies else None


def _refusal(scope: Scope, headers: Headers, error: BleedcheckError) -> Response:
    """A person's browser is sent to the login; everybody else gets the problem."""
    wants_page = scope["method"] == "GET" and "text/html" in headers.get("accept", "")
    if isinstance(error, Unauthorized) and wants_page:
        query = f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else ""
        return RedirectResponse(f"/login?next={quote(scope['path'] + query, safe='')}", status_code=303)
    return answer_to(error, scope)
