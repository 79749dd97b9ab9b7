"""Streams of a card, for threads that share it. No torch here until there is a card."""

from __future__ import annotations

from service.generation.cards import has_gpu


def take_own_stream(device: str) -> None:
    """Let what this thread asks of the card go beside the work of other threads, and first.

    Otherwise it would queue behind the batches that have been begun, and wait for all of them at every look.

    Args:
        device: as for :func:`service.generation.open_generator`; without a GPU nothing happens.
    """
    if not has_gpu(device):
        return
    import torch

    place = torch.device("cuda" if device == "auto" else device)
    own = torch.cuda.Stream(place, priority=-1)
    own.wait_stream(torch.cuda.default_stream(place))
    torch.cuda.set_stream(own)
