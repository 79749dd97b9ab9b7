"""Evaluations that grow, shrink and go away, and their events."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from fastapi.testclient import TestClient

from service.evaluations.changing import fresh_seeds
from tests.evaluations.world import SUITE
from tests.service.world import upload, wait


def begin(client: TestClient, loras: list[Path], **body: Any) -> str:
    for path in loras:
        upload(client, "kk", path)
    wanted = {"runs": ["kk"], "suite_yaml": SUITE, "seeds": 1, "epochs": "4", **body}
    return str(client.post("/v1/evaluations", json=wanted).json()["id"])


def files(client: TestClient) -> set[str]:
    folder: Path = client.app.state.workspace.settings.images_dir  # type: ignore[attr-defined]
    return {path.name for path in folder.rglob("*.png")}


def test_more_epochs_and_seeds_join_and_nothing_is_made_twice(client: TestClient, loras: list[Path]) -> None:
    evaluation = begin(client, loras)
    wait(client, evaluation)
    before = files(client)
    grown = client.post(f"/v1/evaluations/{evaluation}/extend", json={"runs": ["kk"], "epochs": "8", "seeds": [13]})
    assert grown.status_code == 202, grown.text
    state = wait(client, evaluation)
    assert state["progress"]["total"] == 3 * 2 * 2
    assert state["seeds"] == [7, 13]
    assert [each["epoch"] for each in state["checkpoints"]] == [4, 8]
    made = client.app.state.worker._executor.models.generated  # type: ignore[attr-defined]
    assert made == 12
    assert before < files(client)
    same = client.post("/v1/evaluations", json={"runs": ["kk"], "suite_yaml": SUITE, "seeds": 2}).json()
    assert same["id"] == evaluation
    again = client.post(f"/v1/evaluations/{evaluation}/extend", json={"seeds": [13]})
    assert again.status_code == 422
    fresh = client.post(f"/v1/evaluations/{evaluation}/extend", json={"fresh_seeds": 1})
    assert len(fresh.json()["seeds"]) == 3


def test_one_that_would_become_another_is_refused(idle: TestClient, loras: list[Path]) -> None:
    small = begin(idle, loras)
    large = idle.post("/v1/evaluations", json={"runs": ["kk"], "suite_yaml": SUITE, "seeds": 1}).json()["id"]
    refused = idle.post(f"/v1/evaluations/{small}/extend", json={"runs": ["kk"]})
    assert refused.status_code == 409
    assert large in refused.json()["detail"]


def test_deleting_one_leaves_what_others_need(client: TestClient, loras: list[Path]) -> None:
    small = begin(client, loras)
    large = begin(client, [], epochs=None)
    for evaluation in (small, large):
        wait(client, evaluation)
    everything = files(client)
    assert client.delete(f"/v1/evaluations/{small}").status_code == 204
    assert client.get(f"/v1/evaluations/{small}").status_code == 404
    assert files(client) == everything
    assert client.get(f"/v1/evaluations/{large}").json()["progress"]["done"] == 1.0
    assert client.delete(f"/v1/evaluations/{large}").status_code == 204
    assert files(client) == set()
    assert client.delete(f"/v1/evaluations/{large}").status_code == 404


def test_fresh_seeds_are_new_and_always_the_same() -> None:
    first = fresh_seeds("demo", [], 5)
    assert len(set(first)) == 5
    assert fresh_seeds("demo", first[:2], 3) == first[2:]
    assert fresh_seeds("other", [], 5) != first


def events(client: TestClient, address: str, **headers: str) -> list[tuple[str, str, dict[str, Any]]]:
    with client.stream("GET", f"{address}/events", headers=headers) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["x-accel-buffering"] == "no"
        assert "no-transform" in stream.headers["cache-control"]
        text = "".join(stream.iter_text())
    found = []
    for block in text.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line and not line.startswith(":"))
        if "event" in fields:
            found.append((fields["event"], fields["id"], json.loads(fields["data"])))
    return found


def test_progress_comes_as_events_until_the_end(client: TestClient, loras: list[Path]) -> None:
    address = f"/v1/evaluations/{begin(client, loras)}"
    came = events(client, address)
    assert [kind for kind, _, _ in came[-2:]] == ["progress", "end"]
    assert came[-1][2]["status"] == "finished"
    assert came[-1][2]["progress"]["done"] == 1.0
    newest = came[-1][1]
    late = events(client, address, **{"last-event-id": "something-older"})
    assert [kind for kind, _, _ in late] == ["progress", "end"]
    assert client.get(f"{address}/events", headers={"last-event-id": newest}).status_code == 204
    assert client.get("/v1/evaluations/nothing/events").status_code == 404


def test_evaluations_come_in_pages_newest_first(idle: TestClient, loras: list[Path]) -> None:
    made = [begin(idle, loras if seeds == 1 else [], seeds=seeds) for seeds in (1, 2, 3)]
    first = idle.get("/v1/evaluations?limit=2").json()
    second = idle.get("/v1/evaluations", params={"limit": 2, "cursor": first["next"]}).json()
    assert [each["id"] for each in first["evaluations"] + second["evaluations"]] == made[::-1]
    assert second["next"] is None
    assert idle.get("/v1/evaluations?cursor=YQ").status_code == 422


def test_until_decided_it_plans_in_rounds_and_cannot_be_extended(client: TestClient, loras: list[Path]) -> None:
    evaluation = begin(client, loras, seeds=None, epochs=None, until="decided", max_images=24)
    state = wait(client, evaluation)
    assert 6 < state["progress"]["judged"] == state["progress"]["total"] <= 24
    board = client.get(f"/v1/evaluations/{evaluation}/leaderboard").json()
    told = board["decision"]
    assert (told["ended"], told["max_images"], told["images"]) == ("budget spent", 24, state["progress"]["total"])
    assert {(entry["run"], entry["epoch"]) for entry in board["leaderboard"]} == {("kk", 4), ("kk", 8)}
    assert board["leaderboard"][0]["epoch"] == told["epoch"]
    assert told["rounds"][0]["seeds"] == {"hug": [7], "solo": [13]}
    refused = client.post(f"/v1/evaluations/{evaluation}/extend", json={"seeds": [5]})
    assert refused.status_code == 422
    assert "larger budget" in refused.json()["detail"]
    assert client.delete(f"/v1/evaluations/{evaluation}").status_code in (200, 204)


def test_a_budget_without_a_goal_is_refused(idle: TestClient, loras: list[Path]) -> None:
    upload(idle, "kk", loras[0])
    refused = idle.post("/v1/evaluations", json={"runs": ["kk"], "suite_yaml": SUITE, "max_images": 24})
    assert refused.status_code == 422
    assert "needs a goal" in refused.json()["detail"]
