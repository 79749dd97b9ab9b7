"""The shipped detectors, opened once: loading them costs more than looking at an image."""

from __future__ import annotations

import pytest

from detectors import DetectorSet, open_detectors


@pytest.fixture(scope="session")
def opened() -> DetectorSet:
    return open_detectors()
