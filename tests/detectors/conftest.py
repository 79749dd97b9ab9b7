"""What many of these tests look with and at: the shipped detectors, opened once, and a few training drawings."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.detectors.store import _FILES, Drawings, _render_part
from detectors import DetectorSet, open_detectors


@pytest.fixture(scope="session")
def opened() -> DetectorSet:
    return open_detectors()


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Drawings:
    """The first ten training drawings."""
    folder = tmp_path_factory.mktemp("drawings")
    for name, (shape, dtype) in _FILES.items():
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, (10, *shape)).flush()
    _render_part(str(folder), "train", 0, 10)
    return Drawings(folder, "cpu")
