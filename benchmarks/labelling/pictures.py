"""Making the pictures, and laying them out for the eye."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from benchmarks.labelling.cells import LabelledCell
from benchmarks.labelling.ends import End, mark
from service.generation import GenerationSettings, ImageRequest, open_generator
from service.storage.files import sha256_of

_CAPTION = 26


def make_pictures(
    cells: Sequence[LabelledCell], runs: dict[str, Path], folder: Path, base: str, device: str, batch: int
) -> Iterator[int]:
    """Generate the pictures that are not in ``folder`` yet; yields how many there are now.

    Args:
        cells: what to make.
        runs: folder of each run's files.
        folder: gets ``<number>.png``.
        base: the base model.
        device: torch device.
        batch: pictures generated together.

    Raises:
        ValueError: a run's file is not the one the cells were planned with.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing: dict[tuple[str, str, str], list[LabelledCell]] = defaultdict(list)
    for cell in cells:
        if not (folder / cell.name).is_file():
            missing[cell.run, cell.file, cell.sha256].append(cell)
    done = len(cells) - sum(map(len, missing.values()))
    yield done
    if not missing:
        return
    generator = open_generator(base, GenerationSettings(batch_size=batch), device=device)
    for (run, file, sha256), group in missing.items():
        path = runs[run] / file if file else None
        if path is not None and sha256_of(path) != sha256:
            raise ValueError(f"{path} is another file than the one whose pictures are listed; plan the pictures again")
        generator.use(path)
        for part in _parts(group, batch):
            images = generator.generate([ImageRequest(cell.prompt, cell.seed) for cell in part])
            for cell, image in zip(part, images, strict=True):
                Image.fromarray(image.pixels).save(folder / cell.name)
            done += len(part)
            yield done


def draw_sheet(
    cells: Sequence[LabelledCell],
    folder: Path,
    columns: int = 3,
    side: int = 512,
    ends: Mapping[int, Sequence[End]] | None = None,
) -> NDArray[np.uint8]:
    """Pictures side by side, enlarged, each under its number and its scenario: what was asked for is no secret.

    Args:
        cells: a handful.
        folder: where the pictures lie.
        columns: pictures in a row.
        side: pixels each is enlarged to.
        ends: by picture number, what is marked with letters.

    Returns:
        (H, W, 3) RGB.
    """
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * side, rows * (side + _CAPTION)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(20)
    for place, cell in enumerate(cells):
        x, y = place % columns * side, place // columns * (side + _CAPTION)
        with Image.open(folder / cell.name) as picture:
            sheet.paste(picture.convert("RGB").resize((side, side), Image.Resampling.LANCZOS), (x, y + _CAPTION))
            if ends is not None:
                mark(sheet, (x, y + _CAPTION), side / picture.width, side, ends.get(cell.number, ()))
        pen.text((x + 6, y + 1), f"{cell.number}  {cell.scenario}", fill="black", font=font)
    return np.asarray(sheet)


def write_sheets(
    cells: Sequence[LabelledCell],
    folder: Path,
    out: Path,
    per_sheet: int = 6,
    columns: int = 3,
    side: int = 512,
    ends: Mapping[int, Sequence[End]] | None = None,
) -> list[Path]:
    """Write all sheets; their names carry the first and last number."""
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    for part in _parts(cells, per_sheet):
        path = out / f"{part[0].number:04d}-{part[-1].number:04d}.png"
        Image.fromarray(draw_sheet(part, folder, columns, side, ends)).save(path)
        paths.append(path)
    return paths


def _parts(cells: Sequence[LabelledCell], size: int) -> list[Sequence[LabelledCell]]:
    return [cells[start : start + size] for start in range(0, len(cells), size)]
