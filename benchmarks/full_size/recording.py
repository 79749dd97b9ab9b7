"""What a whole evaluation does when: points on the card's own clock, and what each thread of the processor was at.

Nothing in the service is written for this. Its functions are wrapped while an evaluation runs, and the wrappers look at
a clock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from service.evaluations import local
from service.evaluations.ledger import repository as ledger
from service.generation import diffusing, placing
from service.generation.diffusing import DiffusersGenerator
from service.generation.sending import Staging
from service.storage.checkpoints import CheckpointRegistry
from service.storage.images import ImageStore


@dataclass
class Mark:
    """What a thread did from when to when, in seconds since the start.

    Attributes:
        parent: place of the mark around it in the record, or ``None``.
        ended: infinite while it goes on.
    """

    thread: str
    activity: str
    parent: int | None
    began: float
    ended: float = float("inf")


@dataclass(frozen=True)
class Point:
    """A place in the card's queue.

    Attributes:
        what: ``batch``, ``step`` (a call of the denoiser), ``fold`` or ``text``.
        begins: whether it begins or ends here.
        asked: when the processor put it there, in seconds since the start.
        reached: when the card came there, likewise.
    """

    what: str
    begins: bool
    asked: float
    reached: float


@dataclass
class Record:
    """Marks and points of one evaluation.

    Attributes:
        device: whose queue is looked at; on a CPU it is the processor's own time.
        problem: why the card's clock could not be read, if so.
    """

    device: torch.device
    marks: list[Mark] = field(default_factory=list)
    wall: float = 0.0
    problem: str | None = None
    _queued: list[tuple[str, bool, float, Any]] = field(default_factory=list)
    _start: float = 0.0
    _zero: Any = None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: threading.local = field(default_factory=threading.local)

    def start(self) -> None:
        """Both clocks begin here."""
        self._zero = self._event()
        if self._zero is not None:
            self._zero.synchronize()
        self._start = time.perf_counter()

    def stop(self) -> None:
        """The evaluation has ended."""
        self.wall = self._now()

    def point(self, what: str, begins: bool) -> None:
        """Put a point into the card's queue."""
        self._queued.append((what, begins, self._now(), self._event()))

    def points(self) -> list[Point]:
        """Every point, in order, once the card has come to all of them; none if its clock could not be read."""
        found = []
        try:
            if self._zero is not None:
                torch.cuda.synchronize(self.device)
            for what, begins, asked, event in self._queued:
                reached = asked if event is None else self._zero.elapsed_time(event) / 1000
                found.append(Point(what, begins, asked, reached))
        except RuntimeError as error:
            self.problem = str(error)
        return [] if self.problem else found

    @contextmanager
    def doing(self, activity: str) -> Iterator[None]:
        """This thread is at something."""
        stack = self._open.__dict__.setdefault("stack", [])
        mark = Mark(_thread(), activity, stack[-1] if stack else None, self._now())
        with self._lock:
            stack.append(len(self.marks))
            self.marks.append(mark)
        try:
            yield
        finally:
            mark.ended = self._now()
            stack.pop()

    def _now(self) -> float:
        return time.perf_counter() - self._start

    def _event(self) -> Any:
        if self.device.type != "cuda" or self.problem:
            return None
        try:
            event = torch.cuda.Event(enable_timing=True)
            event.record(torch.cuda.current_stream(self.device))
        except RuntimeError as error:
            self.problem = str(error)
            return None
        return event


@contextmanager
def recorded(record: Record, generator: DiffusersGenerator[Any], denoiser: torch.nn.Module) -> Iterator[None]:
    """While this runs, everything that an evaluation with this generator does is written into the record."""
    places: tuple[tuple[Any, str, str], ...] = (
        # The thread that launches.
        (local._Work, "go", "else"),
        (local._Work, "_claim", "claim"),
        (local._Work, "_begin", "begin"),
        (local, "find_images", "look up images"),
        (local._Work, "_use", "use"),
        (CheckpointRegistry, "verify", "verify the file"),
        (generator, "_load", "wait for the file"),
        (local._Work, "_read_ahead", "ask for the next file"),
        (local._Work, "_plan_on", "plan on"),
        (local._Work, "_report", "report"),
        # The one that judges, and those that encode.
        (local._Work, "_finish", "finish"),
        (diffusing, "fetched", "fetch"),
        (local._Work, "_keep", "store"),
        (ImageStore, "put", "encode and write"),
        (ledger, "store_images", "record images"),
        (local._Work, "_look_for_change", "compare with the control"),
        (local._Work, "_judge", "judge"),
        (local._Work, "_detect", "detect"),
        (ledger, "finish_batch", "record findings"),
        # The one that reads ahead.
        (diffusing, "read_ahead", "read ahead"),
        (placing, "load_adapter", "read the next file"),
        (Staging, "send", "send the next file"),
    )
    queued = ((generator, "_batch", "batch"), (generator, "use_adapter", "fold"), (generator, "_encode", "text"))
    with ExitStack() as stack:
        for owner, name, activity in places:
            stack.enter_context(_replaced(owner, name, _timed(record, activity, getattr(owner, name))))
        for owner, name, what in queued:
            stack.enter_context(_replaced(owner, name, _pointed(record, what, getattr(owner, name))))
        stack.enter_context(_replaced(local, "ThreadPoolExecutor", _timed_pools(record)))
        before = denoiser.register_forward_pre_hook(lambda *_: record.point("step", True))
        stack.callback(before.remove)
        after = denoiser.register_forward_hook(lambda *_: record.point("step", False))
        stack.callback(after.remove)
        yield


def _timed(record: Record, activity: str, inner: Callable[..., Any]) -> Callable[..., Any]:
    def timed(*arguments: Any, **keywords: Any) -> Any:
        with record.doing(activity):
            return inner(*arguments, **keywords)

    return timed


def _pointed(record: Record, what: str, inner: Callable[..., Any]) -> Callable[..., Any]:
    def pointed(*arguments: Any, **keywords: Any) -> Any:
        with record.doing(f"launch: {what}"):
            record.point(what, True)
            try:
                return inner(*arguments, **keywords)
            finally:
                record.point(what, False)

    return pointed


def _timed_pools(record: Record) -> type[ThreadPoolExecutor]:
    """Pools that tell who waits for them."""

    class Pool(ThreadPoolExecutor):
        def submit(self, *arguments: Any, **keywords: Any) -> Future[Any]:
            future: Future[Any] = super().submit(*arguments, **keywords)
            future.result = _timed(record, "wait for another thread", future.result)  # type: ignore[method-assign]
            return future

    return Pool


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    own = name in vars(owner)
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        if own:
            setattr(owner, name, before)
        else:
            delattr(owner, name)


def _thread() -> str:
    name = threading.current_thread().name
    pool, _, number = name.rpartition("_")
    return pool if number.isdigit() else name
