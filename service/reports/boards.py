"""Leaderboards kept until something changes: fifty people who look at one evaluation cost one ranking."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
from collections import OrderedDict
from typing import Any

from service.evaluations.schemas import LeaderboardOut
from service.evaluations.service import EvaluationService
from service.evaluations.states import EvaluationState

KEPT = 32
"""Leaderboards that are kept at most; of forty checkpoints one is 3.5 MB, and 170 kB as it is kept."""


class Boards:
    """Leaderboards as compressed JSON text, each under a tag that changes whenever the leaderboard may."""

    def __init__(self, evaluations: EvaluationService) -> None:
        self._evaluations = evaluations
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def tag(self, evaluation_id: str, use: str, run: str | None = None) -> str:
        """What names a leaderboard as it is at this moment.

        Raises:
            NotFound: there is no such evaluation.
        """
        mark = f"{use}\n{run}\n{_mark(self._evaluations.state(evaluation_id))}"
        mark += f"\n{self._evaluations.audited(evaluation_id)}"  # people's labels correct the rates
        return hashlib.sha256(mark.encode()).hexdigest()[:32]

    def get(self, tag: str, evaluation_id: str, use: str, run: str | None = None) -> bytes:
        """The leaderboard of that tag, as gzip packs it; the first who asks works it out, the others wait for it.

        Raises:
            NotFound: there is no such evaluation.
            InvalidInput: there is no such use.
        """
        with self._guard:
            if tag in self._kept:
                self._kept.move_to_end(tag)
                return self._kept[tag]
            lock = self._locks.setdefault(tag, threading.Lock())
        with lock:
            with self._guard:
                known = self._kept.get(tag)
            if known is not None:
                return known
            try:
                board = LeaderboardOut.model_validate(self._evaluations.leaderboard(evaluation_id, use, run=run))
                packed = gzip.compress(board.model_dump_json().encode(), compresslevel=6)
                with self._guard:
                    self._kept[tag] = packed
                    while len(self._kept) > KEPT:
                        self._kept.popitem(last=False)
            finally:
                with self._guard:
                    self._locks.pop(tag, None)
        return packed

    def read(self, evaluation_id: str, use: str = "all") -> dict[str, Any]:
        """The leaderboard as it is at this moment, as plain JSON values, for pages.

        Raises:
            NotFound: there is no such evaluation.
            InvalidInput: there is no such use.
        """
        packed = self.get(self.tag(evaluation_id, use), evaluation_id, use)
        found: dict[str, Any] = json.loads(gzip.decompress(packed))
        return found


def _mark(state: EvaluationState) -> str:
    """Everything that a leaderboard depends on: what is judged, and what checkpoints are called."""
    named = [(each.id, each.run.name, each.epoch) for each in (c.checkpoint for c in state.contenders) if each]
    seeds = state.evaluation.request["suite"]["seeds"]
    evaluation = state.evaluation
    return repr((evaluation.id, evaluation.revision, evaluation.status, state.progress, named, seeds))
