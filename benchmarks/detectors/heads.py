"""Training the head network: which strand is whose, and what the head looks like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.detectors.augment import Motion, Warp, degrade
from benchmarks.detectors.fitting import Losses
from benchmarks.detectors.store import SIDE, Drawings
from benchmarks.detectors.truths import PART_CODES
from detectors.crops import HEAD_SIZE, cut
from detectors.networks import UNet, normalise, save_weights
from detectors.vocabulary import AHOGE_STATES, EYE_COLORS, HAIR_COLORS, HAIR_LENGTHS, HEAD_PARTS

FIELDS = ("labels",)
ATTRIBUTES = {
    "ahoge": len(AHOGE_STATES),
    "hair_color": len(HAIR_COLORS),
    "hair_length": len(HAIR_LENGTHS),
    "eye_color": len(EYE_COLORS),
}
# Side in pixels of the window around a head of somebody far away.
_SMALL_WINDOW = 100.0
_MOTION = Motion(zoom=0.15, shift=0.06, turn=0.2)
_SIZES = {"nano": (8, 12, 16), "shipped": (24, 48, 80, 112, 128)}
_SKIN, _HAIR, _AHOGE, _RIBBON, _OTHER_HAIR, _OTHER_AHOGE = range(1, len(HEAD_PARTS))


def build(size: str = "shipped") -> UNet:
    """The network with random weights. Inputs: colours alone; whose head is asked about is the one in the middle.

    It is not shown the person's mask: masks of the truth hold the strand, so the network believed them instead of
    looking, and the segmentation network takes a thin thing behind a head, or another's strand, for hers.
    """
    return UNet(_SIZES[size], len(HEAD_PARTS), ATTRIBUTES)


def windows_of(boxes: Tensor) -> Tensor:
    """:func:`detectors.crops.head_window` for a tensor of boxes (M, 4)."""
    x0, y0, x1, y1 = boxes.unbind(-1)
    side = 1.72 * torch.maximum(x1 - x0, y1 - y0)
    return torch.stack([(x0 + x1) / 2, (y0 + y1) / 2 - 0.24 * (y1 - y0), side], -1)


def parts_of(labels: Tensor, owner: Tensor) -> Tensor:
    """Classes of :data:`HEAD_PARTS` (M, H, W) from cut label maps (M, 1, H, W) and whose head it is (M,)."""
    whose, part = (labels[:, 0] // 16).long(), (labels[:, 0] % 16).long()
    own = whose == owner[:, None, None] + 1
    result = torch.zeros_like(part)
    for name, mine, theirs in (
        ("skin", _SKIN, 0),
        ("head", _SKIN, 0),
        ("hair", _HAIR, _OTHER_HAIR),
        ("ribbon", _RIBBON, 0),
        ("ahoge", _AHOGE, _OTHER_AHOGE),
    ):
        here = part == PART_CODES[name]
        result = torch.where(here & own, mine, result)
        result = torch.where(here & ~own & (whose > 0), theirs, result)
    return result


def blur_mask(mask: Tensor) -> Tensor:
    """A person mask (M, 1, H, W) as coarse and as wrong at the rim as the segmentation network's."""
    small = functional.avg_pool2d(mask, 4)
    small = functional.avg_pool2d(functional.pad(small, (1, 1, 1, 1), mode="replicate"), 3, 1)
    threshold = 0.3 + 0.4 * torch.rand(len(mask), 1, 1, 1, device=mask.device)
    coarse = functional.interpolate((small > threshold).float(), mask.shape[-2:], mode="bilinear", align_corners=False)
    return (coarse > 0.5).float()


