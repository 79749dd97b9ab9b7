"""What a machine needs to evaluate, looked at one by one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any, Literal

from service.errors import KNOWN
from service.settings import IMAGES_PREFIX, Settings

if TYPE_CHECKING:
    from service.generation.bases import Found

_LIBRARIES = (
    "torch",
    "torchvision",
    "diffusers",
    "transformers",
    "safetensors",
    "mediapipe",
    "ultralytics",
    "open-clip-torch",
)
_ROOM_BYTES = 5 << 30


@dataclass(frozen=True)
class Sign:
    """One thing that was looked at.

    Attributes:
        name: what.
        state: ``ok``; ``note`` for what it goes without; ``missing`` for what is needed.
        told: what was found.
        cure: what to do; empty if nothing.
    """

    name: str
    state: Literal["ok", "note", "missing"]
    told: str
    cure: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def examine(settings: Settings) -> list[Sign]:
    """Look at everything, and never stop at the first thing that is missing."""
    looks: list[Callable[[Settings], Iterator[Sign]]] = [
        _python, _libraries, _gpu, _folder, _database, _base, _weights, _keys,
    ]  # fmt: skip
    found: list[Sign] = []
    for look in looks:
        name = look.__name__.strip("_")
        try:
            found += look(settings)
        except KNOWN as error:
            found.append(Sign(name, "missing", str(error)))
        except Exception as error:  # a broken driver or library must not hide the rest
            found.append(
                Sign(name, "missing", f"{type(error).__name__}: {error}", "see --debug of the failing command")
            )
    return found


def _python(settings: Settings) -> Iterator[Sign]:
    version = ".".join(map(str, sys.version_info[:3]))
    enough = sys.version_info >= (3, 11)
    yield Sign("Python", "ok" if enough else "missing", version, "" if enough else "install Python 3.11 or newer")


def _libraries(settings: Settings) -> Iterator[Sign]:
    for library in _LIBRARIES:
        try:
            yield Sign(library, "ok", metadata.version(library))
        except metadata.PackageNotFoundError:
            yield Sign(library, "missing", "is not installed", "run `make install`")


def _gpu(settings: Settings) -> Iterator[Sign]:
    import torch

    if torch.cuda.is_available():
        memory = torch.cuda.get_device_properties(0).total_memory / 1e9
        yield Sign("GPU", "ok", f"{torch.cuda.get_device_name(0)}, {memory:.0f} GB")
    elif torch.backends.mps.is_available():
        yield Sign("GPU", "ok", "Apple's, through mps")
    else:
        cure = "enough for the miniature; for Anima use a machine with a CUDA GPU, or a ComfyUI (comfyui+http://…)"
        yield Sign("GPU", "note", f"none is seen by torch {torch.__version__}", cure)


def _folder(settings: Settings) -> Iterator[Sign]:
    from service.web.readiness import disk

    told = disk(settings.data_dir)
    if told != "ok":
        yield Sign("data folder", "missing", told, "choose another with --data-dir or BLEEDCHECK_DATA_DIR")
        return
    free = shutil.disk_usage(settings.data_dir).free
    scarce = free < _ROOM_BYTES
    cure = "1,000 pictures of 1024 x 1024 take about 1.5 GB: free some space" if scarce else ""
    yield Sign("data folder", "note" if scarce else "ok", f"{settings.data_dir}, {free / 1e9:.0f} GB free", cure)


def _database(settings: Settings) -> Iterator[Sign]:
    from service.database.engine import Database

    database = Database(settings.url)
    kind = database.engine.dialect.name
    database.close()
    yield Sign("database", "ok", f"{kind} opens and is up to date")


def _base(settings: Settings) -> Iterator[Sign]:
    from service.generation.bases import Base, family_of, find_base, licence_notice
    from service.generation.comfyui import is_comfyui
    from service.generation.opening import rounding_notice

    base = settings.base
    if base.startswith(IMAGES_PREFIX):
        yield Sign("base model", "note", f"{base}: looked at when an evaluation starts")
        return
    if is_comfyui(base):
        yield _comfyui(settings)
        return
    found = find_base(settings.whole_base)
    where = (
        f"{base} at {found.source}" if isinstance(found, Base) else f"{base}: {family_of(found).title}, files complete"
    )
    yield Sign("base model", "ok", where)
    yield from _card(settings, found)
    for notice in (licence_notice(base, found), rounding_notice(found)):
        if notice:
            yield Sign("licence" if notice == licence_notice(base, found) else "base model", "note", notice)


def _card(settings: Settings, found: Found) -> Iterator[Sign]:
    from service.generation.cards import has_gpu
    from service.generation.opening import card_told

    if not has_gpu(settings.device):
        return
    told, is_taken = card_told(found, card=settings.card, device=settings.device, dtype=settings.dtype)
    chosen = settings.card == "auto" and is_taken
    cure = "close what else holds the card's memory, and larger settings count again" if chosen else ""
    yield Sign("card", "note" if chosen else "ok", told, cure)


def _comfyui(settings: Settings) -> Sign:
    from service.generation.comfyui import parse_address
    from service.generation.comfyui.generator import ComfyUIGenerator
    from service.generation.port import GenerationSettings

    generator = ComfyUIGenerator(parse_address(settings.whole_base), GenerationSettings())
    facts = generator.fingerprint()
    return Sign("base model", "ok", f"{facts['base']} answers, on {facts['device']}; its workflow can be filled in")


def _weights(settings: Settings) -> Iterator[Sign]:
    from detectors.weights import listing

    for row in listing():
        if row["profile"] in (settings.detector_profile, "any"):
            name = f"weights {row['name']}"
            if row["present"]:
                yield Sign(name, "ok", "is there")
            else:
                cure = f"run `bleedcheck weights fetch {row['name']}`, or put the file at {row['path']}"
                # Hands are judged by our own network where MediaPipe's model is not there.
                yield Sign(name, "note" if row["profile"] == "any" else "missing", f"not at {row['path']}", cure)


def _keys(settings: Settings) -> Iterator[Sign]:
    if not settings.keys_required:
        yield Sign("keys", "ok", f"not needed: the server listens on {settings.host} alone")
        return
    from service.evaluations.workspace import Workspace

    space = Workspace(settings)
    try:
        there = space.keys.any_valid()
    finally:
        space.close()
    cure = "" if there else "run `bleedcheck keys create --name NAME`"
    yield Sign("keys", "ok" if there else "missing", f"needed to listen on {settings.host}", cure)
