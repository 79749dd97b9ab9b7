"""The chart of failure rate over epochs: geometry only, the template draws it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.rankings import LeaderboardEntry, percent
from service.rankings.locking import EpochRate

CHART_WIDTHS = (760, 360)
"""Pixels: one drawing for a desk, one for a phone, so that text keeps its size."""
HEIGHT = 300
LEFT, RIGHT, TOP, BOTTOM = 46, 76, 16, 40
NAMES = 140
"""Pixels right of a picture whose lines have long names."""
SHORT_NAME = 7
"""Letters that find room without that."""
LABEL_GAP = 16
"""Pixels that two labels, one above the other, need between their baselines."""
TICK_GAP = 34
"""Pixels between two epochs on the axis below which the second is not written."""


@dataclass(frozen=True)
class ChartPoint:
    """A checkpoint in the chart. ``x``, ``y`` and the ends of its interval are in pixels."""

    x: float
    y: float
    low: float
    high: float
    text: str
    recommended: bool


@dataclass(frozen=True)
class ChartLine:
    """A run: ``segments`` are unbroken stretches of points; ``style`` numbers its colour, dash and marker."""

    run: str
    style: int
    segments: tuple[tuple[ChartPoint, ...], ...]
    label_x: float
    label_y: float

    @property
    def paths(self) -> list[str]:
        """An SVG path through each stretch."""
        return ["M" + "L".join(f"{point.x:.1f},{point.y:.1f}" for point in segment) for segment in self.segments]

    @property
    def bands(self) -> list[str]:
        """An SVG path around each stretch's intervals."""
        paths = []
        for segment in self.segments:
            edge = [f"{point.x:.1f},{point.high:.1f}" for point in segment]
            edge += [f"{point.x:.1f},{point.low:.1f}" for point in reversed(segment)]
            paths.append("M" + "L".join(edge) + "Z")
        return paths


@dataclass(frozen=True)
class Tick:
    """A mark on an axis at that many pixels, and what is written there."""

    at: float
    text: str


