"""Colours of the miniature's drawings, RGB 0..255."""

from __future__ import annotations

RGB = tuple[int, int, int]

LINE: RGB = (58, 38, 48)
INKS: dict[str, RGB] = {
    "brown": LINE,
    "black": (22, 22, 26),
    "blue": (44, 52, 104),
    "plum": (92, 40, 76),
    "forest": (30, 66, 48),
    "rust": (112, 52, 26),
    "slate": (84, 86, 92),
    "umber": (70, 54, 18),
    "teal": (26, 74, 84),
}
SKIN: RGB = (255, 224, 196)
BLUSH: RGB = (250, 178, 164)
WHITE: RGB = (250, 250, 252)
DARK: RGB = (52, 52, 66)

HAIR: dict[str, RGB] = {
    "blonde": (250, 212, 92),
    "black": (48, 46, 62),
    "brown": (136, 86, 50),
    "red": (206, 44, 44),
    "orange": (250, 140, 40),
    "pink": (250, 140, 176),
    "blue": (66, 112, 220),
    "green": (66, 170, 86),
    "purple": (140, 80, 190),
    "white": (226, 228, 238),
}
EYES: dict[str, RGB] = {
    "blue": (40, 100, 214),
    "red": (208, 36, 48),
    "green": (36, 150, 70),
    "yellow": (226, 170, 20),
    "purple": (130, 60, 180),
    "brown": (110, 66, 36),
}
CLOTH: dict[str, RGB] = {
    "red": (212, 52, 56),
    "blue": (56, 92, 190),
    "green": (60, 146, 80),
    "yellow": (246, 204, 80),
    "purple": (136, 92, 190),
    "white": (246, 246, 250),
    "black": (58, 58, 72),
    "pink": (246, 160, 188),
}
SOCK: RGB = (54, 54, 76)
TIGHTS: RGB = (92, 74, 84)
SHOE: RGB = (96, 60, 44)
RIBBON: RGB = (222, 40, 90)
HAT: RGB = (120, 46, 70)


def shade(color: RGB, factor: float) -> RGB:
    """``color`` made darker (factor < 1) or lighter towards white (factor > 1)."""
    if factor <= 1:
        return (int(color[0] * factor), int(color[1] * factor), int(color[2] * factor))
    return tuple(int(c + (255 - c) * (factor - 1)) for c in color)  # type: ignore[return-value]
