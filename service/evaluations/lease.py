"""Who works on an evaluation, and whether he still lives."""

from __future__ import annotations

import os
import secrets
import socket
import time

import psutil

from service.database.models import Evaluation

BEAT_S = 5.0
STALE_S = 60.0


def own_name() -> str:
    """A name for one executor of this process: host, process, start of the process, and a random part."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}:{secrets.token_hex(4)}"


def is_alive(executor: str, heartbeat_at: float | None) -> bool:
    """Whether the executor of that name may still be at work.

    A process of this machine is looked up, so that a killed one is replaced at once; elsewhere the last heartbeat
    decides, which has to be at most :data:`STALE_S` seconds old.
    """
    host, pid, started, _ = executor.rsplit(":", 3)
    if host == socket.gethostname():
        return _started(int(pid)) == started
    return heartbeat_at is not None and time.time() - heartbeat_at < STALE_S


def at_work(evaluation: Evaluation) -> bool:
    """Whether an executor that may still live has the evaluation."""
    return bool(evaluation.executor and is_alive(evaluation.executor, evaluation.heartbeat_at))


def _started(pid: int) -> str:
    """When the process started, to tell it from a later one with the same number; empty if there is none."""
    try:
        process = psutil.Process(pid)
        return "" if process.status() == psutil.STATUS_ZOMBIE else f"{process.create_time():.2f}"
    except psutil.Error:
        return ""
