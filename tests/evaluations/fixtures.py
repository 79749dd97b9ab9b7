"""Fixtures on the small world that several folders of tests use: a folder's ``conftest.py`` takes those it needs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.evaluations.workspace import Workspace
from tests.evaluations.world import SmallModels, build_base, open_space, write_lora


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A nano base."""
    return build_base(tmp_path_factory.mktemp("base") / "nano")


@pytest.fixture(scope="session")
def loras(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Files of one run at epochs 4 and 8."""
    folder = tmp_path_factory.mktemp("loras")
    return [write_lora(folder / f"kk_epoch{epoch}.safetensors", seed=epoch) for epoch in (4, 8)]


@pytest.fixture
def models() -> SmallModels:
    """What opens the generator and the detector, and counts."""
    return SmallModels()


@pytest.fixture
def space(tmp_path: Path, base: Path, models: SmallModels) -> Iterator[Workspace]:
    """An empty data folder."""
    opened = open_space(tmp_path / "data", base, models)
    yield opened
    opened.close()
