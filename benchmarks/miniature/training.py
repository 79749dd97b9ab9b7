"""What every training here shares: a wall-clock budget, ranks, gradients, averages, saves that cannot tear."""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray

from service.errors import BleedcheckError

STARTED = time.monotonic()
"""When this process began, near enough: budgets count from here."""
LOG_SECONDS = 10.0
SAVE_SECONDS = 60.0
AGREE_STEPS = 10
"""Steps between two looks at the clock; each costs one wait for the GPU."""


class TrainingError(BleedcheckError):
    """A training cannot go on; the message says which save to go back to."""


@dataclass(frozen=True)
class Rank:
    """One process of a training: ``torchrun`` starts one for each GPU, otherwise there is just one."""

    index: int
    world: int
    device: torch.device

    @property
    def first(self) -> bool:
        """Whether this process prints and saves."""
        return self.index == 0

    def say(self, line: str) -> None:
        """Print a line at once, from the first rank only."""
        if self.first:
            print(f"[{time.monotonic() - STARTED:6.1f} s] {line}", flush=True)

    def agree(self, value: float) -> float:
        """The first rank's value, on every rank."""
        if self.world == 1:
            return value
        tensor = torch.tensor([value], dtype=torch.float64, device=self.device)
        dist.broadcast(tensor, 0)
        return float(tensor.item())

    def wait(self) -> None:
        """Go on when every rank is here."""
        if self.world > 1:
            self.agree(0.0)


def join_ranks() -> Rank:
    """Take part in what ``torchrun`` started, or run alone; on the GPU of this rank where there is one."""
    world, index = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("LOCAL_RANK", "0"))
    cuda = torch.cuda.is_available()
    device = torch.device("cuda", index) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = True
    if world > 1:
        dist.init_process_group("nccl" if cuda else "gloo", device_id=device if cuda else None)
    return Rank(index, world, device)


def leave_ranks() -> None:
    """End what :func:`join_ranks` began."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


class Budget:
    """How far the schedule is: ``position`` runs from ``start`` to ``until`` while the wall clock runs out.

    A training of 20 minutes can be done in two calls: ``until=0.5`` first, then ``start=0.5`` from its save.

    Args:
        deadline: monotonic time at which the loop ends.
        start: schedule position at the first step, 0..1.
        until: schedule position at the deadline.
    """

    def __init__(self, deadline: float, start: float, until: float) -> None:
        self._deadline, self._start, self.until = deadline, start, until
        self._began: float | None = None

    @property
    def position(self) -> float:
        """Where the schedule is now. The clock starts at the first look, so that compiling does not eat the warm-up."""
        now = time.monotonic()
        if self._began is None:
            self._began = now
        length = max(self._deadline - self._began, 1e-3)
        return min(self.until, self._start + (self.until - self._start) * (now - self._began) / length)

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline, not below 0."""
        return max(0.0, self._deadline - time.monotonic())


def learning_rate_factor(position: float, warm_up: float = 0.02, hold: float = 0.0) -> float:
    """Linear warm-up, then 1 until ``hold``, then half a cosine down to 0 at position 1.

    >>> [round(learning_rate_factor(p), 2) for p in (0.0, 0.01, 0.02, 0.51, 1.0)]
    [0.02, 0.5, 1.0, 0.5, 0.0]
    """
    start = max(hold, warm_up)
    if position < warm_up:
        return max(position / warm_up, 0.02)
    if position <= start:
        return 1.0
    return 0.5 * (1 + math.cos(math.pi * (position - start) / (1 - start)))


class Gradients:
    """Averages gradients over the ranks and limits their norm, in one flat buffer.

    A step whose gradients are not finite is dropped (it becomes a step of zero gradients) instead of poisoning the
    weights.
    """

    def __init__(self, parameters: Iterable[torch.nn.Parameter], rank: Rank, limit: float = 1.0) -> None:
        self._parameters, self._rank, self._limit = list(parameters), rank, limit

    def settle(self) -> torch.Tensor:
        """Replace the gradients by their limited average; returns their norm before limiting, on the device."""
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        if self._rank.world > 1:
            dist.all_reduce(flat)
            flat /= self._rank.world
        norm = torch.linalg.vector_norm(flat)
        factor = self._limit / norm.clamp(min=self._limit)
        flat = torch.where(torch.isfinite(norm), flat * factor, torch.zeros_like(flat))
        pieces = flat.split([g.numel() for g in gradients])
        torch._foreach_copy_(gradients, [piece.view_as(g) for piece, g in zip(pieces, gradients, strict=True)])
        return norm


