"""From a scene to a drawing with exact truth: ``draw(scene) -> Drawing``."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from benchmarks.miniature.backgrounds import paint_background
from benchmarks.miniature.canvas import CODES, SUPERSAMPLE, Canvas, Pen
from benchmarks.miniature.figure import Figure, HandDrawn
from benchmarks.miniature.flaws import burn, double, leave_over
from benchmarks.miniature.palette import INKS
from benchmarks.miniature.poses import PAIR_PAINTERS, draw_apart, draw_solo, fuse_bodies
from benchmarks.miniature.scenes import SOLO_POSES, THICKET, Look, Scene, sample_look
from benchmarks.miniature.thickets import Crown, paint_thicket
from benchmarks.miniature.truth import Drawing, HandTruth, Mask, PersonTruth

_CELL = 256.0
# From a head's centre to where its hair ends above, in the figure's units.
_RADIUS = 36.0
# Pelvis places of the two people of a pose: (x, y, degrees, scale), relative to the pair's own origin.
_PLACES: dict[str, tuple[tuple[float, float, float, float], tuple[float, float, float, float]]] = {
    "apart": ((-58, 0, 0, 1), (58, 0, 0, 1)),
    "together": ((-30, 0, 0, 1), (30, 0, 0, 1)),
    "hug": ((-27, 0, 4, 1), (27, 0, -4, 1)),
    "piggyback": ((-10, 8, 0, 1), (12, -18, 6, 1)),
    "princess carry": ((-28, 4, 0, 1), (-24, -10, 78, 1)),
    "lap sit": ((-18, 2, -2, 1), (14, 4, 3, 1)),
}
# Enlargement and where the origin lies (fraction of the height), by distance.
_FRAMES = {"solo": {"close": (1.62, 0.98), "middle": (1.16, 0.70), "far": (0.62, 0.70)}}
_FRAMES["pair"] = {"close": (1.34, 0.84), "middle": (1.12, 0.74), "far": (0.64, 0.70)}


@dataclass(frozen=True)
class _Stage:
    x: float
    y: float
    scale: float


def draw(scene: Scene, size: int = 256) -> Drawing:
    """Draw a scene.

    Args:
        scene: what to draw; equal scenes give equal pixels.
        size: side of the square picture in pixels, 256 or more for readable hands.

    Returns:
        The picture (size, size, 3) RGB uint8 with masks, hands and key points.
    """
    rng = np.random.default_rng(scene.seed)
    canvas = Canvas(size, INKS[scene.style.ink], scene.style.line)
    if scene.background != THICKET:
        paint_background(canvas.image, scene.background, rng)
    stage = _stage(scene, rng, size / _CELL)
    if scene.background == THICKET:
        behind = np.random.default_rng((scene.seed, 12))
        paint_thicket(canvas.image, _crowns(scene, canvas, stage, behind), behind)
    extra = [f for f in scene.failures if f.kind == "extra_person"]
    if extra:
        _draw_extra(scene, canvas, stage, rng)
    figures = _figures(scene, canvas, stage, rng)
    if scene.pose in SOLO_POSES:
        draw_solo(figures[0], scene.pose, scene.arms)
    elif scene.pose == "apart":
        draw_apart(figures, scene.arms)
    else:
        PAIR_PAINTERS[scene.pose](figures[0], figures[1])
        if any(f.kind == "fused_bodies" for f in scene.failures):
            fuse_bodies(figures[0], figures[1])
    image, labels = canvas.finished(), canvas.labels
    _flaw(image, labels, scene)
    if scene.flipped:
        image, labels = np.ascontiguousarray(image[:, ::-1]), np.ascontiguousarray(labels[:, ::-1])
    looks = [(figure.look, figure.drawn) for figure in figures]
    people = [_person(i, look, drawn, labels, scene.flipped) for i, (look, drawn) in enumerate(looks)]
    if extra:
        index = max(2, len(figures))
        people.append(
            _person(index, sample_look(np.random.default_rng(scene.seed + 1)), [], labels, scene.flipped, True)
        )
    return Drawing(scene, image, tuple(people), _contact(people))


def _flaw(image: np.ndarray, labels: np.ndarray, scene: Scene) -> None:
    """Faults of the finished picture: doubled contours, leftovers, burnt colours; in place."""
    rng = np.random.default_rng((scene.seed, 11))
    for failure in scene.failures:
        mask = (labels >> 4) == failure.person + 1
        if failure.kind == "doubled":
            double(image, mask, rng)
        elif failure.kind == "leftover":
            leave_over(image, mask & np.isin(labels & 15, (CODES["head"], CODES["hair"], CODES["skin"])), rng)
        elif failure.kind == "burnt":
            burn(image, rng)


def _stage(scene: Scene, rng: np.random.Generator, zoom: float) -> _Stage:
    kind = "solo" if scene.pose in SOLO_POSES else "pair"
    scale, origin = _FRAMES[kind][scene.distance]
    if scene.pose == "apart":
        scale = min(scale, 1.06)
    if scene.pose == "princess carry":
        scale *= 0.94
    if len(scene.people) > 2:
        scale = min(scale, {3: 0.86, 4: 0.72}[len(scene.people)])
    scale *= rng.uniform(0.95, 1.04)
    room = 12 if scene.distance == "far" else 6
    x = 0.5 * _CELL + rng.uniform(-room, room) * (3 if kind == "solo" else 1)
    y = origin * _CELL + rng.uniform(-4, 4)
    if scene.distance == "close" and scene.pose in ("piggyback", "princess carry", "lap sit"):
        y -= 4
    return _Stage(x * zoom, y * zoom, scale * zoom)


def _figures(scene: Scene, canvas: Canvas, stage: _Stage, rng: np.random.Generator) -> list[Figure]:
    figures = []
    places = _PLACES.get(scene.pose, ((0, 0, 0, 1), (0, 0, 0, 1)))
    count = len(scene.people)
    for i, look in enumerate(scene.people):
        x, y, degrees, scale = places[i] if count <= 2 else ((i - (count - 1) / 2) * 82.0, 0, 0, 1)
        pen = Pen.at(
            canvas,
            i,
            stage.x + x * stage.scale,
            stage.y + y * stage.scale,
            stage.scale * scale,
            degrees + rng.uniform(-2, 2),
        ).stretched(scene.style.width)
        other = scene.people[(i + 1) % count] if count > 1 else scene.rival
        faults = frozenset(_faults(scene, i, rng))
        figure = Figure(pen, look, np.random.default_rng(int(rng.integers(2**31))), faults, other, scene.style)
        figure.set_head(rng.uniform(-2, 2), rng.uniform(-2, 1), rng.uniform(-5, 5))
        figures.append(figure)
    if scene.pose == "hug":
        figures[0].set_head(-5, 0, rng.uniform(2, 7))
        figures[1].set_head(5, 0, rng.uniform(-7, -2))
    elif scene.pose == "together":
        figures[0].set_head(-6, 0, rng.uniform(-4, 4))
        figures[1].set_head(6, 0, rng.uniform(-4, 4))
    elif scene.pose == "piggyback":
        figures[0].set_head(-12, 6, rng.uniform(-8, 0))
        figures[1].set_head(20, 8, rng.uniform(0, 8))
    elif scene.pose == "princess carry":
        figures[0].set_head(-6, -4, rng.uniform(-6, 2))
        figures[1].set_head(-8, 0, rng.uniform(-66, -54))
    elif scene.pose == "lap sit":
        figures[0].set_head(-14, 0, rng.uniform(-6, 2))
        figures[1].set_head(12, 2, rng.uniform(-2, 6))
    return figures


def _crowns(scene: Scene, canvas: Canvas, stage: _Stage, rng: np.random.Generator) -> list[Crown]:
    """Where heads are going to be, up to the little that each is moved and tilted."""
    heads = [(figure.head, figure.hair_color) for figure in _figures(scene, canvas, stage, rng)]
    places = [head.place([(0, 0)])[0] * SUPERSAMPLE for head, _ in heads]
    return [
        Crown(float(x), float(y), _RADIUS * head.scale * SUPERSAMPLE, hair)
        for (x, y), (head, hair) in zip(places, heads, strict=True)
    ]


def _faults(scene: Scene, person: int, rng: np.random.Generator) -> list[str]:
    """This person's faults; a hand fault is tied to one hand: the first gripping one of the pose."""
    hand = {"together": 1, "hug": 1 - person}.get(scene.pose, int(rng.integers(0, 2)))
    if (scene.pose, person) in {("princess carry", 1), ("lap sit", 0)}:
        hand = 0
    faults = []
    for failure in scene.failures:
        if failure.person == person:
            limb = failure.kind in ("missing_leg", "missing_arm") or failure.kind.endswith("_hand")
            arm = 1 if failure.kind == "missing_arm" and (scene.pose, person) == ("princess carry", 1) else hand
            faults.append(f"{failure.kind}:{arm}" if limb else failure.kind)
    return faults


