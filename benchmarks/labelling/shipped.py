"""The labelled sets, judged by the detectors."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.labelling import BROKEN, SHIPPED, labelled_set, set_folder
from benchmarks.labelling.compare import Compared, compare
from benchmarks.labelling.pictures import make_pictures


def judge_shipped(pictures: Path) -> Compared:
    """Judge the labelled pictures of the shipped checkpoints; those missing in ``pictures`` are made first."""
    from service.miniature import runs_folder

    return _judge(SHIPPED, "keikana", pictures, runs_folder(), {})


def judge_broken(pictures: Path, runs: Mapping[str, Path]) -> Compared:
    """Judge the pictures of runs that were trained on broken ones; those missing in ``pictures`` are made first.

    Args:
        pictures: where they are, or get made.
        runs: folders of the runs whose files are not in the set's own folder; not needed if no picture is missing.
    """
    folder = set_folder(BROKEN)
    return _judge(BROKEN, folder / "suite.yaml", pictures, folder / "runs", runs)


def _judge(name: str, suite: str | Path, pictures: Path, home: Path, runs: Mapping[str, Path]) -> Compared:
    """Make what is missing and judge everything; a run's folder is in ``home`` unless ``runs`` names it."""
    from detectors import open_detectors
    from service.generation.diffusing import pick_device
    from service.suites import load_suite

    cells, labels = labelled_set(name)
    device = str(pick_device("auto"))
    folders = {cell.run: home / cell.run for cell in cells if cell.file} | dict(runs)
    for done in make_pictures(cells, folders, pictures, "miniature", device, 4):
        print(f"\r{done}/{len(cells)} pictures", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return compare(cells, labels, pictures, open_detectors(device=device), load_suite(suite))
