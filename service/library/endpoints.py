"""Listing, reading, checking and handing in suites."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from service.errors import InvalidSuite
from service.evaluations.dependencies import Space
from service.library.schemas import SuiteIn, SuiteOut, SuiteSummary, SuiteVerdict
from service.suites import parse_suite
from service.web.caching import TaggedRoute
from service.web.problems import FaultOut, problems

router = APIRouter(prefix="/v1/suites", tags=["suites"], route_class=TaggedRoute)


@router.get("")
def list_suites(space: Space) -> list[SuiteSummary]:
    """Every suite in its newest version: the built-in ones first."""
    return [SuiteSummary.of(known) for known in space.library.list_all()]


@router.post("/validate")
def validate_suite(wanted: SuiteIn) -> SuiteVerdict:
    """Whether a text is a suite; every fault is named with its line and field. Nothing is kept."""
    try:
        suite = parse_suite(wanted.text)
    except InvalidSuite as error:
        faults = [FaultOut(field=each.field, message=each.message, line=each.line) for each in error.faults]
        return SuiteVerdict(valid=False, errors=faults)
    return SuiteVerdict(valid=True, errors=[], name=suite.name, version=suite.version, cells=len(suite.cells()))


@router.post("", status_code=201, responses=problems(409))
def add_suite(wanted: SuiteIn, space: Space) -> SuiteOut:
    """Hand in a version of a suite. A version never changes: the same text again is fine, other content is refused."""
    return SuiteOut.of(space.library.add(wanted.text))


@router.get("/{name}", responses=problems(404))
def get_suite(
    name: str,
    space: Space,
    version: Annotated[int | None, Query(ge=1, le=10**9, description="By default the newest.", examples=[1])] = None,
) -> SuiteOut:
    """One version of a suite, whole."""
    return SuiteOut.of(space.library.get(name, version))