def hard_shares(boxes: Tensor, thin: Tensor) -> Tensor:
    """How often each picture is taken (count,), on the CPU.

    Once, and once more for each thing that makes a strand hard to tell: a head stands before another, one is small,
    thin things lie behind.

    Args:
        boxes: head boxes (count, people, 4) in pixels, zeros for nobody.
        thin: whether the picture's background is full of thin things (count,).
    """
    x, y, side = windows_of(boxes).unbind(-1)
    there = side > 0
    windows = torch.stack([x - side / 2, y - side / 2, x + side / 2, y + side / 2], -1)
    low = torch.maximum(windows[:, :, None, :2], boxes[:, None, :, :2])
    high = torch.minimum(windows[:, :, None, 2:], boxes[:, None, :, 2:])
    both = there[:, :, None] & there[:, None] & ~torch.eye(boxes.shape[1], dtype=torch.bool, device=boxes.device)
    crowded = (((high - low) > 0).all(-1) & both).any((1, 2))
    small = (there & (side < _SMALL_WINDOW)).any(1)
    return (1.0 + crowded.float() + small.float() + thin.float()).cpu()


class Objective:
    """Makes batches of head crops and judges masks and attributes."""

    def __init__(self, drawings: Drawings, batch: int, seed: int = 0) -> None:
        self.drawings, self.batch = drawings, batch
        self.generator = torch.Generator().manual_seed(seed)
        weights = torch.tensor([0.5, 1.0, 1.0, 4.0, 2.0, 1.5, 3.0])
        self.part_weights = weights.to(drawings.device)
        # Crops of a few heads a picture: the pictures are warped once for several heads.
        self.pictures = max(2, batch // 2)
        every = torch.arange(drawings.count, device=drawings.device)
        self.shares = hard_shares(drawings.head_boxes(every), drawings.tensors["scenes"][:, 3] > 0)

    def crops(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Inputs (M, 3, S, S), part classes (M, S, S), owner (M,) and picture index (M,)."""
        index = self.drawings.pick(self.pictures, self.generator, self.shares)
        warp = Warp.random(len(index), SIDE, self.drawings.device, _MOTION)
        pictures = degrade(warp.colors(self.drawings.images(index, soften=0.4)))
        labels = warp.labels(self.drawings.labels(index))
        boxes = warp.boxes(self.drawings.head_boxes(index), SIDE)
        size = torch.minimum(boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1])
        there = (self.drawings.person("present", index) > 0) & (size > 10)
        rows = torch.nonzero(there)
        rows = rows[torch.randperm(len(rows), device=rows.device)[: self.batch]]
        picture, owner = rows[:, 0], rows[:, 1]
        chosen = boxes[picture, owner]
        side = (chosen[:, 2:] - chosen[:, :2]).amax(1, keepdim=True)
        chosen = chosen + torch.randn(len(chosen), 4, device=chosen.device) * side * 0.035
        windows = windows_of(chosen)
        inputs = normalise(cut(pictures, picture, windows, HEAD_SIZE))
        cut_labels = cut(labels, picture, windows, HEAD_SIZE, "nearest")
        return inputs, parts_of(cut_labels, owner), owner, index[picture]

    def __call__(self, network: nn.Module) -> Losses:
        """The losses of one fresh batch."""
        device = self.drawings.device
        with torch.no_grad(), torch.autocast(device, enabled=False):
            inputs, parts, owner, index = self.crops()
            people = {name: self.drawings.person(name, index).gather(1, owner[:, None])[:, 0].long() for name in
                      (*ATTRIBUTES, "judgeable")}  # fmt: skip
        maps, answers = network(inputs)
        losses = {"parts": functional.cross_entropy(maps.float(), parts, weight=self.part_weights)}
        for name, logits in answers.items():
            wanted = torch.where(people["judgeable"] > 0, people[name], -1)
            loss = functional.cross_entropy(
                logits.float(), wanted, ignore_index=-1, reduction="sum", label_smoothing=0.02
            )
            scale = 1.0 if name == "ahoge" else 0.4
            losses[name] = scale * loss / (wanted >= 0).sum().clamp_min(1)
        return losses


def save(path: Path, network: UNet, notes: dict[str, Any]) -> None:
    """Write the network's weights and how to build it again."""
    meta = {"kind": "heads", "network": network.config, "parts": list(HEAD_PARTS), "training": notes}
    save_weights(path, network.state_dict(), meta)


__all__ = ["ATTRIBUTES", "FIELDS", "Objective", "blur_mask", "build", "parts_of", "save", "windows_of"]
