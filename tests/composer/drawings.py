"""Small drawings of a person on a background, with exact masks."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Picture = NDArray[np.uint8]


def draw_person(
    hair: tuple[int, int, int],
    background: Picture,
    *,
    height: int = 140,
    x: int | None = None,
    floor: int | None = None,
    ahoge: bool = False,
) -> tuple[Picture, NDArray[np.bool_]]:
    """A person of `height` pixels whose feet are at `floor`; returns the picture and the exact mask."""
    picture = background.copy()
    rows, columns = picture.shape[:2]
    x = columns // 2 if x is None else x
    floor = rows - 20 if floor is None else floor
    mask = np.zeros((rows, columns), np.uint8)
    unit = height / 10
    for canvas, skin, cloth, strands in (
        (picture, (250, 220, 200), (40, 60, 160), hair),
        (mask, (255,), (255,), (255,)),
    ):
        top = floor - height
        if ahoge:
            cv2.line(canvas, (x, int(top + unit)), (int(x + unit), int(top - 2 * unit)), strands, 3)
        cv2.circle(canvas, (x, int(top + 2 * unit)), int(2 * unit), strands, -1)
        cv2.circle(canvas, (x, int(top + 2.4 * unit)), int(1.3 * unit), skin, -1)
        cv2.rectangle(canvas, (int(x - unit), int(top + 3.9 * unit)), (int(x + unit), int(top + 7 * unit)), cloth, -1)
        for side in (-1, 1):
            left = int(x + side * 0.6 * unit)
            cv2.rectangle(canvas, (left - int(0.3 * unit), int(top + 7 * unit)),
                          (left + int(0.3 * unit), floor - 1), skin, -1)  # fmt: skip
    return picture, mask.astype(bool)


def plain(color: tuple[int, int, int], width: int = 160, height: int = 200) -> Picture:
    """One colour."""
    return np.full((height, width, 3), color, np.uint8)


def gradient(top: tuple[int, int, int], bottom: tuple[int, int, int], width: int = 160, height: int = 200) -> Picture:
    """From one colour to another, downwards."""
    part = np.linspace(0, 1, height)[:, None, None]
    rows = np.array(top) * (1 - part) + np.array(bottom) * part
    return np.repeat(np.rint(rows).astype(np.uint8), width, axis=1)


def busy(width: int = 160, height: int = 200) -> Picture:
    """Coloured boxes up to the border."""
    rng = np.random.default_rng(0)
    small = rng.integers(0, 255, (height // 20, width // 20, 3), np.uint8)
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def save(folder: Path, name: str, picture: Picture, caption: str | None) -> Path:
    """Write a picture with its caption beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.png"
    Image.fromarray(picture).save(path)
    if caption is not None:
        path.with_suffix(".txt").write_text(caption)
    return path
