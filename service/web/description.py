"""The OpenAPI description: every endpoint with every error it can end with, and how keys are sent."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from service.web.caching import NOT_MODIFIED
from service.web.problems import PROBLEM_TYPE, STATUSES, Problem
from service.web.wording import FIELDS, PARAMETERS, example_of

_COMMON = (401, 403, 421, 500, 507)
_WITH_BODY = (400, 409, 413, 422)
_REFERENCE = {"$ref": "#/components/schemas/Problem"}
_REPEAT = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Names this request: sent again with the same key and body, it is answered and not done again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"},
    "example": "0f7c1c3e-6f4e-4a57-9d2f-3a1f5b0a7c11",
}


def describe(app: FastAPI) -> dict[str, Any]:
    """The application's OpenAPI document, made once."""
    if app.openapi_schema is None:
        document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(problem.pop("$defs", {}))
        schemas["Problem"] = problem
        for name, schema in schemas.items():
            _word(name.rpartition("__")[2], schema)
        document["components"]["securitySchemes"] = {
            "key": {"type": "http", "scheme": "bearer", "description": "A key; asked for beyond loopback."},
        }
        document["security"] = [{}, {"key": []}]
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                _complete(path, method, operation)
        app.openapi_schema = document
    return app.openapi_schema


def _word(name: str, schema: dict[str, Any]) -> None:
    """Give each field of a model a description and an example, where it has none."""
    shown = {field for example in schema.get("examples", []) if isinstance(example, dict) for field in example}
    for field, facts in schema.get("properties", {}).items():
        if not facts.get("description"):
            facts["description"] = FIELDS.get(name, {}).get(field, "")
        if field not in shown and "examples" not in facts and "$ref" not in str(facts):
            facts["examples"] = [facts["default"] if "default" in facts else example_of(field, facts)]


def _complete(path: str, method: str, operation: dict[str, Any]) -> None:
    """Give an operation its errors, each as a problem."""
    responses = operation["responses"]
    for parameter in operation.get("parameters", []):
        told, example = PARAMETERS.get(parameter["name"], (None, None))
        if told is not None:
            parameter.setdefault("description", told)
        if example is not None and parameter["in"] == "path" and "examples" not in parameter["schema"]:
            parameter.setdefault("example", example)
    changes = method != "get"
    known = [*_COMMON, *(_WITH_BODY if changes else ()), *((422,) if path.startswith("/v1/") else ())]
    known += [404] if "{" in path else []
    if method == "post":
        operation.setdefault("parameters", []).append(_REPEAT)
    if method == "get" and path.startswith("/v1/") and "application/json" in responses["200"].get("content", {}):
        responses.update({str(status): told for status, told in NOT_MODIFIED.items()})
    for status in known:
        responses.setdefault(str(status), {})
    for status in sorted(responses):
        if status.isdigit() and int(status) >= 400:
            title = STATUSES[int(status)]
            responses[status] = {
                "description": title,
                "content": {PROBLEM_TYPE: {"schema": _REFERENCE, "example": _example(int(status), title)}},
            }
    operation["responses"] = dict(sorted(responses.items()))


def _example(status: int, told: str) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": {404: "Not found", 409: "Conflict", 422: "Invalid input"}.get(status, "Problem"),
        "status": status,
        "detail": told,
        "request_id": "5b0b6f0f8a5c4f0e",
        "errors": [],
    }
