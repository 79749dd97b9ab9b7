"""One image's outcome: what its findings add up to, and how bad it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum, StrEnum

from detectors.findings import Severity, Verdict

CONTROL = "control"

SEVERITIES = (Severity.LOST, Severity.FUSED, Severity.CLEAR, Severity.MINOR)
"""Worst first."""

SEVERITY_WEIGHTS = {Severity.LOST: 1.0, Severity.FUSED: 0.75, Severity.CLEAR: 0.5, Severity.MINOR: 0.1}
"""What one image costs. Only the order is given; the distances are a choice: a minor fault is nearly a pass, and two
clear failures weigh as much as one lost hand."""


HIT_RATE_CHECKS = frozenset({"pose"})
"""Checks that say whether the asked picture came out at all. A miss is no failure of separation: the two on the picture
can be apart all the same. So it makes no image fail, and is counted as a hit rate of its own."""

CHANGE_CHECKS = frozenset({"follow_through"})
"""Checks that say whether an asked change was followed. Counted as a rate of its own: the sign of over-baking."""

APART_CHECKS = HIT_RATE_CHECKS | CHANGE_CHECKS
"""Checks that never make an image fail."""


class Grade(IntEnum):
    """One number for what became of a check or an image. The worst of several is the largest."""

    NOT_ASKED = 0
    HOLDS = 1
    MINOR = 2
    NOT_MEASURABLE = 3
    CLEAR = 4
    FUSED = 5
    LOST = 6
    INVALID = 7


class State(StrEnum):
    """What became of one image, or of one check on it. The first three are measured."""

    FAILS = "fails"
    MINOR = "minor"
    HOLDS = "holds"
    NOT_MEASURABLE = "not_measurable"
    INVALID = "invalid"


@dataclass(frozen=True)
class FindingRow:
    """One finding, reduced to what ranking needs.

    Attributes:
        check: name of the check.
        character: whom it is about; ``None`` for a check on the whole image.
        verdict: the answer.
        severity: how bad it is.
        absent: it fails because something expected is not in the picture, see :mod:`service.rankings.second_look`.
    """

    check: str
    character: str | None
    verdict: Verdict
    severity: Severity | None = None
    absent: bool = False


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
        pinned: the seed is a known hard one: shown, and kept out of every rate.
    """

    run: str
    epoch: int | None
    scenario: str
    seed: int
    invalid: bool
    findings: tuple[FindingRow, ...]
    expected: tuple[str, ...] = ()
    pinned: bool = False


@dataclass(frozen=True)
class Judgement:
    """What an image, or one check on it, adds up to. ``severity`` is the worst of its findings, if it has a fault."""

    state: State
    severity: Severity | None = None


def judge(outcome: CellOutcome, check: str | None = None, character: str | None = None) -> Judgement:
    """Add findings up to one state.

    It fails if any finding fails. It holds, or is minor, only if everything was measured; otherwise it is not
    measurable. An image without findings was not measured. The checks in :data:`APART_CHECKS` have no part in what
    becomes of the whole image.

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
        if (finding.check not in APART_CHECKS if check is None else finding.check == check)
        and character in (None, finding.character)
    ]
    verdicts = {finding.verdict for finding in findings}
    if Verdict.FAILS in verdicts:
        return Judgement(State.FAILS, _worst(findings, Severity.CLEAR))
    missing = check is None is character and not set(outcome.expected) - APART_CHECKS <= {row.check for row in findings}
    if not findings or missing or Verdict.NOT_MEASURABLE in verdicts:
        return Judgement(State.NOT_MEASURABLE)
    if Verdict.MINOR in verdicts:
        return Judgement(State.MINOR, _worst(findings, Severity.MINOR))
    return Judgement(State.HOLDS)


_GRADES = {Severity.LOST: Grade.LOST, Severity.FUSED: Grade.FUSED}
MEASURED_GRADES = [Grade.HOLDS, Grade.MINOR, Grade.CLEAR, Grade.FUSED, Grade.LOST]
_JUDGEMENTS = {
    Grade.NOT_ASKED: Judgement(State.NOT_MEASURABLE),
    Grade.HOLDS: Judgement(State.HOLDS),
    Grade.MINOR: Judgement(State.MINOR, Severity.MINOR),
    Grade.NOT_MEASURABLE: Judgement(State.NOT_MEASURABLE),
    Grade.CLEAR: Judgement(State.FAILS, Severity.CLEAR),
    Grade.FUSED: Judgement(State.FAILS, Severity.FUSED),
    Grade.LOST: Judgement(State.FAILS, Severity.LOST),
    Grade.INVALID: Judgement(State.INVALID),
}


def grade_of(verdict: Verdict | str, severity: Severity | str | None) -> Grade:
    """A finding as one number; a failure without a kind of its own is a clear one.

    >>> grade_of("fails", "lost").name, grade_of("fails", None).name
    ('LOST', 'CLEAR')
    """
    if verdict == Verdict.FAILS:
        return _GRADES.get(Severity(severity), Grade.CLEAR) if severity else Grade.CLEAR
    return {Verdict.HOLDS: Grade.HOLDS, Verdict.MINOR: Grade.MINOR}.get(Verdict(verdict), Grade.NOT_MEASURABLE)


def grade_cost(grade: int, severities: Mapping[Severity, float] = SEVERITY_WEIGHTS) -> float:
    """What an image of that grade costs, 0..1; zero unless it was measured and has a fault."""
    severity = judgement_of(grade).severity
    return severities[severity] if severity else 0.0


def judgement_of(grade: int) -> Judgement:
    """A grade as a judgement; what was not asked was not measured."""
    return _JUDGEMENTS[Grade(grade)]


def _worst(findings: Iterable[FindingRow], default: Severity) -> Severity:
    """Worst severity among the findings with the worst verdict; ``default`` where a detector gave none."""
    wanted = Verdict.FAILS if default is Severity.CLEAR else Verdict.MINOR
    given = [finding.severity or default for finding in findings if finding.verdict is wanted]
    return min(given, key=SEVERITIES.index)
