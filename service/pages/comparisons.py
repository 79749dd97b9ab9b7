"""Two checkpoints side by side: the pictures on which one fails and the other does not come first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from service.cells.repository import CellFilter
from service.errors import NotFound
from service.evaluations.schemas import EvaluationOut
from service.evaluations.workspace import Workspace
from service.pages.grids import Column, GridCell, as_cell, find_columns
from service.rankings import CONTROL, State

SHOWN = 24
"""Pairs that a page holds at first and that every further request adds."""
_MEASURED = (State.FAILS, State.MINOR, State.HOLDS)
_ORDER = ("broke", "mended", "same", "unclear")
TURN_WORDS = {"broke": "fine, then fails", "mended": "fails, then fine", "same": "as before", "unclear": "not judged"}
_SEVERITY = {"lost": 3, "fused": 2, "fails": 1}


@dataclass(frozen=True)
class Pair:
    """The same scenario and seed by both; ``turn`` is what happens from the first to the second.

    ``turn``: ``broke``, ``mended``, ``same`` (both fail or neither does) or ``unclear`` (one is not measured).
    """

    scenario: str
    seed: int
    first: GridCell
    second: GridCell
    turn: str


@dataclass(frozen=True)
class Side:
    """One of the two, and what it could be instead."""

    column: Column
    key: str


@dataclass(frozen=True)
class Comparison:
    """Two checkpoints of an evaluation on the same prompts and seeds."""

    sides: tuple[Side, Side] | None
    choices: tuple[Side, ...]
    counts: Mapping[str, int]
    pairs: tuple[Pair, ...]
    start: int
    after: int | None

    @property
    def measured(self) -> int:
        """Pairs that were measured on both sides."""
        return sum(self.counts[turn] for turn in ("broke", "mended", "same"))


def key_of(column: Column) -> str:
    """What names a column in an address: ``v2@148``, ``v2@`` where the epoch is unknown, ``control@``."""
    return f"{column.run}@{'' if column.epoch is None else column.epoch}"


def build_comparison(
    space: Workspace, evaluation: EvaluationOut, first: str | None, second: str | None, start: int = 0
) -> Comparison:
    """Pair the pictures of two checkpoints.

    Args:
        space: where the evaluation is.
        evaluation: the evaluation.
        first: key of a column; the last epoch of the first run if ``None``.
        second: the same; the last epoch of the last run.
        start: pairs to leave out at the top.

    Raises:
        NotFound: there is no such column.
    """
    columns = {key_of(column): column for column in find_columns(evaluation)}
    choices = tuple(Side(column, key) for key, column in columns.items())
    keys = _defaults(tuple(columns.values()))
    wanted = (first or keys[0], second or keys[1])
    if None in wanted:
        return Comparison(None, choices, dict.fromkeys(_ORDER, 0), (), 0, None)
    for key in wanted:
        if key not in columns:
            known = ", ".join(column.name for column in columns.values())
            raise NotFound(f"this evaluation has no checkpoint {key}; it has {known}")
    sides = [Side(columns[key], key) for key in wanted if key is not None]
    pairs = _pairs(*(_cells(space, evaluation, side.column) for side in sides))
    counts = {turn: sum(pair.turn == turn for pair in pairs) for turn in _ORDER}
    after = start + SHOWN if start + SHOWN < len(pairs) else None
    return Comparison((sides[0], sides[1]), choices, counts, tuple(pairs[start : start + SHOWN]), start, after)


def _defaults(columns: Sequence[Column]) -> tuple[str | None, str | None]:
    """The last epochs of the first and the last run; of a single run, its first and last epoch."""
    own = [column for column in columns if column.run != CONTROL]
    if not own:
        return None, None
    runs = list(dict.fromkeys(column.run for column in own))
    if len(runs) == 1:
        return key_of(own[0] if len(own) > 1 else columns[0]), key_of(own[-1])
    last = {column.run: column for column in own}
    return key_of(last[runs[0]]), key_of(last[runs[-1]])


Cells = Mapping[tuple[str, int], GridCell]


def _cells(space: Workspace, evaluation: EvaluationOut, column: Column) -> Cells:
    epochs = None if column.epoch is None else [column.epoch]
    limit = max(1, 2 * evaluation.progress.total // (len(evaluation.checkpoints) + 1))
    seen, _ = space.cells.page(evaluation.id, CellFilter(), runs=[column.run], epochs=epochs, limit=limit)
    own = (each for each in seen if each.place.epoch == column.epoch)
    return {(each.row.cell.scenario, each.row.cell.seed): as_cell(each) for each in own}


def _pairs(first: Cells, second: Cells) -> list[Pair]:
    pairs = [
        Pair(scenario, seed, cell, second[scenario, seed], _turn(cell, second[scenario, seed]))
        for (scenario, seed), cell in first.items()
        if (scenario, seed) in second and cell.image and second[scenario, seed].image
    ]
    return sorted(pairs, key=lambda pair: (_ORDER.index(pair.turn), -_distance(pair)))


def _turn(first: GridCell, second: GridCell) -> str:
    if first.state not in _MEASURED or second.state not in _MEASURED:
        return "unclear"
    fails = first.state == State.FAILS, second.state == State.FAILS
    return "same" if fails[0] == fails[1] else "broke" if fails[1] else "mended"


def _distance(pair: Pair) -> int:
    """How far the two are apart: a lost hand counts more than a fused one."""
    return abs(_SEVERITY.get(pair.first.word, 0) - _SEVERITY.get(pair.second.word, 0))
