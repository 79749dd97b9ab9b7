"""Generated pictures that were labelled by eye: what a handful of those labels is worth against having all of them."""

from __future__ import annotations

from pathlib import Path

from benchmarks.audits.scoring import Run
from benchmarks.labelling import SHIPPED, labelled_set
from benchmarks.labelling.compare import Compared, compare
from benchmarks.labelling.pictures import make_pictures
from detectors import Verdict, open_detectors
from service.audits.counts import VERDICTS


def labelled(pictures: Path) -> Compared:
    """The shipped checkpoints' labelled pictures, judged; those that are missing in ``pictures`` are made first."""
    from service.miniature import runs_folder
    from service.suites import load_suite

    cells, labels = labelled_set(SHIPPED)
    runs = {name: runs_folder() / name for name in {cell.run for cell in cells if cell.file}}
    for _ in make_pictures(cells, runs, pictures, "miniature", "auto", 4):
        pass
    return compare(cells, labels, pictures, open_detectors(device="auto"), load_suite("keikana"))


def as_run(compared: Compared) -> Run:
    """Every labelled finding that the machine measured, by verdict and checkpoint."""
    run: Run = {(verdict, place): [] for verdict in range(len(VERDICTS)) for place in range(len(compared.verdicts))}
    for place, found in enumerate(compared.verdicts.values()):
        for verdict, fails in (each for picture in found for each in picture):
            if verdict is not Verdict.NOT_MEASURABLE:
                run[VERDICTS.index(verdict), place].append(fails)
    return run
