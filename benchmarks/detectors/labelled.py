"""Generated pictures with labelled hands and contact, as tensors beside the drawings.

Drawings are cleaner than what a model makes, and it breaks hands in ways that no drawing does. So a part of what the
hand and contact networks and the closer look see are pictures of models that were trained to break hands and bodies,
labelled by looking.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from benchmarks.detectors.augment import Warp, degrade
from benchmarks.detectors.sets import SUITE, Answers, Pictures, labelled_cells, read_answers
from benchmarks.detectors.store import HANDS, OCCLUDED, PEOPLE, SIDE
from benchmarks.labelling.cells import LabelledCell
from benchmarks.labelling.compare import from_left
from benchmarks.labelling.ends import LabelledEnd
from benchmarks.labelling.labels import SIDES, completed
from detectors import DetectorSet, open_detectors
from detectors.context import Context
from detectors.sight import Sight
from detectors.vocabulary import HAND_STATES
from service.suites import load_suite

MOST_ENDS = PEOPLE * HANDS
_UNASKED = -1
NOT_SURE = OCCLUDED + 1
"""The state of an end that labellers could not tell."""
_STATES = {name: code for code, name in enumerate((*HAND_STATES, "hidden"))}
# Side of a hand as a share of its head's, for ends that no box was given for.
_HAND = 0.42


@dataclass(frozen=True)
class Labelled:
    """N pictures on one device; -1 and NaN where nothing is known.

    Attributes:
        images: (N, SIDE, SIDE, 3) uint8.
        boxes: (N, PEOPLE, 4) of everybody seen, zeros for nobody.
        fused: (N,), 0 or 1.
        ends: (N, MOST_ENDS, 8): present, state (a place in ``HAND_STATES``, :data:`OCCLUDED` where it is hidden, or
            :data:`NOT_SURE`), box, and the middle of the owner's head. All NaN where nobody labelled arms' ends.
        model: (N,), which model made the picture.
    """

    images: Tensor
    boxes: Tensor
    fused: Tensor
    ends: Tensor
    model: Tensor

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return len(self.images)

    @property
    def handed(self) -> Tensor:
        """Whether the arms' ends of each picture are labelled, (N,)."""
        return ~torch.isnan(self.ends[:, 0, 0])

    def pick(self, amount: int, generator: torch.Generator, often: Tensor | None = None) -> Tensor:
        """Random indices, (amount,); with ``often`` (N,) of the CPU as often as that says."""
        shares = torch.ones(self.count) if often is None else often
        return torch.multinomial(shares, amount, replacement=True, generator=generator).to(self.images.device)

    def pictures(self, index: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in 0..1."""
        return self.images[index].permute(0, 3, 1, 2).float() / 255.0

    def hands(self, index: Tensor, warp: Warp) -> dict[str, Tensor]:
        """What :meth:`benchmarks.detectors.hands.Objective.targets` says of drawings, moved by ``warp``."""
        ends = self.ends[index]
        known = ~torch.isnan(ends[..., 6:])
        boxes = warp.boxes(torch.nan_to_num(ends[..., 2:6]), SIDE)
        state = ends[..., 1].long()
        center = (boxes[..., :2] + boxes[..., 2:]) / 2
        present = (ends[..., 0] > 0) & ((center > 0) & (center < SIDE)).all(-1)
        nothing = torch.full((*ends.shape[:2], 6, 2), torch.nan, device=ends.device)
        return {
            "center": center,
            "box": boxes,
            "size": boxes[..., 2:] - boxes[..., :2],
            "state": state,
            "judge": present & (state < OCCLUDED),
            "ignore": present & (state >= OCCLUDED),
            "hidden": present & (state == OCCLUDED),
            "gripping": torch.full(ends.shape[:2], torch.nan, device=ends.device),
            "keypoints": nothing,
            "owner": warp.points(torch.nan_to_num(ends[..., 6:]), SIDE),
            "head": known.all(-1),
        }


def softly_degraded(pictures: Tensor) -> Tensor:
    """Half of the pictures degraded: they are soft and smeared as they are."""
    half = len(pictures) // 2
    return torch.cat([degrade(pictures[:half], blotch=False), pictures[half:]]) if half else pictures


def looks_at_labelled(sight: Sight, pictures: Pictures, batch: int = 8) -> Iterator[tuple[Answers, Context]]:
    """For each picture that settles thresholds its answers, completed, and what is seen on it."""
    for name, folder in pictures.items():
        for answers, _, _, context in _looks(name, folder, sight, batch, validation=True):
            yield (completed(answers[0]), answers[1]), context


def load_labelled(pictures: Pictures, device: str) -> Labelled:
    """Read what there is to train on; who is seen there is found by the detectors as shipped."""
    detectors = open_detectors(device=device)
    rows: list[tuple[NDArray[np.generic], ...]] = []
    models: dict[tuple[str, str], int] = {}
    for name, folder in pictures.items():
        for answers, cell, image, context in _looks(name, folder, detectors, validation=False):
            model = models.setdefault((name, cell.run), len(models))
            rows.append((image, *_row(*answers, context), np.asarray(model)))
    return Labelled(*(torch.from_numpy(np.stack(column)).to(device) for column in zip(*rows, strict=True)))


def _looks(
    name: str, folder: Path, looking: Sight | DetectorSet, batch: int = 8, *, validation: bool
) -> Iterator[tuple[Answers, LabelledCell, NDArray[np.uint8], Context]]:
    """Each labelled picture of a set's one part with its answers and what is seen on it."""
    labels, suite = read_answers(name), load_suite(str(SUITE))
    cells = [cell for cell in labelled_cells(name, validation=validation) if cell.number in labels]
    for start in range(0, len(cells), batch):
        part = cells[start : start + batch]
        images = [np.asarray(Image.open(folder / cell.name).convert("RGB")) for cell in part]
        contexts = looking.look(images, [suite.expectation(cell.scenario) for cell in part])
        for cell, image, context in zip(part, images, contexts, strict=True):
            yield labels[cell.number], cell, image, context


def _row(
    faults: Mapping[str, str], ends: Sequence[LabelledEnd] | None, context: Context
) -> tuple[NDArray[np.generic], ...]:
    boxes = np.zeros((PEOPLE, 4), np.float32)
    for place, person in enumerate(context.people[:PEOPLE]):
        boxes[place] = person.box
    heads = np.full((2, 4), np.nan, np.float32)
    seen = from_left(context.people)
    if str(len(seen)) == faults["people"] and len(seen) <= len(SIDES):
        for place, person in enumerate(seen):
            if person.head:
                heads[place] = person.head.box
    # Where there are no two people, nobody can be fused and the check does not ask.
    asked = "fusion" in context.expectation.checks and faults["people"] not in ("0", "1")
    fused = np.int64(("no", "yes").index(faults["fusion"]) if asked and faults["fusion"] in ("no", "yes") else _UNASKED)
    found = np.full((MOST_ENDS, 8), np.nan, np.float32) if ends is None else _ends(ends, heads)
    return boxes, np.asarray(fused), found


def _ends(ends: Sequence[LabelledEnd], heads: NDArray[np.float32]) -> NDArray[np.float32]:
    rows = np.zeros((MOST_ENDS, 8), np.float32)
    sizes = heads[:, 2:] - heads[:, :2]
    usual = float(np.nanmean(sizes)) * _HAND if np.isfinite(sizes).any() else 28.0
    for row, end in zip(rows, ends, strict=False):
        head = heads[SIDES.index(end.side)] if end.side else np.full(4, np.nan, np.float32)
        x, y = end.point
        box = end.box or (x - usual / 2, y - usual / 2, x + usual / 2, y + usual / 2)
        state = _STATES.get(end.grade, NOT_SURE)
        row[:] = (1, state, *box, (head[0] + head[2]) / 2, (head[1] + head[3]) / 2)
    return rows
