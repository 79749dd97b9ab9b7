"""What goes to a card and comes back without the sender waiting: noise, schedules, pictures.

A copy from ordinary memory, or back into it, makes the processor wait for everything that the card has been told to do
before. Copies from and to pinned memory take their turn on the card like any other work.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from numpy.typing import NDArray


def send(tensor: torch.Tensor, device: str | torch.device | None) -> torch.Tensor:
    """The tensor on a device, for all that is begun there later; itself if it is there already."""
    if device is None or tensor.device.type != "cpu" or torch.device(device).type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)


def draw_noise(
    shape: Sequence[int], generators: Sequence[torch.Generator], device: torch.device, dtype: torch.dtype
) -> torch.Tensor:
    """Standard normal noise, (images, *shape), each image's from its own generator, drawn where those live."""
    drawn = [torch.randn(tuple(shape), generator=one, device=one.device, dtype=dtype) for one in generators]
    return send(torch.stack(drawn), device)


class SentEulerScheduler(FlowMatchEulerDiscreteScheduler):
    """diffusers' own, with a schedule that is reckoned on the CPU and sent: the same values."""

    def set_timesteps(
        self,
        num_inference_steps: int | None = None,
        device: str | torch.device | None = None,
        sigmas: list[float] | None = None,
        mu: float | None = None,
        timesteps: list[float] | None = None,
    ) -> None:
        """See diffusers; its pipelines look for these names."""
        super().set_timesteps(num_inference_steps, sigmas=sigmas, mu=mu, timesteps=timesteps)
        made: Any = self  # diffusers' types say that they are arrays
        made.timesteps, made.sigmas = send(made.timesteps, device), send(made.sigmas, device)


class Fetching:
    """Pictures on their way from the card.

    Args:
        images: (batch, 3, height, width) in 0..1.
        finite: (batch,), whether each was free of NaN and infinity before.
    """

    def __init__(self, images: torch.Tensor, finite: torch.Tensor) -> None:
        levels = torch.nan_to_num(images.float(), nan=0.0).mul(255.0).round().clamp(0, 255)
        # Put in order where the pixels were made: a processor takes many times longer for it.
        ordered = levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous()
        on_card = images.device.type == "cuda"
        self._levels, self._finite = (each.to("cpu", non_blocking=on_card) for each in (ordered, finite))
        # Who waits for it sleeps, so that the processor is free to begin the next batch.
        self._arrived = torch.cuda.Event(blocking=True) if on_card else None
        if self._arrived is not None:
            self._arrived.record()

    def wait(self) -> tuple[list[NDArray[Any]], list[bool]]:
        """The pictures as uint8 arrays (height, width, 3), and whether each was finite. Any thread may wait."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return list(self._levels.numpy()), self._finite.tolist()


def all_finite(*batches: torch.Tensor) -> torch.Tensor:
    """For each image of a batch whether it is finite in all the tensors: (batch,)."""
    checks = [torch.isfinite(batch).flatten(1).all(dim=1) for batch in batches]
    return torch.stack(checks).all(dim=0)
