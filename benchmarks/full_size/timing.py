"""Clocks and counters: medians that wait for the GPU, its ceiling, how busy it was, and memory."""

from __future__ import annotations

import platform
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

_SAMPLE_MS = 200


def milliseconds(device: torch.device, action: Callable[[], object], repeats: int = 5) -> float:
    """The median duration of an action, waiting for the GPU; the first run is not counted."""
    durations = []
    for _ in range(repeats + 1):
        wait(device)
        start = time.perf_counter()
        action()
        wait(device)
        durations.append(1000 * (time.perf_counter() - start))
    return statistics.median(durations[1:])


def wait(device: torch.device) -> None:
    """Until the GPU has done everything."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def ceiling_tflops(device: torch.device, side: int) -> float:
    """What a square matrix product reaches on this device, in bf16 on a GPU; the model cannot be faster than that."""
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    left, right = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / milliseconds(device, lambda: left @ right, repeats=20) / 1e9


@dataclass
class Busy:
    """The share of time in which the GPU had work, sampled by its own driver; ``None`` if that cannot be measured."""

    samples: list[float] = field(default_factory=list)

    @property
    def share(self) -> float | None:
        """Mean over the samples, 0..1."""
        return round(statistics.mean(self.samples) / 100, 3) if self.samples else None


@contextmanager
def watched(device: torch.device) -> Iterator[Busy]:
    """Sample how busy the GPU is while something runs."""
    busy = Busy()
    tool = shutil.which("nvidia-smi")
    if device.type != "cuda" or tool is None:
        yield busy
        return
    # By its own name: numbers count from the first card of the machine, whatever this process may see of them.
    uuid = str(torch.cuda.get_device_properties(device).uuid)
    command = [
        tool,
        "-i",
        uuid if uuid.startswith("GPU-") else f"GPU-{uuid}",
        "--query-gpu=utilization.gpu",
        "--format=csv,noheader,nounits",
        "-lms",
        str(_SAMPLE_MS),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield busy
    finally:
        process.terminate()
        lines = (process.communicate()[0] or "").split()
        busy.samples = [float(line) for line in lines if line.isdigit()]


def reset_peak(device: torch.device) -> None:
    """Start to measure memory anew."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def peak_gb(device: torch.device) -> float:
    """GiB: what the GPU's allocator held at most since the last reset, or this whole process on a CPU."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_reserved(device) / 2**30, 2)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return round(peak / 2**30, 2)


def machine(device: torch.device) -> dict[str, Any]:
    """Where the figures come from."""
    import diffusers
    import transformers

    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "python": platform.python_version(),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "transformers": transformers.__version__,
    }
