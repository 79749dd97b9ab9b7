"""``python -m benchmarks.upload_memory``: 2 GB as a body, as a form and in pieces; the server's memory."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import tempfile
from functools import partial
from pathlib import Path

from benchmarks.upload_memory.uploading import WAYS, Adapter, Server, watch


def main() -> None:
    """Send, watch and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upload_memory", description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--folder", type=Path, default=None, help="where the data folder lies; a temporary one else")
    given = parser.parse_args()
    adapter = Adapter.of_size(round(given.gigabytes * 1e9))
    ways = []
    for name, send in WAYS.items():
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            server = Server(Path(folder), _free_port())
            try:
                send(server.client, Adapter.of_size(1), "warm")  # what the first upload imports stays in memory
                ways.append({"way": name, **watch(server, partial(send, server.client, adapter, "large"))})
            finally:
                server.close()
                shutil.rmtree(Path(folder) / "data", ignore_errors=True)
        if not given.json:
            print(json.dumps(ways[-1]), flush=True)
    result = {"bytes": adapter.size, "ways": ways, "load_average": round(os.getloadavg()[0], 1)}
    print(json.dumps(result))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    main()
