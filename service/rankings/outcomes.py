"""One image's outcome: what its findings add up to, and how bad it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from detectors.findings import Severity, Verdict

CONTROL = "control"

SEVERITIES = (Severity.LOST, Severity.FUSED, Severity.CLEAR, Severity.MINOR)
"""Worst first."""

SEVERITY_WEIGHTS = {Severity.LOST: 1.0, Severity.FUSED: 0.75, Severity.CLEAR: 0.5, Severity.MINOR: 0.1}
"""What one image costs. Only the order is given; the distances are a choice: a minor fault is nearly a pass, and two
clear failures weigh as much as one lost hand."""


class State(StrEnum):
    """What became of one image, or of one check on it. The first three are measured."""

    FAILS = "fails"
    MINOR = "minor"
    HOLDS = "holds"
    NOT_MEASURABLE = "not_measurable"
    INVALID = "invalid"


MEASURED = frozenset({State.FAILS, State.MINOR, State.HOLDS})


@dataclass(frozen=True)
class FindingRow:
    """One finding, reduced to what ranking needs. ``character`` is ``None`` for a check on the whole image."""

    check: str
    character: str | None
    verdict: Verdict
    severity: Severity | None = None


@dataclass(frozen=True)
class CellOutcome:
    """One cell's image and its findings.

    Attributes:
        run: name of the run; the control's is ``control``.
        epoch: the checkpoint's epoch, ``None`` for the control or where it is unknown.
        scenario: name of the scenario.
        seed: the seed.
        invalid: the image is black, near constant or not a number: counted apart, never a pass.
        findings: what the detectors said.
        expected: names of the checks the scenario asks for; one that has no finding counts as not measured.
    """

    run: str
    epoch: int | None
    scenario: str
    seed: int
    invalid: bool
    findings: tuple[FindingRow, ...]
    expected: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """What an image, or one check on it, adds up to. ``severity`` is the worst of its findings, if it has a fault."""

    state: State
    severity: Severity | None = None


def judge(outcome: CellOutcome, check: str | None = None, character: str | None = None) -> Judgement:
    """Add findings up to one state.

    It fails if any finding fails. It holds, or is minor, only if everything was measured; otherwise it is not
    measurable. An image without findings was not measured.

    Args:
        outcome: the image.
        check: look at this check only.
        character: look at findings about this character only.
    """
    if outcome.invalid:
        return Judgement(State.INVALID)
    findings = [
        finding
        for finding in outcome.findings
        if check in (None, finding.check) and character in (None, finding.character)
    ]
    verdicts = {finding.verdict for finding in findings}
    if Verdict.FAILS in verdicts:
        return Judgement(State.FAILS, _worst(findings, Severity.CLEAR))
    missing = set(outcome.expected) - {finding.check for finding in findings} if check is None is character else set()
    if not findings or missing or Verdict.NOT_MEASURABLE in verdicts:
        return Judgement(State.NOT_MEASURABLE)
    if Verdict.MINOR in verdicts:
        return Judgement(State.MINOR, _worst(findings, Severity.MINOR))
    return Judgement(State.HOLDS)


def cost(judgement: Judgement) -> float:
    """Weight of a measured image's worst fault, 0..1; zero when it holds."""
    return SEVERITY_WEIGHTS[judgement.severity] if judgement.severity else 0.0


def _worst(findings: Iterable[FindingRow], default: Severity) -> Severity:
    """Worst severity among the findings with the worst verdict; ``default`` where a detector gave none."""
    wanted = Verdict.FAILS if default is Severity.CLEAR else Verdict.MINOR
    given = [finding.severity or default for finding in findings if finding.verdict is wanted]
    return min(given, key=SEVERITIES.index)
