"""Generated pictures labelled by looking: ``python -m benchmarks.labelling plan|pictures|sheets|compare|agree --help``.

Drawings are cleaner than what a model makes, so detectors are also measured on pictures of the miniature's checkpoints.
``pictures`` makes them, ``sheets`` lays them out enlarged, in an order that hides which checkpoint made them,
``compare`` holds the detectors against the labels, and ``agree`` says how far two rounds of labels agree. The labels in
``sets`` are kept as data; the pictures can be made again from checkpoint, scenario and seed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.labelling.cells import LabelledCell

SHIPPED = "full"
"""The set that belongs to the shipped checkpoints."""


def labelled_set(name: str) -> tuple[list[LabelledCell], dict[int, dict[str, str]]]:
    """Pictures and labels of one of the sets kept as data."""
    from benchmarks.labelling.cells import read_cells
    from benchmarks.labelling.labels import read_labels

    folder = Path(__file__).parent / "sets" / name
    people, bodies = (read_labels(folder / f"{sheet}.csv") for sheet in ("people", "bodies"))
    return read_cells(folder / "cells.jsonl"), {number: row | bodies[number] for number, row in people.items()}
