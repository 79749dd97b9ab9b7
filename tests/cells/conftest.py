"""One finished evaluation of two checkpoints, read by every test here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient

from tests.evaluations.world import SUITE, build_base, write_lora
from tests.service.world import open_client, upload, wait


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TestClient, str]]:
    """A client, and the address of its evaluation: (control + 2) x 2 scenarios x 3 seeds."""
    folder = tmp_path_factory.mktemp("cells")
    with open_client(folder / "data", build_base(folder / "nano")) as client:
        for epoch in (4, 8):
            upload(client, "kk", write_lora(folder / f"kk_epoch{epoch}.safetensors", seed=epoch))
        evaluation = client.post("/v1/evaluations", json={"runs": ["kk"], "suite_yaml": SUITE}).json()["id"]
        wait(client, evaluation)
        yield client, f"/v1/evaluations/{evaluation}"