@dataclass(frozen=True)
class Chart:
    """Everything to draw, in pixels of a ``width`` by ``height`` canvas."""

    width: int
    height: int
    left: float
    right: float
    bottom: float
    lines: tuple[ChartLine, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    control: ChartPoint | None
    control_label_y: float
    unplaced: tuple[str, ...]
    summary: str


def draw_chart(
    entries: Sequence[LeaderboardEntry],
    control: LeaderboardEntry | None,
    recommended: LeaderboardEntry | None,
    width: int,
) -> Chart:
    """Lay the chart out.

    Args:
        entries: checkpoints by run, epochs ascending.
        control: the base model without LoRA, drawn as a level line.
        recommended: the checkpoint to mark.
        width: pixels of the canvas.
    """
    placed = [entry for entry in entries if entry.epoch is not None and entry.interval is not None]
    top = _top([*placed, *([control] if control else [])])
    right = NAMES if any(len(entry.run) > SHORT_NAME for entry in placed) else RIGHT
    scale = _Scale([entry.epoch or 0 for entry in placed], top, width, right)
    control_point = scale.point(control, False) if control and control.interval else None
    lines = _lines(entries, scale, recommended)
    labels = _spread([line.label_y for line in lines] + ([control_point.y + 4] if control_point else []))
    lines = [_moved(line, y) for line, y in zip(lines, labels, strict=False)]
    return Chart(
        width=width,
        height=HEIGHT,
        left=LEFT,
        right=width - right,
        bottom=HEIGHT - BOTTOM,
        lines=tuple(lines),
        x_ticks=_x_ticks(scale),
        y_ticks=tuple(Tick(scale.y(top * step / 4), percent(top * step / 4)) for step in range(5)),
        control=control_point,
        control_label_y=labels[-1] if control_point else 0.0,
        unplaced=tuple(entry.label for entry in entries if entry not in placed),
        summary="; ".join(_words(entry) for entry in placed) or "no checkpoint has been judged yet",
    )


def draw_shares(series: Mapping[str, Sequence[EpochRate]], marked: int | None, width: int) -> Chart:
    """Lay out shares by epoch, a line for each name.

    Args:
        series: points by ascending epoch, by name.
        marked: the epoch to mark.
        width: pixels of the canvas.
    """
    scale = _Scale([point.epoch for points in series.values() for point in points], 1.0, width, NAMES)
    lines = []
    for style, (name, points) in enumerate(series.items()):
        placed = tuple(
            ChartPoint(
                scale.x(each.epoch),
                scale.y(each.share),
                scale.y(each.interval[0]),
                scale.y(each.interval[1]),
                f"{name}, epoch {each.epoch}: {percent(each.share)} of {each.images}",
                each.epoch == marked,
            )
            for each in points
        )
        lines.append(ChartLine(name, style % 6, (placed,), placed[-1].x + 12, placed[-1].y + 4))
    labels = _spread([line.label_y for line in lines])
    return Chart(
        width=width,
        height=HEIGHT,
        left=LEFT,
        right=width - NAMES,
        bottom=HEIGHT - BOTTOM,
        lines=tuple(_moved(line, y) for line, y in zip(lines, labels, strict=True)),
        x_ticks=_x_ticks(scale),
        y_ticks=tuple(Tick(scale.y(step / 4), percent(step / 4)) for step in range(5)),
        control=None,
        control_label_y=0.0,
        unplaced=(),
        summary="; ".join(f"{line.run}: {line.segments[0][0].text} to {line.segments[0][-1].text}" for line in lines),
    )


class _Scale:
    """Epochs and rates to pixels."""

    def __init__(self, epochs: Sequence[int], top: float, width: int, right: int = RIGHT) -> None:
        self.epochs = sorted(set(epochs))
        self.top = top
        self.width = width
        self.right = right

    def x(self, epoch: int) -> float:
        first, last = self.epochs[0], self.epochs[-1]
        inner = self.width - LEFT - self.right - 24
        return LEFT + 12 + (inner / 2 if first == last else inner * (epoch - first) / (last - first))

    def y(self, rate: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - rate / self.top)

    def point(self, entry: LeaderboardEntry, recommended: bool) -> ChartPoint:
        rate, interval = entry.failure_rate, entry.interval
        assert rate is not None  # callers leave out what was not measured
        assert interval is not None
        x = self.x(entry.epoch) if entry.epoch is not None and self.epochs else LEFT
        return ChartPoint(x, self.y(rate), self.y(interval[0]), self.y(interval[1]), _words(entry), recommended)


def _lines(entries: Sequence[LeaderboardEntry], scale: _Scale, recommended: LeaderboardEntry | None) -> list[ChartLine]:
    lines = []
    for style, run in enumerate(dict.fromkeys(entry.run for entry in entries)):
        segments: list[list[ChartPoint]] = [[]]
        for entry in entries:
            if entry.run != run or entry.epoch is None:
                continue
            if entry.interval is None:
                segments.append([])
            else:
                segments[-1].append(scale.point(entry, entry is recommended))
        kept = tuple(tuple(segment) for segment in segments if segment)
        if kept:
            last = kept[-1][-1]
            lines.append(ChartLine(run, style % 6, kept, last.x + 12, last.y + 4))
    return lines


def _moved(line: ChartLine, label_y: float) -> ChartLine:
    return ChartLine(line.run, line.style, line.segments, line.label_x, label_y)


def _spread(wanted: Sequence[float]) -> list[float]:
    """Push labels down so that none covers another, then up again if the last left the canvas."""
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    placed = dict.fromkeys(order, 0.0)
    last = -math.inf
    for i in order:
        last = placed[i] = max(wanted[i], last + LABEL_GAP)
    limit = HEIGHT - BOTTOM + 4.0
    for i in reversed(order):
        placed[i] = min(placed[i], limit)
        limit = placed[i] - LABEL_GAP
    return [placed[i] for i in range(len(wanted))]


def _top(entries: Sequence[LeaderboardEntry]) -> float:
    """Upper end of the rate axis: 100 %, or half of it where everything lies below."""
    highest = max((entry.interval[1] for entry in entries if entry.interval), default=1.0)
    return 0.5 if highest <= 0.5 else 1.0


def _x_ticks(scale: _Scale) -> tuple[Tick, ...]:
    """Epochs on the axis, written where there is room; the last one always."""
    ticks: list[Tick] = []
    for epoch in scale.epochs:
        tick = Tick(scale.x(epoch), str(epoch))
        if ticks and tick.at - ticks[-1].at < TICK_GAP:
            if epoch != scale.epochs[-1]:
                continue
            ticks.pop()
        ticks.append(tick)
    return tuple(ticks)


def _words(entry: LeaderboardEntry) -> str:
    rate, interval = entry.failure_rate, entry.interval
    if rate is None or interval is None:
        return f"{entry.label}: nothing judged"
    return (
        f"{entry.label}: {percent(rate)} fail ({entry.tally.fails} of {entry.tally.measured}; "
        f"95% interval {percent(interval[0])} to {percent(interval[1])})"
    )
