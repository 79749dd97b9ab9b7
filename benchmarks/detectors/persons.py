"""Crops of whole people and of faces for the networks that judge bodies and faces: turned, moved and degraded."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.detectors.augment import degrade
from benchmarks.detectors.store import Drawings
from detectors.networks import normalise


@dataclass(frozen=True)
class Crops:
    """Crops of one batch: ``inputs`` (M, 4, S, S), colours and the person's own mask; ``owner`` and ``index`` (M,)."""

    inputs: Tensor
    owner: Tensor
    index: Tensor


def turned(
    pictures: Tensor, index: Tensor, windows: Tensor, size: int, mode: str, turn: Tensor, flip: Tensor
) -> Tensor:
    """:func:`detectors.crops.cut` with windows turned by ``turn`` (M,) radians and mirrored where ``flip`` is -1."""
    height, width = pictures.shape[-2:]
    steps = (torch.arange(size, device=pictures.device, dtype=torch.float32) + 0.5) / size - 0.5
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    cos, sin = torch.cos(turn)[:, None, None], torch.sin(turn)[:, None, None]
    x, y = x * flip[:, None, None] * cos - y * sin, x * flip[:, None, None] * sin + y * cos
    side = windows[:, 2, None, None]
    grid = torch.stack(
        [
            (windows[:, 0, None, None] + x * side) * 2 / width - 1,
            (windows[:, 1, None, None] + y * side) * 2 / height - 1,
        ],
        -1,
    )
    padding = "border" if mode == "bilinear" else "zeros"
    return functional.grid_sample(pictures[index], grid, mode, padding, align_corners=False)


def sample(
    drawings: Drawings, batch: int, size: int, generator: torch.Generator, faces: bool, shares: Tensor | None = None
) -> Crops:
    """Crops of ``batch`` people, or fewer where a picture shows fewer.

    Args:
        drawings: with ``labels``.
        batch: most crops.
        size: side of a crop in pixels.
        generator: chooses the pictures.
        faces: faces instead of whole bodies.
        shares: how often each drawing is picked, see :meth:`benchmarks.detectors.store.Drawings.pick`.
    """
    device = drawings.device
    index = drawings.pick(max(2, batch * 2 // 3), generator, shares)
    boxes = drawings.head_boxes(index) if faces else drawings.person_boxes()[index]
    there = drawings.person("judgeable" if faces else "present", index) > 0
    there &= (boxes[..., 2] - boxes[..., 0]) > 10
    rows = torch.nonzero(there)
    rows = rows[torch.randperm(len(rows), device=device)[:batch]]
    picture, owner = rows.unbind(1)
    chosen = boxes[picture, owner]
    longer = (chosen[:, 2:] - chosen[:, :2]).amax(1, keepdim=True)
    chosen = chosen + torch.randn_like(chosen) * longer * 0.03
    x0, y0, x1, y1 = chosen.unbind(1)
    side = torch.maximum(x1 - x0, y1 - y0) * (1.0 if faces else 1.3 * 1.08)
    side = side * (0.92 + 0.16 * torch.rand(len(side), device=device))
    lift = 0.1 * (y1 - y0) if faces else torch.zeros_like(y0)
    windows = torch.stack([(x0 + x1) / 2, (y0 + y1) / 2 + lift, side], 1)
    turn = (torch.rand(len(side), device=device) * 2 - 1) * 0.14
    flip = torch.where(torch.rand(len(side), device=device) < 0.5, -1.0, 1.0)
    colors = turned(drawings.images(index, soften=0.4), picture, windows, size, "bilinear", turn, flip)
    clean = len(colors) // 3
    colors = torch.cat([colors[:clean], degrade(colors[clean:])])
    labels = turned(drawings.labels(index), picture, windows, size, "nearest", turn, flip)
    mask = _coarse((labels // 16 == owner[:, None, None, None] + 1).float())
    return Crops(torch.cat([normalise(colors), mask], 1), owner, index[picture])


def _coarse(mask: Tensor) -> Tensor:
    """A mask (M, 1, S, S) as coarse and as wrong at the rim as the segmentation network's."""
    small = functional.avg_pool2d(functional.avg_pool2d(mask, 2), 3, 1, 1)
    threshold = 0.3 + 0.4 * torch.rand(len(mask), 1, 1, 1, device=mask.device)
    coarse = functional.interpolate((small > threshold).float(), mask.shape[-2:], mode="bilinear", align_corners=False)
    return (coarse > 0.5).float()


def answer_losses(
    answers: dict[str, Tensor], drawings: Drawings, crops: Crops, weights: dict[str, float]
) -> dict[str, Tensor]:
    """Cross entropy of each question, people whose answer nobody can tell left out."""
    losses = {}
    for name, logits in answers.items():
        wanted = drawings.person(name, crops.index).gather(1, crops.owner[:, None])[:, 0].long()
        loss = functional.cross_entropy(logits.float(), wanted, ignore_index=-1, reduction="sum", label_smoothing=0.02)
        losses[name] = weights.get(name, 1.0) * loss / (wanted >= 0).sum().clamp_min(1)
    return losses
