"""Errors as people see them: a page where a browser asked for a page, and a problem document everywhere else."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import HTMLResponse

from service.pages.rendering import page

_NOT_PAGES = ("/v1/", "/healthz", "/static/")


def wants_page(request: Request) -> bool:
    """Whether a browser asked for one of the pages, not a script or a client for the API."""
    return "text/html" in request.headers.get("accept", "") and not request.url.path.startswith(_NOT_PAGES)


def problem_page(title: str, status: int, detail: str) -> HTMLResponse:
    """What is wrong and what to do about it, as a page."""
    return page("problem.html.j2", status=status, problem={"title": title, "status": status, "detail": detail})
