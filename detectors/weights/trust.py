"""Remembering what a file was when it was first used: hashes that nobody publishes are recorded then, and kept to."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from detectors.errors import ChangedWeights
from detectors.weights.manifest import WeightFile, cache_folder, sha256_of


def ledger() -> Path:
    """The file with the recorded hashes, by name of the weights."""
    return cache_folder() / "weights" / "hashes.json"


def recorded(name: str) -> str:
    """The hash that was recorded at first use, or nothing."""
    entry = _read().get(name)
    return str(entry["sha256"]) if isinstance(entry, dict) and "sha256" in entry else ""


def verify(item: WeightFile, path: Path) -> str:
    """Make sure that a file is what the manifest says or, where it says nothing, what it was at first use.

    Args:
        item: the manifest's entry.
        path: the file, which is there.

    Returns:
        Its sha256.

    Raises:
        ChangedWeights: it is another file.
    """
    found = sha256_of(path)
    if item.shipped or item.members:
        return found  # changes with every training, or is a bundle that fetching has looked into
    if item.sha256 and path.name == item.file:
        if found != item.sha256:
            raise ChangedWeights(
                f"{path} is not the published {item.file}: its sha256 is {found}, the manifest has {item.sha256}. "
                f"Download {item.source} again."
            )
        return found
    known = recorded(_key(item, path))
    if not known:
        record(item, path)
    elif known != found:
        raise ChangedWeights(
            f"{path} has changed since it was first used: its sha256 was {known} and is {found}. If you replaced it on "
            f"purpose, run `bleedcheck weights trust {item.name}`; otherwise `bleedcheck weights fetch {item.name}`."
        )
    return found


def record(item: WeightFile, path: Path) -> str:
    """Take a file as it is from now on, and return its sha256."""
    found = sha256_of(path)
    entries = _read() | {
        _key(item, path): {
            "sha256": found,
            "size": path.stat().st_size,
            "source": item.source,
            "first_used": time.time(),
        }
    }
    target = ledger()
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(f".{os.getpid()}.partial")
    partial.write_text(json.dumps(entries, indent=2))
    partial.replace(target)
    return found


def _key(item: WeightFile, path: Path) -> str:
    """A file that lies in another's place has an entry of its own."""
    return item.name if path.name == item.file else f"{item.name}:{path.name}"


def _read() -> dict[str, object]:
    try:
        stored = json.loads(ledger().read_text())
    except (OSError, ValueError):
        return {}
    return stored if isinstance(stored, dict) else {}
