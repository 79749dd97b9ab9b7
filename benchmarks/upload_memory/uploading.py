"""A large adapter that exists nowhere, sent to a server in a process of its own, whose memory is watched."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

CHUNK_BYTES = 1 << 20
PIECE_BYTES = 64 << 20
WATCH_EVERY_S = 0.02
_RANK, _WIDTH = 512, 16_384
_MODULE_BYTES = 2 * 4 * _RANK * _WIDTH
_BOUNDARY = "bleedcheck-upload"


@dataclass(frozen=True)
class Adapter:
    """A LoRA file of zeros that is made while it is read."""

    header: bytes
    data_bytes: int

    @classmethod
    def of_size(cls, size: int) -> Adapter:
        """An adapter of about ``size`` bytes, with as many modules as that takes."""
        entries: dict[str, Any] = {"__metadata__": {"ss_network_dim": str(_RANK), "ss_epoch": "1"}}
        place = 0
        for number in range(max(1, round(size / _MODULE_BYTES))):
            for role, shape in (("down", [_RANK, _WIDTH]), ("up", [_WIDTH, _RANK])):
                length = 4 * _RANK * _WIDTH
                name = f"lora_unet_blocks_{number}_self_attn_q_proj.lora_{role}.weight"
                entries[name] = {"dtype": "F32", "shape": shape, "data_offsets": [place, place + length]}
                place += length
        text = json.dumps(entries).encode()
        return cls(struct.pack("<Q", len(text)) + text, place)

    @property
    def size(self) -> int:
        """Bytes of the whole file."""
        return len(self.header) + self.data_bytes

    def chunks(self, start: int = 0, stop: int | None = None) -> Iterator[bytes]:
        """The file's bytes from ``start`` to ``stop``, a megabyte at a time."""
        place, end = start, self.size if stop is None else min(stop, self.size)
        zeros = bytes(CHUNK_BYTES)
        while place < end:
            length = min(CHUNK_BYTES, end - place)
            chunk = self.header[place : place + length]
            yield chunk + zeros[: length - len(chunk)]
            place += length


class Server:
    """A server on a data folder, in a process of its own; knows its memory."""

    def __init__(self, folder: Path, port: int) -> None:
        (folder / "pictures").mkdir(parents=True)
        environment = {**os.environ, "BLEEDCHECK_WORK": "false"}
        command = [sys.executable, "-m", "service.cli", "serve", "--port", str(port)]
        command += ["--data-dir", str(folder / "data"), "--base", f"images:{folder / 'pictures'}"]
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(command, env=environment, stdout=self._log, stderr=self._log)
        self._memory = psutil.Process(self._process.pid)
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=600, trust_env=False)
        deadline = time.monotonic() + 120
        while True:
            try:
                self.client.get("/healthz").raise_for_status()
                return
            except httpx.HTTPError:
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise
                time.sleep(0.1)

    def memory(self) -> int:
        """Resident bytes at this moment."""
        return int(self._memory.memory_info().rss)

    def close(self) -> None:
        """End it."""
        self.client.close()
        self._process.terminate()
        self._process.wait(60)
        self._log.close()


def watch(server: Server, work: Callable[[], None]) -> dict[str, float]:
    """Do something and watch the server's memory: megabytes before, at the highest, and after; and the seconds."""
    peak = before = server.memory()
    ended = threading.Event()

    def look() -> None:
        nonlocal peak
        while not ended.wait(WATCH_EVERY_S):
            peak = max(peak, server.memory())

    watcher = threading.Thread(target=look)
    watcher.start()
    started = time.monotonic()
    try:
        work()
    finally:
        seconds = time.monotonic() - started
        ended.set()
        watcher.join()
    figures = {"before_mb": before, "peak_mb": peak, "after_mb": server.memory()}
    return {**{name: round(value / 1e6, 1) for name, value in figures.items()}, "seconds": round(seconds, 1)}


def send_raw(client: httpx.Client, adapter: Adapter, run: str) -> None:
    """The file as the body."""
    query = {"filename": "large_epoch1.safetensors"}
    _taken(client.post(f"/v1/runs/{run}/checkpoints", params=query, content=adapter.chunks()), adapter)


def send_form(client: httpx.Client, adapter: Adapter, run: str) -> None:
    """The file in a form, as a page sends it."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="large_epoch1.safetensors"\r\n\r\n'

    def body() -> Iterator[bytes]:
        yield head.encode()
        yield from adapter.chunks()
        yield f"\r\n--{_BOUNDARY}--\r\n".encode()

    kind = {"content-type": f"multipart/form-data; boundary={_BOUNDARY}"}
    _taken(client.post(f"/v1/runs/{run}/checkpoints", headers=kind, content=body()), adapter)


def send_pieces(client: httpx.Client, adapter: Adapter, run: str) -> None:
    """The file in pieces."""
    wanted = {"filename": "large_epoch1.safetensors", "size": adapter.size}
    begun = client.post(f"/v1/runs/{run}/uploads", json=wanted)
    begun.raise_for_status()
    answer: dict[str, Any] = begun.json()
    while answer["offset"] < adapter.size:
        offset = answer["offset"]
        content = adapter.chunks(offset, offset + PIECE_BYTES)
        sent = client.patch(begun.headers["location"], params={"offset": offset}, content=content)
        sent.raise_for_status()
        answer = sent.json()
    if answer["checkpoint"]["size"] != adapter.size:
        raise RuntimeError(f"the server has {answer['checkpoint']['size']} bytes of {adapter.size}")


def _taken(answer: httpx.Response, adapter: Adapter) -> None:
    if answer.status_code != 201 or answer.json()["size"] != adapter.size:
        raise RuntimeError(f"not taken: {answer.status_code} {answer.text[:300]}")


WAYS: dict[str, Callable[[httpx.Client, Adapter, str], None]] = {
    "raw body": send_raw,
    "form": send_form,
    "pieces of 64 MB": send_pieces,
}
