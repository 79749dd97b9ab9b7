"""Training pictures for the base: random scenes of *other* characters, drawn on every core, with captions and weights.

``python -m benchmarks.miniature.dataset --out FOLDER --count N --seed S``
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.miniature.names import NamedLook, named_cast, random_name
from benchmarks.miniature.scenes import KANA, KEI, OUTFIT_COLORS, OUTFITS, Look, Scene, sample_scene
from benchmarks.miniature.truth import Drawing

SIZE = 256
CELL = 8
"""Pixels that one latent, and one loss weight, stands for."""
PAIR_SHARES = {"apart": 0.13, "together": 0.15, "hug": 0.19, "piggyback": 0.2, "princess carry": 0.2, "lap sit": 0.13}
SOLO_SHARE = 0.3
NAMED_SHARE = 0.36
NONCE_SHARE = 0.15
"""Pictures with a name that never comes back: it makes every piece of a name known, and means nothing."""
WEIGHT_UNIT = 64
"""A stored weight of 64 counts once."""
PERSON_WEIGHT, DETAIL_WEIGHT = 1.5, 3.0
_CHUNK = 64


@dataclass(frozen=True)
class TrainingScene:
    """A scene, its people's names where they have one, and whether the captions may leave looks out."""

    scene: Scene
    names: tuple[str | None, ...]


@dataclass(frozen=True)
class DrawingSet:
    """Drawings on disk. ``images`` (N, 256, 256, 3) RGB and ``weights`` (N, 32, 32) are memory maps of bytes.

    ``captions`` holds two texts for every picture.
    """

    images: NDArray[np.uint8]
    weights: NDArray[np.uint8]
    captions: list[tuple[str, str]]


def sample_training_scene(rng: np.random.Generator, cast: tuple[NamedLook, ...]) -> TrainingScene:
    """A random scene as the base model should see them: many pairs in contact, ahoge on one person of two, names."""
    if rng.random() < SOLO_SHARE:
        scene = sample_scene(rng, people=1)
    else:
        scene = sample_scene(rng, pose=str(rng.choice(tuple(PAIR_SHARES), p=tuple(PAIR_SHARES.values()))))
        if rng.random() < 0.5:
            scene = _with_one_ahoge(scene, rng)
    kind = rng.random()
    if kind < NAMED_SHARE:
        return _with_known_people(scene, rng, cast)
    if kind < NAMED_SHARE + NONCE_SHARE:
        return TrainingScene(scene, tuple(_nonce(rng, cast) if rng.random() < 0.7 else None for _ in scene.people))
    return TrainingScene(scene, (None,) * len(scene.people))


def _nonce(rng: np.random.Generator, cast: tuple[NamedLook, ...]) -> str:
    """A name that nobody of the cast has."""
    while True:
        name = random_name(rng)
        if all(name != known.name for known in cast):
            return name


def _with_one_ahoge(scene: Scene, rng: np.random.Generator) -> Scene:
    """The same scene with an ahoge on exactly one of two people, unless that would draw Kei or Kana."""
    owner = int(rng.integers(2))
    people = tuple(replace(look, ahoge=i == owner) for i, look in enumerate(scene.people))
    return scene if any(is_reserved(look) for look in people) else replace(scene, people=people)


def is_reserved(look: Look) -> bool:
    """Whether a look has Kei's or Kana's own hair: the base must never see those."""
    own = (look.hair_color, look.hair_length, look.ahoge)
    return own in {(k.hair_color, k.hair_length, k.ahoge) for k in (KEI, KANA)}


def _with_known_people(scene: Scene, rng: np.random.Generator, cast: tuple[NamedLook, ...]) -> TrainingScene:
    """Replace some of the people by known characters, mostly in their usual clothes."""
    chosen = rng.choice(len(cast), size=len(scene.people), replace=False)
    people: list[Look] = list(scene.people)
    names: list[str | None] = [None] * len(people)
    keep = int(rng.integers(len(people)))  # at least this one is somebody known
    for i, number in enumerate(chosen):
        if i == keep or rng.random() < 0.7:
            known = cast[int(number)]
            people[i], names[i] = _dressed(known.look, rng), known.name
    return TrainingScene(replace(scene, people=tuple(people)), tuple(names))


def _dressed(look: Look, rng: np.random.Generator) -> Look:
    smile = bool(rng.random() < 0.6)
    if rng.random() < 0.7:
        return replace(look, smile=smile)
    return replace(look, smile=smile, outfit=str(rng.choice(OUTFITS)), outfit_color=str(rng.choice(OUTFIT_COLORS)))


