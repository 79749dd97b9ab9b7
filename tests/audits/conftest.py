"""A finished evaluation of a small but real world, once by itself and once behind the API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from service.app import create_app
from service.evaluations.workspace import Workspace
from service.settings import Settings
from tests.evaluations.world import SmallModels, ask, build_base, open_space, register, small_suite, write_lora

SEEDS = tuple(range(8))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, str]:
    """A data folder with a finished evaluation of two checkpoints and the control, 16 images and 32 findings each."""
    folder = tmp_path_factory.mktemp("audited")
    base = build_base(folder / "nano")
    loras = [write_lora(folder / f"kk_epoch{epoch}.safetensors", seed=epoch) for epoch in (4, 8)]
    space = open_space(folder / "data", base)
    request = ask(space, register(space, loras), small_suite().model_copy(update={"seeds": SEEDS}))
    evaluation = space.evaluations.start(request)
    space.executor.run(evaluation.id)
    space.close()
    return folder / "data", base, evaluation.id


@pytest.fixture
def data(template: tuple[Path, Path, str], tmp_path: Path) -> Path:
    import shutil

    return Path(shutil.copytree(template[0], tmp_path / "data"))


@pytest.fixture
def evaluation(template: tuple[Path, Path, str]) -> str:
    return template[2]


@pytest.fixture
def space(data: Path, template: tuple[Path, Path, str]) -> Iterator[Workspace]:
    opened = open_space(data, template[1])
    yield opened
    opened.close()


@pytest.fixture
def client(data: Path, template: tuple[Path, Path, str]) -> Iterator[TestClient]:
    settings = Settings(data_dir=data, base=str(template[1]), device="cpu", dtype="float32", work=False)
    with TestClient(create_app(settings, SmallModels()), base_url="http://127.0.0.1:8000") as opened:
        yield opened
