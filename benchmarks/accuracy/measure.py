"""Comparing findings with truth, and counting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.detectors.cases import CHECKS, Case
from benchmarks.detectors.matching import overlaps
from detectors import Finding, Severity, Verdict
from detectors.context import Context
from service.rankings import wilson

HARD = ("ribbon", "twin tails", "overlapping ahoge", "contact", "far", "close")
HAND_STATES = {"lost": Severity.LOST, "fused": Severity.FUSED}


@dataclass
class Counts:
    """What happened: (check, truth, answer) triples by hard case, and person masks for the average precision.

    ``answers`` counts under every hard case a picture is one of, and under ``""`` for all pictures. An answer is a
    verdict, for ``hands`` the worst state. ``masks`` holds (score, whether it met a drawn person).
    """

    answers: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    masks: list[tuple[float, bool]] = field(default_factory=list)
    people: int = 0
    pictures: int = 0

    def merge(self, other: Counts) -> None:
        """Add another worker's counts."""
        self.answers += other.answers
        self.masks += other.masks
        self.people += other.people
        self.pictures += other.pictures

    def add(self, case: Case, context: Context, findings: Sequence[Finding]) -> None:
        """Count one picture."""
        self.pictures += 1
        given = {(f.check, f.character): f for f in findings}
        for (check, character), truth in case.truth.items():
            finding = given.get((check, character))
            if truth is None or finding is None:
                continue
            for tag in ("", *sorted(case.tags & set(HARD))):
                self.answers[tag, check, truth, answer_of(finding)] += 1
        overlap = overlaps(context, case.drawing)
        judged = [i for i, p in enumerate(case.drawing.people) if p.mask.sum() > 150]
        free = set(judged)
        for row, person in sorted(zip(overlap, context.people, strict=True), key=lambda pair: -pair[1].score):
            best = max(free, key=row.__getitem__, default=None)
            met = best is not None and row[best] >= 0.5
            if met and best is not None:
                free.remove(best)
            elif any(row[i] >= 0.5 for i in range(len(row)) if i not in judged):
                continue  # a person with next to nothing visible: neither a hit nor a miss
            self.masks.append((person.score, met))
        self.people += len(judged)


def answer_of(finding: Finding) -> str:
    """The verdict in one word; a failing hand is named by its severity."""
    if finding.check == "hands" and finding.verdict is Verdict.FAILS:
        return "lost" if finding.severity is Severity.LOST else "fused"
    return finding.verdict.value


def average_precision(masks: Iterable[tuple[float, bool]], people: int) -> float:
    """Area under precision over recall at IoU 0.5, every point interpolated.

    Detections below the working confidence are not in ``masks``, so this is a lower bound.
    """
    ordered = sorted(masks, key=lambda pair: -pair[0])
    hits = np.cumsum([met for _, met in ordered])
    if not len(hits):
        return 0.0
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    recall = np.concatenate([[0.0], hits / max(people, 1)])
    return float(np.sum(np.diff(recall) * precision))


def figures(counts: Counts, check: str, positive: Sequence[str], tag: str = "") -> dict[str, Any]:
    """Precision, recall and F1 of "``check`` says one of ``positive``", not measurable answers apart.

    ``interval`` is the 95 % Wilson interval of the recall, ``precision_interval`` that of the precision.
    """
    rows = {(t, a): n for (g, c, t, a), n in counts.answers.items() if g == tag and c == check}
    blind = sum(n for (_, a), n in rows.items() if a == "not_measurable")
    seen = {key: n for key, n in rows.items() if key[1] != "not_measurable"}
    true = sum(n for (t, a), n in seen.items() if t in positive and a in positive)
    said = sum(n for (_, a), n in seen.items() if a in positive)
    there = sum(n for (t, _), n in seen.items() if t in positive)
    return {
        "precision": true / said if said else None,
        "recall": true / there if there else None,
        "f1": 2 * true / (said + there) if said + there else None,
        "interval": wilson(true, there),
        "precision_interval": wilson(true, said),
        "n": sum(seen.values()),
        "positives": there,
        "not_measurable": blind,
    }


def summary(counts: Counts) -> dict[str, Any]:
    """Everything that ``--json`` prints."""
    checks = {check: figures(counts, check, ["fails"]) for check in CHECKS if check != "hands"}
    checks["ahoge_tuft"] = figures(counts, "ahoge_bleed", ["minor", "fails"])
    checks["hands"] = figures(counts, "hands", ["lost", "fused"])
    checks["hands_lost"] = figures(counts, "hands", ["lost"])
    checks["hands_fused"] = figures(counts, "hands", ["fused"])
    hard = {
        tag: {
            "ahoge_bleed": figures(counts, "ahoge_bleed", ["fails"], tag),
            "hands_lost": figures(counts, "hands", ["lost"], tag),
            "fusion": figures(counts, "fusion", ["fails"], tag),
        }
        for tag in HARD
    }
    confusion: dict[str, dict[str, int]] = {}
    for (tag, check, truth, answer), n in sorted(counts.answers.items()):
        if not tag:
            confusion.setdefault(f"{check}: {truth}", {})[answer] = n
    return {
        "images": counts.pictures,
        "checks": checks,
        "people_mask_map50": average_precision(counts.masks, counts.people),
        "hard_cases": hard,
        "confusion": confusion,
    }
