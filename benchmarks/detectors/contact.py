"""Training the contact network: is there a boundary where two bodies touch?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.detectors.augment import Motion, Warp, degrade, swap_colors
from benchmarks.detectors.fitting import Losses
from benchmarks.detectors.labelled import Labelled, softly_degraded
from benchmarks.detectors.store import PEOPLE, SIDE, Drawings, boxes_of
from detectors.crops import PAIR_SIZE, cut
from detectors.networks import UNet, normalise, save_weights
from detectors.vocabulary import CONTACT_MAPS

FIELDS = ("labels", "contact")
_MOTION = Motion(zoom=0.15, shift=0.05, turn=0.12)
# Share of a batch that is labelled generated pictures, where there are any. Each of those few is seen hundreds of
# times: so they are moved farther than drawings, their windows lie farther off and some change colours; and as two
# labellers disagree about one in thirteen, none is learnt as certain.
_GENERATED = 0.4
_FAR = Motion(zoom=0.25, shift=0.08, turn=0.25, bend=3.0)
_OFF, _FAR_OFF = 3.0, 6.0
_DOUBT, _MORE_DOUBT = 0.02, 0.1
_SIZES = {"nano": (8, 12, 16), "shipped": (12, 24, 48, 64, 80)}


def build(size: str = "shipped") -> UNet:
    """The network with random weights; it paints at half resolution and answers ``fused``."""
    return UNet(_SIZES[size], len(CONTACT_MAPS), {"fused": 2}, stop=1)


def pair_windows(boxes: Tensor, there: Tensor) -> Tensor:
    """:func:`detectors.crops.union_window` for a batch of boxes (B, N, 4) of which some are there (B, N)."""
    low = torch.where(there[..., None], boxes[..., :2], torch.inf).amin(1)
    high = torch.where(there[..., None], boxes[..., 2:], -torch.inf).amax(1)
    none = ~there.any(1, keepdim=True)
    low, high = torch.where(none, 0.0, low), torch.where(none, float(SIDE) / 1.08, high)
    return torch.cat([(low + high) / 2, 1.08 * (high - low).amax(1, keepdim=True)], 1)


class Objective:
    """Makes batches of pair crops and judges the painted contact and the answer."""

    def __init__(self, drawings: Drawings, batch: int, seed: int = 0, labelled: Labelled | None = None) -> None:
        self.drawings, self.labelled = drawings, labelled
        self.generated = round(batch * _GENERATED) if labelled else 0
        self.drawn = batch - self.generated
        self.generator = torch.Generator().manual_seed(seed)
        asked = drawings.tensors["scenes"][:, 1]
        self.pairs = torch.nonzero(asked > 1)[:, 0].cpu()
        self.often = often_fused(labelled).cpu() if labelled else None

    def __call__(self, network: nn.Module) -> Losses:
        """The losses of one fresh batch."""
        device = self.drawings.device
        choice = torch.randint(len(self.pairs), (self.drawn,), generator=self.generator)
        index = self.pairs[choice].to(device)
        with torch.no_grad(), torch.autocast(device, enabled=False):
            warp = Warp.random(self.drawn, SIDE, device, _MOTION)
            pictures = degrade(warp.colors(self.drawings.images(index, soften=0.4)), blotch=False)
            labels, contact = warp.labels(self.drawings.labels(index)), warp.labels(self.drawings.contact(index))
            owner = (labels[:, 0] // 16).long()
            boxes = boxes_of(torch.stack([owner == p + 1 for p in range(PEOPLE)], 1))
            windows = _windows(boxes, _OFF)
            rows = torch.arange(self.drawn, device=device)
            inputs = normalise(cut(pictures, rows, windows, PAIR_SIZE))
            touch = functional.max_pool2d(cut(contact, rows, windows, PAIR_SIZE, "nearest"), 2)[:, 0]
            fused = self.drawings.tensors["scenes"][index][:, 2]
            told = fused[:0]
            if self.labelled:
                more, told = self._generated(self.labelled)
                inputs = torch.cat([inputs, more])
        maps, answers = network(inputs)
        maps = maps[: self.drawn]  # where a generated picture is fused, nobody has painted
        wanted = torch.stack([touch * (1 - fused[:, None, None]), touch * fused[:, None, None]], 1)
        weight = 1 + 3 * touch[:, None]
        painted = functional.binary_cross_entropy_with_logits(maps.float(), wanted, weight=weight.expand_as(wanted))
        answer = answers["fused"].float()
        losses = {"painted": painted, "fused": _answered(answer[: self.drawn], fused, _DOUBT)}
        if self.labelled:
            share = self.generated / self.drawn
            losses["generated"] = share * _answered(answer[self.drawn :], told, _MORE_DOUBT)
        return losses

    def _generated(self, labelled: Labelled) -> tuple[Tensor, Tensor]:
        """Crops of labelled pictures, and whether they are fused."""
        index = labelled.pick(self.generated, self.generator, self.often)
        warp = Warp.random(self.generated, SIDE, self.drawings.device, _FAR)
        pictures = swap_colors(softly_degraded(warp.colors(labelled.pictures(index))))
        found = labelled.boxes[index]
        moved = warp.boxes(found, SIDE).clamp(0, SIDE) * (found[..., 2:3] > found[..., :1])
        rows = torch.arange(self.generated, device=self.drawings.device)
        return normalise(cut(pictures, rows, _windows(moved, _FAR_OFF), PAIR_SIZE)), labelled.fused[index].float()


def _windows(boxes: Tensor, off: float) -> Tensor:
    """Windows round people's boxes (B, N, 4), each side ``off`` pixels or so away."""
    there = boxes[..., 2] - boxes[..., 0] > 6
    return pair_windows(boxes + torch.randn_like(boxes) * off, there)


def _answered(logits: Tensor, fused: Tensor, doubt: float) -> Tensor:
    return functional.cross_entropy(logits, fused.long(), label_smoothing=doubt)


def often_fused(labelled: Labelled) -> Tensor:
    """How often each labelled picture is picked, (N,): fused ones half of the time, those nobody was sure of never.

    Of both kinds a model with four times as many pictures is picked twice as often: else who made a picture would tell
    whether it is fused, and one model's way of fusing would be all that is learnt.
    """
    often = torch.zeros(labelled.count, device=labelled.fused.device)
    for fused in (0, 1):
        asked = labelled.fused == fused
        for model in labelled.model.unique():
            own = asked & (labelled.model == model)
            often[own] = own.sum().float().rsqrt()
        often[asked] /= often[asked].sum().clamp_min(1e-6)
    return often


def save(path: Path, network: UNet, notes: dict[str, Any]) -> None:
    """Write the network's weights and how to build it again."""
    meta = {"kind": "contact", "network": network.config, "maps": list(CONTACT_MAPS), "training": notes}
    save_weights(path, network.state_dict(), meta)
