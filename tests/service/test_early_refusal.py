"""Files that are no LoRA are refused once their header has come: over real connections, to clients that send on."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.evaluations.world import SmallModels
from tests.pages.browsing import serving, small_settings

GIGABYTE = 1 << 30
VAE = {"decoder.upsamples.0.residual.0.gamma": [4, 1, 1, 1], "decoder.conv1.weight": [256, 1024, 1024]}
FOREIGN = {
    "lora_unet_input_blocks_4_1_transformer_blocks_1_attn2_to_k.lora_down.weight": [65536, 2048],
    "lora_unet_input_blocks_4_1_transformer_blocks_1_attn2_to_k.lora_up.weight": [8, 65536],
}


@pytest.fixture(scope="module")
def server(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("data")
    settings = small_settings(folder, base, work=False, max_upload_bytes=4 * GIGABYTE)
    with serving(settings, SmallModels()) as address:
        yield address, settings.uploads_dir


def beginning(shapes: dict[str, list[int]]) -> tuple[bytes, int]:
    """A file's first bytes, header and all, and how many bytes the whole file would have."""
    table, end = {}, 0
    for name, shape in shapes.items():
        size = 4
        for side in shape:
            size *= side
        table[name] = {"dtype": "F32", "shape": shape, "data_offsets": [end, end + size]}
        end += size
    header = json.dumps(table).encode()
    return struct.pack("<Q", len(header)) + header, 8 + len(header) + end


def left(uploads: Path) -> list[Path]:
    return [path for path in uploads.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (VAE, "is the VAE of Qwen-Image and Anima (Wan 2.1's kind); what belongs here is a LoRA file"),
        (FOREIGN, "is a LoRA for SDXL by its names and does not fit this base model"),
    ],
)
def test_the_answer_comes_while_the_rest_is_not_even_sent(
    server: tuple[str, Path], shapes: dict[str, list[int]], words: str
) -> None:
    address, uploads = server
    begin, size = beginning(shapes)
    place = urlsplit(address)
    head = (
        f"POST /v1/runs/kk/checkpoints?filename=kk_epoch4.safetensors HTTP/1.1\r\nHost: {place.netloc}\r\n"
        f"Content-Type: application/octet-stream\r\nContent-Length: {size}\r\n\r\n"
    )
    with socket.create_connection((place.hostname, place.port), timeout=60) as line:
        line.sendall(head.encode() + begin[:20])
        line.sendall(begin[20:])
        answer = b""
        while not answer.endswith(b"}"):
            answer += line.recv(65536)
    assert answer.startswith(b"HTTP/1.1 422 ")
    assert words in json.loads(answer.partition(b"\r\n\r\n")[2])["detail"]
    assert left(uploads) == []


@pytest.mark.parametrize("kind", ["declared", "chunked", "form"])
def test_a_client_that_sends_on_gets_the_answer_and_may_ask_again(server: tuple[str, Path], kind: str) -> None:
    address, uploads = server
    begin, _ = beginning(VAE)
    size = 64 << 20
    data = [begin, *[bytes(1 << 20)] * 63, bytes((1 << 20) - len(begin))]
    headers = {"content-type": "application/octet-stream"}
    if kind == "declared":
        headers["content-length"] = str(size)
    if kind == "form":
        headers["content-type"] = "multipart/form-data; boundary=xyz"
        part = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="kk_epoch4.safetensors"\r\n\r\n'
        data = [part, *data, b"\r\n--xyz--\r\n"]
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        for _ in range(2):  # the same connection can be used again
            answer = client.post(
                "/v1/runs/kk/checkpoints",
                params={"filename": "kk_epoch4.safetensors"},
                content=iter(data),
                headers=headers,
            )
            assert answer.status_code == 422, answer.text
            # The bytes that were declared are fewer than the header speaks of, which is seen first.
            words = "it is truncated" if kind == "declared" else "is the VAE of Qwen-Image"
            assert words in answer.json()["detail"]
    assert left(uploads) == []


def test_the_piece_with_the_header_is_enough(server: tuple[str, Path]) -> None:
    address, uploads = server
    begin, size = beginning(VAE)
    with httpx.Client(base_url=address, timeout=60, trust_env=False) as client:
        wanted: dict[str, Any] = {"filename": "kk_epoch4.safetensors", "size": size}
        place = client.post("/v1/runs/kk/uploads", json=wanted).headers["location"]
        assert client.patch(place, params={"offset": 0}, content=begin[:9]).status_code == 200
        assert client.patch(place, params={"offset": 9}, content=begin[9:-1]).status_code == 200
        refused = client.patch(place, params={"offset": len(begin) - 1}, content=begin[-1:])
        assert refused.status_code == 422
        assert "is the VAE of Qwen-Image" in refused.json()["detail"]
        assert client.get(place).status_code == 404
    assert left(uploads) == []
