"""Finding people, heads and hands: the segmentation network's raw output into objects with masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from detectors.crops import FRAME_SIZE, Box
from detectors.vocabulary import PEOPLE_CLASSES

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

# Candidates of one class that are looked at: many more than a picture holds.
_CANDIDATES = 60
# Two masks of one class that overlap more than this are one object seen twice. People's visible pixels never overlap.
_SAME = 0.5


@dataclass(frozen=True)
class Found:
    """One object. ``mask`` is (FRAME_SIZE, FRAME_SIZE), ``score`` 0..1."""

    box: Box
    score: float
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class Segmentation:
    """Ultralytics' segmentation network with trained weights; ``least`` is the lowest score that is reported."""

    network: Any
    device: str
    least: float = 0.05

    @classmethod
    def load(cls, weights: Path, device: str, least: float = 0.05) -> Segmentation:
        """Read trained weights.

        Raises:
            MissingWeights: there is no such file.
        """
        from detectors.networks import load_weights
        from detectors.yolo import segmentation_model

        state, meta = load_weights(weights)
        network = segmentation_model(len(PEOPLE_CLASSES), f"yolo11{meta.get('scale', 'n')}-seg.yaml")
        network.load_state_dict(state)
        network.eval().fuse(verbose=False)
        return cls(network.to(device), device, least)

    def find(self, pictures: Tensor) -> list[dict[str, list[Found]]]:
        """Everything in normalised pictures (B, 3, FRAME_SIZE, FRAME_SIZE), by class, surest first."""
        import torch

        with torch.inference_mode():
            found, prototypes = self.network(pictures)[0]
            return [self._objects(rows.T, proto) for rows, proto in zip(found, prototypes, strict=True)]

    def _objects(self, rows: Tensor, prototypes: Tensor) -> dict[str, list[Found]]:
        """Split rows of (box as centre and size, class scores, coefficients) by class and drop doubles."""
        scores = rows[:, 4 : 4 + len(PEOPLE_CLASSES)]
        result = {}
        for number, name in enumerate(PEOPLE_CLASSES):
            order = scores[:, number].argsort(descending=True, stable=True)[:_CANDIDATES]
            order = order[scores[order, number] >= self.least]
            boxes = _corners(rows[order, :4])
            masks = _masks(rows[order, 4 + len(PEOPLE_CLASSES) :], prototypes, boxes)
            sure = scores[order, number].cpu().numpy()
            kept = _distinct(masks)
            result[name] = [
                Found(_box(boxes[i]), float(sure[i]), mask)
                for i, mask in zip(kept, _enlarged(masks[kept]), strict=True)
                if mask.any()
            ]
        return result


def _corners(boxes: Tensor) -> NDArray[np.float32]:
    centre, half = boxes[:, :2], boxes[:, 2:] / 2
    low, high = (centre - half).clamp(0, FRAME_SIZE), (centre + half).clamp(0, FRAME_SIZE)
    return np.concatenate([low.cpu().numpy(), high.cpu().numpy()], 1)


def _box(values: NDArray[np.float32]) -> Box:
    x0, y0, x1, y1 = (float(v) for v in values)
    return (x0, y0, x1, y1)


def _masks(coefficients: Tensor, prototypes: Tensor, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mask logits (N, h, w) at the prototypes' size, low outside of each box."""
    height, width = prototypes.shape[-2:]
    logits = (coefficients @ prototypes.flatten(1)).reshape(-1, height, width).float().cpu().numpy()
    x = (np.arange(width) + 0.5) * (FRAME_SIZE / width)
    y = (np.arange(height) + 0.5) * (FRAME_SIZE / height)
    across = (x >= boxes[:, 0:1] - 2) & (x <= boxes[:, 2:3] + 2)
    down = (y >= boxes[:, 1:2] - 2) & (y <= boxes[:, 3:4] + 2)
    return np.where(down[:, :, None] & across[:, None, :], logits, -10.0).astype(np.float32)


def _distinct(masks: NDArray[np.float32]) -> list[int]:
    """Indices of masks, in order, that are not the same object as an earlier one."""
    flat = (masks > 0).astype(np.float32).reshape(len(masks), masks.shape[1] * masks.shape[2])
    area = flat.sum(1)
    common = flat @ flat.T
    same = common > _SAME * (area[:, None] + area[None] - common)
    kept: list[int] = []
    for i in range(len(masks)):
        if area[i] > 0 and not same[i, kept].any():
            kept.append(i)
    return kept


def _enlarged(masks: NDArray[np.float32]) -> list[NDArray[np.bool_]]:
    import cv2

    size = (FRAME_SIZE, FRAME_SIZE)
    return [cv2.resize(mask, size, interpolation=cv2.INTER_LINEAR) > 0 for mask in masks]
