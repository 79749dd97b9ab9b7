"""A server on the small world, for pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.evaluations.world import build_base, write_lora
from tests.service.world import open_client


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_base(tmp_path_factory.mktemp("base") / "nano")


@pytest.fixture(scope="session")
def loras(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("loras")
    return [write_lora(folder / f"kk_epoch{epoch}.safetensors", seed=epoch) for epoch in (4, 8)]


@pytest.fixture
def idle(tmp_path: Path, base: Path) -> Iterator[TestClient]:
    """A server without a worker, so that nothing happens by itself."""
    with open_client(tmp_path / "data", base, work=False) as opened:
        yield opened
