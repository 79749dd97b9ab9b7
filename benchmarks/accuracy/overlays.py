"""Pictures of the worst mistakes, enlarged, with what the detectors saw drawn over them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np

from benchmarks.accuracy.measure import POSITIVE, answer_of
from benchmarks.detectors.cases import Case
from detectors import Finding

WORST = 20
_ZOOM = 2


def write_mistakes(folder: Path, name: str, case: Case, findings: list[Finding]) -> None:
    """Write one PNG for each wrong finding about a picture.

    Its name begins with the check and how wrong the score is, 0..1: a fault missed with a score of 0, or called with a
    score of 1 where there is none, is 1. A mistake without a score counts as 1.
    """
    for finding in findings:
        truth = case.truth.get((finding.check, finding.character))
        positive, answer = POSITIVE.get(finding.check, ("fails",)), answer_of(finding)
        if truth is None or (truth in positive) == (answer in positive):
            continue
        score = finding.score
        badness = 1.0 if score is None else 1 - score if truth in positive else score
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{finding.check}-{badness:.3f}-{name}-{finding.character or 'image'}.png"
        cv2.imwrite(str(path), cv2.cvtColor(_picture(case, finding, truth, answer), cv2.COLOR_RGB2BGR))


def _picture(case: Case, finding: Finding, truth: str, answer: str) -> np.ndarray:
    image = cv2.resize(case.image, None, fx=_ZOOM, fy=_ZOOM, interpolation=cv2.INTER_CUBIC)
    for key, value in finding.evidence.items():
        if key.endswith("_box"):
            x0, y0, x1, y1 = (round(v * _ZOOM) for v in value)
            cv2.rectangle(image, (x0, y0), (x1, y1), (255, 0, 200), 1)
            cv2.putText(
                image, key[:-4], (x0 + 2, y0 + 10), cv2.FONT_HERSHEY_SIMPLEX, 0.35, (255, 0, 200), 1, cv2.LINE_AA
            )
    strip = np.full((54, image.shape[1], 3), 255, np.uint8)
    asked = case.expectation
    lines = (
        f"{finding.check} {finding.character or ''}: {truth} is right, said {answer} ({finding.score})",
        f"{finding.reason}"[:90],
        f"asked {asked.pose} below {asked.below}; drawn {case.drawing.scene.pose}; "
        f"{[(f.kind, f.person) for f in case.drawing.scene.failures]}"[:100],
    )
    for k, text in enumerate(lines):
        cv2.putText(strip, text, (4, 14 + 16 * k), cv2.FONT_HERSHEY_SIMPLEX, 0.36, (0, 0, 0), 1, cv2.LINE_AA)
    return np.vstack([image, strip])


def keep_worst(folder: Path) -> dict[str, int]:
    """Delete all but the worst of each check; how many there were."""
    found: dict[str, list[tuple[float, Path]]] = defaultdict(list)
    for path in folder.glob("*.png"):
        check, badness = path.name.split("-")[:2]
        found[check].append((float(badness), path))
    for pictures in found.values():
        for _, path in sorted(pictures, reverse=True)[WORST:]:
            path.unlink()
    return {check: len(pictures) for check, pictures in sorted(found.items())}
