"""What torch's profiler says of one batch and of one swap: time on the card and time on the processor.

The profiler slows the processor down. So the clock's time is always taken without it, and from the profile only what
the card itself was busy with, or how the processor's time is shared out.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.full_size.timing import wait
from service.generation import ImageRequest
from service.generation.diffusing import DiffusersGenerator

_ROWS = 15
_LAUNCHES = ("LaunchKernel", "MemcpyAsync", "MemsetAsync")
"""Parts of the names of CUDA's calls that put something into the card's queue."""


def profile_batch(generator: DiffusersGenerator[Any], batch: Sequence[ImageRequest]) -> dict[str, Any]:
    """Where the time of one batch goes.

    Returns:
        ``profile``: the operations that take most of it; ``batch``: time by the clock, until the last launch, and of
        the card alone, in ms. Their quotient ``card_busy`` is how much of a batch the card works: far below 1 it waits
        for the processor, which launches.
    """
    device = generator._device
    launched, walls = [], []
    for _ in range(3):
        wait(device)
        began = time.perf_counter()
        fetch = generator.launch(batch)
        launched.append(1000 * (time.perf_counter() - began))
        fetch()
        walls.append(1000 * (time.perf_counter() - began))
    recorded = _recorded(device, lambda: generator.generate(batch))
    wall = statistics.median(walls)
    facts = {"images": len(batch), "wall_ms": round(wall, 1), "launched_ms": round(statistics.median(launched), 1)}
    return {"profile": operations(device, recorded), "batch": facts | on_card(device, recorded, wall)}


def profile_swap(generator: DiffusersGenerator[Any], loras: Sequence[Path]) -> dict[str, Any]:
    """Where the time of one swap goes, its file having been read ahead.

    Returns:
        ``wall_ms`` until the card is done and ``launched_ms`` until the processor is; the card's own time as for
        :func:`profile_batch`; and what takes most of it on the card and on the processor.
    """
    device = generator._device
    launched, walls = [], []
    for lora in [*loras, *loras][:6]:
        read_ahead(generator, lora)
        began = time.perf_counter()
        generator.use(lora)
        launched.append(1000 * (time.perf_counter() - began))
        wait(device)
        walls.append(1000 * (time.perf_counter() - began))
    read_ahead(generator, loras[0])
    recorded = _recorded(device, lambda: generator.use(loras[0]))
    wall = statistics.median(walls[1:])
    return {
        "wall_ms": round(wall, 2),
        "launched_ms": round(statistics.median(launched[1:]), 2),
        **on_card(device, recorded, wall),
        "on_card": operations(device, recorded),
        "on_processor": operations(torch.device("cpu"), recorded),
    }


def read_ahead(generator: DiffusersGenerator[Any], lora: Path) -> None:
    """Read the file that is used next, and wait until the card has nothing to do."""
    generator.prefetch(lora)
    assert generator._ahead is not None
    generator._ahead[1].result()
    wait(generator._device)


def on_card(device: torch.device, recorded: Any, wall_ms: float) -> dict[str, Any]:
    """The card's own time in a profile beside the clock's without one; ``None`` where there is no card."""
    if device.type != "cuda":
        return {"card_ms": None, "card_busy": None, "card_operations": None, "launches": None}
    events = list(recorded.events())
    spans = [(each.time_range.start, each.time_range.end) for each in events if _is_on_card(each)]
    busy = covered(spans) / 1000
    launches = sum(not _is_on_card(each) and any(name in each.name for name in _LAUNCHES) for each in events)
    return {
        "card_ms": round(busy, 2),
        "card_busy": round(busy / wall_ms, 3),
        "card_operations": len(spans),
        "launches": launches,
    }


def covered(spans: Iterable[tuple[float, float]]) -> float:
    """How much of a line some stretches of it cover together, in their own unit.

    >>> covered([(5.0, 6.0), (0.0, 2.0), (1.0, 3.0), (1.5, 2.0)])
    4.0
    """
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def operations(device: torch.device, recorded: Any) -> list[dict[str, Any]]:
    """The operations of a profile that take most of the time on a device, in ms, without what they call."""
    on_gpu = device.type == "cuda"
    spent = {
        entry.key: (entry.self_device_time_total if on_gpu else entry.self_cpu_time_total, entry.count)
        for entry in recorded.key_averages()
    }
    most = sorted(spent.items(), key=lambda item: -item[1][0])[:_ROWS]
    return [{"operation": name, "ms": round(micros / 1000, 2), "calls": calls} for name, (micros, calls) in most]


def said(measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What a measurement gives, or why there is none: a profile that fails must not cost the figures beside it."""
    try:
        return measure()
    except Exception as error:  # told in the result
        return {"not_measured": f"{type(error).__name__}: {error}"}


def _recorded(device: torch.device, action: Callable[[], object]) -> Any:
    kinds = [torch.profiler.ProfilerActivity.CPU]
    kinds += [torch.profiler.ProfilerActivity.CUDA] * (device.type == "cuda")
    with torch.profiler.profile(activities=kinds) as recorded:
        action()
        wait(device)
    return recorded


def _is_on_card(event: Any) -> bool:
    # Names that were given to stretches of a program show up on the card too, over the kernels themselves.
    return event.device_type.name == "CUDA" and not getattr(event, "is_user_annotation", False)
