"""YOLO detectors in ONNX form: input ``images``, output ``output0``, and ``output1`` where they segment."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors.crops import Box
from detectors.errors import UnusableWeights
from detectors.onnx.session import Array, OnnxModel

Image = NDArray[np.uint8]
# The size that ultralytics trains and validates with where a model does not say another.
_USUAL_SIDE = 640
# What ultralytics fills the rest of the square with.
_GREY = 114
_MOST = 100


@dataclass(frozen=True)
class Detection:
    """Something found: ``box`` in image pixels, ``score`` 0..1, ``mask`` (H, W) where the model has one."""

    box: Box
    score: float
    mask: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class Raw:
    """A detector's raw answer for one picture.

    Attributes:
        rows: (N, 4 + classes + coefficients): centre x, centre y, width, height in input pixels, class scores, mask
            coefficients.
        prototypes: (coefficients, h, w) of the masks, or ``None``.
    """

    rows: Array
    prototypes: Array | None = None


@dataclass(frozen=True)
class Detector:
    """An opened detector of one class of things.

    Attributes:
        model: the ONNX model.
        number: which of its classes is looked at.
        classes: how many it has.
        least: lowest score that is reported.
        overlap: intersection over union from which two boxes are the same thing.
    """

    model: OnnxModel
    number: int
    classes: int
    least: float
    overlap: float

    @classmethod
    def load(cls, path: Path, device: str, label: str, least: float, overlap: float) -> Detector:
        """Open a detector.

        Args:
            path: the ONNX file.
            device: where to run.
            label: the class to look for; its number comes from the names in the file, 0 if there are none.
            least: lowest score that is reported.
            overlap: intersection over union from which two boxes are the same thing.

        Raises:
            UnusableWeights: it is no such detector.
        """
        model = OnnxModel.load(path, device, ["images"], ["output0"])
        names = _names(model)
        if names and label not in names.values():
            raise UnusableWeights(f"{path} finds {', '.join(names.values())}, but no {label}")
        number = next((number for number, name in names.items() if name == label), 0)
        return cls(model, number, max(len(names), 1), least, overlap)

    def find(self, image: Image) -> list[Detection]:
        """Everything of its class in an image (H, W, 3) of 8-bit RGB, surest first."""
        placed, factor, left, top = letterbox(image, self.model.side(2, _USUAL_SIDE), self.model.side(3, _USUAL_SIDE))
        pixels = np.ascontiguousarray(placed.transpose(2, 0, 1)[None], np.float32)
        outputs = self.model.run(pixels / np.float32(255))
        raw = Raw(outputs[0][0].T, outputs[1][0] if len(outputs) > 1 else None)
        extra = 0 if raw.prototypes is None else len(raw.prototypes)
        if raw.rows.ndim != 2 or raw.rows.shape[1] != 4 + self.classes + extra:
            raise UnusableWeights(
                f"{self.model.path} answers {outputs[0].shape}; a detector of {self.classes} classes answers "
                f"(1, {4 + self.classes + extra}, any)"
            )
        return decode(raw, self.number, self.classes, self.least, self.overlap, image.shape[:2], (factor, left, top))


def decode(
    raw: Raw,
    number: int,
    classes: int,
    least: float,
    overlap: float,
    size: tuple[int, ...],
    placing: tuple[float, int, int],
) -> list[Detection]:
    """A raw answer as things in the image, surest first, each once.

    Args:
        raw: the answer.
        number: class to report.
        classes: how many there are.
        least: lowest score that is reported.
        overlap: intersection over union above which the less sure of two boxes is dropped.
        size: (height, width) of the image.
        placing: factor from image to input pixels, and where its left upper corner lies there.
    """
    factor, left, top = placing
    scores = np.where(np.isfinite(raw.rows[:, 4 + number]), raw.rows[:, 4 + number], 0.0)
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] >= least][: 4 * _MOST]
    centre, half = raw.rows[order, :2], raw.rows[order, 2:4] / 2
    corners = np.concatenate([centre - half, centre + half], 1) - np.array([left, top, left, top], np.float32)
    height, width = size[:2]
    boxes = np.clip(np.nan_to_num(corners) / factor, 0, np.array([width, height, width, height], np.float32))
    kept = [i for i in distinct(boxes, overlap) if (boxes[i, 2:] - boxes[i, :2]).min() >= 1][:_MOST]
    found = []
    for i in kept:
        x0, y0, x1, y1 = (float(v) for v in boxes[i])
        mask = None
        if raw.prototypes is not None:
            mask = _mask(raw.rows[order[i], 4 + classes :], raw.prototypes, (x0, y0, x1, y1), size, placing)
        found.append(Detection((x0, y0, x1, y1), float(min(scores[order[i]], 1.0)), mask))
    return found


def distinct(boxes: Array, overlap: float) -> list[int]:
    """Indices of boxes (N, 4), in order, that do not overlap an earlier kept one by more than ``overlap``."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    kept: list[int] = []
    for i in range(len(boxes)):
        low, high = np.maximum(boxes[i, :2], boxes[kept, :2]), np.minimum(boxes[i, 2:], boxes[kept, 2:])
        common = np.clip(high - low, 0, None).prod(1)
        if not (common > overlap * (area[i] + area[kept] - common)).any():
            kept.append(i)
    return kept


def letterbox(image: Image, height: int, width: int) -> tuple[Image, float, int, int]:
    """Fit an image into a rectangle, in its middle, with grey around it.

    Returns:
        The rectangle (height, width, 3), the factor from image to its pixels, and the image's left and top in it.
    """
    import cv2

    factor = min(height / image.shape[0], width / image.shape[1])
    inner = (min(width, max(1, round(image.shape[1] * factor))), min(height, max(1, round(image.shape[0] * factor))))
    fitted = cv2.resize(image, inner, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)
    placed = np.full((height, width, 3), _GREY, np.uint8)
    left, top = (width - inner[0]) // 2, (height - inner[1]) // 2
    placed[top : top + inner[1], left : left + inner[0]] = fitted
    return placed, factor, left, top


def _mask(
    coefficients: Array, prototypes: Array, box: Box, size: tuple[int, ...], placing: tuple[float, int, int]
) -> NDArray[np.bool_]:
    """A thing's mask at the image's size, nothing outside of its box.

    The prototypes cover the whole input rectangle at a quarter of its size.
    """
    import cv2

    factor, left, top = placing
    logits = np.tensordot(coefficients, prototypes, 1).astype(np.float32)
    height, width = size[:2]
    # From image pixels to prototype cells.
    cell = factor / 4
    place = np.array([[cell, 0, left / 4 + cell / 2 - 0.5], [0, cell, top / 4 + cell / 2 - 0.5]], np.float32)
    inside = cv2.warpAffine(
        logits, place, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    mask = np.zeros((height, width), bool)
    x0, y0, x1, y1 = (int(v) for v in (np.floor(box[0]), np.floor(box[1]), np.ceil(box[2]), np.ceil(box[3])))
    mask[y0:y1, x0:x1] = inside[y0:y1, x0:x1] > 0
    return mask


def _names(model: OnnxModel) -> dict[int, str]:
    """The class names that ultralytics writes into the file, by number; empty if there are none."""
    text = model.notes.get("names", "")
    if not text:
        return {}
    try:
        names = ast.literal_eval(text)
        return {int(number): str(name) for number, name in names.items()}
    except (ValueError, SyntaxError, AttributeError) as error:
        raise UnusableWeights(f"{model.path} has class names that cannot be read: {text[:80]!r}") from error
