"""Made-up requests for every operation of the description, sent to a server that listens on loopback."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import httpx
import uvicorn
from fastapi import FastAPI

_REAL_SHARE = 0.6
"""Share of requests whose address names things that exist; made-up names never get far."""
_TIMEOUT_S = 30.0


@dataclass
class Outcome:
    """What came of it.

    Attributes:
        operations: operations that were tried.
        requests: requests that were sent.
        statuses: how often each status was answered.
        failures: what the server should not have answered, each in one line.
    """

    operations: int = 0
    requests: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        statuses = {str(status): count for status, count in sorted(self.statuses.items())}
        return {
            "operations": self.operations,
            "requests": self.requests,
            "statuses": statuses,
            "server_errors": sum(count for status, count in self.statuses.items() if status >= 500),
            "failures": self.failures,
        }


def fuzz(app: FastAPI, *, examples: int, seed: int) -> Outcome:
    """Send made-up requests, valid and invalid ones, to every operation.

    A failure is a status of 500 or above other than 503 (which is listed where weights are missing), a status or a
    content type that the description does not list, or a body that is not what it promises.

    Args:
        app: the application; things are added to it and removed.
        examples: requests an operation and kind, at most.
        seed: the same seed gives the same requests.
    """
    import schemathesis
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import seed as seeded
    from schemathesis import GenerationMode
    from schemathesis.core.result import Ok

    outcome = Outcome()
    rng = random.Random(seed)
    quiet = settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    with served(app) as address:
        schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
        known = _known(address)
        operations = [found.ok() for found in schema.get_all_operations() if isinstance(found, Ok)]
        # What deletes comes last, so that the others have something to find.
        for operation in sorted(operations, key=lambda each: each.method.lower() == "delete"):
            outcome.operations += 1
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

                def once(case: Any) -> None:
                    _send(case, address, known, rng, outcome)

                try:
                    seeded(seed)(quiet(given(case=operation.as_strategy(generation_mode=mode))(once)))()
                except Exception as error:
                    if type(error).__name__ != "Unsatisfiable":  # nothing invalid can be sent to some operations
                        raise
    return outcome


@contextmanager
def served(app: FastAPI) -> Iterator[str]:
    """The application behind a real socket on loopback; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the server did not start")
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


def _known(address: str) -> dict[str, list[str]]:
    """Names that exist, by the parameter they stand for."""
    with httpx.Client(base_url=address, trust_env=False) as client:
        evaluation = client.get("/v1/evaluations").json()["evaluations"][0]
        cells = client.get(f"/v1/evaluations/{evaluation['id']}/cells").json()["cells"]
    return {
        "evaluation_id": [evaluation["id"]],
        "run": [each["run"] for each in evaluation["checkpoints"]][:1],
        "checkpoint_id": [each["checkpoint"] for each in evaluation["checkpoints"]],
        "cell_id": [str(cell["id"]) for cell in cells],
        "sha256": [cell["image"] for cell in cells],
        "name": ["fuzzed", "demo"],
    }


def _send(case: Any, address: str, known: dict[str, list[str]], rng: random.Random, outcome: Outcome) -> None:
    from schemathesis import checks
    from schemathesis.core.failures import FailureGroup

    if case.path_parameters and rng.random() < _REAL_SHARE:
        for name in list(case.path_parameters):
            if name in known:
                case.path_parameters[name] = rng.choice(known[name])
    for name in ("first_evaluation", "second_evaluation"):
        if case.query and name in case.query and rng.random() < _REAL_SHARE:
            case.query[name] = known["evaluation_id"][0]
    if case.operation.path.endswith("/events"):  # a stream that ends only with its evaluation
        identifier = case.path_parameters["evaluation_id"]
        httpx.post(f"{address}/v1/evaluations/{quote(str(identifier), safe='')}/cancel", trust_env=False)
    response = case.call(base_url=address, timeout=_TIMEOUT_S)
    outcome.requests += 1
    outcome.statuses[response.status_code] += 1
    wanted = [
        checks.CHECKS.get_one(name)
        for name in ("not_a_server_error", "status_code_conformance", "content_type_conformance",
                     "response_schema_conformance")
    ]  # fmt: skip
    try:
        case.validate_response(response, checks=wanted)
    except FailureGroup as group:
        for failure in group.exceptions:
            told = " ".join(str(failure).split())[:400]
            line = f"{case.method} {case.operation.path} -> {response.status_code}: {type(failure).__name__}: {told}"
            if line not in outcome.failures:
                outcome.failures.append(line)
