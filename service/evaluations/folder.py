"""A folder of existing images as a generator: pictures made elsewhere are judged and ranked like our own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detectors.errors import UnreadablePicture
from detectors.pictures import read_picture
from service.errors import BleedcheckError, NotFound, UnreadableImage
from service.evaluations.keys import CONTROL, digest
from service.generation.images import invalid_reason
from service.generation.port import GeneratedImage, ImageRequest, Pixels
from service.suites import Suite

_SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")


class FolderGenerator:
    """The :class:`service.generation.port.Generator` for images that exist.

    They lie at ``FOLDER/<checkpoint file without .safetensors>/<scenario>_<seed>.png`` (or .webp, .jpg); the control's
    in ``FOLDER/control``.

    Args:
        folder: the images.
        scenarios: the name of the scenario that each prompt belongs to.
    """

    def __init__(self, folder: Path, scenarios: Mapping[str, str]) -> None:
        self._folder = folder
        self._scenarios = scenarios
        self._used = CONTROL

    @classmethod
    def of_suite(cls, folder: Path, suite: Suite) -> FolderGenerator:
        """The generator for a suite's cells.

        Raises:
            NotFound: there is no such folder.
        """
        if not folder.is_dir():
            raise NotFound(f"there is no folder of images {folder}")
        return cls(folder, {scenario.prompt: scenario.name for scenario in suite.scenarios})

    def use(self, checkpoint: Path | None, scale: float = 1.0) -> None:
        """Take images from this checkpoint's folder from now on."""
        self._used = CONTROL if checkpoint is None else checkpoint.stem

    def generate(self, requests: Sequence[ImageRequest]) -> list[GeneratedImage]:
        """Read one image per request, in order.

        Raises:
            NotFound: there is no such image.
            UnreadableImage: the file is no readable image.
        """
        return [self._one(request) for request in requests]

    def read(self, requests: Sequence[ImageRequest]) -> list[GeneratedImage | BleedcheckError]:
        """The same, but a picture that is missing or damaged costs no other one."""
        found: list[GeneratedImage | BleedcheckError] = []
        for request in requests:
            try:
                found.append(self._one(request))
            except (NotFound, UnreadableImage) as error:
                found.append(error)
        return found

    def fingerprint(self) -> dict[str, Any]:
        """The folder and the state of all its images: with any change they are read again."""
        return {"generator": "folder", "base": str(self._folder), "images": digest(folder_mark(self._folder))}

    def _one(self, request: ImageRequest) -> GeneratedImage:
        pixels = _read(self._find(request))
        return GeneratedImage(pixels, invalid_reason(pixels))

    def _find(self, request: ImageRequest) -> Path:
        place = self._folder / self._used / f"{self._scenarios[request.prompt]}_{request.seed}"
        for suffix in _SUFFIXES:
            path = place.with_name(place.name + suffix)
            if path.is_file():
                return path
        if self._used == CONTROL and not place.parent.is_dir():  # said once for all of them
            raise NotFound(
                f"there are no pictures of the base without a LoRA (folder {CONTROL}), so it stays open which faults "
                "are the base's own"
            )
        raise NotFound(f"there is no image {place}.png (or {', '.join(_SUFFIXES[1:])})")


def folder_mark(folder: Path) -> list[Any]:
    """Path, size and modification time of every file below a folder: what tells a changed one without reading it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns) for path in files]


def files_mark(files: Sequence[Path]) -> list[Any]:
    """The same for files that lie anywhere."""
    return [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files]


def _read(path: Path) -> Pixels:
    try:
        return read_picture(path)
    except UnreadablePicture as error:
        raise UnreadableImage(str(error)) from error
