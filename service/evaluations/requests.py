"""What an evaluation is asked to do, complete enough to do it again in another process."""

from __future__ import annotations

import json
import os
import sys
from functools import cache
from importlib import metadata
from pathlib import Path
from platform import machine
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.checkpoints.header import read_header
from service.checkpoints.layout import read_layout
from service.errors import InvalidInput
from service.evaluations.folder import files_mark, folder_mark
from service.evaluations.keys import digest
from service.generation.bases import Base, find_base
from service.generation.comfyui import is_comfyui, parse_address
from service.settings import IMAGES_PREFIX
from service.storage.files import sha256_of
from service.suites import Suite

_LIBRARIES = (
    "torch",
    "torchvision",
    "diffusers",
    "transformers",
    "tokenizers",
    "peft",
    "numpy",
    "scipy",
    "pillow",
    "opencv-python-headless",
    "mediapipe",
    "ultralytics",
    "open-clip-torch",
)
_SOURCES = ("service/generation", "service/checkpoints", "detectors")


class ExtraLora(BaseModel):
    """A fixed LoRA under the swept one, such as a Turbo LoRA."""

    model_config = ConfigDict(frozen=True)

    path: str
    sha256: str
    scale: float


class EvaluationRequest(BaseModel):
    """Everything that decides an evaluation's images and findings, apart from this machine and its libraries."""

    model_config = ConfigDict(frozen=True)

    suite: Suite
    checkpoints: tuple[str, ...] = Field(min_length=1, description="Ids, in the order to work in.")
    base: str = "miniature"
    extra: tuple[ExtraLora, ...] = ()
    scale: float = Field(1.0, ge=-4.0, le=4.0)
    device: str = "auto"
    dtype: str = "auto"
    batch_size: int = Field(4, ge=1, le=256)
    batch_chosen: bool = Field(
        False, description="It is what fitted here when nothing was said; the request is no other one."
    )
    detector_profile: str = "miniature"
    detector_weights: str | None = None
    calibration: dict[str, Any] | None = None
    detector_clip: str | None = None
    until: Literal["decided"] | None = Field(None, description="Plan in rounds, until it is decided which is best.")
    max_images: int | None = Field(None, ge=1, description="Of such an evaluation, the control's images included.")

    @classmethod
    def restore(cls, stored: dict[str, Any]) -> EvaluationRequest:
        """The request that was stored as plain JSON values."""
        return cls.model_validate_json(json.dumps(stored))

    @property
    def key(self) -> str:
        """Hash of the request on this machine as it is: the same request gives the same evaluation.

        It is cheap, and conservative: where something might matter it counts. A new evaluation costs nothing, because
        its images and findings have keys of their own and are found again.
        """
        asked = self.model_dump(mode="json", exclude={"suite", "batch_chosen"})
        return digest([asked, self.suite.content_hash, _base_mark(self.base), _weights_mark(self), _machine_mark()])

    @property
    def speed_key(self) -> str:
        """Hash of what decides how long an image takes: base, settings, detectors and libraries, not which images."""
        grid = {"suite", "checkpoints", "scale", "until", "max_images", "batch_chosen"}
        asked = self.model_dump(mode="json", exclude=grid)
        settings = self.suite.generation.model_dump(mode="json")
        return digest([asked, settings, _base_mark(self.base), _weights_mark(self), _machine_mark()])


def parse_extra(text: str, folder: Path | None = None) -> ExtraLora:
    """Read ``FILE:SCALE``, or ``FILE`` for scale 1.

    Args:
        text: what was said.
        folder: where the file is looked for too, such as a ComfyUI's folder of LoRA files.

    Raises:
        InvalidInput: there is no such file, the scale is no number, or the file is no LoRA (the message says what it
            is).

    >>> parse_extra("missing.safetensors:0.5")
    Traceback (most recent call last):
    service.errors.InvalidInput: there is no file missing.safetensors
    """
    name, _, number = text.rpartition(":")
    scale = 1.0
    if name:
        try:
            scale = float(number)
        except ValueError:
            name = ""
    path = Path(name or text).expanduser()
    if folder is not None and not path.is_file() and (folder / path).is_file():
        path = folder / path
    if not path.is_file():
        whole, _, scale_text = text.rpartition(":")
        places = [Path(whole).expanduser(), *([folder / whole] if folder is not None else [])]
        if not name and whole and any(each.is_file() for each in places):
            raise InvalidInput(f"{scale_text!r} is no scale for {whole}: write a number, as in {whole}:1.0")
        meant = path.with_name(f"{path.name}.safetensors")
        nor = f", nor in {folder}" if folder is not None else ""
        beside = f"; there is {meant.name} beside it" if meant.is_file() else ""
        raise InvalidInput(f"there is no file {path}{nor}{beside}")
    path = path.resolve()
    read_layout(read_header(path))
    return ExtraLora(path=str(path), sha256=sha256_of(path), scale=scale)


def parse_clip(text: str) -> tuple[str, Path]:
    """Read ``MODEL:FILE``, an open_clip model with its weights.

    Raises:
        InvalidInput: it is none, or there is no such file.

    >>> parse_clip("ViT-B-32")
    Traceback (most recent call last):
    service.errors.InvalidInput: 'ViT-B-32' is no CLIP model; write its open_clip name and its weights, as ViT-B-32:FILE
    """
    name, colon, file = text.partition(":")
    if not (name and colon and file):
        raise InvalidInput(f"{text!r} is no CLIP model; write its open_clip name and its weights, as ViT-B-32:FILE")
    path = Path(file).expanduser()
    if not path.is_file():
        raise InvalidInput(f"there is no file {path}; put the safetensors file of {name} there")
    return name, path.resolve()


def _base_mark(base: str) -> Any:
    """What tells a changed base model from an unchanged one, without reading it.

    Raises:
        BaseNotFound: it is neither on this machine nor to be found on the hub.
    """
    if base.startswith(IMAGES_PREFIX):
        return folder_mark(Path(base.removeprefix(IMAGES_PREFIX)))
    if is_comfyui(base):
        return files_mark(parse_address(base).files())
    found = find_base(base)
    if isinstance(found, Base) and found.revision is not None:
        return found.revision
    return files_mark(found.files())


def _weights_mark(request: EvaluationRequest) -> Any:
    """What tells changed detector weights from unchanged ones: those that are shipped, fetched, or named."""
    from detectors.weights import listing, shipped_folder

    named = folder_mark(Path(request.detector_weights)) if request.detector_weights else None
    fetched = [(row["name"], row["present"], row["sha256"]) for row in listing()]
    clip = request.detector_clip and sha256_of(parse_clip(request.detector_clip)[1])
    return [named, clip, fetched, folder_mark(shipped_folder(request.detector_profile))]


@cache
def _machine_mark() -> list[Any]:
    """Libraries, our own code, and whether there is a GPU: what "auto" and the same seed depend on."""
    accelerators = [os.environ.get("CUDA_VISIBLE_DEVICES"), Path("/proc/driver/nvidia/version").exists()]
    return [_versions(), _sources(), sys.platform, machine(), accelerators]


def _versions() -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for library in _LIBRARIES:
        try:
            found[library] = metadata.version(library)
        except metadata.PackageNotFoundError:
            found[library] = None
    return found


def _sources() -> dict[str, str]:
    root = Path(__file__).parents[2]
    files = sorted(path for folder in _SOURCES for path in (root / folder).rglob("*.py"))
    return {str(path.relative_to(root)): sha256_of(path) for path in files}
