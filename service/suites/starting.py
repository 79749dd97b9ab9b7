"""A suite for one's own characters, made from the built-in ``starter``."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from service.suites.reading import load_suite, parse_suite

OWNER_CHECKS = ("ahoge_missing",)
OTHERS_CHECKS = ("ahoge_bleed",)
_PLACES = (("First", "first_trigger"), ("Second", "second_trigger"))


@dataclass(frozen=True)
class Person:
    """A character of one's own.

    Attributes:
        name: for people and reports.
        trigger: the word that the LoRA knows it by.
        attributes: what it owns, by the fields of :class:`service.suites.models.OwnedAttributes`.
    """

    name: str
    trigger: str
    attributes: dict[str, Any] = field(default_factory=dict)


def own_suite(name: str, first: Person, second: Person | None = None, size: tuple[int, int] = (1024, 1024)) -> str:
    """The text of a suite for one or two characters, which can be edited and evaluated as it is.

    Args:
        name: the suite's name.
        first: a character.
        second: the other one; without it, only the scenarios of the first alone are kept.
        size: width and height of the pictures, pixels.

    Raises:
        InvalidSuite: a name, a trigger or an attribute cannot be used.
    """
    people = [first, *([second] if second else [])]
    starter = json.loads(load_suite("starter").model_dump_json(exclude_defaults=True))
    places = dict(zip((place for place, _ in _PLACES), people, strict=False))
    scenarios = [_scenario(each, places) for each in starter["scenarios"] if set(each["cast"]) <= set(places)]
    content = {
        "name": name,
        "version": 1,
        "description": f"{' and '.join(each.name for each in people)}: made from the starter suite.",
        "characters": [_character(each) for each in people],
        "scenarios": scenarios,
        "seeds": starter["seeds"],
        "generation": {**starter.get("generation", {}), "width": size[0], "height": size[1]},
    }
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)
    parse_suite(text, source=f"{name}.yaml")
    return text


def _character(person: Person) -> dict[str, Any]:
    owned = {"attributes": person.attributes} if person.attributes else {}
    return {"name": person.name, "trigger": person.trigger, **owned}


def _scenario(template: dict[str, Any], places: dict[str, Person]) -> dict[str, Any]:
    """A scenario with the placeholders filled in; a stray strand is looked for where it is known who owns one."""
    triggers = {trigger: places[place].trigger for place, trigger in _PLACES if place in places}
    prompt = re.sub("|".join(triggers), lambda match: triggers[match[0]], template["prompt"])
    cast = [places[each] for each in template["cast"]]
    strands = {each.attributes.get("ahoge") for each in cast}
    checks = [*template["checks"]]
    checks += OTHERS_CHECKS if False in strands else ()
    checks += OWNER_CHECKS if True in strands else ()
    solo = f"{cast[0].name[:50]}-solo" if len(cast) == 1 else template["name"]
    return {**template, "name": solo, "prompt": prompt, "cast": [each.name for each in cast], "checks": checks}
