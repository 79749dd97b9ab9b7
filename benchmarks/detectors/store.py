"""Drawings rendered once by all cores into flat files, and batches of them on the training device."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.detectors.sampling import Split, scene_of
from benchmarks.detectors.spoiling import spoil
from benchmarks.detectors.truths import (
    arms_of,
    drawn,
    face_of,
    fused,
    ghost_of,
    hands_of,
    label_map,
    limbs_of,
    role_of,
    scale_of,
)
from benchmarks.miniature.drawing import draw
from benchmarks.miniature.scenes import (
    EYE_COLORS,
    HAIR_COLORS,
    HAIR_LENGTHS,
    HAIR_STYLES,
    LEGWEAR,
    OUTFIT_COLORS,
    OUTFITS,
    PAIR_POSES,
    ROWS,
    SOLO_POSES,
    THICKET,
)
from benchmarks.miniature.truth import Drawing
from detectors.vocabulary import AHOGE_STATES, ARMS, FACES, GHOSTS, HAND_STATES, LIMBS, ROLES

SIDE = 256
PEOPLE, HANDS = 5, 2
PERSON_FIELDS = (
    "present",
    "hair_color",
    "hair_length",
    "hair_style",
    "ahoge",  # -1 where it cannot be judged
    "ribbon",
    "eye_color",
    "outfit",
    "outfit_color",
    "legwear",
    "judgeable",
    "extra",
    "role",  # this and the next ones: -1 where it cannot be judged
    "limbs",
    "ghost",
    "face",
    "arms",
    "x0",
    "y0",
    "x1",
    "y1",
)
HAND_FIELDS = ("present", "state", "gripping", "x0", "y0", "x1", "y1")  # and 12 key point coordinates
OCCLUDED = len(HAND_STATES)
_POSES = (*SOLO_POSES, *PAIR_POSES)
_FILES = {
    "images": ((SIDE, SIDE, 3), "uint8"),
    "labels": ((SIDE, SIDE), "uint8"),
    "contact": ((SIDE, SIDE // 8), "uint8"),
    "people": ((PEOPLE, len(PERSON_FIELDS)), "float32"),
    "hands": ((PEOPLE, HANDS, len(HAND_FIELDS) + 12), "float32"),
    "scenes": ((4,), "float32"),  # pose, people asked for, fused, before thin things
}


def _records(split: Split, index: int) -> dict[str, NDArray[np.generic]]:
    drawing = draw(scene_of(split, index), SIDE)
    if split == "train":
        drawing = spoil(drawing, np.random.default_rng((91, index)))
    people = np.zeros((PEOPLE, len(PERSON_FIELDS)), np.float32)
    hands = np.full((PEOPLE, HANDS, len(HAND_FIELDS) + 12), np.nan, np.float32)
    hands[..., 0] = 0
    scale = scale_of(drawing)
    for p, person in enumerate(drawing.people):
        look, shown = person.look, drawn(drawing, p)
        people[p] = (
            float(person.mask.sum() > 40),
            HAIR_COLORS.index(shown.hair_color),
            HAIR_LENGTHS.index(shown.hair_length),
            HAIR_STYLES.index(shown.hair_style),
            -1 if shown.ahoge is None else AHOGE_STATES.index(shown.ahoge),
            look.ribbon,
            EYE_COLORS.index(shown.eye_color),
            OUTFITS.index(shown.outfit),
            OUTFIT_COLORS.index(shown.outfit_color),
            LEGWEAR.index(look.legwear),
            shown.judgeable,
            person.extra,
            _code(ROLES, role_of(drawing, p)),
            _code(LIMBS, limbs_of(drawing, p)),
            _code(GHOSTS, ghost_of(drawing, p)),
            _code(FACES, face_of(drawing, p)),
            _code(ARMS, arms_of(drawing, p)),
            *person.head_box,
        )
        for h, (state, box, gripping, keys) in enumerate(hands_of(person, scale)[:HANDS]):
            code = OCCLUDED if state == "occluded" else HAND_STATES.index(state)
            hands[p, h] = (1, code, gripping, *box, *keys.reshape(-1))
    return {
        "images": drawing.image,
        "labels": label_map(drawing),
        "contact": np.packbits(drawing.contact, axis=1),
        "people": people,
        "hands": hands,
        "scenes": np.array(_scene_fields(drawing), np.float32),
    }


def _scene_fields(drawing: Drawing) -> tuple[float, ...]:
    scene = drawing.scene
    thin = scene.background in (ROWS, THICKET)
    return _POSES.index(scene.pose), len(scene.people), fused(drawing), thin


def _code(words: Sequence[str], word: str | None) -> int:
    return -1 if word is None else words.index(word)


def _render_part(folder: str, split: Split, start: int, stop: int) -> int:
    import cv2

    cv2.setNumThreads(1)
    maps = {name: np.load(Path(folder) / f"{name}.npy", mmap_mode="r+") for name in _FILES}
    for index in range(start, stop):
        for name, value in _records(split, index).items():
            maps[name][index] = value
    return stop - start


def render(folder: Path, split: Split, count: int, workers: int | None = None) -> None:
    """Draw ``count`` scenes of a split into ``folder``; what is there with the same count stays.

    Args:
        folder: gets one ``.npy`` file for each field and ``done.json`` at the end.
        split: whose seeds are used.
        count: number of drawings.
        workers: processes; every core if not given.
    """
    done = folder / "done.json"
    if done.is_file() and json.loads(done.read_text()) == {"split": split, "count": count}:
        return
    folder.mkdir(parents=True, exist_ok=True)
    done.unlink(missing_ok=True)
    for name, (shape, dtype) in _FILES.items():
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, (count, *shape)).flush()
    workers = max(1, min(workers or os.cpu_count() or 1, count))
    step = max(1, min(200, -(-count // workers)))
    jobs = [(str(folder), split, a, min(count, a + step)) for a in range(0, count, step)]
    started, drawn_so_far = time.monotonic(), 0
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for result in pool.imap_unordered(_render_job, jobs):
            drawn_so_far += result
            if drawn_so_far == count or drawn_so_far % (step * workers) < step:
                rate = drawn_so_far / (time.monotonic() - started)
                print(f"render {split}: {drawn_so_far}/{count} drawings, {rate:.0f} a second", flush=True)
    done.write_text(json.dumps({"split": split, "count": count}))


def _render_job(job: tuple[str, Split, int, int]) -> int:
    return _render_part(*job)


def _load(path: Path, device: str) -> Tensor:
    """A stored array on the device, moved in pieces so that several processes can load at once in little memory.

    On the CPU it stays in the file, which several processes then share.
    """
    if device == "cpu":
        return torch.from_numpy(np.load(path, mmap_mode="c"))
    stored = np.load(path, mmap_mode="r")
    result = torch.empty(stored.shape, dtype=torch.from_numpy(np.empty(0, stored.dtype)).dtype, device=device)
    for start in range(0, len(stored), 2048):
        result[start : start + 2048] = torch.from_numpy(np.array(stored[start : start + 2048])).to(device)
    return result


def boxes_of(masks: Tensor) -> Tensor:
    """The tight box of each mask (..., H, W) in pixels, zero for an empty one."""
    steps = torch.arange(masks.shape[-1], device=masks.device, dtype=torch.float32)
    result = []
    for axis in (-2, -1):
        line = masks.any(axis)
        low = torch.where(line, steps, torch.inf).amin(-1)
        high = torch.where(line, steps + 1, -torch.inf).amax(-1)
        result.append((low, high))
    (x0, x1), (y0, y1) = result
    return torch.nan_to_num(torch.stack([x0, y0, x1, y1], -1), posinf=0.0, neginf=0.0)


class Drawings:
    """A split's drawings as tensors on one device; ``soft.npy``, if present, holds pictures that went through a VAE."""

    def __init__(self, folder: Path, device: str, fields: Sequence[str] = tuple(_FILES)) -> None:
        self.device = device
        self.tensors = {
            name: _load(folder / f"{name}.npy", device)
            for name in dict.fromkeys((*fields, "images", "people", "scenes"))
        }
        soft = folder / "soft.npy"
        self.soft = _load(soft, device) if soft.is_file() else None
        self.count = len(self.tensors["images"])
        self._boxes: Tensor | None = None

    def pick(self, amount: int, generator: torch.Generator, shares: Tensor | None = None) -> Tensor:
        """Random indices, (amount,); with ``shares`` (count,) of the CPU each as often as its share says."""
        if shares is None:
            return torch.randint(self.count, (amount,), generator=generator).to(self.device)
        return torch.multinomial(shares, amount, replacement=True, generator=generator).to(self.device)

    def images(self, index: Tensor, soften: float = 0.0) -> Tensor:
        """Pictures (B, 3, H, W) in 0..1; a share ``soften`` of those that have a softened twin is replaced by it."""
        pictures = self.tensors["images"][index]
        if self.soft is not None and soften > 0:
            swap = (index < len(self.soft)) & (torch.rand(len(index), device=index.device) < soften)
            if bool(swap.any()):
                pictures[swap] = self.soft[index[swap]]
        return pictures.permute(0, 3, 1, 2).float() / 255.0

    def labels(self, index: Tensor) -> Tensor:
        """Label maps (B, 1, H, W) as floats."""
        return self.tensors["labels"][index][:, None].float()

    def contact(self, index: Tensor) -> Tensor:
        """Contact maps (B, 1, H, W) of 0 and 1."""
        packed = self.tensors["contact"][index]
        bits = torch.arange(7, -1, -1, device=packed.device, dtype=torch.uint8)
        return ((packed[..., None] >> bits) & 1).flatten(2)[:, None].float()

    def person(self, name: str, index: Tensor) -> Tensor:
        """One field of every person, (B, PEOPLE)."""
        return self.tensors["people"][index][..., PERSON_FIELDS.index(name)]

    def person_boxes(self) -> Tensor:
        """Boxes around everybody's visible pixels, (count, PEOPLE, 4), zeros for nobody; worked out once."""
        if self._boxes is None:
            parts = []
            for start in range(0, self.count, 256):
                owner = self.tensors["labels"][start : start + 256] >> 4
                masks = torch.stack([owner == p + 1 for p in range(PEOPLE)], 1)
                parts.append(boxes_of(masks) * self.tensors["people"][start : start + 256, :, :1])
            self._boxes = torch.cat(parts)
        return self._boxes

    def head_boxes(self, index: Tensor) -> Tensor:
        """Head boxes (B, PEOPLE, 4)."""
        return self.tensors["people"][index][..., -4:]
