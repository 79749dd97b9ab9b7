"""Making clean drawings look like generated pictures: moved, bent, soft, smeared, noisy, recompressed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Motion:
    """How far pictures are moved: ``zoom`` and ``shift`` as fractions, ``turn`` in radians, ``bend`` in pixels."""

    zoom: float = 0.2
    shift: float = 0.08
    turn: float = 0.14
    bend: float = 1.5
    flip: bool = True


@dataclass(frozen=True)
class Warp:
    """One random geometric change for each picture of a batch, for colours, labels and points alike.

    Attributes:
        matrix: (B, 2, 2) and ``offset``: (B, 2): from places in the result to places in the source, both -1..1.
        grid: (B, H, W, 2): the same with the small bend added.
    """

    matrix: Tensor
    offset: Tensor
    grid: Tensor

    @classmethod
    def random(cls, count: int, side: int, device: str | torch.device, motion: Motion) -> Warp:
        """Draw a warp for each of ``count`` pictures of ``side`` pixels."""
        zoom = 1.0 / (1.0 + (torch.rand(count, device=device) * 2 - 1) * motion.zoom)
        stretch = 1.0 + (torch.rand(count, device=device) * 2 - 1) * motion.zoom * 0.25
        turn = (torch.rand(count, device=device) * 2 - 1) * motion.turn
        flip = torch.where(torch.rand(count, device=device) < 0.5, -1.0, 1.0) if motion.flip else torch.ones_like(zoom)
        cos, sin = torch.cos(turn) * zoom, torch.sin(turn) * zoom
        matrix = torch.stack(
            [torch.stack([cos * flip, -sin * stretch], 1), torch.stack([sin * flip, cos * stretch], 1)], 1
        )
        offset = (torch.rand(count, 2, device=device) * 2 - 1) * 2 * motion.shift
        steps = (torch.arange(side, device=device) + 0.5) / side * 2 - 1
        base = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1)
        grid = torch.einsum("hwj,bij->bhwi", base, matrix) + offset[:, None, None]
        if motion.bend > 0:
            coarse = torch.randn(count, 2, 9, 9, device=device) * motion.bend / side * 2
            coarse = coarse * torch.rand(count, 1, 1, 1, device=device)
            grid = grid + functional.interpolate(coarse, (side, side), mode="bicubic", align_corners=True).permute(
                0, 2, 3, 1
            )
        return cls(matrix, offset, grid)

    def colors(self, pictures: Tensor) -> Tensor:
        """Warp pictures (B, C, H, W); what lies outside repeats the edge."""
        return functional.grid_sample(pictures, self.grid, "bilinear", "border", align_corners=False)

    def labels(self, labels: Tensor) -> Tensor:
        """Warp label maps (B, 1, H, W) without mixing them; outside is 0."""
        return functional.grid_sample(labels, self.grid, "nearest", "zeros", align_corners=False)

    def points(self, points: Tensor, side: int) -> Tensor:
        """Move points (B, N, 2) in pixels along; the bend is too small to matter for them."""
        unit = points / side * 2 - 1
        moved = torch.einsum("bij,bnj->bni", torch.linalg.inv(self.matrix), unit - self.offset[:, None])
        return (moved + 1) / 2 * side

    def boxes(self, boxes: Tensor, side: int) -> Tensor:
        """Boxes (B, N, 4) around the moved corners, not clipped."""
        x0, y0, x1, y1 = boxes.unbind(-1)
        corners = torch.stack([torch.stack(c, -1) for c in ((x0, y0), (x1, y0), (x0, y1), (x1, y1))], 2)
        moved = self.points(corners.flatten(1, 2), side).unflatten(1, (boxes.shape[1], 4))
        return torch.cat([moved.amin(2), moved.amax(2)], -1)


def degrade(pictures: Tensor, blotch: bool = True) -> Tensor:
    """Soften, smear, recolour, recompress, add noise: each to a random share of the pictures (B, 3, H, W) in 0..1.

    Args:
        pictures: what is changed.
        blotch: blur a patch too; not for networks that tell a hand from a blur, or two bodies from a wash of colours.
    """
    pictures = _recolor(pictures)
    pictures = _some(pictures, 0.35, _smear)
    pictures = _some(pictures, 0.45, _blur)
    pictures = _some(pictures, 0.3, _rescale)
    if blotch:
        pictures = _some(pictures, 0.3, _blotch)
    pictures = _some(pictures, 0.25, _recompress)
    strength = torch.rand(len(pictures), 1, 1, 1, device=pictures.device) ** 2 * 0.05
    return (pictures + torch.randn_like(pictures) * strength).clamp(0, 1)


def swap_colors(pictures: Tensor) -> Tensor:
    """Red, green and blue change places in a third of the pictures: few models wear few clothes before few backgrounds.

    For networks that ask whether things run into each other, not what colour they are.
    """
    return _some(pictures, 1 / 3, lambda some: some[:, torch.randperm(3, device=some.device)])


def _some(pictures: Tensor, share: float, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Apply ``change`` to a random share of the batch; the number is fixed so that shapes stay the same."""
    amount = round(len(pictures) * share)
    if not amount:
        amount = int(torch.rand(()) < len(pictures) * share)
    if not amount:
        return pictures
    chosen = torch.randperm(len(pictures), device=pictures.device)[:amount]
    result = pictures.clone()
    result[chosen] = change(pictures[chosen])
    return result


