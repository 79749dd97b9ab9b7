"""Square windows cut out of pictures; training and inference share them, so both see the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Box = tuple[float, float, float, float]
Window = tuple[float, float, float]

HEAD_SIZE = 128
PERSON_SIZE = 96
PAIR_SIZE = 160
BODY_SIZE = 128
FACE_SIZE = 64
END_SIZE = 96
FRAME_SIZE = 256


def head_window(box: Box) -> Window:
    """Window ``(centre x, centre y, side)`` around a head, with room above for a strand that stands up."""
    x0, y0, x1, y1 = box
    side = 1.72 * max(x1 - x0, y1 - y0)
    return ((x0 + x1) / 2, (y0 + y1) / 2 - 0.24 * (y1 - y0), side)


def person_window(box: Box) -> Window:
    """Window around one person."""
    x0, y0, x1, y1 = box
    return ((x0 + x1) / 2, (y0 + y1) / 2, 1.08 * max(x1 - x0, y1 - y0))


def body_window(box: Box) -> Window:
    """Window around one person with room for neighbours and for what is left over beside her."""
    x, y, side = person_window(box)
    return (x, y, 1.3 * side)


def face_window(box: Box) -> Window:
    """Window around the face inside of a head's box."""
    x0, y0, x1, y1 = box
    return ((x0 + x1) / 2, (y0 + y1) / 2 + 0.1 * (y1 - y0), 1.0 * max(x1 - x0, y1 - y0))


def union_window(boxes: list[Box]) -> Window:
    """Window around all of ``boxes``; the whole frame if there is none."""
    if not boxes:
        return (FRAME_SIZE / 2, FRAME_SIZE / 2, float(FRAME_SIZE))
    low, high = np.min(boxes, axis=0), np.max(boxes, axis=0)
    return person_window((float(low[0]), float(low[1]), float(high[2]), float(high[3])))


def window_box(window: Window) -> list[float]:
    """The window as ``[x0, y0, x1, y1]``, rounded to a tenth of a pixel."""
    x, y, side = window
    return [round(v, 1) for v in (x - side / 2, y - side / 2, x + side / 2, y + side / 2)]


def cut(pictures: Tensor, index: Tensor, windows: Tensor, size: int, mode: str = "bilinear") -> Tensor:
    """Cut square windows.

    Args:
        pictures: (B, C, H, W) floats.
        index: (M,) which picture each window is cut from.
        windows: (M, 3) centre x, centre y and side in pixels.
        size: side of the results in pixels.
        mode: ``bilinear`` for colours, ``nearest`` for labels.

    Returns:
        (M, C, size, size). Colours outside of the picture repeat its edge, labels are 0 there.
    """
    import torch
    from torch.nn import functional

    height, width = pictures.shape[-2:]
    steps = (torch.arange(size, device=pictures.device, dtype=torch.float32) + 0.5) / size - 0.5
    x = windows[:, :1] + steps * windows[:, 2:]
    y = windows[:, 1:2] + steps * windows[:, 2:]
    grid = torch.stack(
        [
            (x * 2 / width - 1)[:, None, :].expand(-1, size, -1),
            (y * 2 / height - 1)[:, :, None].expand(-1, -1, size),
        ],
        -1,
    )
    padding = "border" if mode == "bilinear" else "zeros"
    return functional.grid_sample(pictures[index], grid.to(pictures.dtype), mode, padding, align_corners=False)


def to_frame(image: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """Fit an image into the square frame the networks look at.

    Args:
        image: (H, W, 3) RGB.

    Returns:
        The frame (FRAME_SIZE, FRAME_SIZE, 3), the image in its upper left corner on grey, and the factor from image to
        frame pixels.
    """
    import cv2

    height, width = image.shape[:2]
    factor = FRAME_SIZE / max(height, width)
    if (height, width) == (FRAME_SIZE, FRAME_SIZE):
        return image, 1.0
    fitted = cv2.resize(
        image,
        (max(1, round(width * factor)), max(1, round(height * factor))),
        interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR,
    )
    frame = np.full((FRAME_SIZE, FRAME_SIZE, 3), 128, np.uint8)
    frame[: fitted.shape[0], : fitted.shape[1]] = fitted
    return frame, factor
