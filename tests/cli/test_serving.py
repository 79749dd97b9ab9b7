"""``bleedcheck serve`` in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest

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
