"""One nano base, a few LoRA files, and a server that works by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.evaluations.fixtures import base, loras
from tests.service.world import open_client

__all__ = ["base", "client", "idle", "loras"]


@pytest.fixture
def client(tmp_path: Path, base: Path) -> Iterator[TestClient]:
    with open_client(tmp_path / "data", base) as opened:
        yield opened


@pytest.fixture
def idle(tmp_path: Path, base: Path) -> Iterator[TestClient]:
    """A server without a worker, with a small upload limit and one folder to register from."""
    (tmp_path / "allowed").mkdir()
    settings = {"work": False, "max_upload_bytes": 200_000, "allowed_folders": (tmp_path / "allowed",)}
    with open_client(tmp_path / "data", base, **settings) as opened:
        yield opened
