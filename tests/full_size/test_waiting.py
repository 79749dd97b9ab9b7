"""Where the card waits, reckoned from points and marks that are made up."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch

from benchmarks.full_size.recording import Mark, Point, Record
from benchmarks.full_size.waiting import AFTER, BEFORE, CHANGE, WITHIN, batches, longest, stretches, summarise


def points_of(*places: tuple[str, float, float]) -> list[Point]:
    """Begin and end of each."""
    made = [(what, True, began) for what, began, _ in places] + [(what, False, ended) for what, _, ended in places]
    # At the same moment one thing ends before the next begins.
    ordered = sorted(made, key=lambda each: (each[2], each[1]))
    return [Point(what, begins, reached - 0.25, reached) for what, begins, reached in ordered]


TWO_CHECKPOINTS = points_of(
    ("fold", 0.5, 1.0),
    ("batch", 1.0, 3.0),
    ("step", 1.25, 1.75),
    ("step", 1.75, 2.5),
    ("batch", 3.5, 5.0),
    ("step", 3.75, 4.25),
    ("fold", 6.0, 6.5),
    ("batch", 6.75, 8.0),
    ("step", 7.0, 7.5),
)


def test_the_time_is_cut_up_without_holes() -> None:
    found = stretches(TWO_CHECKPOINTS, 9.0)
    assert found[0].began == 0.0
    assert found[-1].ended == 9.0
    assert all(one.ended == other.began for one, other in itertools.pairwise(found))
    idle = [(each.part, each.ms) for each in found if not each.busy and each.ms]
    assert idle == [(BEFORE, 500.0), (WITHIN, 500.0), (CHANGE, 1000.0), (CHANGE, 250.0), (AFTER, 1000.0)]
    work = [each.part for each in found if each.busy]
    assert work[:6] == ["fold", "start of a batch", "denoiser", "between steps", "denoiser", "decoding"]


def test_waits_are_summed_by_place_and_a_slow_step_counts() -> None:
    record = filled(TWO_CHECKPOINTS, wall=9.0)
    told = summarise(record)
    assert told["idle_ms"] == {BEFORE: 500.0, WITHIN: 500.0, CHANGE: 1250.0, AFTER: 1000.0}
    # The second of the first batch's steps takes 250 ms more than the others. Decoding takes 500, 750 and 500 ms.
    assert told["slowed_ms"] == 500.0
    assert told["card_at_work"] == pytest.approx(1 - 3.75 / 9, abs=1e-4)
    assert told["parts"]["denoiser"] == {
        "times": 4, "undisturbed_ms": 500.0, "median_ms": 500.0, "most_ms": 750.0, "all_ms": 2250.0
    }  # fmt: skip
    assert [each["waited_ms"] for each in told["longest"]] == [1000.0, 1000.0, 500.0, 500.0, 250.0, 250.0, 250.0]
    assert told["batches"][0] == {"at_s": 1.0, "ms": 2000.0, "ahead_ms": 250.0, "launching_ms": 500.0}


def filled(points: list[Point], wall: float) -> Record:
    """A record on a CPU, whose queue is reached when it is asked."""
    record = Record(torch.device("cpu"), wall=wall)
    begun = [point.reached for point in points if point.what == "batch" and point.begins]
    record.marks = [Mark("MainThread", "launch: batch", None, began - 0.25, began + 0.25) for began in begun]
    record.points = lambda: points  # type: ignore[method-assign]
    return record


def test_a_wait_tells_what_each_thread_did_without_counting_anything_twice() -> None:
    marks = [
        Mark("MainThread", "use", None, 4.0, 8.0),
        Mark("MainThread", "wait for the file", 0, 5.5, 5.75),
        Mark("encoders", "encode and write", None, 0.0, 5.5),
        Mark("encoders", "encode and write", None, 5.0, 7.0),
        Mark("detectors", "detect", None, 0.0, 5.0),
    ]
    idle = next(each for each in stretches(TWO_CHECKPOINTS, 9.0) if each.part == CHANGE and each.ms)
    (told,) = longest([(idle, idle.ms)], marks)
    assert (told["at_s"], told["waited_ms"], told["where"]) == (5.0, 1000.0, CHANGE)
    assert told["processor_ms"] == {
        "MainThread": {"use": 750.0, "wait for the file": 250.0},
        "encoders": {"encode and write": 1500.0},
    }


def test_a_clock_that_cannot_be_read_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def elapsed_time(self, other: Any) -> float:
            raise RuntimeError("the card is gone")

    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    record = Record(torch.device("cuda"), wall=2.0)
    record._zero = Broken()
    record._queued.append(("batch", True, 1.0, Broken()))
    told = summarise(record)
    assert told["not_measured"] == "the card is gone"
    assert told["wall_s"] == 2.0
    assert "not_measured" in summarise(Record(torch.device("cpu"), wall=1.0))


def test_a_batch_tells_how_far_the_processor_was_ahead() -> None:
    points = points_of(("batch", 1.0, 2.0))
    marks = [Mark("MainThread", "launch: batch", None, 0.5, 1.5)]
    assert batches(points, marks) == [{"at_s": 1.0, "ms": 1000.0, "ahead_ms": 250.0, "launching_ms": 1000.0}]
