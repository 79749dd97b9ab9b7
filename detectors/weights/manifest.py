"""The manifest: every weight file with its source, licence, size and hash."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from detectors.errors import MissingWeights, UnknownWeights

PALM = "1b14e9422c6ad006cde6581a46c8b90dd573c07ab7f3934b5589e7cea3f89a54"
LANDMARKS = "11c272b891e1a99ab034208e23937a8008388cf11ed2a9d776ed3d01d0ba00e3"


@dataclass(frozen=True)
class WeightFile:
    """One file of weights.

    Attributes:
        name: what it is called on the command line.
        file: its file name.
        profile: the detector profile that uses it; ``any`` for all of them.
        source: where it comes from: a URL, or how it was made.
        licence: SPDX identifier.
        size: bytes; 0 where it may vary.
        approximate: whether ``size`` is only what a public listing rounds it to.
        sha256: of the file, empty where it may vary.
        members: for a zip archive, sha256 of each member that must be right.
        shipped: whether it comes with the package.
        note: what else people should know, such as terms of use.
        instead: name of another file that may lie there in its place.
    """

    name: str
    file: str
    profile: str
    source: str
    licence: str
    size: int = 0
    sha256: str = ""
    members: tuple[tuple[str, str], ...] = ()
    shipped: bool = False
    approximate: bool = False
    note: str = ""
    instead: str = ""


HAND_LANDMARKER = WeightFile(
    name="hand_landmarker",
    file="hand_landmarker.task",
    profile="any",
    source="https://storage.googleapis.com/mediapipe-models/hand_landmarker/hand_landmarker/float16/1/hand_landmarker.task",
    licence="Apache-2.0",
    size=7819037,
    members=(("hand_detector.tflite", PALM), ("hand_landmarks_detector.tflite", LANDMARKS)),
)


def shipped_folder(profile: str = "miniature") -> Path:
    """The folder inside the package that holds a profile's shipped weights."""
    return Path(__file__).parent / profile


def _shipped(profile: str) -> tuple[WeightFile, ...]:
    """A profile's shipped files as recorded by training in ``manifest.json`` beside them."""
    path = shipped_folder(profile) / "manifest.json"
    if not path.is_file():
        return ()
    entries = json.loads(path.read_text())
    return tuple(WeightFile(profile=profile, shipped=True, **entry) for entry in entries)


def _listed(profile: str) -> tuple[WeightFile, ...]:
    """A profile's files that are fetched, from ``weights.json`` in its folder."""
    entries = json.loads((shipped_folder(profile) / "weights.json").read_text())
    return tuple(WeightFile(profile=profile, **entry) for entry in entries)


MANIFEST: tuple[WeightFile, ...] = (HAND_LANDMARKER, *_shipped("miniature"), *_listed("anime"), *_listed("photo"))


def cache_folder() -> Path:
    """Where fetched files go: ``BLEEDCHECK_CACHE_DIR``, or the user's cache folder."""
    chosen = os.environ.get("BLEEDCHECK_CACHE_DIR")
    if chosen:
        return Path(chosen)
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("bleedcheck"))


def entry(name: str) -> WeightFile:
    """The manifest's entry of that name.

    Raises:
        UnknownWeights: there is none.
    """
    for item in MANIFEST:
        if item.name == name:
            return item
    known = ", ".join(item.name for item in MANIFEST)
    raise UnknownWeights(f"there are no weights {name!r}; there are {known}")


def place(item: WeightFile) -> Path:
    """Where the file lies, or would lie."""
    return shipped_folder(item.profile) / item.file if item.shipped else cache_folder() / "weights" / item.file


def find(name: str) -> Path:
    """The path of weights that are on this machine.

    Raises:
        UnknownWeights: the manifest has no such name.
        MissingWeights: the file is not here; says what to put where.
    """
    item = entry(name)
    path = place(item)
    if not path.is_file():
        raise MissingWeights(
            f"{item.file} is not on this machine. Run `bleedcheck weights fetch {item.name}`, "
            f"or download {item.source} elsewhere and put it at {path}."
        )
    return path


def sha256_of(path: Path) -> str:
    """The file's sha256, remembered as long as size and time of change stay the same."""
    stat = path.stat()
    return _hashed(str(path), stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _hashed(path: str, _size: int, _changed: int) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
