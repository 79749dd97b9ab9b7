"""Poses: who stands where, and in which order the parts are drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from benchmarks.miniature.canvas import SUPERSAMPLE, Canvas
from benchmarks.miniature.figure import SHOULDER, Figure, arm_with_hand
from benchmarks.miniature.palette import CLOTH

SX, SY = SHOULDER


def _free_arm(figure: Figure, index: int, side: int, kind: str) -> None:
    """A free arm: hanging, waving, raised, on the hip. ``side`` is -1 for the picture's left."""
    r = figure.rng.uniform
    joints = {
        "down": [(side * SX, SY + 3), (side * (30 + r(-2, 3)), -24), (side * (37 + r(-2, 4)), -8)],
        "wave": [(side * SX, SY + 3), (side * 34, -32 + r(-3, 3)), (side * (45 + r(-3, 2)), -54)],
        "up": [(side * SX, SY + 3), (side * 40, -50 + r(-3, 3)), (side * (52 + r(-3, 2)), -70)],
        "out": [(side * SX, SY + 3), (side * 33, -36), (side * (46 + r(-3, 3)), -30 + r(-5, 5))],
    }[kind]
    arm_with_hand(figure, index, joints, spread=figure.rng.uniform(0.95, 1.2))


def _stand(figure: Figure, arms: tuple[str | None, str | None], held: str = "free") -> None:
    figure.back_hair()
    figure.standing_legs()
    if held == "behind":
        for index, side in enumerate((-1, 1)):
            arm_with_hand(figure, index, [(side * SX, SY + 3), (side * 28, -26), (side * 7, -13)], gripping=True)
    figure.torso()
    if held == "crossed":
        for index, side in enumerate((-1, 1)):
            joints = [(side * SX, SY + 3), (side * 26, -21 - 4 * index), (-side * 6, -25 - 3 * index)]
            arm_with_hand(figure, index, joints, gripping=True, spread=0.7)
    if held != "free":
        arms = (None, None)
    for index, (side, kind) in enumerate(zip((-1, 1), arms, strict=True)):
        if kind:
            _free_arm(figure, index, side, kind)
    figure.draw_head()


def draw_solo(figure: Figure, pose: str, arms: str = "free") -> None:
    """One person standing, with arms up, waving, or sitting; ``arms`` of one who stands as in :class:`Scene`."""
    if pose == "sitting":
        figure.back_hair()
        figure.torso()
        if "extra_leg" in figure.faults:
            figure.leg((2, 8), (4, 26), (0, 48), 4)
        for side in (-1, 1):
            figure.leg((side * 9, 8), (side * 22, 24), (side * 20, 46), side * 4)
        for index, side in enumerate((-1, 1)):
            joints = [(side * SX, SY + 3), (side * 30, -22), (side * 24, 2)]
            arm_with_hand(figure, index, joints)
        figure.draw_head()
        return
    waving = ("wave", "down") if figure.rng.random() < 0.5 else ("down", "wave")
    kinds = {"standing": ("down", "down"), "arms up": ("up", "up"), "waving": waving}
    _stand(figure, kinds[pose], arms if pose == "standing" else "free")


def _free_kind(figure: Figure) -> str:
    return str(figure.rng.choice(("down", "out", "wave")))


def draw_apart(figures: Sequence[Figure], arms: str = "free") -> None:
    """Two to four people with room between them; ``arms`` as in :class:`Scene`."""
    for figure in figures:
        _stand(figure, ("down", "down") if figure.rng.random() < 0.7 else ("down", "wave"), arms)


def draw_together(first: Figure, second: Figure) -> None:
    """Side by side, shoulders touching, an arm around the other's shoulders."""
    for figure in (first, second):
        figure.back_hair()
    second.standing_legs()
    second.torso()
    first.standing_legs()
    first.torso()
    _free_arm(first, 0, -1, _free_kind(first))
    _free_arm(second, 1, 1, _free_kind(second))
    first.draw_head()
    second.draw_head()
    gap = (second.pen.matrix[2, 0] - first.pen.matrix[2, 0]) / first.pen.scale
    arm_with_hand(first, 1, [(SX - 3, SY + 8), (gap * 0.55, -24), (gap - 16, -19)], gripping=True, spread=0.9)


