"""Parameters behind the question mark: a mistyped one is a mistake, and not to be passed over."""

from __future__ import annotations

from starlette.requests import Request

from service.errors import refuse_unknown

API = "/v1/"


async def only_known(request: Request) -> None:
    """Refuse a parameter that an address of the API does not have: ``?states=fails`` would list every cell.

    Raises:
        InvalidInput: it has none of that name; the message says which it has.
    """
    path = getattr(request.scope.get("route"), "path", "")
    if request.query_params and path.startswith(API):
        operation = request.app.openapi()["paths"][path][request.method.lower()]
        known = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "query"]
        refuse_unknown("this address", "parameter", list(request.query_params), known)
