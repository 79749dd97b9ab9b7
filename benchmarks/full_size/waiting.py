"""Where the card waits in a whole evaluation: every stretch without work, and what the processor did meanwhile.

Between the points of a record (:mod:`benchmarks.full_size.recording`) the card is in a batch, a fold or a text, or it
has nothing in its queue at all. Inside a batch it may wait too, for a processor that launches too slowly. That shows in
parts that take longer than the same part does elsewhere.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.full_size.recording import Mark, Point, Record

_TOLD = 12
"""Of the longest waits."""
_LEAST_MS = 1.0
BEFORE, WITHIN, CHANGE, AFTER = (
    "before the first batch",
    "between batches of one checkpoint",
    "at a change of checkpoint",
    "after the last batch",
)
_PARTS = {
    ("batch", "step"): "start of a batch",
    ("step", "step"): "denoiser",
    ("step", "batch"): "decoding",
    ("batch", "batch"): "whole batch",
    ("fold", "fold"): "fold",
    ("text", "text"): "text",
}


@dataclass(frozen=True)
class Stretch:
    """A stretch between two points of the card's queue, in seconds since the start.

    Attributes:
        part: of a batch, ``fold`` or ``text``; or the place where the card had nothing to do.
        busy: whether something was in its queue.
    """

    part: str
    busy: bool
    began: float
    ended: float

    @property
    def ms(self) -> float:
        """Milliseconds."""
        return 1000 * (self.ended - self.began)


def summarise(record: Record) -> dict[str, Any]:
    """The waits of an evaluation as plain JSON values; ``not_measured`` says why there are none."""
    points = record.points()
    told = {"wall_s": round(record.wall, 3), "processor_s": _by_thread(record.marks, 0.0, record.wall)}
    if not any(point.what == "batch" for point in points):
        return told | {"not_measured": record.problem or "no batch was begun"}
    found = stretches(points, record.wall)
    usual = undisturbed(found)
    lost = [(each, _lost_ms(each, usual)) for each in found]
    idle = {place: sum(each.ms for each in found if each.part == place) for place in (BEFORE, WITHIN, CHANGE, AFTER)}
    stretched = sum(ms for each, ms in lost if each.busy)
    waited = sum(idle.values()) + stretched
    return {
        **told,
        "card_at_work": round(1 - waited / 1000 / record.wall, 4),
        "idle_ms": {place: round(ms, 1) for place, ms in idle.items()},
        "slowed_ms": round(stretched, 1),
        "share_of_wall": {
            **{place: round(ms / 1000 / record.wall, 4) for place, ms in idle.items()},
            "slowed": round(stretched / 1000 / record.wall, 4),
        },
        "parts": _parts(found, usual),
        "batches": batches(points, record.marks),
        "longest": longest(lost, record.marks),
    }


def stretches(points: Sequence[Point], wall: float) -> list[Stretch]:
    """What the card was at from the start to the end, without holes.

    Args:
        points: in order, with at least one batch.
        wall: the end, in seconds.
    """
    starts = [place for place, point in enumerate(points) if point.what == "batch" and point.begins]
    found: list[Stretch] = []
    inside: list[str] = []
    reached, last = 0.0, ""
    for place, point in enumerate(points):
        if inside:
            part = "between steps" if (last, point.what) == ("step", "step") and point.begins else ""
            part = part or _PARTS.get((last, point.what), f"{last} to {point.what}")
            found.append(Stretch(part, True, reached, point.reached))
        else:
            found.append(Stretch(_place(points, place, starts), False, reached, point.reached))
        if point.begins:
            inside.append(point.what)
        else:
            inside.pop()
        reached, last = point.reached, point.what
    return [*found, Stretch(AFTER, False, reached, max(wall, reached))]


def undisturbed(found: Sequence[Stretch]) -> dict[str, float]:
    """For each part of a batch what it takes where nothing disturbs it, in ms: the value that a tenth of them reach.

    Text and folds are left out: each is another one, and they happen too seldom.
    """
    by_part: dict[str, list[float]] = defaultdict(list)
    for each in found:
        if each.busy and each.part not in ("fold", "text"):
            by_part[each.part].append(each.ms)
    return {part: sorted(values)[len(values) // 10] for part, values in by_part.items()}


def longest(lost: Sequence[tuple[Stretch, float]], marks: Sequence[Mark]) -> list[dict[str, Any]]:
    """The longest waits, each with what every thread did meanwhile."""
    most = sorted((pair for pair in lost if pair[1] >= _LEAST_MS), key=lambda pair: -pair[1])[:_TOLD]
    return [
        {
            "at_s": round(each.began, 3),
            "waited_ms": round(ms, 1),
            "lasted_ms": round(each.ms, 1),
            "where": f"{each.part}, slowed" if each.busy else each.part,
            "processor_ms": {
                thread: {activity: round(1000 * seconds, 1) for activity, seconds in spent.items()}
                for thread, spent in _by_thread(marks, each.began, each.ended).items()
            },
        }
        for each, ms in most
    ]


def batches(points: Sequence[Point], marks: Sequence[Mark]) -> list[dict[str, Any]]:
    """Every batch: when the card began with it, for how long, how far the processor was ahead, and its launching.

    ``ahead_ms`` is how long the batch's first work lay in the queue: near 0 the card waited for it.
    """
    begun = [point for point in points if point.what == "batch" and point.begins]
    ended = [point for point in points if point.what == "batch" and not point.begins]
    launches = [mark for mark in marks if mark.activity == "launch: batch"]
    return [
        {
            "at_s": round(start.reached, 3),
            "ms": round(1000 * (end.reached - start.reached), 1),
            "ahead_ms": round(1000 * (start.reached - start.asked), 1),
            "launching_ms": round(1000 * (launch.ended - launch.began), 1),
        }
        for start, end, launch in zip(begun, ended, launches, strict=True)
    ]


def _place(points: Sequence[Point], place: int, starts: Sequence[int]) -> str:
    """Where a stretch without work lies that ends at a point outside of every batch."""
    earlier = [start for start in starts if start < place]
    later = [start for start in starts if start >= place]
    if not earlier:
        return BEFORE
    if not later:
        return AFTER
    return CHANGE if any(point.what == "fold" for point in points[earlier[-1] : later[0]]) else WITHIN


def _lost_ms(each: Stretch, usual: dict[str, float]) -> float:
    return max(0.0, each.ms - usual.get(each.part, each.ms)) if each.busy else each.ms


def _parts(found: Sequence[Stretch], usual: dict[str, float]) -> dict[str, dict[str, float]]:
    by_part: dict[str, list[float]] = defaultdict(list)
    for each in found:
        if each.busy:
            by_part[each.part].append(each.ms)
    return {
        part: {
            "times": len(values),
            "undisturbed_ms": round(usual.get(part, min(values)), 2),
            "median_ms": round(statistics.median(values), 2),
            "most_ms": round(max(values), 2),
            "all_ms": round(sum(values), 1),
        }
        for part, values in by_part.items()
    }


def _by_thread(marks: Sequence[Mark], began: float, ended: float) -> dict[str, dict[str, float]]:
    """Seconds of each thread at each activity within a time, without what it did inside of another one.

    Several threads of one pool count together.
    """
    spent: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for mark in marks:
        within = min(mark.ended, ended) - max(mark.began, began)
        if within <= 0:
            continue
        spent[mark.thread][mark.activity] += within
        if mark.parent is not None:
            spent[mark.thread][marks[mark.parent].activity] -= within
    return {
        thread: {
            activity: round(seconds, 4)
            for activity, seconds in sorted(activities.items(), key=lambda item: -item[1])
            if seconds >= 1e-4
        }
        for thread, activities in spent.items()
    }
