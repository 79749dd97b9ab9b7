"""What every address shares: request ids, limits, repeated requests, metrics, the description."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.database.models import IdempotentAnswer
from tests.evaluations.world import SUITE
from tests.service.world import open_client


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    with open_client(tmp_path / "data", tmp_path, work=False, max_body_bytes=50_000) as opened:
        yield opened


def test_every_answer_has_a_request_id(client: TestClient) -> None:
    assert len(client.get("/healthz").headers["x-request-id"]) == 16
    assert client.get("/healthz", headers={"x-request-id": "trace-1.2"}).headers["x-request-id"] == "trace-1.2"
    assert client.get("/healthz", headers={"x-request-id": 'a" b'}).headers["x-request-id"] != 'a" b'
    problem = client.get("/v1/suites/nothing", headers={"x-request-id": "trace-7"}).json()
    assert problem["request_id"] == "trace-7"


def test_what_nobody_foresaw_is_a_problem_too(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("secret inside")

    monkeypatch.setattr(client.app.state.workspace.library, "list_all", broken)  # type: ignore[attr-defined]
    answer = client.get("/v1/suites")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text


@pytest.mark.parametrize("declared", [True, False])
def test_bodies_have_a_limit(client: TestClient, declared: bool) -> None:
    content: Any = b'{"text": "' + b"x" * 60_000 + b'"}'
    sent = content if declared else iter([content[:30_000], content[30_000:]])
    answer = client.post("/v1/suites", content=sent, headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("said", ["\u00b2", "12x", "-1", "+5", "1_000", "", "9" * 30])
@pytest.mark.parametrize("address", ["/v1/suites", "/v1/runs/kk/checkpoints?filename=kk_epoch4.safetensors"])
def test_a_size_that_is_none_is_refused(client: TestClient, said: str, address: str) -> None:
    answer = client.post(address, content=b"{}", headers={"content-length": said.encode("latin-1")})
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert "Content-Length" in answer.json()["detail"]


def post(client: TestClient, key: str, text: str = SUITE, address: str = "/v1/suites") -> Any:
    return client.post(address, json={"text": text}, headers={"idempotency-key": key})


def test_a_repeated_post_is_answered_and_not_done_again(client: TestClient) -> None:
    first = post(client, "one")
    assert first.status_code == 201
    space = client.app.state.workspace  # type: ignore[attr-defined]
    space.library.add = None  # a second time would break
    again = post(client, "one")
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    other = post(client, "one", SUITE + "\n# other")
    assert other.status_code == 422
    assert other.json()["title"] == "Key reused"
    assert post(client, "one", address="/v1/suites/validate").status_code == 422


def test_what_failed_may_be_tried_again_with_the_same_key(client: TestClient) -> None:
    assert post(client, "two", "name: [x").status_code == 422
    assert post(client, "two").status_code == 201


def test_a_request_that_is_still_at_work_is_a_conflict(client: TestClient) -> None:
    space = client.app.state.workspace  # type: ignore[attr-defined]
    with space.database.transaction() as session:
        session.add(IdempotentAnswer(key=":three", request_hash="", status=None, headers=None, body=None))
    assert post(client, "three").status_code == 409


def test_two_at_once_do_it_once(client: TestClient) -> None:
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(post(client, "four").status_code)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(statuses) <= {201, 409}
    assert 201 in statuses


@pytest.mark.parametrize("key", ["", "a b", "x" * 201])
def test_a_key_must_be_a_word(client: TestClient, key: str) -> None:
    assert post(client, key).status_code == 422


def test_long_answers_are_compressed(client: TestClient) -> None:
    assert client.get("/v1/suites/keikana").headers["content-encoding"] == "gzip"
    assert "content-encoding" not in client.get("/v1/suites/keikana", headers={"accept-encoding": "identity"}).headers


def test_it_is_ready_or_says_what_is_missing(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client.get("/readyz").json() == {"status": "ok", "database": "ok", "disk": "ok"}
    monkeypatch.setattr("service.web.readiness.ROOM_BYTES", 1 << 62)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "MB are free" in answer.json()["detail"]


def test_metrics_count_requests_by_route(client: TestClient) -> None:
    for name in ("demo", "keikana"):
        client.get(f"/v1/suites/{name}")
    client.get("/nowhere")
    text = client.get("/metrics").text
    assert 'bleedcheck_http_requests_total{method="GET",route="/v1/suites/{name}",status="200"} 2.0' in text
    assert 'route="none",status="404"' in text
    assert 'bleedcheck_evaluations{status="running"} 0.0' in text


def test_every_operation_lists_its_errors_as_problems(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            errors = {status: each for status, each in operation["responses"].items() if status >= "400"}
            assert {"401", "403", "421", "500"} <= set(errors), (path, method)
            for each in errors.values():
                assert list(each["content"]) == ["application/problem+json"]


def test_every_field_and_parameter_has_a_description_and_an_example(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    bare = []
    for name, schema in document["components"]["schemas"].items():
        shown = {field for example in schema.get("examples", []) for field in example}
        for field, facts in schema.get("properties", {}).items():
            pictured = field in shown or {"examples", "example"} & set(facts) or "$ref" in str(facts)
            if not facts.get("description") or not pictured:
                bare.append(f"{name}.{field}")
    for path, methods in document["paths"].items():
        for operation in methods.values():
            for facts in operation.get("parameters", []):
                pictured = {"example", "examples"} & (set(facts) | set(facts["schema"])) or "default" in facts["schema"]
                if not facts.get("description") or not pictured:
                    bare.append(f"{path} {facts['name']}")
    assert bare == []


LISTS = ("/v1/suites", "/v1/suites/demo", "/v1/runs", "/v1/evaluations", "/v1/evaluations?limit=1")


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
@pytest.mark.parametrize("address", LISTS)
def test_what_a_client_has_is_not_sent_again(client: TestClient, address: str, encoding: str) -> None:
    asked = {"accept-encoding": encoding}
    answer = client.get(address, headers=asked)
    assert answer.headers["cache-control"] == "private, no-cache"
    again = client.get(address, headers={**asked, "if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == answer.headers["etag"]
    assert "content-type" not in again.headers
    stale = client.get(address, headers={**asked, "if-none-match": '"other"'})
    assert (stale.status_code, stale.json()) == (200, answer.json())


def test_a_list_that_changed_has_another_tag(client: TestClient) -> None:
    before = client.get("/v1/suites").headers["etag"]
    assert client.get("/v1/suites").headers["etag"] == before
    assert post(client, "five").status_code == 201
    after = client.get("/v1/suites", headers={"if-none-match": before})
    assert after.status_code == 200
    assert after.headers["etag"] != before


def test_only_whole_json_answers_to_get_have_a_tag(client: TestClient) -> None:
    assert "etag" not in client.get("/v1/suites/nothing").headers
    assert "etag" not in post(client, "six").headers
    assert "etag" not in client.get("/healthz").headers
    assert client.head("/v1/suites").status_code == 405


def test_every_json_to_get_says_when_it_is_not_sent(client: TestClient) -> None:
    for path, methods in client.get("/openapi.json").json()["paths"].items():
        for method, operation in methods.items():
            whole = "application/json" in operation["responses"].get("200", {}).get("content", {})
            if path.startswith("/v1/") and method == "get" and whole:
                assert "304" in operation["responses"], path
            elif method != "get":
                assert "304" not in operation["responses"], path


@pytest.mark.parametrize(
    ("method", "address", "content", "status", "words"),
    [
        ("POST", "/v1/evaluations", b'{"runs": ["\\ud800"], "suite": "demo"}', 422, "half a character"),
        ("POST", "/v1/evaluations", b'{"\\ud800": 1}', 422, "valid string"),
        ("POST", "/v1/evaluations", b"{", 422, "not readable as JSON at character 1"),
        ("POST", "/v1/suites", b'{"text": "hi"}', 422, "this is no suite; a suite has the fields name"),
        ("GET", "/v1/nowhere", b"", 404, "there is no such address"),
        ("PUT", "/v1/runs", b"", 405, "does not take that method: it takes GET"),
        ("POST", "/v1/evaluations", b"[]", 422, "body: send a JSON object, with content-type: application/json"),
        ("GET", "/v1/evaluations?limits=3", b"", 422, "has no parameter 'limits'; it has limit, cursor"),
        ("GET", "/v1/suites/demo?x=", b"", 422, "has no parameter 'x'; it has version"),
    ],
)
def test_bad_requests_are_told_what_is_wrong(
    client: TestClient, method: str, address: str, content: bytes, status: int, words: str
) -> None:
    answer = client.request(method, address, content=content, headers={"content-type": "application/json"})
    assert answer.status_code == status
    assert words in answer.json()["detail"]
