"""Training the hand network: where arms end, and whether a good, odd, fused or no hand is there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.detectors.augment import Motion, Warp, degrade
from benchmarks.detectors.fitting import Losses
from benchmarks.detectors.labelled import Labelled, softly_degraded
from benchmarks.detectors.store import HANDS, OCCLUDED, PEOPLE, SIDE, Drawings
from detectors.networks import UNet, normalise, save_weights
from detectors.vocabulary import ARMS, HAND_MAPS, HAND_STATES

FIELDS = ("hands",)
STRIDE = 2
_MOTION = Motion(zoom=0.25, shift=0.08, turn=0.2)
_SIZES = {"nano": (8, 12, 16), "shipped": (24, 40, 72, 112, 144)}
# How many times as often a drawing is picked where arms are crossed, where they are behind the back, and where people
# stand in a row and cover each other's hands: each is so in about 3 of 100 drawings.
_OFTEN = {"crossed": 4.0, "behind": 2.0, "row": 3.0}

# Share of a batch that is labelled generated pictures, where there are any.
_GENERATED = 0.35


def build(size: str = "shipped") -> UNet:
    """The network with random weights; it paints at half resolution."""
    network = UNet(_SIZES[size], sum(HAND_MAPS.values()), stop=1)
    bias = torch.zeros(sum(HAND_MAPS.values()))
    bias[0] = -4.0  # almost nowhere is an arm's end
    network.paint.bias = nn.Parameter(bias)
    return network


def split_maps(maps: Tensor) -> dict[str, Tensor]:
    """The channels of the painted maps by name."""
    return dict(zip(HAND_MAPS, maps.split(list(HAND_MAPS.values()), 1), strict=True))


class Objective:
    """Makes batches and judges the heat map, and everything else at the true arm ends."""

    def __init__(self, drawings: Drawings, batch: int, seed: int = 0, labelled: Labelled | None = None) -> None:
        self.drawings, self.labelled = drawings, labelled
        self.generated = round(batch * _GENERATED) if labelled else 0
        self.drawn = batch - self.generated
        self.generator = torch.Generator().manual_seed(seed)
        self.shares = shares(drawings).cpu()
        self.often = often_broken(labelled).cpu() if labelled else None

    def targets(self, index: Tensor, warp: Warp) -> dict[str, Tensor]:
        """Per possible hand, (B, N, …), N = PEOPLE x HANDS; places in pixels."""
        hands = self.drawings.tensors["hands"][index]
        # Of a good hand at the picture's edge the drawing knows the visible part; of a lost one the whole place.
        places = torch.nan_to_num(hands[..., 3:7]).flatten(1, 2)
        boxes = warp.boxes(places.clamp(0, SIDE), SIDE)
        keys = hands[..., 7:].reshape(len(index), -1, 2)
        heads = warp.boxes(self.drawings.head_boxes(index), SIDE)
        center = (boxes[..., :2] + boxes[..., 2:]) / 2
        inside = ((center > 0) & (center < SIDE)).all(-1)
        whole = ((boxes > -4) & (boxes < SIDE + 4)).all(-1)
        state = torch.nan_to_num(hands[..., 1], nan=float(OCCLUDED)).flatten(1).long()
        present = (hands[..., 0].flatten(1) > 0) & inside
        owner = ((heads[..., :2] + heads[..., 2:]) / 2).repeat_interleave(HANDS, 1)
        strange = (self.drawings.person("extra", index) > 0).repeat_interleave(HANDS, 1)
        cut_off = ((places < -4) | (places > SIDE + 4)).any(-1)
        return {
            "center": center,
            "box": boxes,
            "size": boxes[..., 2:] - boxes[..., :2],
            "state": state,
            "judge": present & whole & (state < OCCLUDED),
            "ignore": present & (~whole | ((strange | cut_off) & (state == OCCLUDED))),
            "hidden": present & whole & ~strange & ~cut_off & (state == OCCLUDED),
            "gripping": torch.nan_to_num(hands[..., 2]).flatten(1),
            "keypoints": warp.points(keys, SIDE).reshape(len(index), PEOPLE * HANDS, 6, 2),
            "owner": owner,
            "head": (self.drawings.person("present", index) > 0).repeat_interleave(HANDS, 1),
        }

    def fresh(self) -> tuple[Tensor, dict[str, Tensor]]:
        """A fresh batch: pictures (B, 3, SIDE, SIDE) in 0..1, the drawn ones first, and their :meth:`targets`."""
        device = self.drawings.device
        index = self.drawings.pick(self.drawn, self.generator, self.shares)
        warp = Warp.random(self.drawn, SIDE, device, _MOTION)
        with torch.no_grad(), torch.autocast(device, enabled=False):
            pictures = degrade(warp.colors(self.drawings.images(index, soften=0.4)), blotch=False)
            wanted = self.targets(index, warp)
            if self.labelled:
                chosen = self.labelled.pick(self.generated, self.generator, self.often)
                warp = Warp.random(self.generated, SIDE, device, _MOTION)
                more = softly_degraded(warp.colors(self.labelled.pictures(chosen)))
                pictures, told = torch.cat([pictures, more]), self.labelled.hands(chosen, warp)
                wanted = {name: torch.cat([value, told[name]]) for name, value in wanted.items()}
        return pictures, wanted

    def __call__(self, network: nn.Module) -> Losses:
        """The losses of one fresh batch."""
        pictures, wanted = self.fresh()
        maps, _ = network(normalise(pictures))
        return loss_of(split_maps(maps.float()), wanted)


def often_broken(labelled: Labelled) -> Tensor:
    """How often each labelled picture is picked, (N,): those with a broken hand more often, without labels never."""
    present, state = labelled.ends[..., 0] > 0, labelled.ends[..., 1].long()
    broken = (present & ((state == HAND_STATES.index("fused")) | (state == HAND_STATES.index("lost")))).any(1)
    return labelled.handed * (1.0 + 2.0 * broken.float())


def shares(drawings: Drawings) -> Tensor:
    """How often each drawing is picked, (count,), 1 for a plain one: those where hands hide each other more often."""
    everybody = torch.arange(drawings.count, device=drawings.device)
    arms, there = drawings.person("arms", everybody), drawings.person("present", everybody) > 0
    often = torch.ones(drawings.count, device=drawings.device)
    for name in ("crossed", "behind"):
        held = ((arms == ARMS.index(name)) & there).any(1)
        often = torch.where(held, _OFTEN[name], often)
    row = drawings.tensors["scenes"][:, 1] > 2
    return torch.where(row, often.clamp_min(_OFTEN["row"]), often)


def loss_of(maps: dict[str, Tensor], wanted: dict[str, Tensor]) -> Losses:
    """Focal loss on the heat map; state, grip, size, place, owner and key points in the 3x3 cells round each end."""
    heat, weight = _heat(maps["heat"], wanted)
    p = maps["heat"][:, 0].sigmoid().clamp(1e-4, 1 - 1e-4)
    positive = heat > 0.99
    focal = torch.where(positive, (1 - p) ** 2 * -p.log(), (1 - heat) ** 4 * p**2 * -(1 - p).log())
    losses = {"heat": (focal * weight).sum() / positive.sum().clamp_min(1)}
    rows = torch.nonzero(wanted["judge"])
    if not len(rows):
        return losses | {"state": maps["state"].sum() * 0}
    b, n = rows.unbind(1)
    side = maps["heat"].shape[-1]
    cells = (wanted["center"][b, n] / STRIDE).floor().long()
    steps = torch.tensor([(x, y) for x in (-1, 0, 1) for y in (-1, 0, 1)], device=b.device)
    cells = (cells[:, None] + steps).clamp(0, side - 1)
    picked = {name: value[b[:, None], :, cells[..., 1], cells[..., 0]] for name, value in maps.items()}
    here = (cells + 0.5) * STRIDE
    state = wanted["state"][b, n][:, None].expand(-1, 9)
    balance = torch.tensor([0.6, 1.4, 1.2, 1.2], device=b.device)
    losses["state"] = functional.cross_entropy(
        picked["state"].flatten(0, 1), state.flatten(), balance, label_smoothing=0.02
    )
    grip = wanted["gripping"][b, n][:, None].expand(-1, 9)
    losses["grip"] = 0.3 * _where_known(functional.binary_cross_entropy_with_logits, picked["gripping"][..., 0], grip)
    size = wanted["size"][b, n][:, None] / 32
    losses["size"] = 0.3 * functional.smooth_l1_loss(picked["size"], size.expand(-1, 9, -1))
    shift = (wanted["center"][b, n][:, None] - here) / 4
    losses["shift"] = 0.3 * functional.smooth_l1_loss(picked["shift"], shift)
    owner = (wanted["owner"][b, n][:, None] - here) / 64
    owner = owner.masked_fill(~wanted["head"][b, n][:, None, None], torch.nan)
    losses["owner"] = _where_known(functional.smooth_l1_loss, picked["owner"], owner)
    keys = (wanted["keypoints"][b, n][:, None] - here[:, :, None]) / 16
    keys = keys.flatten(2)
    losses["keys"] = 0.2 * _where_known(functional.smooth_l1_loss, picked["keypoints"], keys)
    return losses


def _where_known(loss: Callable[..., Tensor], got: Tensor, wanted: Tensor) -> Tensor:
    """The mean loss where ``wanted`` is not NaN."""
    known = ~torch.isnan(wanted)
    each = loss(got, torch.nan_to_num(wanted), reduction="none")
    return (each * known).sum() / known.sum().clamp_min(1)


def _heat(maps: Tensor, wanted: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The wanted heat (B, H, W) with a hill at each end, and the weight of each cell: none on hands that are cut off.

    A hand that something covers is no arm's end: where arms are crossed, what can be seen of the lower hand looks just
    like a stump, and only a network that has been told so keeps quiet about it. Left out are hands that the
    picture's edge cuts off, and hidden ones of people whom nobody asked for: the drawing knows too little of those.
    """
    side = maps.shape[-1]
    steps = (torch.arange(side, device=maps.device) + 0.5) * STRIDE
    cell = (wanted["center"] / STRIDE).floor() * STRIDE + STRIDE / 2
    x = (steps - cell[..., :1]) ** 2
    y = (steps - cell[..., 1:]) ** 2
    spread = (wanted["size"].amax(-1) / 7).clamp(1.6, 5.0)
    hills = torch.exp(-(y[..., :, None] + x[..., None, :]) / (2 * spread[..., None, None] ** 2))
    heat = (hills * wanted["judge"][..., None, None]).amax(1)
    box = wanted["box"]
    across = (steps > box[..., :1] - 4) & (steps < box[..., 2:3] + 4)
    down = (steps > box[..., 1:2] - 4) & (steps < box[..., 3:] + 4)
    cut_off = (down[..., :, None] & across[..., None, :] & wanted["ignore"][..., None, None]).any(1)
    return heat, torch.where(cut_off & (heat < 0.5), 0.0, 1.0)


def save(path: Path, network: UNet, notes: dict[str, Any]) -> None:
    """Write the network's weights and how to build it again."""
    meta = {"kind": "hands", "network": network.config, "states": list(HAND_STATES), "training": notes}
    save_weights(path, network.state_dict(), meta)
