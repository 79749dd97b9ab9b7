"""Choosing a check's thresholds from labelled scores, for a stated precision. Pure: arrays in, bands out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.calibration import Band
from service.audits.counts import Floats
from service.errors import InvalidInput

LEAST_LABELS = 30
"""Fewer labelled scores settle nothing."""
LEAST_OF_A_KIND = 8
"""Nor do fewer failures, or fewer that hold."""
FOLDS = 5
_DIGITS = 4
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class LabelledScore:
    """One finding's score and what a person, or the truth, says of it.

    Attributes:
        check: the check.
        character: whom it is about.
        score: the check's confidence that it fails, 0..1.
        fails: whether it really does.
        weight: 1 / chance of having been drawn; 1 where every finding was labelled.
    """

    check: str
    character: str | None
    score: float
    fails: bool
    weight: float = 1.0


@dataclass(frozen=True)
class Unsettled:
    """Labels that settle nothing, and why."""

    check: str
    character: str | None
    reason: str


def settle(
    labels: Sequence[LabelledScore], precision: float, source: str, checks: Sequence[str] = ()
) -> tuple[list[Band], list[Unsettled]]:
    """A band for each check, and for each character that has labels enough of her own.

    Args:
        labels: scores with what is true of them.
        precision: share of what the calibrated check calls a failure that must be one, above 0.5 and at most 1; the
            same share of what it calls a pass must be none.
        source: where the labels come from, to be stored with the band.
        checks: only these.

    Raises:
        InvalidInput: the precision is none, or a check has no labelled score.
    """
    if not 0.5 < precision <= 1.0:
        raise InvalidInput(f"a precision is above 0.5 and at most 1, not {precision:g}")
    groups: dict[tuple[str, str | None], list[LabelledScore]] = defaultdict(list)
    for label in labels:
        if not checks or label.check in checks:
            groups[label.check, None].append(label)
            if label.character is not None:
                groups[label.check, label.character].append(label)
    missing = [name for name in checks if (name, None) not in groups]
    if missing:
        known = ", ".join(sorted({label.check for label in labels}))
        cure = f"there are some for: {known}" if known else "label some first: bleedcheck audit ID --draw 30"
        raise InvalidInput(f"no labelled score for {', '.join(missing)}; {cure}")
    bands, unsettled = [], []
    for (check, character), group in sorted(groups.items(), key=lambda item: (item[0][0], item[0][1] or "")):
        answer = _settle(check, character, group, precision, source)
        if isinstance(answer, Band):
            bands.append(answer)
        else:
            unsettled.append(answer)
    return bands, unsettled


def choose(scores: Floats, fails: Bools, weights: Floats, precision: float) -> tuple[float | None, float]:
    """The widest verdicts that keep their word: (lowest score that fails, score below which it holds).

    The first is the lowest threshold such that, from it on, at least ``precision`` of the weight fails; the second the
    highest such that below it at most ``1 - precision`` does. A threshold lies halfway between two scores. Where both
    cross, any single threshold between them keeps both promises, and the middle is taken.

    Args:
        scores: (n,) 0..1.
        fails: (n,) what is true.
        weights: (n,) above 0.
        precision: 0.5..1.

    >>> score, none = np.array([0.1, 0.2, 0.6, 0.8, 0.9]), np.ones(5)
    >>> choose(score, np.array([False, False, False, True, True]), none, 0.95)
    (0.7, 0.7)
    >>> choose(score, np.array([False, True, False, True, True]), none, 0.95)
    (0.7, 0.15)
    """
    order = np.argsort(scores, kind="stable")
    values, true, weight = scores[order], fails[order], weights[order]
    cuts = np.append(np.flatnonzero(np.diff(values)) + 1, len(values))
    starts = np.concatenate([[0], cuts[:-1]])
    total, wrong = np.concatenate([[0.0], np.cumsum(weight)]), np.concatenate([[0.0], np.cumsum(weight * true)])
    above = (wrong[-1] - wrong[starts]) / (total[-1] - total[starts])
    below = wrong[cuts] / total[cuts]
    good = np.flatnonzero(above >= precision - 1e-12)
    safe = np.flatnonzero(below <= 1 - precision + 1e-12)
    start = int(starts[good[0]]) if len(good) else None
    stop = int(cuts[safe[-1]]) if len(safe) else 0
    if start is not None and start < stop:
        start = stop = (start + stop) // 2
        while 0 < start < len(values) and values[start - 1] == values[start]:
            start += 1
            stop = start
    return (None if start is None or start == len(values) else _between(values, start)), _between(values, stop)


def _between(values: Floats, place: int) -> float:
    """A threshold with ``place`` scores below it; at the ends, all of the scale."""
    if place == 0:
        return 0.0
    if place == len(values):
        return 1.0
    middle = round(float(values[place - 1] + values[place]) / 2, _DIGITS)
    return middle if values[place - 1] < middle <= values[place] else float(values[place])


def _settle(
    check: str, character: str | None, group: Sequence[LabelledScore], precision: float, source: str
) -> Band | Unsettled:
    scores = np.array([label.score for label in group])
    fails = np.array([label.fails for label in group])
    weights = np.array([label.weight for label in group])
    there, not_there = int(fails.sum()), int((~fails).sum())
    if len(group) < LEAST_LABELS or min(there, not_there) < LEAST_OF_A_KIND:
        reason = (
            f"{len(group)} labels, {there} of them failures, settle nothing: {LEAST_LABELS} are needed, with at least "
            f"{LEAST_OF_A_KIND} that fail and {LEAST_OF_A_KIND} that do not"
        )
        return Unsettled(check, character, reason)
    fails_from, holds_below = choose(scores, fails, weights, precision)
    if fails_from is None:
        return Unsettled(check, character, f"no threshold reaches a precision of {precision:g} on {len(group)} labels")
    reached = _reached(scores, fails, weights, precision)
    measured = {
        "labels": len(group),
        "failures": there,
        "source": source,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "wanted_precision": precision,
        **reached,
    }
    return Band(check, character, fails_from, holds_below, measured)


def _reached(scores: Floats, fails: Bools, weights: Floats, precision: float) -> dict[str, Any]:
    """What thresholds chosen like this reach on labels they were not chosen on: five folds, each judged by the others.

    Precision of fails, recall (a failure that becomes not measurable counts as missed), and the share unsure, with 95 %
    Wilson intervals on Kish's effective numbers. They are about thresholds chosen like this on so many labels; the one
    pair that is kept may lie a little off (with 60 labels its own precision is inside five times in six).
    """
    folds = np.arange(len(scores)) % FOLDS
    order = np.random.default_rng(0).permutation(len(scores))
    says, unsure = np.zeros(len(scores), bool), np.zeros(len(scores), bool)
    for fold in range(FOLDS):
        held = order[folds == fold]
        rest = order[folds != fold]
        fails_from, holds_below = choose(scores[rest], fails[rest], weights[rest], precision)
        says[held] = scores[held] >= fails_from if fails_from is not None else False
        unsure[held] = ~says[held] & (scores[held] >= holds_below)
    reached: dict[str, Any] = {}
    for name, of, hit in (
        ("precision", says, fails),
        ("recall", fails, says),
        ("unsure", np.ones(len(scores), bool), unsure),
    ):
        share, interval = _share(hit[of], weights[of])
        reached[name], reached[f"{name}_interval"] = share, interval
    return reached


def _share(hits: Bools, weights: Floats) -> tuple[float | None, list[float] | None]:
    from statsmodels.stats.proportion import proportion_confint

    if not len(hits):
        return None, None
    share = float((weights * hits).sum() / weights.sum())
    number = float(weights.sum() ** 2 / (weights**2).sum())
    low, high = proportion_confint(share * number, number, method="wilson")
    return round(share, 4), [round(max(float(low), 0.0), 4), round(min(float(high), 1.0), 4)]
