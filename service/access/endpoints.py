"""Logging in to the pages with a key."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from service.access.sessions import COOKIE, LIFE_S
from service.errors import Unauthorized
from service.evaluations.dependencies import Space
from service.pages.rendering import page

router = APIRouter(include_in_schema=False)


def own_address(address: str | None) -> str:
    """The address to go on to, if it is one of this server's; otherwise the start page.

    >>> own_address("/runs?x=1"), own_address("//evil.example"), own_address("https://evil.example")
    ('/runs?x=1', '/', '/')
    """
    plain = address is not None and address.startswith("/") and not address.startswith(("//", "/\\"))
    return address if plain and address is not None and address.isprintable() else "/"


@router.get("/login", response_class=HTMLResponse)
def login_page(request: Request, space: Space, next: Annotated[str | None, Query()] = None) -> Response:
    """The form that asks for a key; where none is needed, straight on."""
    if not space.settings.keys_required or request.state.caller.key_id is not None:
        return RedirectResponse(own_address(next), status_code=303)
    return login_form(own_address(next))


@router.post("/login", response_class=HTMLResponse)
async def login(
    request: Request,
    space: Space,
    key: Annotated[str, Form(max_length=200)] = "",
    next: Annotated[str | None, Form(max_length=2000)] = None,
) -> Response:
    """Open a session for whoever shows a key."""
    target = own_address(next)
    try:
        caller = await run_in_threadpool(space.keys.caller, key.strip())
    except Unauthorized as error:
        return login_form(target, str(error), status=401)
    answer = RedirectResponse(target, status_code=303)
    answer.set_cookie(
        COOKIE,
        space.sessions.issue(caller.key_id or ""),
        max_age=LIFE_S,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return answer


@router.post("/logout")
def logout() -> Response:
    """End the session of this browser."""
    answer = RedirectResponse("/login", status_code=303)
    answer.delete_cookie(COOKIE)
    return answer


def login_form(target: str, problem: str | None = None, status: int = 200) -> HTMLResponse:
    """The login page: a form with the fields ``key`` and ``next`` that is posted to ``/login``."""
    return page("login.html.j2", status=status, bare=True, target=target, problem=problem)
