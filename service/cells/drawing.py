"""Drawing what was seen over a picture: people's masks, strands, hands and every other box."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from detectors import Finding, Severity, Verdict
from service.cells.pieces import Box, named_boxes, part_of

DRAWING_VERSION = 2
"""Raised by hand whenever the same evidence is drawn otherwise."""

Layer = Literal["masks", "strands", "hands", "boxes"]
LAYERS: tuple[Layer, ...] = get_args(Layer)

Mask = NDArray[np.bool_]
Colour = tuple[int, int, int]

# Okabe and Ito's palette: told apart by everybody, colour-blind people too.
_PEOPLE: tuple[Colour, ...] = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (204, 121, 167))
_NOBODY: Colour = (150, 150, 150)
_VERDICTS: dict[Verdict, Colour] = {
    Verdict.FAILS: (213, 43, 30),
    Verdict.MINOR: (240, 170, 0),
    Verdict.HOLDS: (0, 158, 115),
    Verdict.NOT_MEASURABLE: (150, 150, 150),
}
_MASK_ALPHA, _EDGE_ALPHA = 90, 235
_SMALLEST = 512
"""Longer side in pixels: smaller pictures are drawn enlarged by a whole factor, so that words can be read; on larger
ones lines and letters grow with the picture."""


@dataclass(frozen=True)
class Outline:
    """One person's mask, (height, width) of the picture; ``character`` is ``None`` for somebody unmatched."""

    character: str | None
    mask: Mask


def draw(
    picture: NDArray[np.uint8],
    findings: Sequence[Finding],
    outlines: Sequence[Outline],
    layers: Collection[str],
    cast: Sequence[str],
    *,
    transparent: bool,
) -> bytes:
    """A picture with what was seen in it, as PNG. What holds is framed, what does not is named too.

    Args:
        picture: (height, width, 3) RGB.
        findings: their evidence's boxes are drawn in the colour of the verdict, with a word.
        outlines: people's masks, for the layer ``masks``.
        layers: which of :data:`LAYERS` to draw.
        cast: names in the order that gives each its colour.
        transparent: the layers alone, to be laid over the picture.
    """
    factor = max(1, -(-_SMALLEST // max(picture.shape[:2])))
    canvas = Image.fromarray(picture.repeat(factor, 0).repeat(factor, 1))
    layer = Image.new("RGBA", canvas.size, (0, 0, 0, 0))
    if "masks" in layers:
        for outline in outlines:
            mask = outline.mask.repeat(factor, 0).repeat(factor, 1)
            _paint(layer, mask, _colour(outline.character, cast))
    boxes: dict[Box, tuple[Finding, str]] = {}
    for finding in _worst_last(findings):  # several checks look at the same head: the worst one names its box
        boxes |= {box: (finding, key) for key, box in named_boxes(finding.evidence) if layer_of(key) in layers}
    pen = ImageDraw.Draw(layer)
    scale = max(1.0, max(canvas.size) / _SMALLEST)
    font = ImageFont.load_default(size=round(13 * scale))
    for box, (finding, key) in boxes.items():
        if outlines and part_of(key) == "person":
            continue  # the mask says it better
        place = tuple(side * factor for side in box)
        word = "" if finding.verdict is Verdict.HOLDS else _word(finding, key)
        _frame(pen, place, _VERDICTS[finding.verdict], word, round(2 * scale), font)
    whole = layer if transparent else Image.alpha_composite(canvas.convert("RGBA"), layer).convert("RGB")
    return _png(whole)


def layer_of(key: str) -> Layer:
    """The layer that a box belongs to, by its key in the evidence.

    >>> layer_of("strand_box"), layer_of("other_hand_1_box"), layer_of("contact_box")
    ('strands', 'hands', 'boxes')
    """
    if key.startswith("strand"):
        return "strands"
    return "hands" if part_of(key) == "hand" else "boxes"


def crop(picture: NDArray[np.uint8], box: tuple[int, int, int, int], size: int) -> bytes:
    """A piece of a picture, scaled so that its longer side has ``size`` pixels, as PNG."""
    piece = Image.fromarray(picture).crop(box)
    factor = size / max(piece.size)
    scaled = piece.resize(_scaled(piece.size, factor), Image.Resampling.LANCZOS)
    return _png(scaled)


def thumbnail(pixels: NDArray[np.uint8], size: int) -> bytes:
    """A picture, (height, width, 3), of at most ``size`` pixels a side, as WebP; smaller pictures keep their size."""
    picture = Image.fromarray(pixels)
    factor = min(1.0, size / max(picture.size))
    small = picture.resize(_scaled(picture.size, factor), Image.Resampling.LANCZOS)
    buffer = BytesIO()
    small.save(buffer, "WEBP", quality=82, method=2)
    return buffer.getvalue()


def fit_mask(mask: Mask, factor: float, width: int, height: int) -> Mask:
    """A mask of the detectors' square frame, fitted to the picture.

    Args:
        mask: (frame, frame).
        factor: from picture to frame pixels.
        width: of the picture.
        height: of the picture.
    """
    used = mask[: max(1, round(height * factor)), : max(1, round(width * factor))]
    grey = Image.fromarray(used.astype(np.uint8) * 255).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(grey) >= 128


def _scaled(size: tuple[int, int], factor: float) -> tuple[int, int]:
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))


def _paint(layer: Image.Image, mask: Mask, colour: Colour) -> None:
    """A veil over the person and a firm edge around it."""
    inner = mask.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            inner &= np.roll(mask, step, axis)
    alpha = np.where(mask, np.where(inner, _MASK_ALPHA, _EDGE_ALPHA), 0).astype(np.uint8)
    veil = Image.new("RGBA", layer.size, (*colour, 0))
    veil.putalpha(Image.fromarray(alpha))
    layer.alpha_composite(veil)


def _frame(
    pen: ImageDraw.ImageDraw, box: tuple[float, ...], colour: Colour, word: str, width: int,
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> None:  # fmt: skip
    """A box on a dark edge, so that it shows on any picture, and its word, if there is one, above or inside."""
    pen.rectangle(box, outline=(0, 0, 0, 160), width=width + 2)
    pen.rectangle(box, outline=(*colour, 255), width=width)
    if not word:
        return
    left, top, right, bottom = pen.textbbox((0, 0), word, font=font)
    x, y = box[0], box[1] - (bottom - top) - 5
    x, y = max(0.0, min(x, pen.im.size[0] - (right - left) - 4)), y if y >= 0 else box[1] + width
    pen.rectangle((x, y, x + right - left + 4, y + bottom - top + 4), fill=(0, 0, 0, 190))
    pen.text((x + 2 - left, y + 2 - top), word, fill=(255, 255, 255, 255), font=font)


def _word(finding: Finding, key: str) -> str:
    part = key.removesuffix("es").removesuffix("_box").replace("_", " ")
    who = f"{finding.character} " if finding.character else ""
    graded = finding.severity in (Severity.LOST, Severity.FUSED)  # a "clear" fault would read as if all were clear
    return f"{who}{part}: {finding.severity if graded else finding.verdict}".replace("_", " ")


def _worst_last(findings: Sequence[Finding]) -> list[Finding]:
    order = [Verdict.HOLDS, Verdict.NOT_MEASURABLE, Verdict.MINOR, Verdict.FAILS]
    return sorted(findings, key=lambda finding: order.index(finding.verdict))


def _colour(character: str | None, cast: Sequence[str]) -> Colour:
    return _PEOPLE[cast.index(character) % len(_PEOPLE)] if character in cast else _NOBODY


def _png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()
