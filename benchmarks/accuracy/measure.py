"""Comparing findings with truth, and counting."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.detectors.cases import CHECKS, Case
from benchmarks.detectors.matching import overlaps
from benchmarks.miniature.scenes import DISTANCES, PAIR_POSES, SOLO_POSES
from detectors import Finding, Severity, Verdict
from detectors.context import Context
from service.rankings import wilson

NEAR_MISSES = (
    "ribbon", "hat", "twin tails", "overlapping ahoge", "arms crossed", "arms behind", "three or four",
)  # fmt: skip
SPLITS = (*SOLO_POSES, *PAIR_POSES, *DISTANCES)
# Checks whose truth leaves out what nobody can tell, besides hands; each is also counted as drawn.
_BY_LOOKS = ("ahoge_bleed", "ahoge_missing", "cast", "hair_bleed", "eye_bleed", "outfit_bleed", "pose")
# Besides each check with ``fails`` as positive: (name, check, truths and answers that are positive).
VARIANTS = (
    ("ahoge_tuft", "ahoge_bleed", ("minor", "fails")),
    ("hands_lost", "hands", ("lost",)),
    ("hands_fused", "hands", ("fused",)),
    ("hands_lost_as_drawn", "hands_as_drawn", ("lost",)),
    *((f"{check}_as_drawn", f"{check}_as_drawn", ("fails",)) for check in _BY_LOOKS),
)
# A truth that another check's findings are compared with, besides that check's own; see ``Case.truth``.
ANSWERED_BY = {f"{check}_as_drawn": check for check in ("hands", *_BY_LOOKS)}
# A check that has a stricter name of its own for what counts.
POSITIVE = {"hands": ("lost", "fused")}
BINS = 10
# At least so many positives, else a figure says little.
ENOUGH = 60


@dataclass
class Counts:
    """What happened.

    Attributes:
        answers: (tag, check, truth, answer); the tag ``""`` counts all pictures, ``clean`` those without any fault. An
            answer is a verdict, for ``hands`` the worst state.
        alarms: clean pictures by check on which it gave an alarm that is none, and under ``""`` all clean pictures.
        outcomes: (right kind of assignment, kind given).
        poses: (pose that is drawn, or ``reversed``; pose that was read, ``reversed``, ``fused`` or ``N alone``).
        scores: by (check, tenth of the score): how many, their summed score, how many were true.
        masks: (score, whether it met a drawn person), for the average precision.
        people: drawn people that can be found.
        pictures: all of them.
    """

    answers: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    alarms: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    poses: Counter[tuple[str, str]] = field(default_factory=Counter)
    scores: dict[tuple[str, int], list[float]] = field(default_factory=dict)
    masks: list[tuple[float, bool]] = field(default_factory=list)
    people: int = 0
    pictures: int = 0

    def merge(self, other: Counts) -> None:
        """Add another worker's counts."""
        self.answers += other.answers
        self.alarms += other.alarms
        self.outcomes += other.outcomes
        self.poses += other.poses
        for key, values in other.scores.items():
            mine = self.scores.setdefault(key, [0.0, 0.0, 0.0])
            self.scores[key] = [a + b for a, b in zip(mine, values, strict=True)]
        self.masks += other.masks
        self.people += other.people
        self.pictures += other.pictures

    def add(self, case: Case, context: Context, findings: Sequence[Finding], *, clean: bool = False) -> None:
        """Count one picture."""
        self.pictures += 1
        given = {(f.check, f.character): f for f in findings}
        tags = ("", *(["clean"] if clean else []), *sorted(case.tags & {*NEAR_MISSES, *SPLITS}))
        wrong = set()
        for (check, character), truth in case.truth.items():
            # What no detector answers is said once for the whole image.
            asked = ANSWERED_BY.get(check, check)
            finding = given.get((asked, character)) or given.get((asked, None))
            if truth is None or finding is None:
                continue
            answer = answer_of(finding)
            for tag in tags:
                self.answers[tag, check, truth, answer] += 1
            positive = POSITIVE.get(check, ("fails",))
            if finding.score is not None:
                self._score(check, finding.score, truth in positive)
            if answer in positive and truth not in positive:
                wrong.add(check)
        if clean:
            self.alarms.update({"": 1, **dict.fromkeys(wrong, 1)})
        if case.outcome is not None:
            self.outcomes[case.outcome, context.assignment.kind] += 1
        self._count_pose(case, given.get(("pose", None)))
        self._count_masks(case, context)

    def _count_pose(self, case: Case, finding: Finding | None) -> None:
        if finding is None or case.truth.get(("pose", None)) is None or "came_out" not in finding.evidence:
            return
        asked, pose = case.expectation, case.drawing.scene.pose.replace(" ", "_")
        turned = pose == asked.pose and asked.below is not None and asked.below != asked.cast[0].name
        said = "reversed" if finding.evidence["outcome"] == "reversed" else finding.evidence["came_out"]
        self.poses["reversed" if turned else pose, said] += 1

    def _score(self, check: str, score: float, true: bool) -> None:
        row = self.scores.setdefault((check, min(int(score * BINS), BINS - 1)), [0.0, 0.0, 0.0])
        row[0] += 1
        row[1] += score
        row[2] += true

    def _count_masks(self, case: Case, context: Context) -> None:
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
    """Precision, recall and F1 of "``check`` says one of ``positive``".

    A true fault that is called not measurable counts as missed. ``interval`` is the 95 % Wilson interval of the recall,
    ``precision_interval`` that of the precision, ``f1_interval`` see :func:`f1_interval`; ``blind_share`` is the share
    of not measurable answers with its own.
    """
    rows = {(t, a): n for (g, c, t, a), n in counts.answers.items() if g == tag and c == check}
    total = sum(rows.values())
    blind = sum(n for (_, a), n in rows.items() if a == "not_measurable")
    true = sum(n for (t, a), n in rows.items() if t in positive and a in positive)
    said = sum(n for (_, a), n in rows.items() if a in positive)
    there = sum(n for (t, _), n in rows.items() if t in positive)
    return {
        "precision": true / said if said else None,
        "recall": true / there if there else None,
        "f1": 2 * true / (said + there) if said + there else None,
        "f1_interval": f1_interval(true, said, there),
        "interval": wilson(true, there),
        "precision_interval": wilson(true, said),
        "n": total,
        "positives": there,
        "enough": there >= ENOUGH,
        "not_measurable": blind,
        "blind_share": blind / total if total else None,
        "blind_interval": wilson(blind, total),
    }


