"""Thresholds settled on somebody's own labels, laid over what the checks answer.

A check answers with a score, its confidence of 0..1 that it fails. A calibration says from which score on that is worth
``fails`` and below which score it is worth ``holds``; what lies between is *not measurable*, since the labels show that
verdicts there are wrong too often. It works for every check of every profile that gives a score, lies in the user's own
data folder, and never touches the shipped weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from detectors.errors import InvalidInput
from detectors.findings import Finding, Severity, Verdict

FOLDER = "calibrations"


@dataclass(frozen=True)
class Band:
    """Where one check's score becomes a verdict.

    Attributes:
        check: name of the check.
        character: whom it is about; ``None`` for everybody without a band of their own.
        fails_from: lowest score, 0..1, that fails; ``None`` if no score is worth that.
        holds_below: scores below this hold, 0..1, at most ``fails_from``; 0 if none does.
        measured: what it was settled on and what it reaches, as plain JSON values.
    """

    check: str
    character: str | None
    fails_from: float | None
    holds_below: float
    measured: dict[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        highest = 1.0 if self.fails_from is None else self.fails_from
        if not 0.0 <= self.holds_below <= highest <= 1.0:
            raise InvalidInput(
                f"a band of {self.check} must have 0 <= holds_below <= fails_from <= 1, not {self.holds_below} and "
                f"{self.fails_from}"
            )

    def apply(self, finding: Finding) -> Finding:
        """The finding with the verdict that its score is worth here; one without a score or verdict stays as it is."""
        score = finding.score
        if score is None or finding.verdict is Verdict.NOT_MEASURABLE:
            return finding
        if self.fails_from is not None and score >= self.fails_from:
            return self._fails(finding)
        if score < self.holds_below:
            return self._holds(finding)
        upper = "1" if self.fails_from is None else f"{self.fails_from:g}"
        reason = f"unsure: its score {score:g} lies between {self.holds_below:g} and {upper}, where labels disagree"
        return replace(finding, verdict=Verdict.NOT_MEASURABLE, severity=None, reason=reason)

    def _fails(self, finding: Finding) -> Finding:
        if finding.verdict is Verdict.FAILS:
            return finding
        reason = f"its score {finding.score:g} is worth a failure by the labels it was calibrated on"
        return replace(finding, verdict=Verdict.FAILS, severity=_kind(finding), reason=reason)

    def _holds(self, finding: Finding) -> Finding:
        if finding.verdict is not Verdict.FAILS:
            return finding
        reason = f"its score {finding.score:g} is worth no failure by the labels it was calibrated on"
        return replace(finding, verdict=Verdict.HOLDS, severity=None, reason=reason)


@dataclass(frozen=True)
class Calibration:
    """The bands of one profile, one at most for each check and character."""

    bands: tuple[Band, ...] = ()

    def __post_init__(self) -> None:
        places = [(band.check, band.character) for band in self.bands]
        if len(set(places)) < len(places):
            raise InvalidInput("a calibration has two bands for the same check and character")

    def apply(self, findings: Iterable[Finding]) -> list[Finding]:
        """The findings with the verdicts that their scores are worth."""
        bands = {(band.check, band.character): band for band in self.bands}
        answers = []
        for finding in findings:
            band = bands.get((finding.check, finding.character)) or bands.get((finding.check, None))
            answers.append(band.apply(finding) if band else finding)
        return answers

    def with_bands(self, new: Iterable[Band]) -> Calibration:
        """The calibration with further bands, which replace those for the same check and character."""
        bands = {(band.check, band.character): band for band in (*self.bands, *new)}
        return Calibration(tuple(bands[place] for place in sorted(bands, key=lambda key: (key[0], key[1] or ""))))

    def without(self, checks: Iterable[str]) -> Calibration:
        """The calibration without any band of some checks."""
        gone = set(checks)
        return Calibration(tuple(band for band in self.bands if band.check not in gone))

    @property
    def key(self) -> str:
        """SHA-256 (hex) of everything that changes a verdict."""
        rows = [[band.check, band.character, band.fails_from, band.holds_below] for band in self.bands]
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; :meth:`from_json` is the inverse."""
        return {"bands": [asdict(band) for band in self.bands]}

    @classmethod
    def from_json(cls, stored: Any) -> Calibration:
        """Build a calibration from what :meth:`to_json` returned.

        Raises:
            InvalidInput: it is none.
        """
        try:
            return cls(
                tuple(
                    Band(
                        str(row["check"]),
                        None if row["character"] is None else str(row["character"]),
                        None if row["fails_from"] is None else float(row["fails_from"]),
                        float(row["holds_below"]),
                        dict(row.get("measured", {})),
                    )
                    for row in stored["bands"]
                )
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(f"this is no calibration: {type(error).__name__} {error}") from None


def place(data_dir: Path, profile: str) -> Path:
    """Where the calibration of a profile lies in a user's data folder, or would lie."""
    return data_dir / FOLDER / f"{profile}.json"


def load(data_dir: Path, profile: str) -> Calibration | None:
    """The stored calibration of a profile, if there is one.

    Raises:
        InvalidInput: the file cannot be used; names it.
    """
    path = place(data_dir, profile)
    if not path.is_file():
        return None
    try:
        return Calibration.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, InvalidInput) as error:
        raise InvalidInput(f"{path} cannot be used ({error}); remove it, or calibrate again") from None


def _kind(finding: Finding) -> Severity:
    """What kind of failure a finding would have been: by its odds where it has them, else a clear one."""
    odds = finding.evidence.get("odds")
    known = {kind: odds[kind] for kind in ("lost", "fused") if kind in odds} if isinstance(odds, dict) else {}
    if known:
        return Severity(max(known, key=lambda kind: known[kind]))
    return Severity.FUSED if finding.check == "fusion" else Severity.CLEAR
