"""Training the closer look at arms' ends: what is there, at the places that the hand network suspects.

The shipped hand network looks at each batch as it is being learnt from, moved and degraded, and what it suspects there,
right or wrong, is what the closer look learns to judge: knees, elbows, crossed arms and hair as well as hands.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.detectors import hands
from benchmarks.detectors.fitting import Losses
from benchmarks.detectors.labelled import Labelled
from benchmarks.detectors.store import Drawings
from detectors.closer_look import end_windows, enlarged
from detectors.networks import Reader, load_unet, normalise, save_weights
from detectors.vocabulary import END_ANSWERS
from detectors.weights import shipped_folder

FIELDS = hands.FIELDS
_SIZES = {"nano": (8, 12, 16), "shipped": (16, 32, 48, 64, 96)}
NONE = END_ANSWERS.index("none")
UNTOLD = -1
# Suspicions of a picture that are looked at, and the lowest heat of one.
_MOST, _LEAST = 12, 0.02
# What is suspected so near to an arm's end, in sides of its box, is that end; in between, nobody can tell. Where a
# melted arm ends, labels of generated pictures say only roughly.
_REACH, _LABELLED_REACH, _APART = 0.6, 0.9, 1.2
# Crops for each picture of a batch, and how often each answer is picked.
_CROPS = 4
_OFTEN = (1.0, 1.5, 3.0, 3.0, 1.2)


def build(size: str = "shipped") -> Reader:
    """The network with random weights. Inputs: colours and the distance from the middle."""
    return Reader(_SIZES[size], {"end": len(END_ANSWERS)}, inputs=4)


class Objective:
    """Lets the hand network suspect, and judges what is said about a choice of its suspicions."""

    def __init__(self, drawings: Drawings, batch: int, seed: int = 0, labelled: Labelled | None = None) -> None:
        self.whole = hands.Objective(drawings, batch, seed, labelled)
        self.batch, self.device = batch, drawings.device
        self.first, _ = load_unet(shipped_folder() / "hands.safetensors", drawings.device)
        self.often = torch.tensor([*_OFTEN, 0.0], device=drawings.device)  # the last one is UNTOLD's

    def crops(self) -> tuple[Tensor, Tensor]:
        """Fresh crops (M, 4, END_SIZE, END_SIZE) and their answers (M,)."""
        pictures, wanted = self.whole.fresh()
        seen = normalise(pictures)
        with torch.no_grad():
            maps = hands.split_maps(self.first(seen)[0].float())
        boxes, there = suspected(maps)
        more, known = _nearby(wanted)
        boxes, there = torch.cat([boxes, more], 1), torch.cat([there, known], 1)
        reach = torch.full((self.batch, 1), _REACH, device=self.device)
        reach[self.whole.drawn :] = _LABELLED_REACH
        answers = torch.where(there, answers_at(boxes, wanted, reach), UNTOLD)
        weights = self.often[answers.flatten()]
        chosen = torch.multinomial(weights, min(_CROPS * self.batch, int((weights > 0).sum())))
        index = chosen // boxes.shape[1]
        return enlarged(seen, index, end_windows(boxes.flatten(0, 1)[chosen])), answers.flatten()[chosen]

    def __call__(self, network: nn.Module) -> Losses:
        """The loss of one fresh batch."""
        with torch.no_grad(), torch.autocast(self.device, enabled=False):
            crops, answers = self.crops()
        said = network(crops)["end"].float()
        return {"end": functional.cross_entropy(said, answers, label_smoothing=0.03)}


def suspected(maps: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """Boxes (B, K, 4) of the hottest places, in pixels, and which of them have any heat to speak of (B, K)."""
    heat = maps["heat"].sigmoid()
    peaks = (heat * (heat == functional.max_pool2d(heat, 5, 1, 2))).flatten(1)
    values, places = peaks.topk(_MOST)
    width = heat.shape[-1]
    cells = torch.stack([places % width, places // width], -1)

    def at(name: str) -> Tensor:
        return maps[name].flatten(2).gather(2, places[:, None].expand(-1, maps[name].shape[1], -1)).transpose(1, 2)

    middle = (cells + 0.5) * hands.STRIDE + at("shift") * 4
    half = (at("size") * 32).clamp(4, 256) / 2
    return torch.cat([middle - half, middle + half], -1), values >= _LEAST


def _nearby(wanted: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """A box a little off each arm's end, of covered and unsuspected ones too, and which of them are there."""
    boxes = wanted["box"]
    middle, size = (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]).clamp_min(4)
    middle = middle + torch.randn_like(middle) * 0.12 * size
    half = size * torch.exp(torch.randn_like(size[..., :1]) * 0.15) / 2
    return torch.cat([middle - half, middle + half], -1), wanted["judge"] | wanted["hidden"]


def answers_at(boxes: Tensor, wanted: dict[str, Tensor], reach: Tensor) -> Tensor:
    """What there is at each place.

    Args:
        boxes: (B, K, 4) in pixels.
        wanted: what :meth:`benchmarks.detectors.hands.Objective.targets` says, (B, N, …).
        reach: (B, 1), how far from an arm's end a place is still that end, in sides of the end's box.

    Returns:
        (B, K) places in ``END_ANSWERS``; :data:`UNTOLD` near an end, but not at it, or at one that nobody judged.
    """
    far = torch.cdist((boxes[..., :2] + boxes[..., 2:]) / 2, wanted["center"])
    far = far / wanted["size"].amax(-1).clamp_min(8)[:, None]
    judged, which = far.masked_fill(~wanted["judge"][:, None], torch.inf).min(2)
    hidden = far.masked_fill(~wanted["hidden"][:, None], torch.inf).amin(2)
    unsaid = (wanted["ignore"] & ~wanted["hidden"])[:, None]
    near = torch.minimum(judged, far.masked_fill(~unsaid, torch.inf).amin(2)) < _APART
    elsewhere = torch.where(near & ~(hidden < torch.minimum(judged, reach)), UNTOLD, NONE)
    return torch.where(judged < reach, wanted["state"].gather(1, which), elsewhere)


def save(path: Path, network: Reader, notes: dict[str, Any]) -> None:
    """Write the network's weights and how to build it again."""
    meta = {"kind": "ends", "network": network.config, "answers": list(END_ANSWERS), "training": notes}
    save_weights(path, network.state_dict(), meta)