def draw_hug(first: Figure, second: Figure) -> None:
    """Both turned to each other, arms around the other's back."""
    gap = (second.pen.matrix[2, 0] - first.pen.matrix[2, 0]) / first.pen.scale
    for figure in (first, second):
        figure.back_hair()
    for figure in (second, first):
        figure.standing_legs()
        figure.torso()
    second.draw_head()
    first.draw_head()
    # The outer arms: each reaches across in front and lies on the other's side.
    arm_with_hand(second, 0, [(-SX + 4, SY + 18), (-gap * 0.5, -14), (-gap + 9, -6)], gripping=True, spread=0.9)
    arm_with_hand(first, 1, [(SX - 6, SY + 8), (gap * 0.45, -34), (gap - 9, -30)], gripping=True, spread=0.9)


def draw_piggyback(carrier: Figure, rider: Figure) -> None:
    """The rider on the carrier's back; the carrier's hands grip the rider's thighs."""
    # The rider's body hangs behind the carrier: her pen is placed up and to the right by the layout.
    rider.back_hair()
    rider.torso()
    rider.draw_head()
    carrier.back_hair()
    carrier.standing_legs()
    carrier.torso()
    for side in (-1, 1):
        thigh = [(side * 14, -16), (side * 45, -8), (side * 50, 20)]
        local = [tuple(_shift(rider, carrier, p)) for p in thigh]
        rider.leg(local[0], local[1], local[2], side * 4)
    if "extra_leg" in rider.faults:
        local = [tuple(_shift(rider, carrier, p)) for p in [(10, -10), (22, 14), (34, 34)]]
        rider.leg(local[0], local[1], local[2], 5)
    for index, side in enumerate((-1, 1)):
        end = _shift(rider, carrier, (side * 7, -26 - index * 7))
        start = _shift(rider, carrier, (side * 19, -48))
        elbow = _shift(rider, carrier, (side * 24, -34))
        arm_with_hand(rider, index, [tuple(start), tuple(elbow), tuple(end)], spread=0.8)
    carrier.draw_head()
    for index, side in enumerate((-1, 1)):
        joints = [(side * (SX + 1), SY + 8), (side * 27, -6), (side * 31, 7)]
        if f"missing_arm:{index}" not in carrier.faults:
            carrier.arm(*joints)
        carrier.hand(index, joints[2], -78.0 if side > 0 else -102.0, -side, 1.05, gripping=True)


def draw_princess_carry(carrier: Figure, carried: Figure) -> None:
    """The carried one lies across the carrier's arms, head to the right; the carrier's hands hold thighs and back."""
    carrier.back_hair()
    carrier.standing_legs()
    carrier.torso()
    knees = tuple(_shift(carrier, carried, (20, 24)))
    back = tuple(_shift(carrier, carried, (24, -30)))
    for index, (shoulder, elbow, end) in enumerate(
        (((-SX, SY + 6), (-37, -26), knees), ((SX, SY + 6), (30, -22), back))
    ):
        if f"missing_arm:{index}" not in carrier.faults:
            carrier.arm(shoulder, elbow, end)
    carrier.draw_head()
    carried.back_hair()
    carried.torso()
    # In the carried one's own turned frame x points down and y to the left: thighs out to the left, shins hanging.
    carried.leg((-5, 8), (-8, 32), (18, 40), 2)
    carried.leg((7, 8), (6, 32), (32, 36), 2)
    if "extra_leg" in carried.faults:
        carried.leg((9, 8), (20, 18), (46, 12), 2)
    carried.draw_head()
    arm_with_hand(carried, 1, [(SX - 4, SY + 4), (17, -20), (2, -14)], spread=0.9, turn=15)
    carrier.hand(0, knees, -78.0, 1, 1.0, gripping=True)
    carrier.hand(1, back, -100.0, -1, 1.0, gripping=True)