def f1_interval(true: int, said: int, there: int) -> tuple[float, float] | None:
    """95 % interval of F1.

    F1 = 2 J / (1 + J), where J is the share of right ones among all that are said or there (Jaccard 1901): a binomial
    share, whose Wilson interval goes through the same growing function.
    """
    share = wilson(true, said + there - true)
    return None if share is None else (2 * share[0] / (1 + share[0]), 2 * share[1] / (1 + share[1]))


def summary(counts: Counts) -> dict[str, Any]:
    """Everything that ``--json`` prints."""
    named = [(check, check, POSITIVE.get(check, ("fails",))) for check in CHECKS]
    checks = {name: figures(counts, check, positive) for name, check, positive in (*named, *VARIANTS)}
    splits: dict[str, dict[str, Any]] = {}
    for tag in (*SPLITS, *NEAR_MISSES):
        rows = {name: figures(counts, check, positive, tag) for name, check, positive in (*named, *VARIANTS)}
        splits[tag] = {
            name: {key: row[key] for key in ("precision", "recall", "f1", "f1_interval", "positives", "n", "interval")}
            for name, row in rows.items()
            if row["n"]
        }
    confusion: dict[str, dict[str, int]] = {}
    for (tag, check, truth, answer), n in sorted(counts.answers.items()):
        if not tag:
            confusion.setdefault(f"{check}: {truth}", {})[answer] = n
    clean = counts.alarms[""]
    return {
        "images": counts.pictures,
        "clean_images": clean,
        "checks": checks,
        "false_alarms_per_1000_clean": {
            check: {
                "rate": 1000 * counts.alarms[check] / clean if clean else None,
                "alarms": counts.alarms[check],
                "interval": None if not clean else [1000 * v for v in wilson(counts.alarms[check], clean) or ()],
            }
            for check in CHECKS
        },
        "people_mask_map50": average_precision(counts.masks, counts.people),
        "splits": splits,
        "confusion": confusion,
        "assignment": {f"{truth}: {given}": n for (truth, given), n in sorted(counts.outcomes.items())},
        "assignment_agreement": _agreement(counts),
        "poses": {f"{truth}: {said}": n for (truth, said), n in sorted(counts.poses.items())},
        "reliability": {
            check: [
                {"bin": k, "n": int(row[0]), "mean_score": row[1] / row[0], "true_share": row[2] / row[0]}
                for k in range(BINS)
                if (row := counts.scores.get((check, k)))
            ]
            for check in CHECKS
        },
    }


def _agreement(counts: Counts) -> dict[str, Any]:
    right = sum(n for (truth, given), n in counts.outcomes.items() if truth == given)
    total = sum(counts.outcomes.values())
    return {"share": right / total if total else None, "n": total, "interval": wilson(right, total)}