class Average:
    """An exponential moving average of a model's weights, held in a second model of the same shape.

    Args:
        source: parameters that are trained.
        target: parameters that follow them.
        decay: once the training has run for a while; the first steps follow faster.
    """

    def __init__(self, source: torch.nn.Module, target: torch.nn.Module, decay: float) -> None:
        self._source: list[torch.Tensor] = list(source.parameters())
        self._target: list[torch.Tensor] = list(target.parameters())
        self._decay = decay
        target.requires_grad_(False)

    @torch.no_grad()
    def follow(self, step: int) -> None:
        """Move a little towards the trained weights after step ``step`` (0-based)."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(self._target, self._source, 1 - decay)


class Journal:
    """Progress lines: step, loss, steps a second, learning rate, seconds left; and the same as data."""

    def __init__(self, rank: Rank, budget: Budget) -> None:
        self._rank, self._budget = rank, budget
        self._sum = torch.zeros((), device=rank.device)
        self._steps, self._since = 0, time.monotonic()
        self.lines: list[dict[str, float]] = []

    def add(self, loss: torch.Tensor) -> None:
        """Count one step's loss, without waiting for it."""
        self._sum += loss.detach()
        self._steps += 1

    def report(self, step: int, rate: float, force: bool = False) -> None:
        """Print a line if the last one is :data:`LOG_SECONDS` ago.

        Raises:
            TrainingError: the loss is no longer a number.
        """
        now = time.monotonic()
        if self._steps == 0 or (now - self._since < LOG_SECONDS and not force):
            return
        loss, speed = float(self._sum.item()) / self._steps, self._steps / (now - self._since)
        self.lines.append({"step": step, "loss": loss, "steps_per_second": round(speed, 2), "learning_rate": rate})
        self._rank.say(
            f"step {step}  loss {loss:.5f}  {speed:.1f} steps/s  rate {rate:.2e}  "
            f"position {self._budget.position:.3f}  {self._budget.seconds_left:.0f} s left"
        )
        self._sum.zero_()
        self._steps, self._since = 0, now
        if not math.isfinite(loss):
            raise TrainingError(f"the loss is {loss} at step {step}: go on from the last save with a lower --lr")


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write a resumable state; the file is either the old one or the new one, never a torn one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    torch.save(state, partial)
    os.replace(partial, path)


def load_state(path: Path, device: torch.device) -> dict[str, Any] | None:
    """What :func:`save_state` wrote, or None where there is nothing."""
    if not path.exists():
        return None
    state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    return state


def write_json(path: Path, data: object) -> None:
    """Write readable JSON, making the folder if needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1) + "\n")


def write_sheet(path: Path, rows: Sequence[Sequence[NDArray[np.uint8]]]) -> None:
    """Write pictures (H, W, 3) of one size as a PNG grid."""
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate([np.concatenate(list(row), axis=1) for row in rows])).save(path, optimize=True)


def to_pixels(images: torch.Tensor) -> NDArray[np.uint8]:
    """Images (B, 3, H, W) in -1..1 as bytes (B, H, W, 3)."""
    scaled = ((images.float().clamp(-1, 1) + 1) * 127.5).round()
    pixels: NDArray[np.uint8] = scaled.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return pixels


def autocast(device: torch.device, enabled: bool = True) -> torch.autocast:
    """bf16 on a GPU; full precision elsewhere, where bf16 is slower."""
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled and device.type == "cuda")


def compile_if_wanted(function: Callable[..., Any], rank: Rank, wanted: bool) -> Callable[..., Any]:
    """Compile for fixed shapes on a GPU; what cannot be compiled runs as it is."""
    if not wanted or rank.device.type != "cuda":
        return function
    import torch._dynamo

    torch._dynamo.config.suppress_errors = True
    return torch.compile(function, dynamic=False)


def add_common_arguments(parser: argparse.ArgumentParser, batch: int, rate: float) -> None:
    """The options that every training has."""
    parser.add_argument("--drawings", type=Path, nargs="+", required=True, help="folders that dataset.py filled")
    parser.add_argument("--out", type=Path, required=True, help="folder for the results, small enough to be copied")
    parser.add_argument("--work", type=Path, default=Path("/tmp/miniature"), help="folder for large resumable saves")
    parser.add_argument("--minutes", type=float, required=True, help="wall clock of the whole script")
    parser.add_argument("--until", type=float, default=1.0, help="position of the schedule when the time is up, 0..1")
    parser.add_argument("--size", choices=("nano", "shipped"), default="shipped")
    parser.add_argument("--batch", type=int, default=batch, help="pictures a step and GPU")
    parser.add_argument("--lr", type=float, default=rate, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-compile", dest="compile", action="store_false", help="run without torch.compile")
