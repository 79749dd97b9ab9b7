"""Makes pictures of two characters out of solo pictures of each: `compose_pairs`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from service.composer.captions import Caption, infer_trigger, merge_captions, read_caption
from service.composer.figures import Figure, NoFigureError, find_figure, paint_plane
from service.composer.matching import Match, SoloPicture, match_pictures
from service.errors import InvalidInput, NotFound

UNTESTED_SHARE = 0.15
"""Share of pair pictures in a training set above which nobody has measured what happens."""
_SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp"}
_GAP, _MARGIN = 0.06, 0.06
"""Between the two figures and around them, as shares of the figures' stature."""


@dataclass(frozen=True)
class ComposedPair:
    """One written picture: where it is, its caption, and the solo pictures on its left and right."""

    path: Path
    caption: str
    left: Path
    right: Path
    similarity: float
    swapped: bool


@dataclass(frozen=True)
class PairReport:
    """What `compose_pairs` did.

    Attributes:
        pairs: the written pictures.
        skipped: pictures that could not be used, with the reason.
        triggers: of the left and the right folder's character.
        share: pair pictures ÷ all training pictures (solo, composed and other pairs).
        warnings: what a person should know.
    """

    pairs: tuple[ComposedPair, ...]
    skipped: tuple[tuple[Path, str], ...]
    triggers: tuple[str, str]
    share: float
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "pairs": [
                {"path": str(p.path), "caption": p.caption, "left": str(p.left), "right": str(p.right),
                 "similarity": round(p.similarity, 3), "swapped": p.swapped}
                for p in self.pairs
            ],
            "skipped": [{"path": str(path), "reason": reason} for path, reason in self.skipped],
            "triggers": list(self.triggers),
            "share": round(self.share, 4),
            "warnings": list(self.warnings),
        }  # fmt: skip


