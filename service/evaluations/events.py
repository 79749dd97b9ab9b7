"""Progress as server-sent events: the state whenever it has changed, and a sign of life in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

from sse_starlette import ServerSentEvent
from starlette.concurrency import run_in_threadpool

from service.errors import NotFound
from service.evaluations.executor import Status
from service.evaluations.schemas import EvaluationOut
from service.evaluations.service import EvaluationService

LOOK_EVERY_S = 1.0
HEARTBEAT_S = 15
RETRY_MS = 3000
HEADERS = {"X-Accel-Buffering": "no", "Cache-Control": "no-cache, no-transform"}
_OVER = (Status.FINISHED, Status.CANCELLED, Status.FAILED)


class Feed:
    """The newest state of evaluations, read once a second at most however many clients watch."""

    def __init__(self, evaluations: EvaluationService) -> None:
        self._evaluations = evaluations
        self._known: dict[str, tuple[float, EvaluationOut]] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def state(self, evaluation_id: str) -> EvaluationOut:
        """An evaluation as it was at most a second ago.

        Raises:
            NotFound: there is no such evaluation.
        """
        async with self._locks.setdefault(evaluation_id, asyncio.Lock()):
            known = self._known.get(evaluation_id)
            if known is not None and time.monotonic() - known[0] < LOOK_EVERY_S / 2:
                return known[1]
            try:
                state = EvaluationOut.of(await run_in_threadpool(self._evaluations.state, evaluation_id))
            except NotFound:
                self._known.pop(evaluation_id, None)
                self._locks.pop(evaluation_id, None)
                raise
            self._known[evaluation_id] = (time.monotonic(), state)
            return state

    async def follow(self, evaluation_id: str, last: str | None) -> AsyncIterator[ServerSentEvent]:
        """Events named ``progress``, each with the whole state, then one named ``end``.

        Every event carries the whole state, so a client that missed some needs only the newest; one that has the
        newest already (``last``) hears of the next change.
        """
        sent = last
        while True:
            try:
                state = await self.state(evaluation_id)
            except NotFound:
                yield ServerSentEvent('{"status": "deleted"}', event="end", id="deleted")
                return
            name = event_id(state)
            if name != sent:
                yield ServerSentEvent(state.model_dump_json(), event="progress", id=name, retry=RETRY_MS)
                sent = name
            if is_over(state):
                yield ServerSentEvent(state.model_dump_json(), event="end", id=name)
                return
            await asyncio.sleep(LOOK_EVERY_S)


def event_id(state: EvaluationOut) -> str:
    """A name for a state: another one whenever there is something new to tell."""
    progress = state.progress
    return f"{state.status}-{progress.generated}-{progress.judged}-{progress.failed}-{progress.total}"


def is_over(state: EvaluationOut) -> bool:
    """Whether nothing more will happen by itself."""
    return state.status in _OVER
