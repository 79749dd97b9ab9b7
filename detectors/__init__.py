"""Image in, findings out. Knows no HTTP and no database; importing it imports neither torch nor numpy.

`DetectorSet` and `open_detectors` are imported when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from detectors.expectations import Attributes, Change, Character, Expectation
from detectors.findings import Finding, Severity, Verdict
from detectors.measures import Examination, Measure

if TYPE_CHECKING:
    from detectors.opening import PROFILES, DetectorSet, open_detectors

__all__ = [
    "PROFILES",
    "Attributes",
    "Change",
    "Character",
    "DetectorSet",
    "Examination",
    "Expectation",
    "Finding",
    "Measure",
    "Severity",
    "Verdict",
    "open_detectors",
]


def __getattr__(name: str) -> Any:
    if name in ("PROFILES", "DetectorSet", "open_detectors"):
        return getattr(import_module("detectors.opening"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