def compose_pairs(
    left_folder: Path,
    right_folder: Path,
    out_folder: Path,
    count: int,
    *,
    seed: int,
    swap: bool = True,
    left_trigger: str | None = None,
    right_trigger: str | None = None,
    size: tuple[int, int] | None = None,
    other_pairs: int = 0,
) -> PairReport:
    """Write `count` pictures of two characters side by side, made of solo pictures, with captions beside them.

    Pictures are matched by caption, pose and shape; their figures are cut out by bounding box, brought to one stature,
    and placed on one background with captions in left-to-right order. The same folders and seed give the same files.

    Args:
        left_folder: solo pictures of one character, each with a ``.txt`` caption of the same name.
        right_folder: the same of the other character.
        out_folder: receives ``pair_0001.png`` and ``pair_0001.txt`` and so on; it must be new or empty.
        count: pictures to write. With `swap` every match gives two of them.
        seed: decides between equally good matches, and whose background is used.
        swap: also write each match with left and right exchanged.
        left_trigger: the left character's trigger word; found by itself if one tag marks that folder's captions.
        right_trigger: the same for the right folder.
        size: (width, height) of the pictures; by default as large as the figures are, in multiples of 16.
        other_pairs: pictures of both that the training set has besides, for the share.

    Raises:
        NotFound: a folder is missing or has no pictures.
        InvalidInput: the folders overlap, the output is not empty, no trigger word is found, or nothing can be matched.
    """
    _check_folders(left_folder, right_folder, out_folder)
    if count < 1:
        raise InvalidInput("the count has to be at least 1")
    if size is not None and min(size) < 64:
        raise InvalidInput("pictures have to be at least 64x64")
    skipped: list[tuple[Path, str]] = []
    (firsts, first_captions), (seconds, second_captions) = (
        _read_folder(folder, skipped) for folder in (left_folder, right_folder)
    )
    triggers = (
        left_trigger or _found_trigger(first_captions, second_captions, left_folder, "--left-trigger"),
        right_trigger or _found_trigger(second_captions, first_captions, right_folder, "--right-trigger"),
    )
    rng = np.random.default_rng(seed)
    matches = match_pictures(firsts, seconds, -(-count // 2) if swap else count, rng)
    if not matches:
        raise InvalidInput(
            f"no picture of {left_folder} goes with one of {right_folder}: " + _reasons(skipped, firsts, seconds)
        )
    out_folder.mkdir(parents=True, exist_ok=True)
    pairs = tuple(
        _write_pair(match, flipped, from_first, triggers, size, out_folder / f"pair_{number:04d}.png")
        for number, (match, flipped, from_first) in enumerate(_layouts(matches, count, swap, rng), start=1)
    )
    solos, together = len(first_captions) + len(second_captions), len(pairs) + other_pairs
    share = together / (solos + together)
    return PairReport(pairs, tuple(skipped), triggers, share, _warnings(pairs, count, share, skipped))


def _check_folders(left: Path, right: Path, out: Path) -> None:
    for folder in (left, right):
        if not folder.is_dir():
            raise NotFound(f"there is no folder {folder}")
    resolved = [folder.resolve() for folder in (left, right, out)]
    if len(set(resolved)) < 3:
        raise InvalidInput("the two characters' folders and the output folder have to be three different ones")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InvalidInput(f"{out} is not empty; choose a new folder, so that nothing is written over")


def _read_folder(folder: Path, skipped: list[tuple[Path, str]]) -> tuple[list[SoloPicture], list[Caption]]:
    """The usable pictures of a folder, and the captions of all its solo pictures."""
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise NotFound(f"there are no pictures in {folder}")
    pictures: list[SoloPicture] = []
    captions: list[Caption] = []
    for path in paths:
        try:
            caption = _read_caption_of(path)
            captions.append(caption)
            pictures.append(SoloPicture(path, caption, find_figure(_read_picture(path))))
        except NoFigureError as reason:
            skipped.append((path, str(reason)))
    return pictures, captions


def _read_caption_of(path: Path) -> Caption:
    try:
        caption = read_caption(path.with_suffix(".txt").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise NoFigureError("there is no .txt caption beside it") from None
    except (OSError, UnicodeDecodeError) as error:
        raise NoFigureError(f"its caption cannot be read: {error}") from error
    if not caption.is_solo:
        raise NoFigureError("its caption names more than one person")
    return caption


def _read_picture(path: Path) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as image:
            turned = ImageOps.exif_transpose(image)
            return np.asarray(turned.convert("RGBA" if turned.has_transparency_data else "RGB"))
    except (UnidentifiedImageError, OSError, ValueError, Image.DecompressionBombError) as error:
        raise NoFigureError(f"it cannot be read as a picture: {error}") from error


def _found_trigger(own: list[Caption], others: list[Caption], folder: Path, option: str) -> str:
    trigger = infer_trigger(own, others)
    if trigger is None:
        raise InvalidInput(
            f"no tag marks all captions in {folder} and none of the other folder's; state the trigger with {option}"
        )
    return trigger


def _layouts(
    matches: list[Match], count: int, swap: bool, rng: np.random.Generator
) -> Iterator[tuple[Match, bool, bool]]:
    """Each picture to write: match, whether left and right are exchanged, whether the first's background is used."""
    written = 0
    for match in matches:
        from_first = bool(rng.random() < 0.5)
        for flipped in (False, True) if swap else (False,):
            if written < count:
                written += 1
                yield match, flipped, from_first


def _write_pair(
    match: Match, flipped: bool, from_first: bool, triggers: tuple[str, str], size: tuple[int, int] | None, path: Path
) -> ComposedPair:
    ground = match.first if from_first else match.second
    sides = [(match.first, triggers[0]), (match.second, triggers[1])]
    (left, left_trigger), (right, right_trigger) = sides[::-1] if flipped else sides
    background = ["white background"] if ground.figure.background is None else ground.caption.background
    caption = merge_captions(left.caption, right.caption, left_trigger, right_trigger, background)
    picture = place_side_by_side(left.figure, right.figure, ground.figure.background, size)
    Image.fromarray(picture).save(path)
    path.with_suffix(".txt").write_text(caption + "\n", encoding="utf-8")
    return ComposedPair(path, caption, left.path, right.path, match.similarity, flipped)


def place_side_by_side(
    left: Figure, right: Figure, background: NDArray[np.float32] | None, size: tuple[int, int] | None = None
) -> NDArray[np.uint8]:
    """Two figures of one stature on one canvas, (height, width, 3) RGB.

    The larger figure is scaled down to the smaller, never up, so that neither is blurred. Figures that were cut off
    below stand on the canvas' lower edge, whole ones on one floor above a margin.
    """
    tall = float(min(left.stature, right.stature))
    margins = 1 if left.is_cropped and right.is_cropped else 2
    wide, high = _extent(left, right, tall)
    needed = wide + (_GAP + 2 * _MARGIN) * tall, high + margins * _MARGIN * tall
    if size is None:
        width, height = (16 * math.ceil(side / 16) for side in needed)
    else:
        width, height = size
        tall *= min(1.0, width / needed[0], height / needed[1])
    canvas = paint_plane(background, width, height)
    parts = [_scaled(figure, tall) for figure in (left, right)]
    gap = round(_GAP * tall)
    tallest = max(coverage.shape[0] for _, coverage in parts)
    floor = height if margins == 1 else height - max(0, (height - tallest) // 2)
    x = max(0, (width - gap - sum(coverage.shape[1] for _, coverage in parts)) // 2)
    for color, coverage in parts:
        rows, columns = coverage.shape[:2]
        spot = canvas[floor - rows : floor, x : x + columns]
        spot *= 1 - coverage
        spot += color
        x += columns + gap
    return np.clip(np.rint(canvas), 0, 255).astype(np.uint8)


def _extent(left: Figure, right: Figure, tall: float) -> tuple[float, float]:
    """Both figures' width together and the greater height, when their stature is `tall`."""
    sides = [
        (figure.coverage.shape[1] * tall / figure.stature, figure.coverage.shape[0] * tall / figure.stature)
        for figure in (left, right)
    ]
    return sides[0][0] + sides[1][0], max(sides[0][1], sides[1][1])


def _scaled(figure: Figure, tall: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The figure's colour and coverage at a stature."""
    rows, columns = (max(1, int(side * tall / figure.stature)) for side in figure.coverage.shape[:2])
    if (rows, columns) == figure.coverage.shape[:2]:
        return figure.color, figure.coverage
    color = cv2.resize(figure.color, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    coverage = cv2.resize(figure.coverage, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    return color, coverage[..., None]


def _reasons(skipped: list[tuple[Path, str]], firsts: list[SoloPicture], seconds: list[SoloPicture]) -> str:
    if firsts and seconds:
        return "one side shows whole figures only, the other only figures cut off below"
    return f"{len(skipped)} pictures could not be used; the first: {skipped[0][0].name}, {skipped[0][1]}"


def _warnings(
    pairs: tuple[ComposedPair, ...], count: int, share: float, skipped: list[tuple[Path, str]]
) -> tuple[str, ...]:
    warnings = []
    if len(pairs) < count:
        warnings.append(f"only {len(pairs)} of {count} pictures were made: there are no more different matches")
    if share > UNTESTED_SHARE:
        warnings.append(
            f"pairs are {share:.0%} of the training pictures; shares above {UNTESTED_SHARE:.0%} are untested"
        )
    if skipped:
        warnings.append(f"{len(skipped)} pictures were left out; the reasons are listed")
    return tuple(warnings)
