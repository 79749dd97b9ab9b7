"""One training loop for all detectors: a wall-clock budget, averaged weights, and a file that is never half written."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Losses = dict[str, Tensor]


@dataclass(frozen=True)
class Plan:
    """How long and how hard to train.

    Attributes:
        minutes: wall-clock budget; the learning rate follows the time, so the last second is always the gentlest.
        batch: pictures or crops a step.
        rate: highest learning rate.
        decay: weight decay.
        save_every: seconds between saves.
    """

    minutes: float
    batch: int
    rate: float = 2e-3
    decay: float = 0.02
    save_every: float = 60.0


class Average:
    """Exponential moving average of a network's weights and buffers; short at first, long later."""

    def __init__(self, network: nn.Module, decay: float = 0.998) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take one step toward ``network``."""
        self.steps += 1
        keep = min(self.decay, (1 + self.steps) / (10 + self.steps))
        state = network.state_dict()
        floats = {k: v for k, v in self.network.state_dict().items() if v.is_floating_point()}
        torch._foreach_lerp_(list(floats.values()), [state[k].to(v.dtype) for k, v in floats.items()], 1 - keep)
        for name, value in self.network.state_dict().items():
            if name not in floats:
                value.copy_(state[name])


def fit(
    name: str,
    network: nn.Module,
    losses: Callable[[nn.Module], Losses],
    plan: Plan,
    save: Callable[[nn.Module, dict[str, Any]], None],
) -> nn.Module:
    """Train until the time is up.

    Args:
        name: shown in the progress lines.
        network: trained in place.
        losses: makes a batch, runs the network and returns named losses, which are added up.
        plan: budget and rates.
        save: called with the averaged network and training notes, about each minute and at the end.

    Returns:
        The averaged network in evaluation mode.
    """
    started = time.monotonic()
    groups = [
        {"params": [p for p in network.parameters() if p.requires_grad and p.ndim > 1], "weight_decay": plan.decay},
        {"params": [p for p in network.parameters() if p.requires_grad and p.ndim <= 1], "weight_decay": 0.0},
    ]
    cuda = next(network.parameters()).is_cuda
    optimizer = torch.optim.AdamW(groups, lr=plan.rate, betas=(0.9, 0.99), fused=cuda)
    average, step, skipped = Average(network), 0, 0
    saved = shown = started
    network.train()
    while True:
        elapsed = (time.monotonic() - started) / (plan.minutes * 60)
        if elapsed >= 1 and step > 0:
            break
        rate = plan.rate * _schedule(min(elapsed, 1.0), step)
        for group in optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast("cuda", torch.bfloat16, enabled=cuda):
            parts = losses(network)
        total = torch.stack([value.float() for value in parts.values()]).sum()
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        norm = torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        if bool(torch.isfinite(norm)):
            optimizer.step()
            average.update(network)
        else:
            skipped += 1
            if skipped > 50:
                raise RuntimeError(f"{name}: the loss is not finite again and again; train with a lower rate")
        step += 1
        now = time.monotonic()
        if now - shown > 10 or step == 1:
            shown = now
            words = " ".join(f"{key} {float(value.detach()):.4f}" for key, value in parts.items())
            print(f"{name}: {now - started:5.0f}s step {step} rate {rate:.2e} {words}", flush=True)
        if now - saved > plan.save_every:
            saved = now
            save(average.network, {"steps": step, "batch": plan.batch, "seconds": round(now - started)})
    notes = {"steps": step, "batch": plan.batch, "seconds": round(time.monotonic() - started)}
    save(average.network, notes)
    print(f"{name}: done after {notes['seconds']}s, {step} steps of {plan.batch}", flush=True)
    return average.network


def _schedule(elapsed: float, step: int) -> float:
    """Linear warm-up over 200 steps, then half a cosine down to 1 % over the elapsed fraction of the budget."""
    warm = min(1.0, (step + 1) / 200) if elapsed < 0.5 else 1.0
    return warm * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * elapsed)))
