"""Suites as the API takes and shows them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from service.library.service import KnownSuite
from service.suites import Suite
from service.web.problems import FaultOut

_TEXT = """name: pair
version: 1
characters:
  - {name: Ann, trigger: annchan, attributes: {ahoge: false}}
  - {name: Bea, trigger: beachan}
scenarios:
  - name: hug
    prompt: 2girls, annchan, beachan, hug
    cast: [Ann, Bea]
    pose: hug
    contact: true
    checks: [cast, fusion, hands]
seeds: [7, 13, 99]
"""


class SuiteIn(BaseModel):
    """A suite's text."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(description="The suite as YAML, as in a suite file.", max_length=1_000_000, examples=[_TEXT])


class SuiteSummary(BaseModel):
    """A suite in a list."""

    name: str = Field(description="What evaluations name it by.", examples=["keikana"])
    version: int = Field(description="Its newest version.", examples=[1])
    versions: list[int] = Field(description="All versions, newest first.", examples=[[1]])
    built_in: bool = Field(description="Whether it is shipped with Bleedcheck.", examples=[True])
    description: str = Field(description="What it is for.", examples=["Two characters apart, together and in contact."])
    characters: list[str] = Field(description="Names of its characters.", examples=[["Kei", "Kana"]])
    scenarios: list[str] = Field(description="Names of its scenarios.", examples=[["together", "hug"]])
    checks: list[str] = Field(description="Every check that any scenario asks for.", examples=[["cast", "hands"]])
    seeds: list[int] = Field(description="Its seeds.", examples=[[7, 13, 99]])
    cells: int = Field(description="Images that it makes of each checkpoint.", examples=[288])

    @classmethod
    def of(cls, known: KnownSuite) -> SuiteSummary:
        """The summary of a suite."""
        return cls(**_summary(known.suite), versions=list(known.versions), built_in=known.built_in)


class SuiteOut(SuiteSummary):
    """One version of a suite, whole."""

    content_hash: str = Field(description="Hash of all that decides pictures and findings.", examples=["9f86d081884c"])
    text: str = Field(description="The suite as YAML.", examples=[_TEXT])
    suite: Suite = Field(description="The same, read.")

    @classmethod
    def of(cls, known: KnownSuite) -> SuiteOut:
        """The whole suite."""
        return cls(
            **_summary(known.suite),
            versions=list(known.versions),
            built_in=known.built_in,
            content_hash=known.suite.content_hash,
            text=known.text,
            suite=known.suite,
        )


class SuiteVerdict(BaseModel):
    """Whether a suite's text is one, and what is wrong if not."""

    valid: bool = Field(description="Whether it can be used.", examples=[False])
    errors: list[FaultOut] = Field(description="Every fault with its line and field.")
    name: str | None = Field(None, description="Its name, if it is valid.", examples=["pair"])
    version: int | None = Field(None, description="Its version, if it is valid.", examples=[1])
    cells: int | None = Field(None, description="Images that it makes of each checkpoint.", examples=[3])


def _summary(suite: Suite) -> dict[str, object]:
    checks = dict.fromkeys(check for scenario in suite.scenarios for check in scenario.checks)
    return {
        "name": suite.name,
        "version": suite.version,
        "description": suite.description,
        "characters": [each.name for each in suite.characters],
        "scenarios": [each.name for each in suite.scenarios],
        "checks": list(checks),
        "seeds": list(suite.seeds),
        "cells": len(suite.cells()),
    }
