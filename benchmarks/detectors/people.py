"""Training ultralytics' segmentation network on people, heads and hands, from scratch, with its own loss."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.detectors.augment import Motion, Warp, degrade
from benchmarks.detectors.fitting import Losses
from benchmarks.detectors.store import HANDS, OCCLUDED, PEOPLE, SIDE, Drawings, boxes_of
from benchmarks.detectors.truths import PART_CODES
from detectors.networks import normalise, save_weights
from detectors.vocabulary import PEOPLE_CLASSES
from detectors.yolo import segmentation_model

FIELDS = ("labels", "hands")
_HEAD_CODES = tuple(PART_CODES[name] for name in ("head", "hair", "ahoge", "ribbon"))
_MIN_PIXELS = (60, 60, 24)
_MOTION = Motion(zoom=0.25, shift=0.1)


def build(size: str = "n") -> nn.Module:
    """The network with random weights; ``size`` is one of ultralytics' scales."""
    network = segmentation_model(len(PEOPLE_CLASSES), f"yolo11{size}-seg.yaml")
    network.args = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5, overlap_mask=False)
    return network


def targets(drawings: Drawings, index: Tensor, warp: Warp | None) -> tuple[Tensor, Tensor]:
    """What is there to find.

    Returns:
        Masks (B, N, SIDE, SIDE) and boxes (B, N, 4) in pixels; N is people, heads, then hands of every possible person.
        A thing that is not there has an empty box (all zero).
    """
    labels = drawings.labels(index)
    heads, hands = drawings.head_boxes(index), drawings.tensors["hands"][index]
    hand_boxes = torch.nan_to_num(hands[..., 3:7]).flatten(1, 2)
    if warp is not None:
        labels, heads, hand_boxes = warp.labels(labels), warp.boxes(heads, SIDE), warp.boxes(hand_boxes, SIDE)
    owner, part = (labels[:, 0] // 16).long(), (labels[:, 0] % 16).long()
    own = torch.stack([owner == p + 1 for p in range(PEOPLE)], 1)
    on_head = torch.stack([part == code for code in _HEAD_CODES]).any(0)
    head_masks = own & on_head[:, None] & _inside(heads, 0)
    seen = (hands[..., 0] > 0) & (hands[..., 1] < OCCLUDED - 1)  # a lost hand has nothing to find
    hand_masks = own.repeat_interleave(HANDS, 1) & (part == PART_CODES["hand"])[:, None] & _inside(hand_boxes, 1)
    hand_masks &= seen.flatten(1)[..., None, None]
    masks = torch.cat([own, head_masks, hand_masks], 1)
    minimum = torch.tensor(
        [_MIN_PIXELS[0]] * PEOPLE + [_MIN_PIXELS[1]] * PEOPLE + [_MIN_PIXELS[2]] * (PEOPLE * HANDS), device=masks.device
    )
    masks &= (masks.sum((2, 3)) >= minimum)[..., None, None]
    return masks, boxes_of(masks)


def _inside(boxes: Tensor, margin: float) -> Tensor:
    """(B, N, SIDE, SIDE): the pixels inside each box."""
    steps = torch.arange(SIDE, device=boxes.device) + 0.5
    x0, y0, x1, y1 = (boxes[..., i, None] for i in range(4))
    across = (steps >= x0 - margin) & (steps <= x1 + margin)
    down = (steps >= y0 - margin) & (steps <= y1 + margin)
    return down[..., :, None] & across[..., None, :]


class Objective:
    """Makes batches and judges the network with ultralytics' loss, its mask part done for the whole batch at once."""

    def __init__(self, drawings: Drawings, batch: int, seed: int = 0) -> None:
        self.drawings, self.batch = drawings, batch
        self.generator = torch.Generator().manual_seed(seed)
        self.loss: Any = None

    def __call__(self, network: nn.Module) -> Losses:
        """The losses of one fresh batch."""
        if self.loss is None:
            self.loss = _batched_loss(network)
        index = self.drawings.pick(self.batch, self.generator)
        warp = Warp.random(self.batch, SIDE, self.drawings.device, _MOTION)
        with torch.no_grad(), torch.autocast(self.drawings.device, enabled=False):
            pictures = degrade(warp.colors(self.drawings.images(index, soften=0.4)))
            batch = _as_batch(*targets(self.drawings, index, warp))
        predictions = network(normalise(pictures))
        with torch.autocast(self.drawings.device, enabled=False):
            total, parts = self.loss({key: _floats(value) for key, value in predictions.items()}, batch)
        del parts
        box, mask, kind, fine = (total / self.batch)[:4]
        return {"box": box, "mask": mask, "class": kind, "fine": fine}


def _floats(value: Any) -> Any:
    return [_floats(v) for v in value] if isinstance(value, (list, tuple)) else value.float()


def _as_batch(masks: Tensor, boxes: Tensor) -> dict[str, Tensor]:
    """Ultralytics' batch: one row an object, boxes as normalised centre and size."""
    there = boxes[..., 2] > boxes[..., 0]
    classes = torch.tensor(
        [0] * PEOPLE + [1] * PEOPLE + [2] * (PEOPLE * HANDS), device=boxes.device, dtype=torch.float32
    )
    x0, y0, x1, y1 = (boxes[there] / SIDE).unbind(-1)
    rows = torch.nonzero(there)
    small = functional.interpolate(masks.float(), scale_factor=0.25, mode="area") > 0.5
    return {
        "batch_idx": rows[:, 0].float(),
        "cls": classes[rows[:, 1]],
        "bboxes": torch.stack([(x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0], -1),
        "masks": small[there].float(),
        "order": _order(there),
        "padded": small.float(),
    }


def _order(there: Tensor) -> Tensor:
    """(B, N): which padded slot the k-th object of each picture came from."""
    return torch.argsort((~there).to(torch.int8), dim=1, stable=True)


def _batched_loss(network: nn.Module) -> Any:
    from ultralytics.utils.loss import v8SegmentationLoss
    from ultralytics.utils.ops import crop_mask, xyxy2xywh

    class BatchedLoss(v8SegmentationLoss):
        """The same loss; masks are compared for all pictures in one product instead of one after the other."""

        def loss(self, preds: Any, batch: Any) -> Any:
            self.batch = batch
            return super().loss(preds, batch)

        def calculate_segmentation_loss(
            self, fg_mask: Tensor, masks: Tensor, target_gt_idx: Tensor, target_bboxes: Tensor, batch_idx: Tensor,
            proto: Tensor, pred_masks: Tensor, imgsz: Tensor,
        ) -> Tensor:  # fmt: skip
            height, width = proto.shape[-2:]
            most = int(fg_mask.sum(1).max())
            chosen = torch.argsort((~fg_mask).to(torch.int8), dim=1, stable=True)[:, :most]
            valid = fg_mask.gather(1, chosen)
            wide = chosen[..., None]
            boxes = target_bboxes.gather(1, wide.expand(-1, -1, 4)) / imgsz[[1, 0, 1, 0]]
            area = xyxy2xywh(boxes)[..., 2:].prod(-1).clamp_min(1e-6)
            slots = self.batch["order"].gather(1, target_gt_idx.gather(1, chosen))
            padded = self.batch["padded"].flatten(2)
            wanted = padded.gather(1, slots[..., None].expand(-1, -1, padded.shape[-1]))
            coefficients = pred_masks.gather(1, wide.expand(-1, -1, pred_masks.shape[-1]))
            painted = torch.bmm(coefficients, proto.flatten(2))
            loss = functional.binary_cross_entropy_with_logits(painted, wanted, reduction="none")
            scale = torch.tensor([width, height, width, height], device=boxes.device)
            loss = crop_mask(loss.view(-1, height, width), (boxes * scale).view(-1, 4)).mean((1, 2)).view_as(area)
            return (loss / area * valid).sum() / fg_mask.sum()

    return BatchedLoss(network)


def save(path: Path, network: nn.Module, notes: dict[str, Any]) -> None:
    """Write the network's weights and how to build it again."""
    meta = {"kind": "people", "classes": list(PEOPLE_CLASSES), "scale": "n", "training": notes}
    save_weights(path, network.state_dict(), meta)


__all__ = ["FIELDS", "Objective", "build", "save", "targets"]
