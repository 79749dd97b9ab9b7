"""``python -m benchmarks.service_load``: 50 clients on leaderboard and grid of a large evaluation, on two cores."""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from benchmarks.service_load.ledger import FINDINGS_A_CELL, build
from benchmarks.service_load.loading import Target, measure
from service.evaluations.workspace import Workspace
from service.settings import Settings


def main() -> None:
    """Build, serve, ask and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.service_load", description=__doc__)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0, help="for each endpoint")
    parser.add_argument(
        "--size", type=int, nargs=3, default=(38, 20, 64), metavar=("CHECKPOINTS", "SCENARIOS", "SEEDS")
    )
    parser.add_argument("--data-dir", type=Path, help="keep the evaluation here, and use it again if it is there")
    parser.add_argument("--only", action="append", help="endpoints whose name begins so; several are fine")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        kept = given.data_dir or Path(folder)
        space = Workspace(Settings(data_dir=kept))
        started = time.monotonic()
        there = space.evaluations.list_all()
        evaluation = there[0].id if there else build(space, *given.size)
        built = time.monotonic() - started
        space.close()
        results = _serve_and_ask(kept, evaluation, given.clients, given.seconds, given.only or [""])
    cells = (given.size[0] + 1) * given.size[1] * given.size[2]
    facts = {"cells": cells, "findings": cells * FINDINGS_A_CELL, "clients": given.clients, "cores": os.cpu_count()}
    print(json.dumps({**facts, "load_average": round(os.getloadavg()[0], 1), "build_s": round(built), "load": results}))


def _serve_and_ask(
    folder: Path, evaluation: str, clients: int, seconds: float, only: Sequence[str]
) -> list[dict[str, object]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "service.cli", "serve", "--port", str(port), "--data-dir", str(folder)]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, env={**os.environ, "BLEEDCHECK_WORK": "false"}, stdout=log, stderr=log)
    address = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=address, timeout=300, trust_env=False) as client:
            _wait(client)
            begun = time.monotonic()
            client.get(f"/v1/evaluations/{evaluation}/leaderboard").raise_for_status()
            first = {
                "endpoint": "the first leaderboard, one client",
                "p50_ms": round((time.monotonic() - begun) * 1000),
            }
            results: list[dict[str, object]] = [first]
            for target in _targets(client, f"/v1/evaluations/{evaluation}"):
                if not target.name.startswith(tuple(only)):
                    continue
                results.append(measure(address, target, clients, seconds))
                print(json.dumps(results[-1]), file=sys.stderr, flush=True)
    finally:
        server.terminate()
        server.wait(60)
    return results


def _wait(client: httpx.Client) -> None:
    for _ in range(600):
        try:
            client.get("/healthz").raise_for_status()
            return
        except httpx.HTTPError:
            time.sleep(0.2)
    raise RuntimeError("the server did not start")


def _targets(client: httpx.Client, address: str) -> list[Target]:
    state = client.get(address).json()
    scenes = state["scenarios"]
    page = client.get(f"{address}/cells", params={"limit": 200}).json()["cells"]
    return [
        Target("leaderboard", [f"{address}/leaderboard"]),
        Target("evaluation's state", [address]),
        Target("grid: 500 cells of a scenario", [f"{address}/cells?limit=500&scenario={scene}" for scene in scenes]),
        Target(
            "grid: 100 cells where a check fails",
            [f"{address}/cells?limit=100&state=fails&check=hands&scenario={scene}" for scene in scenes],
        ),
        Target("one whole cell", [f"{address}/cells/{cell['id']}" for cell in page]),
        Target("thumbnail", [f"/v1/images/{cell['image']}/thumbnail" for cell in page]),
    ]


if __name__ == "__main__":
    main()
