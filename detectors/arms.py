"""Finding where arms end and what is there, from the hand network's painted maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from detectors.context import Hand, Person
from detectors.crops import FRAME_SIZE, Box
from detectors.thresholds import Thresholds
from detectors.vocabulary import HAND_MAPS, HAND_STATES

if TYPE_CHECKING:
    from torch import Tensor
    from torch.nn import Module

# The network paints at half resolution; places and sizes are stored in these units of pixels.
STRIDE = 2
_SHIFT, _SIZE, _OWNER = 4.0, 32.0, 64.0
_MOST = 12
_SMALLEST_SIDE = 4.0
_SIDEWAYS = ("shift", "owner", "keypoints")


def paint(network: Module, pictures: Tensor) -> Tensor:
    """What the hand network paints, of each picture and of its mirror image, averaged.

    A knee or a lamp that looks like an arm's end seldom does so from both sides.

    Args:
        network: the hand network.
        pictures: (B, 3, H, W), normalised.

    Returns:
        Maps (B, sum of HAND_MAPS, h, w) of logits.
    """
    import torch

    maps, _ = network(pictures)
    other, _ = network(pictures.flip(3))
    parts = dict(zip(HAND_MAPS, other.flip(3).split(list(HAND_MAPS.values()), 1), strict=True))
    for name in _SIDEWAYS:  # pairs of x and y: to the left is to the right in a mirror
        parts[name] = parts[name].unflatten(1, (-1, 2)) * parts[name].new_tensor([-1.0, 1.0]).view(2, 1, 1)
    return (maps + torch.cat([part.flatten(1, -3) for part in parts.values()], 1)) / 2


def decode(maps: Tensor, least: float) -> list[list[Hand]]:
    """Hands from painted maps.

    Args:
        maps: (B, sum of HAND_MAPS, h, w) logits.
        least: lowest heat that is reported.

    Returns:
        For each picture its hands, hottest first, without owners.
    """
    from torch.nn import functional

    heat = maps[:, :1].float().sigmoid()
    peaks = (heat == functional.max_pool2d(heat, 5, 1, 2)) & (heat >= least)
    painted = maps.float().cpu().numpy()
    return [_hands(painted[i], heat[i, 0].cpu().numpy(), peaks[i, 0].cpu().numpy()) for i in range(len(painted))]


def _hands(painted: NDArray[np.float32], heat: NDArray[np.float32], peaks: NDArray[np.bool_]) -> list[Hand]:
    cells = np.argwhere(peaks)
    cells = cells[np.argsort(-heat[cells[:, 0], cells[:, 1]], kind="stable")]
    hands: list[Hand] = []
    for y, x in cells:
        hand = _hand(painted[:, y, x], float(heat[y, x]), ((x + 0.5) * STRIDE, (y + 0.5) * STRIDE))
        if all(not _same(hand, other) for other in hands):
            hands.append(hand)
    return hands[:_MOST]


def _hand(values: NDArray[np.float32], heat: float, cell: tuple[float, float]) -> Hand:
    parts = dict(zip(HAND_MAPS, np.split(values, np.cumsum(list(HAND_MAPS.values()))[:-1]), strict=True))
    x, y = (float(c + s * _SHIFT) for c, s in zip(cell, parts["shift"], strict=True))
    w, h = (float(np.clip(s * _SIZE, _SMALLEST_SIDE, FRAME_SIZE)) for s in parts["size"])
    odds = np.exp(parts["state"] - parts["state"].max())
    return Hand(
        point=(x, y),
        box=(x - w / 2, y - h / 2, x + w / 2, y + h / 2),
        heat=heat,
        states=tuple(float(v) for v in odds / odds.sum()),
        gripping=float(1 / (1 + np.exp(-parts["gripping"][0]))),
        owner=None,
        head=(cell[0] + float(parts["owner"][0]) * _OWNER, cell[1] + float(parts["owner"][1]) * _OWNER),
    )


def state_of(hand: Hand, thresholds: Thresholds) -> str:
    """The state of one hand. Where MediaPipe finds a hand, more is needed to call it lost or fused."""
    odds = dict(zip(HAND_STATES, hand.states, strict=True))
    for state, least in (("lost", thresholds.lost), ("fused", thresholds.fused)):
        if odds[state] >= (max(least, thresholds.second_opinion) if hand.landmarks else least):
            return state
    return "minor" if 1 - odds["holds"] >= thresholds.minor else "holds"


def ends_here(hand: Hand, thresholds: Thresholds) -> bool:
    """Whether an arm ends at a place for sure.

    The hand network learns where arms end from hands, most of them whole, so it is less sure of a place the less is
    left of the hand there: one that looks broken needs less heat, but the closer look must say so too.
    """
    if state_of(hand, thresholds) not in ("lost", "fused"):
        return hand.heat >= thresholds.heat
    return hand.heat >= min(thresholds.heat, thresholds.broken_heat) and hand.there >= thresholds.there


def _same(one: Hand, other: Hand) -> bool:
    """Whether two arm ends are one: nearer to each other than a third of a hand."""
    side = max(other.box[2] - other.box[0], other.box[3] - other.box[1])
    return bool(np.hypot(one.point[0] - other.point[0], one.point[1] - other.point[1]) < side / 3)


def owners(hands: Sequence[Hand], people: Sequence[Person]) -> list[int | None]:
    """Whose each hand is: the person whose head lies nearest to where the network points."""
    heads = [person.head.box if person.head else _top(person.box) for person in people]
    centres = np.array([((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) for b in heads]).reshape(-1, 2)
    if not len(centres):
        return [None] * len(hands)
    return [int(np.argmin(np.hypot(*(centres - np.array(hand.head)).T))) for hand in hands]


def _top(box: Box) -> Box:
    """Where a head would be on somebody whose head was not found."""
    x0, y0, x1, y1 = box
    return (x0, y0, x1, y0 + (y1 - y0) / 3)
