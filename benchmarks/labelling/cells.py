"""Which pictures are labelled, and in which order they are shown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from service.suites import Suite

CONTROL = "control"


@dataclass(frozen=True)
class LabelledCell:
    """One picture.

    Attributes:
        number: what it is called on the sheets and in the labels; says nothing about the checkpoint.
        run: name of the run, or ``control``.
        epoch: the checkpoint's epoch; ``None`` for the control.
        file: name of the LoRA file inside the run's folder; empty for the control.
        sha256: of that file, so that labels are never held against another checkpoint's pictures.
        scenario: name of the scenario.
        prompt: its whole prompt.
        seed: the seed.
    """

    number: int
    run: str
    epoch: int | None
    file: str
    sha256: str
    scenario: str
    prompt: str
    seed: int

    @property
    def name(self) -> str:
        """The picture's file name."""
        return f"{self.number:04d}.png"


@dataclass(frozen=True)
class Contender:
    """A checkpoint whose pictures are labelled; an empty ``file`` is the base without a LoRA."""

    run: str
    epoch: int | None
    file: str = ""
    sha256: str = ""


def choose_cells(
    contenders: Sequence[Contender], suite: Suite, scenarios: Sequence[str], seeds: Sequence[int], shuffle: int = 0
) -> list[LabelledCell]:
    """Every contender x scenario x seed, numbered in a shuffled order.

    Args:
        contenders: checkpoints, and the control if wanted.
        suite: where the prompts come from.
        scenarios: names of its scenarios.
        seeds: seeds; take none that thresholds or an earlier look have used.
        shuffle: seed of the order.
    """
    plain = [(each, suite.scenario(name), seed) for each in contenders for name in scenarios for seed in seeds]
    order = np.random.default_rng(shuffle).permutation(len(plain))
    return [
        LabelledCell(number, each.run, each.epoch, each.file, each.sha256, scenario.name, scenario.prompt, seed)
        for number, (each, scenario, seed) in enumerate((plain[place] for place in order), start=1)
    ]


def write_cells(path: Path, cells: Sequence[LabelledCell]) -> None:
    """Write the list of pictures; what many of them share, checkpoints and prompts, is written once.

    Raises:
        ValueError: one scenario has two prompts.
    """
    contenders = list(dict.fromkeys(Contender(cell.run, cell.epoch, cell.file, cell.sha256) for cell in cells))
    prompts = {cell.scenario: cell.prompt for cell in cells}
    rows = []
    for cell in cells:
        if prompts[cell.scenario] != cell.prompt:
            raise ValueError(f"{cell.scenario} has two prompts")
        whose = contenders.index(Contender(cell.run, cell.epoch, cell.file, cell.sha256))
        rows.append(json.dumps([cell.number, whose, cell.scenario, cell.seed]))
    shared = {"checkpoints": [asdict(each) for each in contenders], "prompts": prompts}
    head = json.dumps(shared, indent=1).removesuffix("\n}")
    lines = ",\n  ".join(rows)
    path.write_text(f'{head},\n "cells": [\n  {lines}\n ]\n}}\n', encoding="utf-8")


def read_cells(path: Path) -> list[LabelledCell]:
    """Read what :func:`write_cells` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return [
        LabelledCell(number, **content["checkpoints"][whose], scenario=name, prompt=content["prompts"][name], seed=seed)
        for number, whose, name, seed in content["cells"]
    ]
