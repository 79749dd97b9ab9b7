"""The server's own executor: one thread that works on whatever evaluation waits longest."""

from __future__ import annotations

import logging
import threading

from service.errors import Conflict
from service.evaluations.executor import Executor
from service.evaluations.local import ignore
from service.evaluations.service import EvaluationService

logger = logging.getLogger(__name__)

LOOK_AGAIN_S = 10.0


class Worker:
    """Starts with the server, takes up what an earlier one left, and ends between two batches."""

    def __init__(self, evaluations: EvaluationService, executor: Executor) -> None:
        self._evaluations = evaluations
        self._executor = executor
        self._stop = threading.Event()
        self._news = threading.Event()
        self._thread = threading.Thread(target=self._run, name="evaluations", daemon=True)

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there may be something to do."""
        self._news.set()

    def stop(self) -> None:
        """End after the batch at hand; the evaluation stays planned and goes on with the next start."""
        self._stop.set()
        self._news.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            for evaluation_id in self._evaluations.waiting():
                self._work(evaluation_id)
            self._news.wait(LOOK_AGAIN_S)
            self._news.clear()

    def _work(self, evaluation_id: str) -> None:
        if self._stop.is_set():
            return
        try:
            self._executor.run(evaluation_id, ignore, self._stop)
        except Conflict as error:
            logger.info("%s", error)
        except Exception:  # recorded with the evaluation by the executor; the next one must still be worked on
            logger.exception("evaluation %s has failed", evaluation_id)
