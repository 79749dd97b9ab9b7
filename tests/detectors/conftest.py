"""What many of these tests look with and at: the shipped detectors, opened once, and a few training drawings."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.detectors.store import _FILES, Drawings, _render_part
from detectors import DetectorSet, Expectation, open_detectors
from detectors.context import Context

Image = NDArray[np.uint8]


@pytest.fixture(scope="session")
def opened() -> DetectorSet:
    return open_detectors()


@pytest.fixture(scope="module")
def seen(opened: DetectorSet, images: list[Image], asked: list[Expectation]) -> list[Context]:
    """What is seen in a module's ``images``, of which it asks ``asked``, all at once."""
    return opened.look(images, asked)


@pytest.fixture(scope="module")
def alone(opened: DetectorSet, images: list[Image], asked: list[Expectation]) -> list[Context]:
    """The same, one by one."""
    return [opened.look([image], [one])[0] for image, one in zip(images, asked, strict=True)]


@pytest.fixture(scope="module")
def again(opened: DetectorSet, images: list[Image], asked: list[Expectation]) -> list[Context]:
    """The same as ``seen``, a second time."""
    return opened.look(images, asked)


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Drawings:
    """The first ten training drawings."""
    folder = tmp_path_factory.mktemp("drawings")
    for name, (shape, dtype) in _FILES.items():
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, (10, *shape)).flush()
    _render_part(str(folder), "train", 0, 10)
    return Drawings(folder, "cpu")
