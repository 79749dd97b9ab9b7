"""Which onsets are looked at, and the pictures for that, in an order that hides the epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.labelling.cells import Contender, LabelledCell
from service.suites import Suite


@dataclass(frozen=True)
class Look:
    """An onset between two shipped checkpoints of a run.

    Attributes:
        run: name of the run.
        scenario: name of the scenario.
        check: the check that fails more often from the onset on.
        before: epoch of a shipped checkpoint from before the onset.
        after: epoch of one from after it.
        mode: ``any failure`` or ``minor``.
    """

    run: str
    scenario: str
    check: str
    before: int
    after: int
    mode: str = "any failure"


LOOKS = (
    Look("v1", "lap-sit-tags", "ahoge_bleed", 40, 136),
    Look("v1", "lap-sit-tags", "outfit_bleed", 40, 136),
    Look("v1", "rooftop-middle", "ahoge_bleed", 40, 136),
    Look("v1", "together", "ahoge_bleed", 40, 136),
    Look("v1", "together", "outfit_bleed", 20, 40),
    Look("v1", "rooftop-far", "outfit_bleed", 40, 136),
    Look("v1", "festival", "ahoge_bleed", 40, 136),
    Look("v1", "piggyback", "hands", 40, 136, "minor"),
    Look("v2", "pool", "eye_bleed", 136, 150),
    Look("v2", "rooftop-middle", "hair_bleed", 136, 150),
    Look("v2", "princess-carry", "outfit_bleed", 40, 136),
)
"""The steepest onsets whose whole interval lies between two shipped checkpoints, at most two of a run and scenario, and
one of slightly wrong hands."""


def cells_to_see(contenders: Sequence[Contender], suite: Suite, shuffle: int = 0) -> list[LabelledCell]:
    """Every picture that a look needs, scenario by scenario, the epochs of a run shuffled within.

    Args:
        contenders: the shipped checkpoints.
        suite: where prompts and seeds come from.
        shuffle: seed of the order.

    Raises:
        ValueError: a checkpoint that a look needs is not there.
    """
    rng = np.random.default_rng(shuffle)
    files = {(each.run, each.epoch): each for each in contenders}
    missing = {(look.run, epoch) for look in LOOKS for epoch in (look.before, look.after)} - files.keys()
    if missing:
        raise ValueError(f"no checkpoint {', '.join(f'{run} epoch {epoch}' for run, epoch in sorted(missing))}")
    cells: list[LabelledCell] = []
    for run, name in dict.fromkeys((look.run, look.scenario) for look in LOOKS):
        scenario = suite.scenario(name)
        looks = [look for look in LOOKS if (look.run, look.scenario) == (run, name)]
        epochs = sorted({epoch for look in looks for epoch in (look.before, look.after)})
        plain = [(files[run, epoch], seed) for epoch in epochs for seed in suite.seeds]
        cells += [
            LabelledCell(len(cells) + number, each.run, each.epoch, each.file, each.sha256, name, scenario.prompt, seed)
            for number, (each, seed) in enumerate((plain[place] for place in rng.permutation(len(plain))), start=1)
        ]
    return cells