def draw_lap_sit(seat: Figure, sitter: Figure) -> None:
    """The sitter sideways on the other's lap, on a bench."""
    bench = seat.pen
    plank = bench.place([(-58, 12), (70, 12), (70, 22), (-58, 22)])
    for x in (-50, 58):
        post = bench.place([(x, 20), (x + 8, 20), (x + 8, 56), (x, 56)])
        _scenery(seat.pen.canvas, post, (120, 84, 58))
    _scenery(seat.pen.canvas, plank, (164, 116, 78))
    seat.back_hair()
    sitter.back_hair()
    seat.torso()
    if "extra_leg" in seat.faults:
        seat.leg((-14, 8), (-26, 26), (-32, 48), -4)
    for side in (-1, 1):
        seat.leg((side * 9, 8), (side * 12 - 5, 26), (side * 12 - 6, 50), side * 3)
    seat.draw_head()
    sitter.torso()
    if "extra_leg" in sitter.faults:
        sitter.leg((2, 6), (4, 26), (-8, 44), -4)
    sitter.leg((-2, 4), (26, 8), (30, 34), 4)
    sitter.leg((4, 8), (36, 14), (42, 40), 4)
    _free_arm(sitter, 1, 1, "out" if sitter.rng.random() < 0.5 else "wave")
    sitter.draw_head()
    own = _shift(seat, sitter, (3, -17))
    arm_with_hand(seat, 0, [(-SX, SY + 6), (-26, -16), tuple(np.add(own, (-18, 4)))], gripping=True, spread=0.95)
    rest = _shift(sitter, sitter, (18, 4))
    arm_with_hand(sitter, 0, [(-SX, SY + 6), (-20, -16), tuple(np.add(rest, (-24, -4)))], spread=0.9)


def _shift(owner: Figure, frame: Figure, point: tuple[float, float]) -> np.ndarray:
    """A point of ``frame``'s coordinates in ``owner``'s."""
    placed = frame.pen.place([point])[0] - owner.pen.matrix[2]
    return np.asarray(placed @ np.linalg.inv(owner.pen.matrix[:2]))


def _scenery(canvas: Canvas, points: np.ndarray, color: tuple[int, int, int]) -> None:
    fixed = np.rint(points * SUPERSAMPLE * 16).astype(np.int32)
    cv2.fillPoly(canvas.image, [fixed], color, cv2.LINE_AA, 4)
    cv2.polylines(canvas.image, [fixed], True, canvas.ink, 3, cv2.LINE_AA, 4)


def fuse_bodies(first: Figure, second: Figure) -> None:
    """Melt the two bodies where they touch: one mass of cloth and skin without a boundary, over both torsos."""
    corners = np.vstack([f.pen.place([(-13, -36), (13, -36), (15, 6), (-15, 6)]) for f in (first, second)]).astype(
        np.float32
    )
    hull = cv2.convexHull(corners)[:, 0]
    canvas = first.pen.canvas
    pick = first if first.rng.random() < 0.5 else second
    cloth = CLOTH[pick.look.outfit_color]
    fixed = np.rint(hull * SUPERSAMPLE * 16).astype(np.int32)
    if first.rng.random() < 0.5:  # one body under two heads
        cv2.fillPoly(canvas.image, [fixed], cloth, cv2.LINE_AA, 4)
        if first.rng.random() < 0.6:
            thick = max(1, round(2.6 * first.pen.scale))
            cv2.polylines(canvas.image, [fixed], True, canvas.ink, thick, cv2.LINE_AA, 4)
    else:  # smeared into each other
        mask = np.zeros(canvas.image.shape[:2], np.uint8)
        cv2.fillPoly(mask, [fixed], 255, cv2.LINE_AA, 4)
        soft = cv2.GaussianBlur(mask, (0, 0), 5 * first.pen.scale)[..., None] / 255.0
        melted = cv2.GaussianBlur(canvas.image, (0, 0), first.rng.uniform(5, 11) * first.pen.scale)
        strength = first.rng.uniform(0.2, 0.7)
        melted = melted * (1 - strength) + np.array(cloth, float) * strength
        canvas.image[:] = (canvas.image * (1 - soft) + melted * soft).astype(np.uint8)
    merged = np.zeros_like(canvas.labels)
    cv2.fillPoly(merged, [np.rint(hull * 16).astype(np.int32)], 1, 8, 4)
    body = np.isin(canvas.labels & 15, (5, 6, 7, 8, 1))
    canvas.labels[(merged > 0) & (canvas.labels > 0) & body] = (pick.pen.person + 1) * 16 + 5


PAIR_PAINTERS: dict[str, Callable[[Figure, Figure], None]] = {
    "together": draw_together,
    "hug": draw_hug,
    "piggyback": draw_piggyback,
    "princess carry": draw_princess_carry,
    "lap sit": draw_lap_sit,
}
