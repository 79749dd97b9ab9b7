"""A server on the small world, for pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from tests.evaluations.fixtures import base, loras
from tests.evaluations.world import SUITE, SmallModels
from tests.pages.browsing import NO_BROWSER, find_browser, serving, small_settings
from tests.service.world import open_client, upload, wait

__all__ = ["base", "house", "idle", "loras"]


@dataclass(frozen=True)
class House:
    """A server's address, and the id of the evaluation in it."""

    address: str
    evaluation: str


@pytest.fixture
def idle(tmp_path: Path, base: Path) -> Iterator[TestClient]:
    """A server without a worker, so that nothing happens by itself."""
    with open_client(tmp_path / "data", base, work=False) as opened:
        yield opened


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory, base: Path, loras: list[Path]) -> Iterator[House]:
    """A listening server with one finished evaluation of two checkpoints."""
    if find_browser() is None:
        pytest.skip(NO_BROWSER)
    settings = small_settings(tmp_path_factory.mktemp("house") / "data", base)
    with serving(settings, SmallModels()) as address, httpx.Client(base_url=address, timeout=60) as client:
        for path in loras:
            upload(client, "kk", path)  # type: ignore[arg-type]
        started = client.post("/v1/evaluations", json={"runs": ["kk"], "suite_yaml": SUITE})
        evaluation = started.json()["id"]
        wait(client, evaluation)  # type: ignore[arg-type]
        yield House(address, evaluation)