def _draw_extra(scene: Scene, canvas: Canvas, stage: _Stage, rng: np.random.Generator) -> None:
    """A person nobody asked for, beside or behind the others."""
    side = 1 if rng.random() < 0.5 else -1
    x = stage.x + side * stage.scale * (66 if len(scene.people) == 1 else 92)
    x = float(np.clip(x, 0.14 * canvas.size, 0.86 * canvas.size))
    look = sample_look(np.random.default_rng(scene.seed + 1))
    pen = Pen.at(canvas, max(2, len(scene.people)), x, stage.y, stage.scale * 0.92)
    draw_solo(Figure(pen, look, np.random.default_rng(scene.seed + 2), style=scene.style), "standing")


def _person(
    index: int, look: Look, drawn: list[HandDrawn], labels: np.ndarray, flipped: bool, extra: bool = False
) -> PersonTruth:
    own = (labels >> 4) == index + 1
    code = np.where(own, labels & 15, 0)
    parts: dict[str, Mask] = {name: code == value for name, value in CODES.items() if not name.startswith("hand")}
    parts["hand"] = (code == CODES["hand0"]) | (code == CODES["hand1"])
    width = labels.shape[1]
    hands = tuple(_hand(hand, code, width, flipped) for hand in drawn)
    head = parts["head"] | parts["hair"] & _above(parts["head"])
    return PersonTruth(look, own, parts, _box(head if head.any() else own), hands, extra)


