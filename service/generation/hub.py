"""Models by their name on the Hugging Face hub: found in this machine's cache, without the network.

Nothing but Anima is fetched by us: other families are tens of gigabytes, of which a repository often holds more than
one kind, so a person decides what to download, and is told the command.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.generation.errors import BaseNotFound

HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
MODULAR_INDEX = "modular_model_index.json"
PIPELINE_INDEX = "model_index.json"
GATED = " (it asks for terms to be accepted on its page, and for `hf auth login`)"
_TIMEOUT_S = 10.0
_SHARDS = ".safetensors.index.json"
_OTHER_WEIGHTS = (".bin", ".ckpt", ".pt", ".pth")


def download_command(name: str) -> str:
    """What puts a model into the cache; it goes on where it was interrupted."""
    return f"hf download {name}"


def cached_folder(name: str) -> Path | None:
    """The folder of a model that was downloaded before; ``None`` if it was not.

    Raises:
        BaseNotFound: the download is not whole; the message names what is missing.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except (LocalEntryNotFoundError, ValueError, OSError):
        return None
    if not any((folder / index).is_file() for index in (MODULAR_INDEX, PIPELINE_INDEX)):
        return None  # single files of it, such as a tokenizer
    missing = missing_parts(folder, name)
    if missing:
        raise BaseNotFound(
            f"{name} is in the local cache only in part ({', '.join(missing[:5])} missing): run "
            f"`{download_command(name)}` again, which goes on where it stopped"
        )
    return folder


def missing_parts(folder: Path, repository: str) -> list[str]:
    """What the index of a repository's folder promises and the folder does not hold: components, pieces of weights."""
    index = next((folder / name for name in (MODULAR_INDEX, PIPELINE_INDEX) if (folder / name).is_file()), None)
    listed = {} if index is None else _read(index)
    missing: list[str] = []
    for name, value in listed.items():
        if name.startswith("_") or not isinstance(value, list) or value[:1] == [None] or not _is_own(value, repository):
            continue
        part = folder / name
        files = [path for path in part.iterdir() if path.is_file()] if part.is_dir() else []
        if not files:
            missing.append(f"{name}/")
            continue
        for table in (path for path in files if path.name.endswith(_SHARDS)):
            wanted = set(_read(table).get("weight_map", {}).values())
            missing += [f"{name}/{piece}" for piece in sorted(wanted) if not (part / str(piece)).is_file()]
        tables = any(path.name.endswith(_SHARDS) for path in files)
        weights = any(path.suffix in (".safetensors", *_OTHER_WEIGHTS) for path in files)
        if (part / "config.json").is_file() and not tables and not weights and not _has_no_weights(part):
            missing.append(f"{name}/*.safetensors")
    return missing


@dataclass(frozen=True)
class Newest:
    """What the hub has of a model: its newest commit, the names of its files, and whether terms must be accepted."""

    revision: str
    files: frozenset[str]
    is_gated: bool


def newest_revision(name: str) -> Newest:
    """The newest commit on the hub; asked for first, as loading would retry for a minute without a network.

    Raises:
        BaseNotFound: there is no answer; the message says what to download.
    """
    from huggingface_hub import HfApi

    try:
        found = HfApi().model_info(name, timeout=_TIMEOUT_S)
    except Exception as error:  # the client's network errors share no base class across its versions
        first_line = (str(error).strip().splitlines() or [""])[0]
        command = download_command(name)
        raise BaseNotFound(
            f"{name} is not in the local cache, and the hub gave no answer ({type(error).__name__}: {first_line}). Run "
            f"`{command}` on this machine; or, on one with access, `{command} --local-dir {name.rpartition('/')[2]}`, "
            "copy that folder here, and give its path as the base"
        ) from error
    if found.sha is None:
        raise BaseNotFound(f"the hub names no revision for {name}; download it and give the folder as the base")
    return Newest(found.sha, frozenset(file.rfilename for file in found.siblings or []), bool(found.gated))


def _is_own(value: list[Any], repository: str) -> bool:
    """Whether a component lies in the folder itself: a modular index may point at another repository."""
    source = value[2] if len(value) > 2 and isinstance(value[2], dict) else {}
    return source.get("pretrained_model_name_or_path", repository) == repository


def _has_no_weights(part: Path) -> bool:
    """Whether a configuration is not a model's: a processor's or a guider's."""
    return not {"_class_name", "architectures", "model_type"} & set(_read(part / "config.json"))


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
