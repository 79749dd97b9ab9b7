"""What the guard lets in: hosts, sites, keys, and the pages' session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.access.endpoints import own_address
from service.access.keys import Scope
from service.app import create_app
from service.errors import NotAllowed
from service.evaluations.workspace import Workspace
from service.settings import Settings


def client_of(folder: Path, base_url: str = "http://127.0.0.1:8000", **given: Any) -> TestClient:
    settings = Settings(data_dir=folder, work=False, **given)
    return TestClient(create_app(settings), base_url=base_url, follow_redirects=False)


@pytest.fixture
def local(tmp_path: Path) -> Iterator[TestClient]:
    with client_of(tmp_path) as client:
        yield client


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, str]:
    space = Workspace(Settings(data_dir=tmp_path))
    made = {scope.value: space.keys.create(scope.value, scope)[1] for scope in Scope}
    space.close()
    return made


@pytest.fixture
def public(tmp_path: Path, keys: dict[str, str]) -> Iterator[TestClient]:
    with client_of(tmp_path, "http://192.0.2.7:8000", host="0.0.0.0") as client:
        yield client


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8000", "LOCALHOST", "[::1]:8000", "localhost."])
def test_loopback_answers_to_its_own_names(local: TestClient, host: str) -> None:
    assert local.get("/v1/runs", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "192.0.2.7", "", "[", "a@localhost.x"])
def test_a_rebound_name_is_refused(local: TestClient, host: str) -> None:
    answer = local.get("/v1/runs", headers={"host": host})
    assert answer.status_code == 421
    assert answer.headers["content-type"] == "application/problem+json"
    assert "BLEEDCHECK_ALLOWED_HOSTS" in answer.json()["detail"]


FORGED = [
    {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
    {"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:3000"},
    {"origin": "https://evil.example"},
    {"origin": "http://127.0.0.1:3000"},
    {"origin": "null"},
    {"origin": "http://["},
]


@pytest.mark.parametrize("headers", FORGED)
@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH", "PUT"])
def test_another_sites_page_changes_nothing(local: TestClient, method: str, headers: dict[str, str]) -> None:
    answer = local.request(method, "/v1/suites", headers=headers, json={"text": ""})
    assert answer.status_code == 403
    assert "another site" in answer.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:8000"},
        {"sec-fetch-site": "none"},
        {"origin": "http://127.0.0.1:8000"},
    ],
)
def test_its_own_pages_and_programs_may(local: TestClient, headers: dict[str, str]) -> None:
    assert local.post("/v1/suites/validate", headers=headers, json={"text": ""}).status_code == 200


def test_links_from_elsewhere_may_be_followed(local: TestClient) -> None:
    assert local.get("/v1/runs", headers={"sec-fetch-site": "cross-site"}).status_code == 200


def test_beyond_loopback_it_does_not_start_without_a_key(tmp_path: Path) -> None:
    for given in ({"host": "0.0.0.0"}, {"allowed_hosts": ("bleed.example",)}):
        with pytest.raises(NotAllowed, match="bleedcheck keys create"), client_of(tmp_path, **given):
            pass
    with client_of(tmp_path, host="0.0.0.0", key="a-key-from-the-environment") as client:
        assert client.get("/v1/runs").status_code == 401


def test_a_key_is_asked_for_and_its_scope_counts(public: TestClient, keys: dict[str, str]) -> None:
    refused = public.get("/v1/runs")
    assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
    assert public.get("/v1/runs", headers={"authorization": "Bearer wrong"}).status_code == 401
    reader = {"authorization": f"Bearer {keys['read']}"}
    writer = {"authorization": f"bearer {keys['write']}"}
    assert public.get("/v1/runs", headers=reader).status_code == 200
    body = {"text": ""}
    assert public.post("/v1/suites", headers=reader, json=body).status_code == 403
    assert public.post("/v1/suites", headers=writer, json=body).status_code == 422


@pytest.mark.parametrize("address", ["/healthz", "/readyz", "/login"])
def test_signs_of_life_and_the_login_need_no_key(public: TestClient, address: str) -> None:
    assert public.get(address).status_code == 200


@pytest.mark.parametrize("address", ["/metrics", "/openapi.json", "/v1/suites", "/v1/images/" + "0" * 64])
def test_everything_else_does(public: TestClient, address: str) -> None:
    assert public.get(address).status_code == 401


def test_a_person_logs_in_and_out(public: TestClient, keys: dict[str, str]) -> None:
    sent = public.get("/v1/runs?x=1", headers={"accept": "text/html"})
    assert (sent.status_code, sent.headers["location"]) == (303, "/login?next=%2Fv1%2Fruns%3Fx%3D1")
    assert 'value="/v1/runs?x=1"' in public.get(sent.headers["location"]).text
    wrong = public.post("/login", data={"key": "wrong", "next": "/v1/runs"})
    assert (wrong.status_code, "not known" in wrong.text) == (401, True)
    opened = public.post("/login", data={"key": keys["read"], "next": "/v1/runs"})
    assert (opened.status_code, opened.headers["location"]) == (303, "/v1/runs")
    cookie = opened.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert public.get("/v1/runs").status_code == 200
    assert public.post("/v1/suites", json={"text": ""}).status_code == 403
    assert public.post("/logout").status_code == 303
    assert public.get("/v1/runs").status_code == 401


def test_revoking_a_key_ends_its_sessions(public: TestClient, keys: dict[str, str]) -> None:
    public.post("/login", data={"key": keys["write"]})
    assert public.get("/v1/runs").status_code == 200
    space: Workspace = public.app.state.workspace  # type: ignore[attr-defined]
    space.keys.revoke(keys["write"].split("_")[1])
    assert public.get("/v1/runs").status_code == 401


@pytest.mark.parametrize("foreign", [None, "", "//evil", "/\\evil", "https://evil", "javascript:alert(1)", "/a\nb"])
def test_the_login_leads_nowhere_else(foreign: str | None) -> None:
    assert own_address(foreign) == "/"


def test_a_named_host_is_answered_to_with_a_key(tmp_path: Path, keys: dict[str, str]) -> None:
    with client_of(tmp_path, "http://bleed.example", allowed_hosts=("Bleed.example",)) as client:
        assert client.get("/v1/runs", headers={"authorization": f"Bearer {keys['read']}"}).status_code == 200
        assert client.get("/v1/runs", headers={"host": "evil.example"}).status_code == 421
