"""Runs and New evaluation: what is there, what is not there yet, and what names tell."""

from __future__ import annotations

from pathlib import Path

from fastapi.testclient import TestClient

from tests.evaluations.world import SUITE
from tests.service.world import upload

BROWSER = {"accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


def test_an_empty_house_says_where_to_start(idle: TestClient) -> None:
    page = idle.get("/", headers=BROWSER)
    assert page.status_code == 200
    assert "No runs yet" in page.text
    assert '<h2 id="evaluations-title">' not in page.text
    assert "There is nothing to evaluate yet" in idle.get("/evaluations/new").text


def test_runs_are_shown_with_what_was_recognised(idle: TestClient, loras: list[Path]) -> None:
    for path in loras:
        upload(idle, "kk", path)
    page = idle.get("/").text
    assert "2 checkpoints, epoch 4 to 8, rank 4, kohya keys" in page
    evaluation = idle.post("/v1/evaluations", json={"runs": ["kk"], "suite_yaml": SUITE}).json()["id"]
    page = idle.get("/").text
    assert f'href="/evaluations/{evaluation}"' in page
    assert "0 of 18" in page


def test_a_run_that_was_asked_for_is_chosen(idle: TestClient, loras: list[Path]) -> None:
    for run in ("a", "b", "c"):
        upload(idle, run, loras[0])
    # The first suite and the same seeds for all are chosen anyway.
    assert idle.get("/evaluations/new?run=b").text.count(" checked>") == 3
    assert idle.get("/evaluations/new").text.count(" checked>") == 2


def test_names_of_runs_are_text_and_never_markup(idle: TestClient, loras: list[Path]) -> None:
    upload(idle, "a+b c.d", loras[0])
    assert "/evaluations/new?run=a%2Bb%20c.d" in idle.get("/").text


def test_names_tell_run_and_epoch_before_anything_is_sent(idle: TestClient) -> None:
    files = ["kk-v2_epoch148.safetensors", "kk-000012.safetensors", "kk.safetensors", "../x_epoch3.safetensors"]
    guesses = idle.get("/names", params={"file": files}).json()
    assert guesses == [
        {"run": "kk-v2", "epoch": 148},
        {"run": "kk", "epoch": 12},
        {"run": "kk", "epoch": None},
        {"run": "x", "epoch": 3},
    ]


def test_the_miniature_is_never_taken_for_evidence(idle: TestClient) -> None:
    notice = "This is the miniature."
    assert notice not in idle.get("/").text  # this world has a base of its own
    from service.pages.rendering import page

    shown = page("problem.html.j2", problem={"title": "t", "status": 404, "detail": "d"}, miniature=True)
    assert notice in bytes(shown.body).decode()


def test_files_of_the_pages_are_kept_for_ever_by_their_mark(idle: TestClient) -> None:
    page = idle.get("/").text
    address = page.split('href="/static/pages.css')[1].split('"')[0]
    found = idle.get(f"/static/pages.css{address}")
    assert found.status_code == 200
    assert "immutable" in found.headers["cache-control"]
    assert idle.get("/static/pages.css?v=old").headers["cache-control"] == "no-cache"
    again = idle.get("/static/pages.css", headers={"if-none-match": found.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert idle.get("/static/plotly.min.js").content[:400].find(b"plotly") >= 0
    assert idle.get("/static/..%2f..%2fapp.py").status_code == 404


def test_nothing_comes_from_elsewhere(idle: TestClient) -> None:
    shown = idle.get("/")
    assert "default-src 'self'" in shown.headers["content-security-policy"]
    assert "http://" not in shown.text
    assert "https://" not in shown.text


def test_an_error_is_a_page_for_people_and_a_document_for_programs(idle: TestClient) -> None:
    page = idle.get("/nowhere", headers=BROWSER)
    assert page.status_code == 404
    assert "<h1>Not found</h1>" in page.text
    assert idle.get("/nowhere").headers["content-type"] == "application/problem+json"
    assert idle.get("/v1/evaluations/none", headers=BROWSER).headers["content-type"] == "application/problem+json"


def test_the_api_is_described_without_anything_from_elsewhere(idle: TestClient) -> None:
    shown = idle.get("/docs", headers=BROWSER)
    assert shown.status_code == 200
    for address, methods in idle.get("/openapi.json").json()["paths"].items():
        for method in methods:
            assert f'<code class="method {method}">{method.upper()}</code> <code>{address}</code>' in shown.text
    assert "Forget an upload that is not whole.</span>" in shown.text  # what it is for, and not the function's name
    assert "Drop Upload" not in shown.text
    assert "<script src" not in shown.text
    assert "https://" not in shown.text
