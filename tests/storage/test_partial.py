"""Uploads in pieces, over HTTP: broken connections, wrong offsets, files that are none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.evaluations.world import build_base, write_lora
from tests.service.world import open_client, upload


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_base(tmp_path_factory.mktemp("base") / "nano")


@pytest.fixture
def client(tmp_path: Path, base: Path) -> Iterator[TestClient]:
    with open_client(tmp_path / "data", base, work=False, max_upload_bytes=200_000) as opened:
        yield opened


@pytest.fixture
def lora(tmp_path: Path) -> Path:
    return write_lora(tmp_path / "kk_epoch4.safetensors", seed=1)


def begin(client: TestClient, path: Path, **more: Any) -> str:
    wanted = {"filename": path.name, "size": path.stat().st_size, **more}
    answer = client.post("/v1/runs/kk/uploads", json=wanted)
    assert answer.status_code == 201, answer.text
    return str(answer.headers["location"])


def left(client: TestClient) -> list[Path]:
    folder: Path = client.app.state.workspace.settings.uploads_dir / "incoming"  # type: ignore[attr-defined]
    return list(folder.glob("*"))


def test_pieces_become_the_same_checkpoint_as_the_whole_file(client: TestClient, lora: Path) -> None:
    content = lora.read_bytes()
    address = begin(client, lora)
    first = client.patch(address, params={"offset": 0}, content=content[:1000]).json()
    assert (first["offset"], first["checkpoint"]) == (1000, None)
    assert client.get(address).json()["offset"] == 1000
    wrong = client.patch(address, params={"offset": 0}, content=content)
    assert wrong.status_code == 409
    assert "goes on at byte 1000" in wrong.json()["detail"]
    last = client.patch(address, params={"offset": 1000}, content=content[1000:]).json()
    assert last["checkpoint"] == upload(client, "kk", lora).json()
    assert client.get(address).status_code == 404
    assert left(client) == []


def test_what_has_come_stays_when_the_connection_breaks(client: TestClient, lora: Path) -> None:
    content = lora.read_bytes()
    address = begin(client, lora, epoch=148)

    space = client.app.state.workspace  # type: ignore[attr-defined]

    def break_off() -> None:
        with space.partial.open("kk", address.rpartition("/")[2], 0) as piece:
            piece.write(content[:700])
            assert client.patch(address, params={"offset": 700}, content=b"x").status_code == 409  # one at a time
            raise ConnectionError

    with pytest.raises(ConnectionError):
        break_off()
    assert client.get(address).json()["offset"] == 700
    last = client.patch(address, params={"offset": 700}, content=content[700:]).json()
    assert last["checkpoint"]["epoch"] == 148


def test_more_than_was_said_is_refused(client: TestClient, lora: Path) -> None:
    address = begin(client, lora)
    assert client.patch(address, params={"offset": 0}, content=lora.read_bytes() + b"x").status_code == 413
    assert client.post("/v1/runs/kk/uploads", json={"filename": lora.name, "size": 200_001}).status_code == 413


def test_a_file_that_is_none_is_refused_and_forgotten(client: TestClient, tmp_path: Path) -> None:
    path = tmp_path / "kk_epoch4.safetensors"
    path.write_bytes(b"x" * 1000)
    address = begin(client, path)
    refused = client.patch(address, params={"offset": 0}, content=path.read_bytes())
    assert refused.status_code == 422
    assert client.get(address).status_code == 404
    assert left(client) == []


def test_an_upload_can_be_dropped(client: TestClient, lora: Path) -> None:
    address = begin(client, lora)
    assert client.get(address.replace("/kk/", "/other/")).status_code == 404
    assert client.delete(address).status_code == 204
    assert client.delete(address).status_code == 404
    assert left(client) == []


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("/v1/runs/control/uploads", {"filename": "a.safetensors", "size": 100}),
        ("/v1/runs/kk/uploads", {"filename": "../a.safetensors", "size": 100}),
        ("/v1/runs/kk/uploads", {"filename": "a.pt", "size": 100}),
        ("/v1/runs/kk/uploads", {"filename": "a.safetensors", "size": 1}),
        ("/v1/runs/kk/uploads", {"filename": "a.safetensors"}),
    ],
)
def test_what_cannot_be_a_checkpoint_is_refused_at_once(client: TestClient, address: str, body: Any) -> None:
    assert client.post(address, json=body).status_code == 422
    assert left(client) == []


@pytest.mark.parametrize("name", ["0" * 16, "..", "x"])
def test_an_upload_that_is_not_there(client: TestClient, name: str) -> None:
    assert client.patch(f"/v1/runs/kk/uploads/{name}?offset=0", content=b"x").status_code in (404, 405)
