"""The API as a page: read from the OpenAPI document, so that both always say the same."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True)
class Operation:
    """One method of one address: the first paragraph of what it is for, and further ones."""

    method: str
    path: str
    summary: str
    further: str
    parameters: tuple[Mapping[str, Any], ...]
    example: str | None
    answers: tuple[tuple[str, str], ...]

    @property
    def anchor(self) -> str:
        """Its name within the page."""
        return f"{self.method}{self.path}".replace("/", "-").replace("{", "").replace("}", "")


def read_operations(document: Mapping[str, Any]) -> list[tuple[str, list[Operation]]]:
    """Every operation by its tag, in the document's order.

    Args:
        document: an OpenAPI document.
    """
    groups: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method in _METHODS:
            if method in methods:
                found = methods[method]
                groups.setdefault(found.get("tags", ["other"])[0], []).append(_operation(document, method, path, found))
    return list(groups.items())


def _operation(document: Mapping[str, Any], method: str, path: str, found: Mapping[str, Any]) -> Operation:
    return Operation(
        method=method.upper(),
        path=path,
        summary=found.get("description", "").split("\n\n")[0].replace("\n", " "),
        further=found.get("description", "").partition("\n\n")[2],
        parameters=tuple(found.get("parameters", ())),
        example=_example(document, found),
        answers=tuple((code, answer.get("description", "")) for code, answer in found.get("responses", {}).items()),
    )


def _example(document: Mapping[str, Any], found: Mapping[str, Any]) -> str | None:
    """The first example of a JSON body, if there is one."""
    schema = found.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    name = schema.get("$ref", "").rpartition("/")[2]
    schema = document.get("components", {}).get("schemas", {}).get(name, schema)
    examples = schema.get("examples") or [
        {key: part["examples"][0] for key, part in schema.get("properties", {}).items() if part.get("examples")}
    ]
    return json.dumps(examples[0], ensure_ascii=False, indent=2) if examples[0] else None
