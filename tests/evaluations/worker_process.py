"""One executor in a process of its own, for tests that kill it: DATA BASE EVALUATION [PAUSE]."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

from service.errors import BleedcheckError
from service.evaluations.executor import Progress
from tests.evaluations.world import open_space


def work(data: Path, base: Path, evaluation_id: str, largest_file: int | None = None) -> None:
    """Work on an evaluation; a line on standard output for every step, so that a test can kill at one of them."""
    space = open_space(data, base)
    if largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, resource.RLIM_INFINITY))

    def tell(progress: Progress) -> None:
        print(progress.generated, progress.judged, flush=True)
        time.sleep(0.02)  # so that a killer can come in between

    try:
        print(space.executor.run(evaluation_id, tell), flush=True)
    except BleedcheckError as error:
        print(f"{type(error).__name__}: {error}", flush=True)


if __name__ == "__main__":
    limit = int(sys.argv[4]) if len(sys.argv) > 4 else None
    work(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], limit)
