"""A WD-style tagger: one crop in, the probability of each tag out."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detectors.errors import UnusableWeights
from detectors.onnx.session import OnnxModel

Image = NDArray[np.uint8]
_USUAL_SIDE = 448
_WHITE = 255


@dataclass(frozen=True)
class Tagger:
    """An opened tagger; ``places`` is where each tag stands in its answer."""

    model: OnnxModel
    places: Mapping[str, int]

    @classmethod
    def load(cls, path: Path, tags: Path, device: str) -> Tagger:
        """Open a tagger and the list of its tags, ``selected_tags.csv``.

        Raises:
            UnusableWeights: one of the files is something else, or they do not belong together.
        """
        model = OnnxModel.load(path, device, [None], [None])
        if len(model.shape) != 4 or (model.shape[3] not in (3, None) and not isinstance(model.shape[3], str)):
            raise UnusableWeights(f"{path} takes {model.shape}; a WD tagger takes (any, height, width, 3)")
        places = read_tags(tags)
        count = model.session.get_outputs()[0].shape[-1]
        if isinstance(count, int) and count != len(places):
            raise UnusableWeights(f"{path} knows {count} tags, {tags} lists {len(places)}: they do not belong together")
        return cls(model, places)

    def tags(self, crop: Image, wanted: Iterable[str]) -> dict[str, float]:
        """How probable some tags are, 0..1; a tag that the tagger does not know is left out.

        Args:
            crop: (H, W, 3) of 8-bit RGB.
            wanted: names of tags, with underscores.
        """
        known = [name for name in dict.fromkeys(wanted) if name in self.places]
        answer = self.model.run(prepare(crop, self.model.side(1, _USUAL_SIDE)))[0]
        if answer.shape != (1, len(self.places)):
            raise UnusableWeights(f"{self.model.path} answers {answer.shape}, not (1, {len(self.places)})")
        return {name: float(np.clip(np.nan_to_num(answer[0, self.places[name]]), 0, 1)) for name in known}


def prepare(crop: Image, side: int) -> NDArray[np.float32]:
    """A crop as the tagger was trained to see it.

    Returns:
        (1, side, side, 3), BGR, 0..255: the crop in the middle of a white square, resized bicubically.
    """
    from PIL import Image as Pictures

    height, width = crop.shape[:2]
    most = max(height, width)
    square = np.full((most, most, 3), _WHITE, np.uint8)
    top, left = (most - height) // 2, (most - width) // 2
    square[top : top + height, left : left + width] = crop
    if most != side:
        resized = Pictures.fromarray(square).resize((side, side), Pictures.Resampling.BICUBIC)
        square = np.asarray(resized)
    return np.ascontiguousarray(square[None, :, :, ::-1], np.float32)


def read_tags(path: Path) -> dict[str, int]:
    """Where each tag stands, from a CSV file with a column ``name``.

    Raises:
        UnusableWeights: it is no such file.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            names = [row["name"] for row in csv.DictReader(file)]
    except (OSError, KeyError, UnicodeDecodeError, csv.Error) as error:
        raise UnusableWeights(f"{path} is no list of tags with a column 'name': {error}") from error
    if not names:
        raise UnusableWeights(f"{path} lists no tags")
    return {name: place for place, name in enumerate(names)}
