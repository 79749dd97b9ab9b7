"""A server with two runs that were evaluated together, and the second one alone too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from fastapi.testclient import TestClient

from tests.evaluations.world import SUITE, build_base, write_lora
from tests.service.world import open_client, upload, wait


@dataclass(frozen=True)
class TwoRuns:
    client: TestClient
    both: str
    second_alone: str


@pytest.fixture(scope="session")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoRuns]:
    folder = tmp_path_factory.mktemp("two-runs")
    with open_client(folder / "data", build_base(folder / "nano")) as client:
        for number, run in enumerate(("v1", "v2")):
            for epoch in (4, 8):
                path = write_lora(folder / f"{run}_epoch{epoch}.safetensors", seed=10 * number + epoch)
                upload(client, run, path)
        made = []
        for runs in (["v1", "v2"], ["v2"]):
            made.append(client.post("/v1/evaluations", json={"runs": runs, "suite_yaml": SUITE}).json()["id"])
            wait(client, made[-1])
        yield TwoRuns(client, *made)
