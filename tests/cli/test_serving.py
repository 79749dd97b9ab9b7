"""``bleedcheck serve`` in a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_commands import run
from tests.generation.original.world import build_real, write_comfyui

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_connection_outlives_a_slow_client(tmp_path: Path) -> None:
    """The server's clock runs from when it has answered, so that a client may still be reading."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "service.cli", "serve", "--port", str(port), "--data-dir", str(tmp_path)]
    quiet = {**os.environ, "BLEEDCHECK_WORK": "false"}
    server = subprocess.Popen(command, cwd=ROOT, env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        connection = connected(port)
        assert answered(connection) == 200
        kept = connection.sock
        time.sleep(6)  # uvicorn's own limit is 5
        assert answered(connection) == 200
        assert connection.sock is kept is not None
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--base", "/nowhere"), "there is no base model at /nowhere"),
        (("--base", "comfyui+http://127.0.0.1:1", "--workflow", "none.json"), "there is no workflow file"),
        (("--base", "comfyui+http://example.org"), "is no address of a ComfyUI on this machine"),
        (("--with", "none.safetensors:1.0"), "there is no file none.safetensors"),
    ],
)
def test_a_base_that_cannot_be_used_is_told_before_anybody_hands_in_files(
    options: tuple[str, ...],
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("uvicorn.run", lambda *_, **__: pytest.fail("it was started"))
    assert run("serve", *options, "--data-dir", tmp_path) == 1
    assert words in capsys.readouterr().err


def test_it_serves_with_everything_that_an_evaluation_can_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comfyui = write_comfyui(tmp_path / "ComfyUI", build_real())
    vae = shutil.move(comfyui / "models" / "vae" / "qwen_image_vae.safetensors", tmp_path / "mine.safetensors")
    served: list[Any] = []
    monkeypatch.setattr("uvicorn.run", lambda app, **_: served.append(app))
    options = ("--base", f"comfyui:{comfyui}", "--vae", vae, "--card", "12gb", "--profile", "anime")
    assert run("serve", *options, "--data-dir", tmp_path / "data") == 0
    assert len(served) == 1
    assert run("serve", *options[:2], "--data-dir", tmp_path / "data") == 1  # its VAE is missed


def connected(port: int) -> HTTPConnection:
    deadline = time.monotonic() + 120
    while True:
        connection = HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.connect()
        except OSError:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.2)
        else:
            connection.auto_open = 0  # a broken connection is an error here, not a reason for another one
            return connection


def answered(connection: HTTPConnection) -> int:
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    answer.read()
    return answer.status
