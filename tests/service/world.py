"""A server on the small world of the evaluations' tests."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from service.app import create_app
from service.settings import Settings
from tests.evaluations.world import SmallModels


def open_client(folder: Path, base: Path, **given: Any) -> TestClient:
    settings = Settings(data_dir=folder, base=str(base), device="cpu", dtype="float32", **given)
    return TestClient(create_app(settings, SmallModels()), base_url="http://127.0.0.1:8000")


def upload(client: TestClient, run: str, path: Path, **query: Any) -> Any:
    address = f"/v1/runs/{run}/checkpoints"
    return client.post(address, params={"filename": path.name, **query}, content=path.read_bytes())


def wait(client: TestClient, evaluation_id: str, status: str = "finished") -> Any:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        state = client.get(f"/v1/evaluations/{evaluation_id}").json()
        if state["status"] == status:
            return state
        time.sleep(0.05)
    raise AssertionError(f"still {state}")
