"""What a profile is summed up to."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from benchmarks.full_size.profiling import covered, on_card, said


def event(name: str, start: float, end: float, on_gpu: bool, annotation: bool = False) -> Any:
    kind = SimpleNamespace(name="CUDA" if on_gpu else "CPU")
    return SimpleNamespace(
        name=name, device_type=kind, time_range=SimpleNamespace(start=start, end=end), is_user_annotation=annotation
    )


def test_the_card_is_busy_where_any_stream_works_and_names_of_stretches_are_no_work() -> None:
    events = [
        event("gemm", 0.0, 4000.0, True),
        event("Memcpy HtoD", 3000.0, 5000.0, True),
        event("triton", 9000.0, 10000.0, True),
        event("Torch-Compiled Region", 0.0, 10000.0, True, annotation=True),
        event("cudaLaunchKernel", 0.0, 10.0, False),
        event("cuLaunchKernelEx", 0.0, 10.0, False),
        event("aten::mm", 0.0, 10.0, False),
    ]
    told = on_card(torch.device("cuda"), SimpleNamespace(events=lambda: events), 12.0)
    assert told == {"card_ms": 6.0, "card_busy": 0.5, "card_operations": 3, "launches": 2}
    assert set(on_card(torch.device("cpu"), None, 1.0).values()) == {None}
    assert covered([]) == 0


def test_the_profiler_names_devices_like_this() -> None:
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as recorded:
        torch.ones(2) + 1
    assert {each.device_type.name for each in recorded.events()} == {"CPU"}


def test_a_profile_that_fails_is_told() -> None:
    def fails() -> dict[str, Any]:
        raise ValueError("no trace")

    assert said(fails) == {"not_measured": "ValueError: no trace"}
    with pytest.raises(KeyboardInterrupt):
        said(lambda: (_ for _ in ()).throw(KeyboardInterrupt))
