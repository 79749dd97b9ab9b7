"""Audits over HTTP."""

from __future__ import annotations

from html import unescape
from typing import Any

import pytest
from fastapi.testclient import TestClient


def address(evaluation: str, rest: str = "") -> str:
    return f"/v1/evaluations/{evaluation}/audits{rest}"


def test_from_draw_to_results(client: TestClient, evaluation: str) -> None:
    drawn = client.post(address(evaluation, "/draws"), json={"size": 24, "seed": 5})
    assert drawn.status_code == 201, drawn.text
    assert drawn.json()["seed"] == 5
    following: Any = client.get(address(evaluation, "/next")).json()
    assert following["waiting"] == drawn.json()["size"]
    item = following["item"]
    assert item["machine"] is None
    assert following["undoable"] is False
    assert client.get(f"/v1/images/{item['image']}").status_code == 200
    told = client.put(address(evaluation, f"/{item['id']}/label"), json={"verdict": "fails", "person": "aya"})
    assert told.status_code == 200, told.text
    assert told.json()["machine"]["verdict"]
    assert client.get(address(evaluation, "/next"), params={"person": "aya"}).json()["undoable"] is True
    assert client.get(address(evaluation, "/next"), params={"person": "bo"}).json()["undoable"] is False
    undone = client.post(address(evaluation, "/undo"), json={"person": "aya"}).json()
    assert (undone["id"], undone["label"]) == (item["id"], None)
    while (item := client.get(address(evaluation, "/next")).json()["item"]) is not None:
        assert client.put(address(evaluation, f"/{item['id']}/label"), json={"verdict": "holds"}).status_code == 200
    listed = client.get(address(evaluation), params={"limit": 5}).json()
    assert len(listed["items"]) == 5
    behind = client.get(address(evaluation), params={"cursor": listed["next"], "limit": 5}).json()
    assert behind["items"][0]["id"] > listed["items"][-1]["id"]
    assert client.get(address(evaluation), params={"limit": 500}).json()["next"] is None
    found = client.get(address(evaluation, "/results")).json()
    assert found["labelled"] == drawn.json()["size"]
    assert found["overall"]["pooled"]["corrected"] is not None
    assert found["sentences"]


def test_tables_go_out_and_come_back(client: TestClient, evaluation: str) -> None:
    client.post(address(evaluation, "/draws"), json={"size": 4})
    table = client.get(address(evaluation, "/labels.csv"))
    assert table.headers["content-type"].startswith("text/csv")
    assert "attachment" in table.headers["content-disposition"]
    lines = table.text.splitlines()
    filled = [lines[0], *(line.replace(",,,", ",holds,,", 1) for line in lines[1:])]
    brought = client.post(address(evaluation, "/labels.csv"), content="\n".join(filled), params={"person": "aya"})
    assert brought.status_code == 200, brought.text
    assert brought.json()["labels"] == len(lines) - 1
    refused = client.post(address(evaluation, "/labels.csv"), content="item,label\n9999,holds\n")
    assert refused.status_code == 422
    assert "line 2" in refused.json()["detail"]


@pytest.mark.parametrize(
    ("method", "rest", "body", "status"),
    [
        ("post", "/draws", {"size": 0}, 422),
        ("post", "/draws", {"about": "nothing"}, 422),
        ("post", "/draws", {"size": 3, "colour": "red"}, 422),
        ("put", "/1/label", {"verdict": "great"}, 422),
        ("put", "/77/label", {"verdict": "holds"}, 404),
        ("put", "/99999999999999999999/label", {"verdict": "holds"}, 422),
        ("put", "/1/label", {"verdict": "holds", "person": ""}, 422),
        ("post", "/undo", {"person": "nobody"}, 404),
    ],
)
def test_what_cannot_be_is_a_problem(
    client: TestClient, evaluation: str, method: str, rest: str, body: dict[str, Any], status: int
) -> None:
    answer = client.request(method, address(evaluation, rest), json=body)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("rest", ["", "/next", "/results", "/labels.csv"])
def test_an_unknown_evaluation_is_404(client: TestClient, rest: str) -> None:
    assert client.get(address("nothing", rest)).status_code == 404


def test_every_body_has_an_example(client: TestClient) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    for name in ("DrawIn", "LabelIn", "UndoIn"):
        assert schemas[name]["examples"], name


def test_the_leaderboard_has_the_corrected_rates_beside_it(client: TestClient, evaluation: str) -> None:
    board = f"/v1/evaluations/{evaluation}/leaderboard"
    report = f"/v1/evaluations/{evaluation}/report?format=html"
    assert client.get(board).json()["audits"] is None
    assert "Corrected by people" not in client.get(report).text
    client.post(address(evaluation, "/draws"), json={"size": 40, "about": "picture"})
    while (item := client.get(address(evaluation, "/next")).json()["item"]) is not None:
        client.put(address(evaluation, f"/{item['id']}/label"), json={"verdict": "fails"})
    audits = client.get(board).json()["audits"]
    assert audits == client.get(address(evaluation, "/results")).json()
    assert audits["picture"]["rates"][0]["rate"]["corrected"] > 0.6
    page = client.get(report).text
    assert "Corrected by people" in page
    assert audits["sentences"][-1] in unescape(page)
    assert "Corrected by people" in client.get(f"/evaluations/{evaluation}", headers={"accept": "text/html"}).text
