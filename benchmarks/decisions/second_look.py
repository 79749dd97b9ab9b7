"""What it would do to count a hand that no picture of a prompt and seed shows as covered instead of lost.

Eight checkpoints that lose a hand on 3 to 30 % of the images, and the base alone, on 96 cells each. On a share of the
cells the hand is covered, for nearly all pictures alike, since they share their noise; a share of the cells is so hard
that nearly everybody really loses it. A hand that is covered and one that is lost look the same: it is not there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.rankings import CONTROL, Grade, OutcomeTable, build_leaderboard, wilson
from service.rankings.second_look import lost_by_absence

LOSING = tuple(np.linspace(0.03, 0.30, 8).tolist())
BASE = 0.05
CELLS = 96
# (share of cells whose hand is covered, share that is too hard)
WORLDS = ((0.0, 0.0), (0.1, 0.0), (0.3, 0.0), (0.0, 0.1), (0.1, 0.1))
# How often a picture is composed as the others of its cell, and how often a hand is lost on a hard one.
_ALIKE, _HARD = 0.9, 0.9

Truths = NDArray[np.bool_]


def measure(seed: int, quick: bool) -> dict[str, Any]:
    """By world: mean error of the rates both ways, how often the best checkpoint stays the same, and what share of the
    absences of two checkpoints and the base would turn from covered to lost if the other six were looked at too."""
    grids = 60 if quick else 400
    return {
        f"{covered:.0%} covered, {hard:.0%} hard": _measure(covered, hard, grids, np.random.default_rng([seed, 90, n]))
        for n, (covered, hard) in enumerate(WORLDS)
    }


def _measure(covered: float, hard: float, grids: int, rng: np.random.Generator) -> dict[str, Any]:
    plain, other = [], []
    same = said = turned = 0
    for _ in range(grids):
        hidden, lost = _draw(covered, hard, rng)
        table = _table(hidden | lost)
        _, unseen = lost_by_absence(table)
        true = [float(lost[k][~hidden[k]].mean()) for k in range(len(LOSING))]
        plain.append(_rates(table) - true)
        other.append(_rates(table.keep(~unseen[:, 0])) - true)
        same += _leaders(table) == _leaders(table.keep(~unseen[:, 0]))
        few = np.isin(table.checkpoint, [table.code("v1", 0), table.code("v1", 1), table.code(CONTROL, None)])
        absent, alone = (each[:, 0] for each in lost_by_absence(table.keep(few)))
        said += int(absent.sum())
        turned += int((alone & ~unseen[few, 0]).sum())
    low, high = wilson(same, grids) or (0.0, 1.0)
    return {
        "rate_error_lost": float(np.mean(plain)),
        "rate_error_covered": float(np.mean(other)),
        "same_best": same / grids,
        "same_best_interval": [low, high],
        "turned_by_six_more_checkpoints": turned / said,
        "grids": grids,
    }


def _draw(covered: float, hard: float, rng: np.random.Generator) -> tuple[Truths, Truths]:
    """Whether the hand is covered, and whether it is lost, (checkpoints and the base, cells)."""
    shape = (len(LOSING) + 1, CELLS)
    shared, own = rng.random(CELLS) < covered, rng.random(shape) < covered
    hidden = np.where(rng.random(shape) < _ALIKE, shared, own)
    rates = np.where(rng.random(CELLS) < hard, _HARD, np.array([*LOSING, BASE])[:, None])
    return hidden, rng.random(shape) < rates


def _table(gone: Truths) -> OutcomeTable:
    checkpoints, cells = gone.shape
    rows = checkpoints * cells
    return OutcomeTable.from_columns(
        checkpoints=[*(("v1", k) for k in range(checkpoints - 1)), (CONTROL, None)],
        scenarios=["piggyback"],
        checks=["hands"],
        characters=["Kei"],
        checkpoint=np.repeat(np.arange(checkpoints), cells),
        scenario=np.zeros(rows, dtype=np.int64),
        seed=np.tile(np.arange(cells), checkpoints),
        invalid=np.zeros(rows, dtype=bool),
        image=np.arange(rows),
        check=np.zeros(rows, dtype=np.int64),
        character=np.zeros(rows, dtype=np.int64),
        grade=np.where(gone.ravel(), Grade.LOST, Grade.HOLDS),
        absent=gone.ravel(),
    )


def _rates(table: OutcomeTable) -> NDArray[np.float64]:
    counts = table.count_checks()[:, 0, 0]
    lost, holds = counts[:, Grade.LOST], counts[:, Grade.HOLDS]
    rates = lost / np.maximum(lost + holds, 1)
    return np.array([rates[table.code("v1", k)] for k in range(len(LOSING))])


def _leaders(table: OutcomeTable) -> set[int | None]:
    board = build_leaderboard(table)
    return {entry.epoch for entry in board if entry.tally.rate == board[0].tally.rate}
