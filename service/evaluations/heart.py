"""An executor's sign of life, which also brings it the news."""

from __future__ import annotations

import threading
from types import TracebackType
from typing import Self

from service.database.engine import Database
from service.errors import StorageFailed
from service.evaluations.lease import BEAT_S
from service.evaluations.ledger import repository as ledger


class Heart:
    """Beats in a thread of its own while the block runs.

    ``cancelled`` and ``lost`` say what the last beat found: somebody wants the evaluation to end, or another executor
    has it.
    """

    def __init__(self, database: Database, evaluation_id: str, executor: str) -> None:
        self._database = database
        self._evaluation_id = evaluation_id
        self._executor = executor
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self.cancelled = False
        self.lost = False

    def beat(self) -> None:
        """Beat once."""
        try:
            with self._database.transaction() as session:
                self.cancelled = ledger.beat(session, self._evaluation_id, self._executor)
        except ledger.LeaseLost:
            self.lost = True
        except StorageFailed:
            pass  # the next commit of results meets the same trouble, and tells it

    def _run(self) -> None:
        while not self._ended.wait(BEAT_S):
            self.beat()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
