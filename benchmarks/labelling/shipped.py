"""The labelled pictures of the shipped checkpoints, judged by the detectors."""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.labelling import SHIPPED, labelled_set
from benchmarks.labelling.compare import Compared, compare
from benchmarks.labelling.pictures import make_pictures


def judge_shipped(pictures: Path) -> Compared:
    """Judge every labelled picture; those that are missing in ``pictures`` are made first."""
    from detectors import open_detectors
    from service.generation.diffusing import pick_device
    from service.miniature import runs_folder
    from service.suites import load_suite

    cells, labels = labelled_set(SHIPPED)
    device = str(pick_device("auto"))
    runs = {name: runs_folder() / name for name in {cell.run for cell in cells if cell.file}}
    for done in make_pictures(cells, runs, pictures, "miniature", device, 4):
        print(f"\r{done}/{len(cells)} pictures", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return compare(cells, labels, pictures, open_detectors(device=device), load_suite("keikana"))
