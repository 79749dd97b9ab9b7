"""Stopwatches around the parts of the detectors, and networks that look at one thing at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from detectors import DetectorSet, Expectation
from detectors.pictures import read_picture


@dataclass
class Watch:
    """Seconds by part; nested parts are taken out of the one around them."""

    seconds: dict[str, float] = field(default_factory=dict)
    device: str = "cpu"
    _open: list[str] = field(default_factory=list)
    _since: float = 0.0

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Everything inside of the block counts as ``name``."""
        self._take()
        self._open.append(name)
        try:
            yield
        finally:
            self._take()
            self._open.pop()

    def _take(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()
        now = time.perf_counter()
        if self._open:
            self.seconds[self._open[-1]] = self.seconds.get(self._open[-1], 0.0) + now - self._since
        self._since = now


class Timed(nn.Module):
    """A network with a stopwatch; ``singly`` gives it one row of its batch at a time, as the plain way does."""

    def __init__(self, network: nn.Module, name: str, watch: Watch, singly: bool) -> None:
        super().__init__()
        self.network, self.name, self.watch, self.singly = network, name, watch, singly
        self.calls = 0

    def forward(self, batch: Any) -> Any:
        """The network's own answer."""
        self.calls += 1
        with self.watch.part(self.name):
            if not self.singly or len(batch) == 1:
                return self.network(batch)
            return _joined([self.network(batch[i : i + 1]) for i in range(len(batch))])

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            found = getattr(super().__getattr__("network"), name)
            return self._timed(found) if name.startswith("encode_") else found

    def _timed(self, encode: Callable[..., Any]) -> Callable[..., Any]:
        def call(batch: Any, **options: Any) -> Any:
            with self.watch.part(self.name):
                if not self.singly or len(batch) == 1:
                    return encode(batch, **options)
                return torch.cat([encode(batch[i : i + 1], **options) for i in range(len(batch))])

        return call


def _joined(answers: list[Any]) -> Any:
    """Answers for single rows put together again: tensors, tuples of them, dictionaries of them."""
    first = answers[0]
    if isinstance(first, torch.Tensor):
        return torch.cat(answers)
    if isinstance(first, dict):
        return {name: _joined([answer[name] for answer in answers]) for name in first}
    if isinstance(first, tuple | list):
        return type(first)(_joined([answer[i] for answer in answers]) for i in range(len(first)))
    return first


def watched(detectors: DetectorSet, watch: Watch, singly: bool) -> int:
    """Put stopwatches around every network of opened detectors, in place; returns how many there are.

    Networks are found by looking through the loaded models, so that a new one needs no change here.
    """
    count = 0

    def visit(holder: Any, depth: int) -> None:
        nonlocal count
        for each in fields(holder):
            value = getattr(holder, each.name)
            if isinstance(value, nn.Module):
                name = each.name if each.name not in ("network", "model") else type(holder).__name__.lower()
                object.__setattr__(holder, each.name, Timed(value, name, watch, singly))
                count += 1
            elif is_dataclass(value) and depth < 3:
                visit(value, depth + 1)
        if hasattr(holder, "landmarker"):
            count += 1
            object.__setattr__(holder, "landmarker", _TimedLandmarker(holder.landmarker, watch))

    visit(detectors._sight, 0)
    return count


class _TimedLandmarker:
    def __init__(self, landmarker: Any, watch: Watch) -> None:
        self._landmarker, self._watch = landmarker, watch

    def detect(self, image: Any) -> Any:
        """MediaPipe's own answer."""
        with self._watch.part("mediapipe"):
            return self._landmarker.detect(image)


def score_files(
    detectors: DetectorSet, paths: list[Path], expectations: list[Expectation], batch: int, reads: int, watch: Watch
) -> tuple[float, float]:
    """Seconds and CPU seconds of all files, from file to findings.

    Args:
        detectors: opened and used before.
        paths: the pictures.
        expectations: what each was asked to show.
        batch: pictures that are handed over together.
        reads: how often each file is read: once, or once for each model.
        watch: gets the parts.
    """
    started, worked = time.perf_counter(), time.process_time()
    for first in range(0, len(paths), batch):
        part = slice(first, first + batch)
        with watch.part("reading files"):
            for _ in range(reads):
                images = [read_picture(path) for path in paths[part]]
        with watch.part("crops, boxes and matching"):
            contexts = detectors.look(images, expectations[part])
        with watch.part("checks"):
            for context in contexts:
                detectors.judge(context)
    return time.perf_counter() - started, time.process_time() - worked