def _above(head: Mask) -> Mask:
    """Rows down to the chin: long hair below it does not belong to the head's box."""
    rows = np.flatnonzero(head.any(axis=1))
    mask = np.zeros_like(head)
    if len(rows):
        mask[: rows[-1] + 1] = True
    return mask


def _hand(hand: HandDrawn, code: np.ndarray, width: int, flipped: bool) -> HandTruth:
    points, keys = hand.points.copy(), hand.keypoints.copy()
    if flipped:
        points[:, 0], keys[:, 0] = width - points[:, 0], width - keys[:, 0]
    x0, y0 = points.min(axis=0)
    x1, y1 = points.max(axis=0)
    visible = code == CODES[f"hand{hand.index}"]
    state = hand.state
    full = cv2.contourArea(cv2.convexHull(points.astype(np.float32))) * (0.12 if state == "lost" else 0.55)
    if visible.sum() < 0.5 * full:
        state = "occluded"
    elif state != "lost":
        x0, y0, x1, y1 = _box(visible)
    side = "left" if (x0 + x1) / 2 < width / 2 else "right"
    return HandTruth(side, state, (float(x0), float(y0), float(x1), float(y1)), keys, hand.gripping)


def _box(mask: Mask) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return (0.0, 0.0, 0.0, 0.0)
    return (float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1))


def _contact(people: list[PersonTruth]) -> Mask:
    """Pixels within two pixels of both of the first two people."""
    if len(people) < 2:
        return np.zeros_like(people[0].mask)
    kernel = np.ones((5, 5), np.uint8)
    grown = [cv2.dilate(p.mask.astype(np.uint8), kernel) > 0 for p in people[:2]]
    return np.asarray(grown[0] & grown[1])
