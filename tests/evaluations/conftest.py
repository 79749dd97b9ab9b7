"""One nano base and a few LoRA files, made once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.evaluations.workspace import Workspace
from tests.evaluations.world import SmallModels, build_base, open_space, write_lora


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_base(tmp_path_factory.mktemp("base") / "nano")


@pytest.fixture(scope="session")
def loras(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("loras")
    return [write_lora(folder / f"kk_epoch{epoch}.safetensors", seed=epoch) for epoch in (4, 8)]


@pytest.fixture
def models() -> SmallModels:
    return SmallModels()


@pytest.fixture
def space(tmp_path: Path, base: Path, models: SmallModels) -> Iterator[Workspace]:
    opened = open_space(tmp_path / "data", base, models)
    yield opened
    opened.close()
