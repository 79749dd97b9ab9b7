"""What goes to a card and comes back without the sender waiting: noise, schedules, pictures.

A copy from ordinary memory, or back into it, makes the processor wait for everything that the card has been told to do
before. Copies from and to pinned memory take their turn on the card like any other work.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import torch
from diffusers.schedulers.scheduling_flow_match_euler_discrete import FlowMatchEulerDiscreteScheduler
from numpy.typing import NDArray

_ALIGNED = 512
"""Bytes at whose multiples a card's tensors begin, as those do that torch places one by one."""


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


class Staging:
    """Pinned memory, taken once, through which whole files go to a card.

    To take pinned memory holds up every thread that launches, and a LoRA file has hundreds of tensors: done for each of
    them while pictures are made, the card would stand still.

    Args:
        stream: of the card, to copy on beside other work; ``None`` copies within ordinary memory, at once.
        size: bytes of each of the two halves. One is filled while the other one is on its way.
    """

    def __init__(self, stream: torch.cuda.Stream | None, size: int = 32 << 20) -> None:
        self._stream = stream
        self._size = size
        self._halves = [torch.empty(size, dtype=torch.uint8, pin_memory=stream is not None) for _ in range(2)]
        self._left: list[torch.cuda.Event | None] = [None, None]

    def send(self, tensors: Sequence[torch.Tensor], after: torch.cuda.Event | None = None) -> list[torch.Tensor]:
        """The same tensors on the card, side by side in one piece of memory; any stream may read them.

        Args:
            tensors: in ordinary memory.
            after: what the card must have done before memory that was sent to earlier, and let go, is written again.
        """
        sources = [tensor.contiguous().reshape(-1).view(torch.uint8) for tensor in tensors]
        places, total = [], 0
        for source in sources:
            places.append(total)
            total += math.ceil(source.numel() / _ALIGNED) * _ALIGNED
        with nullcontext() if self._stream is None else torch.cuda.stream(self._stream):
            if self._stream is not None and after is not None:
                self._stream.wait_event(after)
            device = "cpu" if self._stream is None else self._stream.device
            whole = torch.empty(total, dtype=torch.uint8, device=device)
            for turn, low in enumerate(range(0, total, self._size)):
                piece = whole[low : low + self._size]
                half = self._halves[turn % 2][: len(piece)]
                self._await(turn % 2)
                for source, place in zip(sources, places, strict=True):
                    start, end = max(low, place), min(low + len(piece), place + len(source))
                    if start < end:
                        half[start - low : end - low].copy_(source[start - place : end - place])
                piece.copy_(half, non_blocking=True)
                self._mark(turn % 2)
        for number in range(2):
            self._await(number)
        return [
            whole[place : place + len(source)].view(tensor.dtype).view(tensor.shape)
            for tensor, source, place in zip(tensors, sources, places, strict=True)
        ]

    def _mark(self, number: int) -> None:
        """Remember when the card has read one of the halves."""
        if self._stream is not None:
            # Who waits for it sleeps, as in :class:`Fetching`.
            self._left[number] = torch.cuda.Event(blocking=True)
            self._stream.record_event(self._left[number])

    def _await(self, number: int) -> None:
        """Until the card has read one of the halves."""
        left, self._left[number] = self._left[number], None
        if left is not None:
            left.synchronize()


def all_finite(*batches: torch.Tensor) -> torch.Tensor:
    """For each image of a batch whether it is finite in all the tensors: (batch,)."""
    checks = [torch.isfinite(batch).flatten(1).all(dim=1) for batch in batches]
    return torch.stack(checks).all(dim=0)