def loss_weights(drawing: Drawing) -> NDArray[np.uint8]:
    """How much each latent counts in the loss: (32, 32) bytes, :data:`WEIGHT_UNIT` being the background's weight."""
    size = drawing.image.shape[0]
    weights = np.full((size // CELL, size // CELL), WEIGHT_UNIT, dtype=np.uint8)
    for factor, parts in ((PERSON_WEIGHT, None), (DETAIL_WEIGHT, ("head", "ahoge", "hand"))):
        for person in drawing.people:
            masks = [person.mask] if parts is None else [person.parts[p] for p in parts if p in person.parts]
            for mask in masks:
                weights[_cells(mask)] = int(factor * WEIGHT_UNIT)
    return weights


def _cells(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    rows, columns = mask.shape[0] // CELL, mask.shape[1] // CELL
    return np.asarray(mask.reshape(rows, CELL, columns, CELL).any(axis=(1, 3)))


def draw_training_picture(seed: int, index: int) -> tuple[Drawing, TrainingScene, tuple[str, str]]:
    """Picture ``index`` of the set ``seed`` with its two captions; it depends on nothing else."""
    from benchmarks.miniature.captions import caption
    from benchmarks.miniature.drawing import draw

    rng = np.random.default_rng((seed, index))
    sampled = sample_training_scene(rng, _cast())
    captions = tuple(caption(sampled.scene, rng, sampled.names) for _ in range(2))
    return draw(sampled.scene, SIZE), sampled, (captions[0], captions[1])


@cache
def _cast() -> tuple[NamedLook, ...]:
    return named_cast()


def _maps(folder: Path, count: int, mode: str) -> tuple[Any, Any]:
    images = np.memmap(folder / "images.u8", np.uint8, mode, shape=(count, SIZE, SIZE, 3))  # type: ignore[call-overload]
    cells = SIZE // CELL
    weights = np.memmap(folder / "weights.u8", np.uint8, mode, shape=(count, cells, cells))  # type: ignore[call-overload]
    return images, weights


def _render_chunk(job: tuple[str, int, int, int, int]) -> tuple[int, list[tuple[str, str]]]:
    folder, count, seed, start, stop = job
    images, weights = _maps(Path(folder), count, "r+")
    captions = []
    for index in range(start, stop):
        drawing, _, texts = draw_training_picture(seed, index)
        images[index], weights[index] = drawing.image, loss_weights(drawing)
        captions.append(texts)
    return start, captions


def _start_worker() -> None:
    import cv2

    cv2.setNumThreads(1)


def render_drawings(
    folder: Path, count: int, seed: int, workers: int | None = None, report: Callable[[str], None] = print
) -> None:
    """Draw ``count`` training pictures into ``folder``, the same bytes for the same seed whatever ``workers`` is.

    A folder that already holds exactly these pictures is left as it is.
    """
    done = folder / "drawings.json"
    facts = {"count": count, "seed": seed, "size": SIZE}
    if done.exists() and json.loads(done.read_text()) == facts:
        report(f"{folder} already holds these {count} drawings")
        return
    done.unlink(missing_ok=True)
    folder.mkdir(parents=True, exist_ok=True)
    _maps(folder, count, "w+")
    jobs = [(str(folder), count, seed, s, min(s + _CHUNK, count)) for s in range(0, count, _CHUNK)]
    captions: dict[int, list[tuple[str, str]]] = {}
    began, last, drawn = time.monotonic(), 0.0, 0
    workers = workers or len(os.sched_getaffinity(0))
    with multiprocessing.get_context("spawn").Pool(min(workers, len(jobs)), _start_worker) as pool:
        for start, texts in pool.imap_unordered(_render_chunk, jobs):
            captions[start] = texts
            drawn += len(texts)
            now = time.monotonic()
            if now - last > 5 or drawn == count:
                last, rate = now, drawn / (now - began)
                report(f"drawings {drawn}/{count}, {rate:.0f}/s, {(count - drawn) / rate:.0f} s left")
    with (folder / "captions.jsonl").open("w") as file:
        for start in sorted(captions):
            file.writelines(json.dumps(texts) + "\n" for texts in captions[start])
    done.write_text(json.dumps(facts))


def held_out(count: int) -> int:
    """How many drawings at the end of a set are kept for measuring, and never trained on."""
    return min(256, count // 8)


def open_drawings(folder: Path) -> DrawingSet:
    """Open what :func:`render_drawings` wrote, read-only.

    Raises:
        FileNotFoundError: the folder holds no complete set.
    """
    facts = json.loads((folder / "drawings.json").read_text())
    images, weights = _maps(folder, facts["count"], "r")
    lines = (folder / "captions.jsonl").read_text().splitlines()
    return DrawingSet(images, weights, [(a, b) for a, b in map(json.loads, lines)])


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the drawings (200 kB each)")
    parser.add_argument("--count", type=int, default=160_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, help="processes; every core where not given")
    args = parser.parse_args()
    render_drawings(args.out, args.count, args.seed, args.workers, lambda line: print(line, flush=True))


if __name__ == "__main__":
    main()
