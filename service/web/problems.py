"""Errors as answers: ``application/problem+json`` (RFC 9457), made in one place."""

from __future__ import annotations

import json
from typing import Any

import structlog
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from service.errors import KNOWN, InvalidSuite, Unauthorized, title_of

PROBLEM_TYPE = "application/problem+json"
logger = structlog.get_logger(__name__)


class FaultOut(BaseModel):
    """One thing that is wrong in what was sent."""

    field: str = Field(description="Where it is, as a path.", examples=["body.seeds"])
    message: str = Field(description="What is wrong.", examples=["Input should be less than or equal to 1000"])
    line: int | None = Field(None, description="Line in a suite's text, from 1; null elsewhere.", examples=[12])


class Problem(BaseModel):
    """What every error looks like (RFC 9457)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "type": "about:blank",
                    "title": "Not found",
                    "status": 404,
                    "detail": "there is no evaluation 8d3c4b1f0a9e",
                    "request_id": "5b0b6f0f8a5c4f0e",
                    "errors": [],
                }
            ]
        }
    )

    type: str = Field("about:blank", description="Always this: the title tells the kind.", examples=["about:blank"])
    title: str = Field(description="The kind of problem.", examples=["Unmapped keys"])
    status: int = Field(description="The HTTP status.", examples=[422])
    detail: str = Field(
        description="What is wrong and what to do about it.", examples=["there is no evaluation 8d3c4b1f0a9e"]
    )
    request_id: str | None = Field(
        None, description="Names this request in the server's log.", examples=["5b0b6f0f8a5c4f0e"]
    )
    errors: list[FaultOut] = Field([], description="Each fault with its place, where that is known.")


def problem_of(error: Exception) -> Problem:
    """What to tell about an error."""
    if isinstance(error, InvalidSuite):
        faults = [FaultOut(field=each.field, message=each.message, line=each.line) for each in error.faults]
        return Problem(title=title_of(error), status=error.status, detail=str(error), errors=faults)
    if isinstance(error, KNOWN):
        return Problem(title=title_of(error), status=error.status, detail=str(error))
    if isinstance(error, RequestValidationError):
        faults = [_fault(fault) for fault in error.errors()]
        told = "; ".join(f"{fault.field}: {fault.message}" for fault in faults)
        return Problem(title="Invalid request", status=422, detail=told, errors=faults)
    if isinstance(error, HTTPException):
        told = _UNROUTED.get(error.status_code, f"{error.detail}: see /docs")
        takes = (error.headers or {}).get("Allow")
        told += f": it takes {takes}" if takes else ""
        return Problem(title=str(error.detail).capitalize(), status=error.status_code, detail=told)
    if isinstance(error, UnicodeEncodeError) and error.reason == _LONE_HALF:
        return Problem(title="Invalid input", status=422, detail=_NO_TEXT)
    return Problem(title="Internal error", status=500, detail="something went wrong here; the server's log says what")


_LONE_HALF = "surrogates not allowed"
_NO_TEXT = "a text that was sent has half a character in it (a lone surrogate, such as \\ud800); send whole characters"
_UNROUTED = {
    404: "there is no such address; /docs lists every one",
    405: "this address does not take that method",
}
"""What no endpoint was reached for."""
_NO_OBJECT = frozenset({"model_attributes_type", "model_type", "dict_type", "missing"})
"""How a validator calls a body that is none, for instance because of its content type."""


def _fault(found: dict[str, Any]) -> FaultOut:
    """A fault of a request, with where it is; of a text that is no JSON, what is wrong with it."""
    if found["type"] == "json_invalid":
        told = found["ctx"]["error"]
        return FaultOut(field="body", message=f"not readable as JSON at character {found['loc'][-1]}: {told}")
    if found["type"] in _NO_OBJECT and found["loc"] == ("body",):
        return FaultOut(field="body", message="send a JSON object, with content-type: application/json")
    return FaultOut(field=".".join(str(part) for part in found["loc"]), message=found["msg"])


def answer_to(error: Exception, scope: Scope) -> Response:
    """The answer to a request that ended with an error; those that are ours to mend are logged."""
    problem = problem_of(error)
    problem.request_id = scope.get("state", {}).get("request_id")
    if problem.status >= 500:
        logger.error("request failed", path=scope["path"], error=str(error), exc_info=error)
    headers: dict[str, str] = dict(getattr(error, "headers", None) or {})
    if isinstance(error, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    # What the error quotes may hold half a character, which JSON can say and UTF-8 cannot.
    body = json.dumps(problem.model_dump(), ensure_ascii=False).encode("utf-8", "backslashreplace")
    return Response(body, problem.status, headers, PROBLEM_TYPE)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of an endpoint that can end with these statuses, for its description.

    :mod:`service.web.description` fills in what a problem looks like.
    """
    return {status: {"description": STATUSES[status]} for status in statuses}


STATUSES = {
    400: "The request cannot be read.",
    401: "A key is needed, or the key is not known.",
    403: "The operator's settings, the key's scope, or the rule against other sites' pages forbid it.",
    404: "There is no such thing.",
    405: "This address has no such method.",
    409: "It cannot be done in the state things are in.",
    412: "What the request was made for has changed.",
    413: "More bytes than the server takes.",
    416: "The piece does not follow what has come so far.",
    421: "This server does not answer to that host.",
    422: "What was sent cannot be used; the detail says why.",
    500: "Something went wrong in the server; its log says what.",
    503: "A model's weights are not on the server, or it is not ready.",
    507: "The server's disk is full or cannot be written.",
}
