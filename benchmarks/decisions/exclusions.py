"""How often the leaderboard leaves out a checkpoint that is as good as any, or sees a fault set in that does not."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.rankings import Grade, OutcomeTable, build_leaderboard, recommend, wilson
from service.rankings.ranking import search_onsets

TEN = tuple(np.linspace(0.20, 0.45, 10).tolist())
"""Failure rates of ten epochs."""
IMAGES = (35, 100, 400)
LIKENESS = 0.1


def wrong_exclusions(seed: int, grids: int) -> dict[str, Any]:
    """Share of grids whose set that cannot be told apart from the leader lacks a best checkpoint.

    ``ten``: one of ten is best. ``equal``: all ten are equally good, and it counts if any of them is left out. Images
    of one scenario and seed resemble each other over all checkpoints, as shared noise makes them.
    """
    found: dict[str, Any] = {}
    for place, (name, rates) in enumerate((("ten", TEN), ("equal", (0.3,) * 10))):
        for images in IMAGES:
            rng = np.random.default_rng([seed, 50 + place, images])
            wrong = left_out = 0
            for _ in range(grids):
                level = kept(_draw(np.array(rates), images, rng))
                best = {code for code, rate in enumerate(rates) if rate == min(rates)}
                wrong += not best <= level
                left_out += len(rates) - len(level)
            low, high = wilson(wrong, grids) or (0.0, 1.0)
            found[f"{name}, {images} images"] = {
                "share": wrong / grids,
                "interval": [low, high],
                "left_out": left_out / grids,
                "grids": grids,
            }
    return found


def false_onsets(seed: int, evaluations: int) -> dict[str, Any]:
    """Share of evaluations without any change over epochs in which some fault is said to set in.

    Two runs of 19 epochs, 12 scenarios by 16 seeds, three checks that fail at 2, 10 and 30 %, each with all modes.
    """
    wrong = series = 0
    for number in range(evaluations):
        rng = np.random.default_rng([seed, 60, number])
        table = _flat(rng)
        onsets, searched = search_onsets(table, ["v1", "v2"])
        wrong += bool(onsets)
        series += searched
    low, high = wilson(wrong, evaluations) or (0.0, 1.0)
    return {
        "share": wrong / evaluations,
        "interval": [low, high],
        "evaluations": evaluations,
        "series_each": series / evaluations,
    }


def _draw(rates: NDArray[np.float64], images: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Failures, shape ``(checkpoints, images)``: cells differ in how hard they are, alike for all checkpoints."""
    spread = 1 / LIKENESS - 1
    shapes = rates[:, None] * spread
    shared = rng.beta(shapes.mean(), spread - shapes.mean(), size=images) / rates.mean()
    return rng.random((len(rates), images)) < np.clip(rates[:, None] * shared, 0, 1)


def kept(fails: NDArray[np.bool_]) -> set[int]:
    """Codes of the leader and all that cannot be told apart from it, by the leaderboard's own code."""
    checkpoints, images = fails.shape
    rows = checkpoints * images
    table = OutcomeTable.from_columns(
        checkpoints=[("run", code) for code in range(checkpoints)],
        scenarios=["scenario"],
        checks=["hands"],
        characters=[],
        checkpoint=np.repeat(np.arange(checkpoints), images),
        scenario=np.zeros(rows, dtype=np.int64),
        seed=np.tile(np.arange(images), checkpoints),
        invalid=np.zeros(rows, dtype=bool),
        image=np.arange(rows),
        check=np.zeros(rows, dtype=np.int64),
        character=np.full(rows, -1),
        grade=np.where(fails.ravel(), Grade.CLEAR, Grade.HOLDS),
    )
    advice = recommend(build_leaderboard(table))
    return {entry.epoch or 0 for entry in (advice.leader, *advice.tied_with) if entry is not None}


def _flat(rng: np.random.Generator) -> OutcomeTable:
    epochs, scenarios, seeds, rates = 19, 12, 16, np.array([0.02, 0.10, 0.30])
    images = 2 * epochs * scenarios * seeds
    fault = rng.random((images, len(rates))) < rates
    kind = rng.choice([Grade.MINOR, Grade.CLEAR, Grade.FUSED, Grade.LOST], size=fault.shape)
    return OutcomeTable.from_columns(
        checkpoints=[(run, 4 * epoch) for run in ("v1", "v2") for epoch in range(epochs)],
        scenarios=[f"scenario {place}" for place in range(scenarios)],
        checks=["ahoge_bleed", "fusion", "hands"],
        characters=[],
        checkpoint=np.repeat(np.arange(2 * epochs), scenarios * seeds),
        scenario=np.tile(np.repeat(np.arange(scenarios), seeds), 2 * epochs),
        seed=np.tile(np.arange(seeds), 2 * epochs * scenarios),
        invalid=np.zeros(images, dtype=bool),
        image=np.repeat(np.arange(images), len(rates)),
        check=np.tile(np.arange(len(rates)), images),
        character=np.full(images * len(rates), -1),
        grade=np.where(fault, kind, Grade.HOLDS).ravel(),
    )
