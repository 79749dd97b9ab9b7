"""The API from upload to report, and what it says when something is wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service import errors
from service.app import create_app
from service.settings import Settings
from tests.evaluations.world import SUITE
from tests.service.world import open_client, upload, wait

ROOT = Path(__file__).parents[2]


def test_importing_the_service_does_not_import_torch() -> None:
    code = "import sys, service.app; print([m for m in ('torch', 'diffusers', 'transformers') if m in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.stdout.strip() == "[]", result.stderr


def test_it_listens_on_loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BLEEDCHECK_HOST", raising=False)
    assert Settings().host == "127.0.0.1"


def test_from_upload_to_report(client: TestClient, loras: list[Path]) -> None:
    for path in loras:
        assert upload(client, "kk", path).status_code == 201
    started = client.post("/v1/evaluations", json={"runs": ["kk"], "suite_yaml": SUITE, "seeds": 2})
    assert started.status_code == 202, started.text
    evaluation = started.json()["id"]
    state = wait(client, evaluation)
    assert state["progress"] == {"total": 12, "generated": 12, "judged": 12, "failed": 0, "done": 1.0}
    board = client.get(f"/v1/evaluations/{evaluation}/leaderboard").json()
    assert sorted((entry["run"], entry["epoch"]) for entry in board["leaderboard"]) == [("kk", 4), ("kk", 8)]
    assert board["recommendation"]["sentences"]
    address = f"/v1/evaluations/{evaluation}/leaderboard"
    assert client.get(address, params={"use": "no-crossing"}).json()["use"] == "no-crossing"
    refused = client.get(address, params={"use": "paws=2"})
    assert (refused.status_code, "there is no check 'paws' here" in refused.text) == (422, True)
    report = client.get(f"/v1/evaluations/{evaluation}/report").json()
    assert len(report["images"]) == 12
    assert {finding["detector"] for image in report["images"] for finding in image["findings"]} == {"brightness"}
    address = f"/v1/images/{report['images'][0]['image']}"
    picture = client.get(address)
    assert picture.content.startswith(b"\x89PNG")
    assert "immutable" in picture.headers["cache-control"]
    again = client.get(address, headers={"if-none-match": picture.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    for page in (
        client.get(f"/v1/evaluations/{evaluation}/report", headers={"accept": "text/html,*/*;q=0.8"}),
        client.get(f"/v1/evaluations/{evaluation}/report?format=html"),
    ):
        assert page.headers["content-type"].startswith("text/html")
        assert address in page.text
    same = client.post("/v1/evaluations", json={"runs": ["kk"], "suite_yaml": SUITE, "seeds": 2}).json()
    assert (same["id"], same["status"]) == (evaluation, "finished")
    assert [each["id"] for each in client.get("/v1/evaluations").json()["evaluations"]] == [evaluation]


def test_some_scenarios_of_a_suite_can_be_asked_for(idle: TestClient, loras: list[Path]) -> None:
    upload(idle, "kk", loras[0])
    some = {"runs": ["kk"], "suite": "demo", "scenarios": ["piggyback", "hug"], "seeds": 3}
    evaluation = idle.post("/v1/evaluations", json=some).json()
    assert evaluation["scenarios"] == ["piggyback", "hug"]
    assert evaluation["progress"]["total"] == 2 * 2 * 3


def test_a_server_takes_up_what_an_earlier_one_left(tmp_path: Path, base: Path, loras: list[Path]) -> None:
    with open_client(tmp_path / "data", base, work=False) as idle:
        upload(idle, "kk", loras[0])
        evaluation = idle.post("/v1/evaluations", json={"runs": ["kk"], "suite_yaml": SUITE}).json()
        assert evaluation["status"] == "planned"
        cancelled = idle.post(f"/v1/evaluations/{evaluation['id']}/cancel").json()
        assert cancelled["status"] == "cancelled"
        assert idle.post(f"/v1/evaluations/{evaluation['id']}/cancel").status_code == 409
        resumed = idle.post(f"/v1/evaluations/{evaluation['id']}/resume").json()
        assert resumed["status"] == "planned"
    with open_client(tmp_path / "data", base) as working:
        assert wait(working, evaluation["id"])["progress"]["judged"] == 12


def test_a_leaderboard_can_be_read_before_there_is_anything(idle: TestClient, loras: list[Path]) -> None:
    upload(idle, "kk", loras[0])
    evaluation = idle.post("/v1/evaluations", json={"runs": ["kk"], "suite": "demo"}).json()
    address = f"/v1/evaluations/{evaluation['id']}"
    assert idle.get(f"{address}/leaderboard").json()["leaderboard"] == []
    assert idle.get(f"{address}/report?format=html").status_code == 200


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"runs": ["nobody"]}, 404, "no run"),
        ({"checkpoints": ["0123"]}, 404, "no checkpoint"),
        ({}, 422, "name at least one run"),
        ({"runs": ["kk"], "epochs": "9-3"}, 422, "empty range"),
        ({"runs": ["kk"], "epochs": "100-"}, 422, "no checkpoint lies"),
        ({"runs": ["kk"], "suite": "../../etc/passwd"}, 422, "there is no suite"),
        ({"runs": ["kk"], "suite_yaml": "name: [x"}, 422, "YAML"),
        ({"runs": ["kk"], "seeds": 999}, 422, "seeds"),
        ({"runs": ["kk"], "suite": "demo", "scenarios": ["hug", "tea"]}, 422, "has no scenario 'tea'; it has together"),
        ({"runs": ["kk"], "suite": "demo", "scenarios": ["hug", "hug"]}, 422, "twice"),
        ({"runs": ["kk"], "scale": 99}, 422, "scale"),
        ({"runs": ["kk"], "nonsense": 1}, 422, "nonsense"),
    ],
)
def test_requests_that_cannot_be_met_say_why(
    idle: TestClient, loras: list[Path], body: dict[str, object], status: int, words: str
) -> None:
    upload(idle, "kk", loras[0])
    response = idle.post("/v1/evaluations", json=body)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert words in response.json()["detail"]


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/v1/evaluations/nothing", 404),
        ("/v1/evaluations/nothing/leaderboard", 404),
        ("/v1/evaluations/nothing/report", 404),
        (f"/v1/images/{'0' * 64}", 404),
        ("/v1/images/..%2f..%2fbleedcheck.db", 404),
        ("/nowhere", 404),
    ],
)
def test_what_is_not_there_is_a_problem_too(idle: TestClient, address: str, status: int) -> None:
    response = idle.get(address)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"


def test_every_error_has_a_status_and_a_title() -> None:
    def tree(kind: type[Any]) -> list[type[Any]]:
        return [kind, *(each for child in kind.__subclasses__() for each in tree(child))]

    for kind in (each for root in errors.KNOWN for each in tree(root)):
        assert 400 <= kind.status < 600, kind
        assert errors.title_of(kind("x")), kind


def test_every_endpoint_is_described() -> None:
    paths = create_app(Settings(work=False)).openapi()["paths"]
    assert {
        "/v1/runs/{run}/checkpoints",
        "/v1/evaluations",
        "/v1/evaluations/{evaluation_id}",
        "/v1/evaluations/{evaluation_id}/leaderboard",
        "/v1/evaluations/{evaluation_id}/report",
        "/v1/images/{sha256}",
        "/healthz",
    } <= set(paths)
    for address, methods in paths.items():
        for operation in methods.values():
            assert operation["description"], address
            assert operation["responses"], address


def test_it_says_that_it_lives(idle: TestClient) -> None:
    assert idle.get("/healthz").json()["status"] == "ok"
