"""Suite files: what to generate of every checkpoint and what to look at. Imports no other domain of the service."""

from service.suites.models import Scenario, Suite, SuiteCharacter, SuiteGeneration
from service.suites.reading import list_suites, load_suite, parse_suite, suite_text

__all__ = [
    "Scenario",
    "Suite",
    "SuiteCharacter",
    "SuiteGeneration",
    "list_suites",
    "load_suite",
    "parse_suite",
    "suite_text",
]
