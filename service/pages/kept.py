"""The recommended checkpoint's pictures without any fault, for the page of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping

from service.cells.repository import CellFilter
from service.evaluations.workspace import Workspace
from service.pages.answers import Answer
from service.pages.grids import GridCell, as_cell
from service.reports.keepers import SHOWN

Kept = Mapping[tuple[str, int], GridCell]
"""Tiles by scenario and seed."""


def find_kept(space: Workspace, evaluation_id: str, answer: Answer) -> Kept:
    """The first few clean pictures of every scenario by the recommended checkpoint; empty without one."""
    if answer.chosen is None:
        return {}
    entry = answer.chosen.entry
    shown = {(scenario, seed) for scenario, each in answer.good_pictures for seed in each["keepers"][:SHOWN]}
    if not shown:
        return {}
    wanted = CellFilter(scenarios={scenario for scenario, _ in shown}, seeds={seed for _, seed in shown})
    epochs = None if entry["epoch"] is None else [entry["epoch"]]
    limit = len(wanted.scenarios or ()) * len(wanted.seeds or ())
    seen, _ = space.cells.page(evaluation_id, wanted, runs=[entry["run"]], epochs=epochs, limit=limit)
    tiles = (
        ((each.row.cell.scenario, each.row.cell.seed), each) for each in seen if each.place.epoch == entry["epoch"]
    )
    return {place: as_cell(each) for place, each in tiles if place in shown}
