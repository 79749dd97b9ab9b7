"""A closer look at each place where the hand network suspects an arm's end, enlarged.

The hand network looks at the whole picture and is unsure of places where little of a hand is left. A second, small
network sees each of its suspicions alone, as it is and mirrored: whether an arm's end can be seen there. It learns to
tell the end's state as well, which helps it, but is not asked for that. Training and inference share the windows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detectors.context import Hand
from detectors.crops import END_SIZE, cut
from detectors.vocabulary import END_ANSWERS

if TYPE_CHECKING:
    from torch import Tensor

# Side of a window in sides of the hand's box, and the smallest and largest one in pixels of the frame.
_REACH, _NARROWEST, _WIDEST = 3.0, 40.0, 128.0


@dataclass(frozen=True)
class CloserLook:
    """The loaded network."""

    network: Any

    @classmethod
    def load(cls, path: Path, device: str) -> CloserLook:
        """Read its weights.

        Raises:
            MissingWeights: there are none.
        """
        from detectors.networks import load_reader

        return cls(load_reader(path, device))

    def at(self, pictures: Tensor, hands: Sequence[Sequence[Hand]]) -> list[list[Hand]]:
        """Look at every suspicion of all pictures at once.

        Args:
            pictures: (B, 3, H, W), normalised.
            hands: for each picture what the hand network suspects.

        Returns:
            The same hands, each with how sure the closer look is that an arm ends there.
        """
        import torch

        boxes = [hand.box for found in hands for hand in found]
        if not boxes:
            return [list(found) for found in hands]
        index = torch.tensor([i for i, found in enumerate(hands) for _ in found], device=pictures.device)
        windows = end_windows(torch.tensor(boxes, dtype=torch.float32, device=pictures.device))
        crops = enlarged(pictures, index, windows)
        odds = sum(self.network(view)["end"].float().softmax(1) for view in (crops, crops.flip(3))) / 2
        there = iter((1.0 - odds[:, END_ANSWERS.index("none")]).cpu().tolist())
        return [[replace(hand, there=next(there)) for hand in found] for found in hands]


def end_windows(boxes: Tensor) -> Tensor:
    """Windows (M, 3), centre x, centre y and side, round the boxes (M, 4) of suspected arms' ends."""
    import torch

    side = (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True) * _REACH
    return torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, side.clamp(_NARROWEST, _WIDEST)], 1)


def enlarged(pictures: Tensor, index: Tensor, windows: Tensor) -> Tensor:
    """What the network sees.

    Args:
        pictures: (B, 3, H, W), normalised.
        index: (M,) which picture each window is cut from.
        windows: (M, 3).

    Returns:
        (M, 4, END_SIZE, END_SIZE): colours, and how far each pixel lies from the middle, which is what is asked about.
    """
    import torch

    steps = torch.linspace(-1, 1, END_SIZE, device=pictures.device)
    away = torch.hypot(steps[:, None], steps[None, :])
    crops = cut(pictures, index, windows, END_SIZE)
    return torch.cat([crops, away.to(crops.dtype).expand(len(crops), 1, -1, -1)], 1)
