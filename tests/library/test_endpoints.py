"""Suites over the API: reading, checking, handing in versions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.evaluations.world import SUITE
from tests.service.world import open_client


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with open_client(tmp_path / "data", tmp_path, work=False) as opened:
        yield opened


def test_the_built_in_ones_are_there(client: TestClient) -> None:
    listed = client.get("/v1/suites").json()
    assert {"demo", "keikana"} <= {each["name"] for each in listed}
    assert all(each["built_in"] for each in listed)
    suite = client.get("/v1/suites/demo")
    assert suite.json()["suite"]["characters"][0]["trigger"] == "keichan"
    assert "keichan" in suite.json()["text"]
    again = client.get("/v1/suites/demo", headers={"if-none-match": suite.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_versions_are_added_and_never_change(client: TestClient) -> None:
    first = client.post("/v1/suites", json={"text": SUITE})
    assert (first.status_code, first.json()["version"]) == (201, 1)
    assert client.post("/v1/suites", json={"text": SUITE}).status_code == 201
    changed = SUITE.replace("seeds: [7, 13, 99]", "seeds: [1]")
    refused = client.post("/v1/suites", json={"text": changed})
    assert refused.status_code == 409
    assert "version: 2" in refused.json()["detail"]
    second = client.post("/v1/suites", json={"text": changed.replace("version: 1", "version: 2")})
    assert second.json()["versions"] == [2, 1]
    assert client.get("/v1/suites/small").json()["seeds"] == [1]
    assert client.get("/v1/suites/small?version=1").json()["seeds"] == [7, 13, 99]
    assert client.get("/v1/suites/small?version=3").status_code == 404
    assert [each["version"] for each in client.get("/v1/suites").json() if each["name"] == "small"] == [2]


def test_a_built_in_name_is_taken(client: TestClient) -> None:
    assert client.post("/v1/suites", json={"text": SUITE.replace("name: small", "name: demo")}).status_code == 409


def test_faults_have_line_and_field(client: TestClient) -> None:
    broken = SUITE.replace("cast: [Kei]", "cast: [Nobody]").replace("steps: 1", "steps: many")
    verdict = client.post("/v1/suites/validate", json={"text": broken}).json()
    assert not verdict["valid"]
    faults = {(each["line"], each["field"]) for each in verdict["errors"]}
    assert (20, "generation.steps") in faults
    refused = client.post("/v1/suites", json={"text": SUITE.replace("cast: [Kei]", "cast: [Nobody]")})
    assert refused.status_code == 422
    assert (16, "scenarios[1].cast[0]") in {(each["line"], each["field"]) for each in refused.json()["errors"]}
    good = client.post("/v1/suites/validate", json={"text": SUITE}).json()
    assert (good["valid"], good["name"], good["cells"]) == (True, "small", 6)
    assert client.get("/v1/suites/small").status_code == 404


def test_text_from_the_network_names_no_files(client: TestClient) -> None:
    text = SUITE.replace("trigger: kanachan}", "trigger: kanachan, references: [/etc/passwd]}")
    assert client.post("/v1/suites", json={"text": text}).status_code == 422


def test_a_suite_that_is_not_there(client: TestClient) -> None:
    answer = client.get("/v1/suites/..%2Fsecrets")
    assert answer.status_code == 404
    assert client.get("/v1/suites/nothing").json()["detail"].startswith("there is no suite 'nothing'")
