"""Between locking and over-baking, in one picture; and the pictures that can be kept as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.rankings import Ranking
from service.rankings.good_pictures import CleanChance
from service.rankings.locking import EpochRate
from service.rankings.schemas import Point, RunOut
from service.reports.charts import CHART_WIDTHS, Chart, draw_shares

if TYPE_CHECKING:
    from service.reports.views import GridCell, ScenarioGrid

SHOWN = 4
"""Keepers of a scenario that are shown; the others are named by their seeds."""
FOLLOWS = "follows a change"


@dataclass(frozen=True)
class Baking:
    """How a run sets, epoch by epoch: each look's agreement between seeds, and how often an asked change is followed.

    Attributes:
        run: name of the run.
        charts: the same picture in each width.
        sentences: what it says.
    """

    run: str
    charts: tuple[Chart, ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True)
class Keepers:
    """The clean pictures of one scenario by the recommended checkpoint: the first few, and the seeds of the others."""

    chance: CleanChance
    cells: tuple[GridCell, ...]
    others: tuple[int, ...]


def bakings(by_run: Mapping[str, RunOut], chosen: tuple[str, int | None] | None) -> tuple[Baking, ...]:
    """The picture of every run of which a look was measured or a change was asked for.

    Args:
        by_run: what a leaderboard says of each run.
        chosen: run and epoch of the recommended checkpoint, to be marked.
    """
    found = []
    for run, part in by_run.items():
        series = {look.name: _rates(look.points) for look in part.locking if look.points}
        if part.following.points:
            series[FOLLOWS] = _rates(part.following.points)
        if not series:
            continue
        marked = chosen[1] if chosen is not None and chosen[0] == run else None
        charts = tuple(draw_shares(series, marked, width) for width in CHART_WIDTHS)
        found.append(Baking(run, charts, tuple(_said(part))))
    return tuple(found)


def _rates(points: Iterable[Point]) -> list[EpochRate]:
    return [EpochRate(each.epoch, each.share, each.interval, each.images) for each in points]


def keepers(ranking: Ranking, grids: Sequence[ScenarioGrid]) -> tuple[Keepers, ...]:
    """Clean pictures by the recommended checkpoint, by scenario, in the order of the grids."""
    chosen = ranking.recommendation.entry
    if chosen is None:
        return ()
    chances: Mapping[str, CleanChance] = {
        each.scenario: each for each in ranking.clean if each.checkpoint == (chosen.run, chosen.epoch)
    }
    found = []
    for grid in grids:
        chance = chances.get(grid.scenario.name)
        if chance is None or not chance.measured:
            continue
        own = {
            seed: cell
            for seed, cells in grid.rows
            for column, cell in zip(grid.columns, cells, strict=True)
            if column.recommended and cell is not None
        }
        shown = [seed for seed in chance.keepers if seed in own][:SHOWN]
        others = tuple(seed for seed in chance.keepers if seed not in shown)
        found.append(Keepers(chance, tuple(own[seed] for seed in shown), others))
    return tuple(found)


def _said(part: RunOut) -> list[str]:
    said = []
    for look in part.locking:
        if look.points and look.locked_from is not None:
            said.append(f"{look.name}: locked from epoch {look.locked_from} on.")
        elif look.points:
            said.append(f"{look.name}: never locked.")
    lost = part.following.lost_from
    if lost is not None:
        said.append(f"Asked changes are followed less from epoch {lost} on.")
    return said
