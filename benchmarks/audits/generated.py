"""Generated pictures that were labelled by eye: what a handful of those labels is worth against having all of them."""

from __future__ import annotations

from benchmarks.audits.scoring import Run
from benchmarks.labelling.compare import Compared
from detectors import Verdict
from service.audits.counts import VERDICTS


def as_run(compared: Compared) -> Run:
    """Every labelled finding that the machine measured, by verdict and checkpoint."""
    run: Run = {(verdict, place): [] for verdict in range(len(VERDICTS)) for place in range(len(compared.verdicts))}
    for place, found in enumerate(compared.verdicts.values()):
        for verdict, fails in (each for picture in found for each in picture):
            if verdict is not Verdict.NOT_MEASURABLE:
                run[VERDICTS.index(verdict), place].append(fails)
    return run
