"""Damage to a finished drawing, of kinds that the drawing itself never makes: smudged hands, contact painted over.

No detector is trained on what ``smeared`` does, nor on pictures of a model that learnt from it: those are for testing.
What ``mangled`` does, and pictures of models that learnt from that, are for training.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.miniature.truth import Drawing, HandTruth, Mask, PersonTruth

Picture = NDArray[np.uint8]
HAND_DAMAGE = {
    "smeared": ("crushed", "clumped", "wobbled", "erased"),
    "mangled": ("swirled", "stroked", "sleeved", "faded"),
}
CONTACT_DAMAGE = {"smeared": ("dissolved", "shared"), "mangled": ("washed", "mirrored")}
_BODY = ("body", "arm", "leg", "skin")


def hand_places(person: PersonTruth) -> list[HandTruth]:
    """The hands of a person that can be seen whole."""
    return [hand for hand in person.hands if hand.state not in ("occluded", "lost")]


def damage_hand(image: Picture, person: PersonTruth, hand: HandTruth, kind: str, rng: np.random.Generator) -> None:
    """Spoil one hand; in place.

    Args:
        image: (H, W, 3) RGB.
        person: whose hand it is.
        hand: one of :func:`hand_places`.
        kind: one of those in :data:`HAND_DAMAGE`.
        rng: decides how much.
    """
    x0, y0, x1, y1 = _box_around(hand, image.shape, 3)
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[y0:y1, x0:x1] = person.parts["hand"][y0:y1, x0:x1]
    if mask.sum() < 12:
        return
    grown = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)))
    if kind == "erased":
        image[:] = cv2.inpaint(image, grown * 255, 4, cv2.INPAINT_TELEA)
    elif kind == "faded":
        behind = cv2.inpaint(image, grown * 255, 4, cv2.INPAINT_NS)
        image[:] = _blend(image, behind, _soft(grown) * np.float32(rng.uniform(0.6, 0.95)))
    elif kind == "clumped":
        _clump(image, mask)
    elif kind == "sleeved":
        _sleeve(image, person, mask)
    else:
        part = image[y0:y1, x0:x1]
        changed = _SPOILT[kind](part, rng)
        image[y0:y1, x0:x1] = _blend(part, changed, _soft(cv2.dilate(mask, np.ones((7, 7), np.uint8)))[y0:y1, x0:x1])


def damage_contact(image: Picture, drawing: Drawing, kind: str, rng: np.random.Generator) -> None:
    """Take away the boundary between the bodies of the first two people; in place.

    Args:
        image: (H, W, 3) RGB, the drawing's picture or a damaged one.
        drawing: its truth.
        kind: one of those in :data:`CONTACT_DAMAGE`.
        rng: decides how far.
    """
    bodies = [np.logical_or.reduce([person.parts[part] for part in _BODY]) for person in drawing.people[:2]]
    reach = round(image.shape[0] * rng.uniform(0.055, 0.09))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    near = [cv2.dilate(body.astype(np.uint8), kernel) > 0 for body in bodies]
    zone = near[0] & near[1] & _filled(bodies)
    if not zone.any():
        return
    melted: NDArray[np.generic]
    if kind == "washed":
        colors = cv2.GaussianBlur(image, (0, 0), reach * 0.6).astype(np.float32)
        drift = cv2.GaussianBlur(rng.normal(size=image.shape).astype(np.float32), (0, 0), reach * 0.5)
        melted = colors + drift / max(float(np.abs(drift).max()), 1e-6) * 70
    elif kind == "mirrored":
        ys, xs = np.nonzero(zone)
        turn = cv2.getRotationMatrix2D((float(xs.mean()), float(ys.mean())), float(rng.uniform(120, 240)), 1.0)
        melted = cv2.GaussianBlur(
            cv2.warpAffine(image, turn, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT), (0, 0), 1.2
        )
    elif kind == "dissolved":
        melted = cv2.medianBlur(cv2.inpaint(image, _seam(drawing, zone), 5, cv2.INPAINT_TELEA), 2 * (reach // 2) + 9)
    else:
        owner = bodies[int(rng.integers(2))] & zone
        color = np.median(image[owner if owner.any() else zone], axis=0)
        melted = cv2.GaussianBlur(image, (0, 0), 3.0) * 0.2 + color * 0.8
    image[:] = _blend(image, melted, _soft(zone.astype(np.uint8)))


def _filled(bodies: list[Mask]) -> Mask:
    """Both bodies with the lines between them, but no head and no hair."""
    both = (bodies[0] | bodies[1]).astype(np.uint8)
    return np.asarray(cv2.morphologyEx(both, cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8)) > 0)


def _seam(drawing: Drawing, zone: Mask) -> NDArray[np.uint8]:
    """Where the two people meet, a few pixels wide, as a mask of 0 and 255."""
    seam = cv2.dilate(drawing.contact.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return np.asarray((seam & zone) * 255, np.uint8)


def _clump(image: Picture, mask: NDArray[np.uint8]) -> None:
    """Fill the gaps between the fingers with the hand's own colour, under one soft edge."""
    size = max(3, round(0.35 * np.sqrt(mask.sum()))) | 1
    hull = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    color = np.median(image[mask > 0], axis=0)
    flat = np.broadcast_to(color, image.shape)
    rim = cv2.morphologyEx(hull, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    image[:] = _blend(image, flat, _soft(hull, 0.8))
    image[:] = _blend(image, flat * 0.45, _soft(rim, 0.6) * 0.8)


def _sleeve(image: Picture, person: PersonTruth, mask: NDArray[np.uint8]) -> None:
    """Paint the hand like the arm beside it, as if the sleeve had no opening."""
    near = cv2.dilate(mask, np.ones((25, 25), np.uint8)) > 0
    arm = near & person.parts["arm"] & (mask == 0)
    if arm.sum() >= 8:
        color = np.median(image[arm], axis=0)
        image[:] = _blend(
            image, np.broadcast_to(color, image.shape), _soft(cv2.dilate(mask, np.ones((3, 3), np.uint8)), 1.0)
        )


def _swirled(part: Picture, rng: np.random.Generator) -> Picture:
    """A piece of a picture turned about its middle, the more the nearer to it."""
    height, width = part.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    dx, dy = x - width / 2, y - height / 2
    turn = np.float32(rng.choice((-1, 1)) * rng.uniform(3.5, 6)) * np.exp(
        -2.5 * np.hypot(dx / width, dy / height) ** 2 * 4
    )
    sin, cos = np.sin(turn), np.cos(turn)
    xs, ys = width / 2 + cos * dx - sin * dy, height / 2 + sin * dx + cos * dy
    moved = cv2.remap(
        part, xs.astype(np.float32), ys.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(cv2.GaussianBlur(moved, (0, 0), 0.6), np.uint8)


def _stroked(part: Picture, rng: np.random.Generator) -> Picture:
    """A piece of a picture dragged along a line."""
    length = max(5, round(max(part.shape[:2]) * rng.uniform(0.4, 0.7))) | 1
    line = np.zeros((length, length), np.float32)
    line[length // 2] = 1
    turn = cv2.getRotationMatrix2D((length // 2, length // 2), float(rng.uniform(0, 180)), 1.0)
    line = cv2.warpAffine(line, turn, (length, length))
    return np.asarray(cv2.filter2D(part, -1, line / line.sum(), borderType=cv2.BORDER_REPLICATE), np.uint8)


def _crushed(part: Picture, rng: np.random.Generator) -> Picture:
    """A piece of a picture made very small and large again."""
    height, width = part.shape[:2]
    size = max(2, round(width / rng.uniform(5, 8))), max(2, round(height / rng.uniform(5, 8)))
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def _wobbled(part: Picture, rng: np.random.Generator) -> Picture:
    """A piece of a picture whose lines run into each other, as on paper that got wet."""
    height, width = part.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    scale, reach = rng.uniform(0.07, 0.11) * width, rng.uniform(0.16, 0.26) * width
    moves = []
    for _ in range(2):
        field = cv2.GaussianBlur(rng.normal(size=(height, width)).astype(np.float32), (0, 0), scale)
        moves.append(field / max(float(np.abs(field).max()), 1e-6) * reach)
    moved = cv2.remap(part, x + moves[0], y + moves[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.GaussianBlur(moved, (0, 0), 0.7), np.uint8)


_SPOILT = {"crushed": _crushed, "wobbled": _wobbled, "swirled": _swirled, "stroked": _stroked}


def _box_around(hand: HandTruth, shape: tuple[int, ...], margin: int) -> tuple[int, int, int, int]:
    x0, y0, x1, y1 = hand.box
    return (
        max(0, int(x0) - margin),
        max(0, int(y0) - margin),
        min(shape[1], int(x1) + margin + 1),
        min(shape[0], int(y1) + margin + 1),
    )


def _soft(mask: NDArray[np.generic], sigma: float = 1.5) -> NDArray[np.float32]:
    return np.asarray(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma), np.float32)


def _blend(under: NDArray[np.generic], over: NDArray[np.generic], alpha: NDArray[np.float32]) -> Picture:
    weight = alpha[..., None]
    mixed = np.asarray(under, np.float32) * (1 - weight) + np.asarray(over, np.float32) * weight
    return np.asarray(np.clip(mixed, 0, 255), np.uint8)