def _recolor(pictures: Tensor) -> Tensor:
    count, device = len(pictures), pictures.device
    gain = 1 + (torch.rand(count, 3, 1, 1, device=device) - 0.5) * 0.16
    contrast = 1 + (torch.rand(count, 1, 1, 1, device=device) - 0.5) * 0.3
    light = (torch.rand(count, 1, 1, 1, device=device) - 0.5) * 0.12
    grey = pictures.mean(1, keepdim=True)
    saturation = 1 + (torch.rand(count, 1, 1, 1, device=device) - 0.5) * 0.4
    pictures = grey + (pictures - grey) * saturation
    return (((pictures - 0.5) * contrast + 0.5) * gain + light).clamp(0, 1)


def _gauss(pictures: Tensor, sigma: Tensor, radius: int) -> Tensor:
    """Blur each picture with its own ``sigma`` (B,) in pixels."""
    count, channels, height, width = pictures.shape
    steps = torch.arange(-radius, radius + 1, device=pictures.device, dtype=pictures.dtype)
    line = torch.exp(-0.5 * (steps / sigma[:, None]) ** 2)
    line = (line / line.sum(1, keepdim=True)).repeat_interleave(channels, 0)
    flat = functional.pad(pictures.reshape(1, count * channels, height, width), (radius,) * 4, mode="replicate")
    flat = functional.conv2d(flat, line[:, None, None, :], groups=count * channels)
    flat = functional.conv2d(flat, line[:, None, :, None], groups=count * channels)
    return flat.reshape(pictures.shape)


def _blur(pictures: Tensor) -> Tensor:
    return _gauss(pictures, 0.4 + torch.rand(len(pictures), device=pictures.device) * 1.0, 4)


def _rescale(pictures: Tensor) -> Tensor:
    factor = float(0.5 + 0.45 * torch.rand(()))
    small = functional.interpolate(pictures, scale_factor=factor, mode="bilinear", antialias=True)
    return functional.interpolate(small, pictures.shape[-2:], mode="bicubic").clamp(0, 1)


def _smear(pictures: Tensor) -> Tensor:
    """Wobble fine lines, as a small generator does."""
    count, _, height, width = pictures.shape
    fine = torch.randn(count, 2, height // 8, width // 8, device=pictures.device)
    fine = fine * torch.rand(count, 1, 1, 1, device=pictures.device) * 1.2 / height * 2
    field = functional.interpolate(fine, (height, width), mode="bicubic", align_corners=False).permute(0, 2, 3, 1)
    steps = (torch.arange(height, device=pictures.device) + 0.5) / height * 2 - 1
    base = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1)
    return functional.grid_sample(pictures, base + field, "bilinear", "border", align_corners=False)


def _blotch(pictures: Tensor) -> Tensor:
    """Blur one random patch, so that softness alone is no sign of anything."""
    count, _, height, width = pictures.shape
    blurred = _gauss(pictures, 1.5 + torch.rand(count, device=pictures.device) * 2.5, 8)
    center = torch.rand(count, 2, 1, 1, device=pictures.device)
    radius = 0.04 + 0.1 * torch.rand(count, 1, 1, device=pictures.device)
    y = torch.linspace(0, 1, height, device=pictures.device)[None, :, None]
    x = torch.linspace(0, 1, width, device=pictures.device)[None, None, :]
    mask = torch.exp(-((((x - center[:, 0]) ** 2 + (y - center[:, 1]) ** 2) / radius**2) ** 2))[:, None]
    return pictures * (1 - mask) + blurred * mask


def _recompress(pictures: Tensor) -> Tensor:
    """Quantise the 8x8 cosine transform, which is what JPEG loses."""
    count, channels, height, width = pictures.shape
    n = torch.arange(8, device=pictures.device, dtype=pictures.dtype)
    basis = torch.cos((2 * n[None] + 1) * n[:, None] * torch.pi / 16) * 0.5
    basis[0] *= 0.5**0.5
    blocks = pictures.reshape(count, channels, height // 8, 8, width // 8, 8).permute(0, 1, 2, 4, 3, 5)
    coefficients = basis @ blocks @ basis.T
    strength = (0.01 + 0.05 * torch.rand(count, device=pictures.device))[:, None, None, None, None, None]
    table = strength * (1 + 0.5 * (n[:, None] + n[None]))
    coefficients = torch.round(coefficients / table) * table
    blocks = basis.T @ coefficients @ basis
    return blocks.permute(0, 1, 2, 4, 3, 5).reshape(pictures.shape).clamp(0, 1)
