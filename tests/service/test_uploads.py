"""Handing in checkpoints: in every form, and by people who mean harm."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient
from safetensors.torch import save_file

from tests.evaluations.world import write_lora
from tests.service.world import upload


def kept(client: TestClient) -> list[Path]:
    folder: Path = client.app.state.workspace.settings.uploads_dir  # type: ignore[attr-defined]
    return [path for path in folder.rglob("*") if path.is_file()]


def assert_problem(response: Any, status: int, words: str) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["title"]
    assert words in problem["detail"]


def test_a_raw_body_becomes_a_checkpoint(idle: TestClient, loras: list[Path]) -> None:
    response = upload(idle, "kk", loras[0])
    assert response.status_code == 201
    checkpoint = response.json()
    assert (checkpoint["run"], checkpoint["epoch"], checkpoint["file"]) == ("kk", 4, "kk_epoch4.safetensors")
    assert (checkpoint["rank"], checkpoint["alpha"], checkpoint["key_format"]) == (4, 4.0, "kohya")
    assert [path.read_bytes() for path in kept(idle)] == [loras[0].read_bytes()]


def test_a_form_becomes_the_same_checkpoint(idle: TestClient, loras: list[Path]) -> None:
    raw = upload(idle, "kk", loras[0]).json()
    with loras[0].open("rb") as file:
        form = idle.post("/v1/runs/kk/checkpoints", files={"note": (None, b"hello"), "file": (loras[0].name, file)})
    assert form.status_code == 201
    assert form.json() == raw
    assert len(kept(idle)) == 1
    assert [run["name"] for run in idle.get("/v1/runs").json()["runs"]] == ["kk"]


def test_the_same_file_in_another_run_is_another_checkpoint(idle: TestClient, loras: list[Path]) -> None:
    first, second = (upload(idle, run, loras[0]).json() for run in ("a", "b"))
    assert first["id"] != second["id"]
    assert first["sha256"] == second["sha256"]
    assert len(kept(idle)) == 1


def test_the_epoch_can_be_said(idle: TestClient, tmp_path: Path) -> None:
    final = write_lora(tmp_path / "kk.safetensors", seed=1)
    assert upload(idle, "kk", final).json()["epoch"] is None
    assert upload(idle, "kk", final, epoch=150).json()["epoch"] == 150


def test_what_comes_instead_of_a_lora_is_named(idle: TestClient, tmp_path: Path) -> None:
    vae, sdxl = tmp_path / "kk_epoch4.safetensors", tmp_path / "kk_epoch8.safetensors"
    save_file({"decoder.upsamples.0.residual.0.gamma": torch.ones(4, 1, 1, 1)}, vae)
    key = "lora_unet_input_blocks_4_1_transformer_blocks_1_attn2_to_k"
    save_file({f"{key}.lora_down.weight": torch.ones(2, 2048), f"{key}.lora_up.weight": torch.ones(8, 2)}, sdxl)
    assert_problem(
        upload(idle, "kk", vae), 422, "is the VAE of Qwen-Image and Anima (Wan 2.1's kind); what belongs here"
    )
    assert_problem(upload(idle, "kk", sdxl), 422, "is a LoRA for SDXL by its names and does not fit this base model")
    packed = idle.post("/v1/runs/kk/checkpoints", params={"filename": "a.safetensors"}, content=b"GGUF" + bytes(100))
    assert_problem(packed, 422, "a.safetensors is a GGUF file")
    assert kept(idle) == []


def endless(total: int) -> Iterator[bytes]:
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    yield struct.pack("<Q", len(header)) + header
    for _ in range(total // 1000):
        yield b"\0" * 1000


@pytest.mark.parametrize("declared", [True, False])
def test_a_file_that_is_too_large_is_refused_on_the_way(idle: TestClient, declared: bool) -> None:
    content: Any = b"".join(endless(300_000)) if declared else endless(300_000)
    response = idle.post("/v1/runs/kk/checkpoints", params={"filename": "a.safetensors"}, content=content)
    assert_problem(response, 413, "200000 bytes")
    assert kept(idle) == []


def test_a_form_that_is_too_large_is_refused(idle: TestClient) -> None:
    file = ("a.safetensors", b"".join(endless(240_000)))
    assert_problem(idle.post("/v1/runs/kk/checkpoints", files={"file": file}), 413, "200000 bytes")
    assert kept(idle) == []


HEADER = json.dumps({"a": {"dtype": "F32", "shape": [9], "data_offsets": [0, 36]}}).encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        b"PK\x03\x04" + b"\0" * 100,
        struct.pack("<Q", 2**62) + b"{" * 100,
        struct.pack("<Q", 50) + b"{" + b"x" * 100,
        struct.pack("<Q", len(HEADER)) + HEADER,  # the tensor it promises is missing
    ],
)
def test_what_is_no_safetensors_file_is_refused(idle: TestClient, content: bytes) -> None:
    response = idle.post("/v1/runs/kk/checkpoints", params={"filename": "a.safetensors"}, content=content)
    assert_problem(response, 422, "a.safetensors")
    assert kept(idle) == []
    assert idle.get("/v1/runs").json()["runs"] == []


def test_a_file_of_another_base_is_refused_by_its_keys(idle: TestClient, tmp_path: Path) -> None:
    alien = write_lora(tmp_path / "alien_epoch4.safetensors", seed=1, width=48)
    assert_problem(upload(idle, "kk", alien), 422, "lora_unet_blocks_0_self_attn_q_proj")
    assert kept(idle) == []


@pytest.mark.parametrize(
    ("run", "name"),
    [
        ("control", "a.safetensors"),
        ("a%0Ab", "a.safetensors"),
        ("x" * 200, "a.safetensors"),
        ("kk", "../../evil.safetensors"),
        ("kk", "a.pt"),
        ("kk", ".safetensors"),
        ("kk", "a\0.safetensors"),
        ("kk", None),
    ],
)
def test_names_that_cannot_be_used_are_refused(idle: TestClient, loras: list[Path], run: str, name: str | None) -> None:
    query = {"filename": name} if name is not None else {}
    response = idle.post(f"/v1/runs/{run}/checkpoints", params=query, content=loras[0].read_bytes())
    assert_problem(response, 422, "name")
    assert kept(idle) == []


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"--x\r\n"),
        ("multipart/form-data; boundary=x", b"not a form"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Disposition: " + b"a" * 20_000),
        ("application/json", b"{}"),
        ("application/json", b'{"path": 3}'),
        ("application/json", b"["),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(idle: TestClient, kind: str, body: bytes) -> None:
    response = idle.post("/v1/runs/kk/checkpoints", content=body, headers={"content-type": kind})
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"


def test_a_form_that_breaks_off_is_refused(idle: TestClient, loras: list[Path]) -> None:
    start = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.safetensors"\r\n\r\n'
    response = idle.post(
        "/v1/runs/kk/checkpoints",
        content=start + loras[0].read_bytes()[:-100],
        headers={"content-type": "multipart/form-data; boundary=x"},
    )
    assert_problem(response, 422, "ends too early")
    assert kept(idle) == []


def test_a_path_is_registered_only_from_an_allowed_folder(idle: TestClient, loras: list[Path], tmp_path: Path) -> None:
    inside = tmp_path / "allowed" / loras[0].name
    shutil.copy(loras[0], inside)
    link = tmp_path / "allowed" / "link.safetensors"
    link.symlink_to(loras[1])
    address = "/v1/runs/kk/checkpoints"
    assert idle.post(address, json={"path": str(inside)}).json()["epoch"] == 4
    assert kept(idle) == []
    for path in (loras[1], link, tmp_path / "allowed" / ".." / "other.safetensors", Path("relative.safetensors")):
        assert_problem(idle.post(address, json={"path": str(path)}), 403, "BLEEDCHECK_ALLOWED_FOLDERS")
    assert_problem(idle.post(address, json={"path": str(inside) + "x"}), 404, "no file")
