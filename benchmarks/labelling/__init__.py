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
BROKEN = "broken"
"""The set of runs that were trained on broken pictures; its files of a run lie in its folder ``runs`` or elsewhere."""


def set_folder(name: str) -> Path:
    """Where a set's data lies."""
    return Path(__file__).parent / "sets" / name


def labelled_set(name: str) -> tuple[list[LabelledCell], dict[int, dict[str, str]]]:
    """Pictures and labels of one of the sets kept as data.

    Raises:
        LabelFault: nobody has labelled the set yet.
    """
    from benchmarks.labelling.cells import read_cells
    from benchmarks.labelling.labels import LabelFault, read_labels

    folder = set_folder(name)
    if not any(folder.glob("*.csv")):
        raise LabelFault(f"the set {name!r} has no labels yet, so there is nothing to hold the detectors against")
    cells, faults = read_cells(folder / "cells.json"), folder / "faults.csv"
    if faults.is_file():
        return cells, read_labels(faults)
    people, bodies = (read_labels(folder / f"{sheet}.csv") for sheet in ("people", "bodies"))
    return cells, {number: row | bodies[number] for number, row in people.items()}
