"""One chibi figure, part by part. Units: about one pixel of a 256-pixel drawing at middle distance.

The origin is the pelvis; x to the right of the picture, y down. Shoulders lie at y = -44, the head's centre at y = -82.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.miniature.canvas import SUPERSAMPLE, Pen, curve
from benchmarks.miniature.palette import (
    BLUSH,
    CLOTH,
    DARK,
    EYES,
    HAIR,
    HAT,
    RGB,
    RIBBON,
    SHOE,
    SKIN,
    SOCK,
    TIGHTS,
    WHITE,
    shade,
)
from benchmarks.miniature.scenes import PLAIN, Look, Style

XY = tuple[float, float]
HEAD_Y = -82.0
SHOULDER = (17.0, -42.0)
HIP_X = 9.5
# The fringe's lower edge between the temples, from right to left, by ``Style.hair``.
_FRINGES: tuple[tuple[XY, ...], ...] = (
    ((33, 16), (30, 2), (24, -7), (15, 0), (10, -10), (0, -1), (-9, -10), (-15, 0), (-24, -7), (-30, 2)),
    ((33, 16), (31, -3), (20, -5), (8, -6), (-8, -6), (-20, -5), (-31, -3)),
    ((33, 16), (29, -3), (18, -15), (2, -20), (-12, -8), (-22, 0), (-30, 4)),
    ((33, 16), (28, 0), (25, -14), (18, 2), (12, -14), (4, 3), (-4, -14), (-12, 2), (-19, -13), (-26, 1)),
    ((33, 16), (31, 4), (26, -2), (18, 1), (9, 3), (0, 2), (-9, -1), (-16, -8), (-22, -17), (-29, -4)),
    ((33, 16), (32, 6), (27, -12), (14, -21), (1, -24), (-1, -24), (-14, -21), (-27, -12), (-32, 6)),
    ((33, 16), (31, 2), (22, -3), (19, -9), (8, -2), (5, -9), (-5, -2), (-9, -9), (-18, -3), (-22, -9), (-31, 2)),
    ((33, 16), (32, 0), (23, -10), (12, -4), (3, -16), (-7, -3), (-13, -12), (-21, 3), (-28, -8), (-32, 5)),
    ((33, 16), (30, 5), (24, 3), (16, -9), (6, -12), (-5, -13), (-17, -9), (-25, 2), (-30, 6)),
)
# How far long straight hair hangs down and how wide it is, by ``Style.hair``.
_HANGING = ((84, 46), (78, 42), (92, 50), (70, 52), (88, 44), (74, 48), (96, 54), (82, 53), (90, 48))
_LONG_SLEEVES = {"serafuku", "blazer", "vest", "hoodie"}


@dataclass
class HandDrawn:
    """Where a hand was drawn: its index, state, outline points and key points in picture pixels."""

    index: int
    state: str
    points: NDArray[np.float64]
    keypoints: NDArray[np.float32]
    gripping: bool


@dataclass
class Figure:
    """A person being drawn. ``faults`` are this person's deliberate failures; ``other`` is the partner's look.

    With the fault of the other's eyes or clothes, ``look`` is what is drawn.
    """

    pen: Pen
    look: Look
    rng: np.random.Generator
    faults: frozenset[str] = frozenset()
    other: Look | None = None
    style: Style = PLAIN
    head: Pen = field(init=False)
    drawn: list[HandDrawn] = field(default_factory=list)
    legs: int = 0

    def __post_init__(self) -> None:
        if self.other and "eye_color" in self.faults:
            self.look = replace(self.look, eye_color=self.other.eye_color)
        if self.other and "outfit" in self.faults:
            self.look = replace(self.look, outfit=self.other.outfit, outfit_color=self.other.outfit_color)
        self.set_head()

    def set_head(self, dx: float = 0.0, dy: float = 0.0, tilt: float = 0.0) -> None:
        """Move and tilt the head (degrees) from its place above the shoulders."""
        chin = 34 * (1 - self.style.head)
        self.head = self.pen.child(dx, HEAD_Y + dy + chin, tilt, self.style.head)

    # Hair -------------------------------------------------------------------------------------------------------

    @property
    def hair_color(self) -> RGB:
        """The colour that is drawn, with the fault of the other person's colour applied."""
        worn = self.other if "hair_color" in self.faults and self.other else self.look
        return HAIR[worn.hair_color]

    @property
    def long_hair(self) -> bool:
        """Whether long hair is drawn, with the fault of pulled hair applied."""
        long = self.look.hair_length == "long" and "hair_cut" not in self.faults
        return long or "hair_pull" in self.faults

    def back_hair(self) -> None:
        """The hair behind the body; drawn before the torso."""
        color, head = shade(self.hair_color, 0.84), self.head
        sway = self.rng.uniform(-3, 3)
        if not self.long_hair:
            head.ellipse(0, 4, 40, 35, color, "hair")
            return
        style = self.look.hair_style
        if style == "straight" or "hair_pull" in self.faults:
            end, wide = _HANGING[self.style.hair]
            left = curve((-39, -6), (-wide, 30), (6 - wide + sway, 62), (16 - wide + sway, end))
            right = curve((39, -6), (wide, 30), (wide - 6 + sway, 62), (wide - 16 + sway, end))
            bottom = [(-18 + sway, end - 6), (-8 + sway, end + 2), (4 + sway, end - 5), (16 + sway, end + 2)]
            head.polygon(np.vstack([left, bottom, right[::-1]]), color, "hair")
        elif style == "twintails":
            head.ellipse(0, 2, 39, 35, color, "hair")
            for side in (-1, 1):
                outer = curve((side * 34, -22), (side * 66, -8), (side * 60, 42), (side * 46 + sway, 66))
                inner = curve((side * 46 + sway, 66), (side * 44, 34), (side * 44, 12), (side * 32, -8))
                head.polygon(np.vstack([outer, inner]), self.hair_color, "hair")
        else:
            head.ellipse(0, 2, 39, 35, color, "hair")
            outer = curve((14, -36), (66, -34), (64, 34), (44 + sway, 72))
            inner = curve((44 + sway, 72), (44, 40), (44, 4), (24, -14))
            head.polygon(np.vstack([outer, inner]), self.hair_color, "hair")

    def _ahoge(self) -> None:
        owns = self.look.ahoge and "ahoge_missing" not in self.faults
        clear, tuft = owns or "ahoge_bleed" in self.faults, "ahoge_tuft" in self.faults
        if not (clear or tuft):
            return
        side = 1 if self.rng.random() < 0.5 else -1
        root, lean = self.rng.uniform(-5, 5), self.rng.uniform(0.7, 1.1)
        if clear:
            height = self.rng.uniform(25, 32)
            long, thick, bend, lean = self._strayed(lean)
            height *= long
            points = [(root, -32), (root - side * 9 * bend, -36 - height * 0.7)]
            points += [(root + side * 5 * bend, -36 - height * 1.25)]
            center = curve(*points, (root + side * 22 * lean, -34 - height * 0.72), steps=10)
            width = np.interp(np.linspace(0, 1, 10), [0, 0.45, 1], [4.6 * thick, 3.9 * thick, 0.3])
        else:
            height = self.rng.uniform(9, 12)
            center = curve((root, -32), (root, -36 - height * 0.6), (root + side * 4, -36 - height), steps=6)
            width = np.linspace(3.6, 0.4, 6)
        along = np.gradient(center, axis=0)
        normal = np.stack([-along[:, 1], along[:, 0]], 1) / (np.linalg.norm(along, axis=1, keepdims=True) + 1e-9)
        outline = np.vstack([center + normal * width[:, None], (center - normal * width[:, None])[::-1]])
        borrowed = self.other is not None and not owns and self.rng.random() < 0.25
        color = HAIR[self.other.hair_color] if borrowed and self.other else self.hair_color
        self.head.polygon(outline, color, "ahoge")

    def _strayed(self, lean: float) -> tuple[float, float, float, float]:
        """Length, width and bend of an ahoge against the usual ones, and how far it leans over."""
        stray = self.style.strand
        if not stray:
            return 1.0, 1.0, 1.0, lean
        long, thick, bend, over = self.rng.uniform(-1, 1, 4) * stray
        return 1 + 0.25 * long, 1 + 0.35 * thick, 1 + 0.8 * bend, lean * (1 + 0.5 * over)

    # Head -------------------------------------------------------------------------------------------------------

    def draw_head(self) -> None:
        """Face, fringe, ahoge and ribbon."""
        head, color = self.head, self.hair_color
        head.ellipse(0, 3, 34, 31, SKIN, "head")
        self._face()
        self._ahoge()
        cap = curve((-38, 8), (-46, -46), (46, -46), (38, 8), steps=15)
        head.polygon(np.vstack([cap, _FRINGES[self.style.hair], [(-33, 16)]]), color, "hair")
        for side in (-1, 1):
            length = 34 if self.long_hair else 24
            lock = curve((side * 29, -6), (side * 32, 14), (side * 31, length))
            edge = curve((side * 37, length - 8), (side * 41, 8), (side * 37, -12))
            head.polygon(np.vstack([lock, edge]), color, "hair")
        shine = curve((-22, -19), (-8, -28), (10, -28), (22, -19))
        head.strokes([(shine, 2.6, shade(color, 1.45))], None, outline=False)
        if self.look.ribbon:
            for side in (-1, 1):
                loop = [(21, -31), (21 + side * 13, -40), (21 + side * 14, -24)]
                head.polygon(loop, RIBBON, "ribbon")
            head.ellipse(21, -31, 3.4, 3.4, shade(RIBBON, 0.8), "ribbon")
        if self.look.hat:
            head.strokes([([(2, -46), (5, -55)], 3.0, shade(HAT, 0.8))], "ribbon")
            head.ellipse(3, -37, 33, 11, HAT, "ribbon")

    def _face(self) -> None:
        head, ink = self.head, self.pen.canvas.ink
        broken = int(self.rng.integers(5)) if "broken_face" in self.faults else -1
        missing = (-1, 1)[int(self.rng.integers(2))] if broken >= 0 else 0
        for side in (-1, 1):
            head.ellipse(side * 22, 18, 5, 2.6, BLUSH, None, outline=False)
            if broken == 0 and side == missing:
                continue
            if broken == 1 and side == missing:  # far out of place
                self._eye(head.child(side * self.rng.uniform(-4, 5), self.rng.uniform(9, 13), side * 24, 0.8), side)
            elif broken == 3:  # both run together
                self._eye(head.child(-side * 8, 0), side)
            else:
                self._eye(head, side)
        if broken == 2:
            self._eye(head.child(-missing * self.rng.uniform(2, 6), self.rng.uniform(11, 14), 0, 0.8), missing)
        if broken == 4:
            self._smear()
            return
        if self.look.smile:
            head.strokes([(curve((-6, 20.5), (0, 27), (6, 20.5)), 1.8, ink)], None, outline=False)
        else:
            head.polygon([(-6, 19.5), (6, 19.5), (4, 26.5), (-4, 26.5)], (206, 84, 84), None)

    def _eye(self, head: Pen, side: int) -> None:
        iris, x = EYES[self.look.eye_color], side * 13.5
        head.ellipse(x, 7.5, 7.6, 9.2, WHITE, None)
        head.ellipse(x, 8.5, 6.0, 7.8, iris, None, outline=False)
        head.ellipse(x, 9.5, 3.0, 4.2, shade(iris, 0.42), None, outline=False)
        head.ellipse(x - 2, 5, 2.2, 2.6, (255, 255, 255), None, outline=False)
        lashes = curve((x - 8.5, 4), (x - 4, -4), (x + 4, -4), (x + 8.5, 4))
        head.strokes([(lashes, 2.0, self.pen.canvas.ink)], None, outline=False)

    def _smear(self) -> None:
        """The fault of a face that has run: its features drawn out to one side."""
        image, (x, y) = self.pen.canvas.image, self.head.place([(0, 10)])[0] * SUPERSAMPLE
        reach = 22 * self.head.scale * SUPERSAMPLE
        rows, columns = np.mgrid[int(y - reach) : int(y + reach), int(x - reach) : int(x + reach)]
        inside = (rows >= 0) & (rows < len(image)) & (columns >= 0) & (columns < len(image))
        if not inside.all():
            return
        near = np.clip(1 - ((rows - y) ** 2 + (columns - x) ** 2) / reach**2, 0, 1)
        angle = near * self.rng.choice((-1.0, 1.0)) * self.rng.uniform(1.3, 2.0)
        source_x = x + (columns - x) * np.cos(angle) - (rows - y) * np.sin(angle)
        source_y = y + (columns - x) * np.sin(angle) + (rows - y) * np.cos(angle)
        image[rows, columns] = image[np.rint(source_y).astype(int), np.rint(source_x).astype(int)]

    # Body -------------------------------------------------------------------------------------------------------

    def torso(self) -> None:
        """Neck, top and skirt, with the fault of an extra arm applied."""
        self._clothes()
        if "extra_arm" in self.faults:
            side = 1 if self.rng.random() < 0.5 else -1
            elbow, wrist = (side * 34, -50), (side * 47, -66)
            if self.rng.random() < 0.4:
                elbow, wrist = (side * 33, -37), (side * 49, -36)
            self.arm((side * SHOULDER[0], SHOULDER[1] + 3), elbow, wrist)
            degrees = float(np.rad2deg(np.arctan2(wrist[1] - elbow[1], wrist[0] - elbow[0])))
            self.hand(0, wrist, degrees, -side, extra=True)

    def _clothes(self) -> None:
        look, pen, cloth = self.look, self.pen, CLOTH[self.look.outfit_color]
        pen.strokes([([(0, -56), (0, -40)], 9, shade(SKIN, 0.93))], "skin")
        skirt = [(-14, -12), (14, -12), (23, 12), (-23, 12)]
        top = [(-14, -46), (14, -46), (19, -38), (15.5, -10), (-15.5, -10), (-19, -38)]
        if look.outfit == "dress":
            pen.polygon(
                [(-13, -46), (13, -46), (17, -36), (14, -18), (25, 14), (-25, 14), (-14, -18), (-17, -36)],
                cloth,
                "body",
            )
            pen.strokes([([(-13, -19), (13, -19)], 4, WHITE)], None, outline=False)
            return
        lower = {"serafuku": cloth, "blazer": (92, 96, 124), "vest": (126, 116, 112)}.get(look.outfit, DARK)
        pen.polygon(skirt, lower, "body")
        if look.outfit in ("serafuku", "blazer", "vest"):
            for x in (-8, 0, 8):
                pen.strokes([([(x * 0.8, -9), (x * 1.3, 11)], 1.2, shade(lower, 0.7))], None, outline=False)
        upper = WHITE if look.outfit == "serafuku" else cloth
        pen.polygon(top, upper, "body")
        if look.outfit == "serafuku":
            pen.polygon([(-15, -46), (0, -28), (15, -46), (19, -38), (0, -22), (-19, -38)], cloth, None, outline=False)
            pen.polygon([(0, -25), (7, -15), (-7, -15)], RIBBON, None)
        elif look.outfit in ("blazer", "vest"):
            depth = -22 if look.outfit == "blazer" else -30
            pen.polygon([(-8, -46), (8, -46), (0, depth)], WHITE, None)
            pen.polygon([(-2.4, -42), (2.4, -42), (1.6, depth + 2), (-1.6, depth + 2)], RIBBON, None, outline=False)
            if look.outfit == "blazer":
                pen.strokes([([(0, depth), (0, -11)], 1.4, pen.canvas.ink)], None, outline=False)
        elif look.outfit == "hoodie":
            pen.polygon([(-8, -24), (8, -24), (11, -13), (-11, -13)], shade(cloth, 0.85), None)
            for x in (-4, 4):
                pen.strokes([([(x, -44), (x, -33)], 1.6, WHITE)], None, outline=False)
        else:
            pen.strokes([([(-16, -28), (16, -28)], 5, shade(cloth, 1.6))], None, outline=False)

    def leg(self, hip: XY, knee: XY, ankle: XY, foot: float = 0.0) -> None:
        """One leg; ``foot`` points the shoe left (< 0) or right (> 0). A missing leg is left out."""
        self.legs += 1
        if f"missing_leg:{self.legs - 1}" in self.faults:
            return
        wear = self.look.legwear
        thigh = TIGHTS if wear == "pantyhose" else SKIN
        shin = {"pantyhose": TIGHTS, "kneehighs": SOCK}.get(wear, SKIN)
        self.pen.strokes([([hip, knee], 14, thigh), ([knee, ankle], 12.5, shin)], "leg")
        along = np.subtract(ankle, knee) / (np.hypot(*np.subtract(ankle, knee)) + 1e-9)
        toe = np.add(np.add(ankle, along * 4), (foot, 0))
        self.pen.strokes([([np.add(ankle, along * 2), toe], 15, SHOE)], "leg")

    def standing_legs(self) -> None:
        """Both legs straight down, with the fault of an extra leg applied."""
        spread = self.rng.uniform(-1, 2)
        xs = [-HIP_X - spread, HIP_X + spread]
        if "extra_leg" in self.faults:
            self.leg((4, 6), (16, 28), (30, 46), 6)
        for x in xs:
            self.leg((x, 6), (x, 28), (x, 50), np.sign(x) * 3)

    def arm(self, shoulder: XY, elbow: XY, wrist: XY) -> None:
        """One arm without its hand."""
        cloth = CLOTH[self.look.outfit_color]
        sleeve = WHITE if self.look.outfit in ("serafuku", "vest") else cloth
        if self.look.outfit in _LONG_SLEEVES:
            near = np.add(elbow, np.subtract(wrist, elbow) * 0.72)
            self.pen.strokes([([elbow, wrist], 8.5, SKIN), (np.array([shoulder, elbow, near]), 11.5, sleeve)], "arm")
        else:
            near = np.add(shoulder, np.subtract(elbow, shoulder) * 0.7)
            self.pen.strokes([([shoulder, elbow, wrist], 9.0, SKIN), (np.array([shoulder, near]), 12, sleeve)], "arm")

    # Hands ------------------------------------------------------------------------------------------------------

    def hand(
        self, index: int, wrist: XY, degrees: float, thumb: int, spread: float = 1.0, gripping: bool = False,
        extra: bool = False,
    ) -> None:  # fmt: skip
        """A hand at ``wrist`` whose fingers point along ``degrees`` (0 = right, 90 = down).

        ``thumb`` (+1 or -1) is the side of the thumb, ``spread`` opens the fingers, ``gripping`` bends them over
        what they hold. An ``extra`` arm's hand is nobody's: always whole, and not among the hands of the truth.
        """
        if f"missing_arm:{index}" in self.faults and not extra:
            return
        pen, part = self.pen.child(*wrist, degrees), "arm" if extra else f"hand{index}"
        faults = frozenset[str]() if extra else self.faults
        state = next((s for s in ("lost", "fused", "minor") if f"{s}_hand:{index}" in faults), "holds")
        reach = 13.0 if gripping else 15.0
        angles = np.array([-27.0, -9.0, 9.0, 27.0]) * spread * -thumb
        lengths = np.array([0.9, 1.06, 1.0, 0.8]) * reach
        roots = np.array([-4.7, -1.7, 1.6, 4.6]) * -thumb
        if state == "minor":
            if self.rng.random() < 0.5:
                drop = int(self.rng.integers(0, 4))
                angles, lengths, roots = (np.delete(a, drop) for a in (angles, lengths, roots))
            else:
                bent = int(self.rng.integers(0, 4))
                angles[bent] += 40 * (1 if self.rng.random() < 0.5 else -1)
                lengths[bent] *= 0.55
        radians = np.deg2rad(angles)
        knuckles = np.stack([np.full(len(angles), 11.0), roots], 1)
        tips = knuckles + np.stack([np.cos(radians), np.sin(radians)], 1) * lengths[:, None]
        thumb_line = np.array([(3.0, thumb * 3.0), (8.0, thumb * 9.5), (13.0, thumb * 12.5)])
        keys = np.full((6, 2), np.nan)
        keys[0] = 0, 0
        if state == "lost":
            pen.ellipse(1, 0, 4.6, 4.6, SKIN, f"hand{index}")
        elif state == "fused":
            self._mitten(pen, index, thumb, reach)
        else:
            palm = [([(4.0, 0), (9.0, 0)], 13.0, SKIN)]
            fingers = [([k - (1, 0), t], 4.6, SKIN) for k, t in zip(knuckles, tips, strict=True)]
            pen.strokes([*palm, *fingers, (thumb_line, 5.0, SKIN)], part)
            keys[1] = thumb_line[-1]
            if len(tips) == 4:
                keys[2:] = tips
        extent = np.array([(-2, -8), (28, -12), (28, 12), (-2, 8), (12, thumb * 15)])
        if not extra:
            self.drawn.append(HandDrawn(index, state, pen.place(extent), pen.place(keys).astype(np.float32), gripping))

    def _mitten(self, pen: Pen, index: int, thumb: int, reach: float) -> None:
        """Fingers stuck together: one lump with an uneven edge, the thumb half swallowed."""
        length = reach * self.rng.uniform(0.8, 1.05)
        angle = np.linspace(-1.4, 1.4, 11)
        wobble = np.convolve(self.rng.uniform(-3, 3, 13), (0.25, 0.5, 0.25), "valid")
        edge = np.stack([9 + np.cos(angle) * (length + wobble), np.sin(angle) * 9.5], 1)
        pen.strokes([([(3, 0), (6, 0)], 12.0, SKIN), ([(5, thumb * 4), (10, thumb * 8.5)], 5.0, SKIN)], f"hand{index}")
        pen.polygon(np.vstack([[(1, -5)], edge, [(1, 5)]]), SKIN, f"hand{index}")


def arm_with_hand(
    figure: Figure, index: int, joints: Sequence[XY], *, spread: float = 1.0, gripping: bool = False, turn: float = 0.0
) -> None:
    """An arm through ``joints`` (shoulder, elbow, wrist) and its hand in line with the forearm, turned by ``turn``.

    With the fault of a missing arm nothing is drawn.
    """
    if f"missing_arm:{index}" in figure.faults:
        return
    shoulder, elbow, wrist = joints
    figure.arm(shoulder, elbow, wrist)
    degrees = float(np.rad2deg(np.arctan2(wrist[1] - elbow[1], wrist[0] - elbow[0]))) + turn
    thumb = -1 if wrist[0] >= shoulder[0] else 1
    figure.hand(index, wrist, degrees, thumb, spread, gripping)
