"""Runs and checkpoints over the API: looking inside, changing the epoch, scoring at once, deleting."""

from __future__ import annotations

import shutil
from pathlib import Path

from fastapi.testclient import TestClient

from tests.evaluations.world import SUITE, write_lora
from tests.service.test_uploads import kept
from tests.service.world import upload, wait


def test_a_checkpoint_says_what_it_is(idle: TestClient, loras: list[Path]) -> None:
    checkpoint = upload(idle, "kk", loras[0]).json()
    address = f"/v1/runs/kk/checkpoints/{checkpoint['id']}"
    detail = idle.get(address).json()
    assert {key: detail[key] for key in checkpoint} == checkpoint
    assert len(detail["touched"]) == 4
    assert {each["component"] for each in detail["touched"]} == {"transformer"}
    assert {each["rank"] for each in detail["touched"]} == {4}
    assert detail["components"] == {"transformer": 4}
    assert detail["metadata"]["ss_network_dim"] == "4"
    assert detail["evaluations"] == []
    assert idle.get("/v1/runs/kk/checkpoints/nothing").status_code == 404
    assert idle.get(address.replace("/kk/", "/other/")).status_code == 404


def test_checkpoints_and_runs_come_in_pages(idle: TestClient, loras: list[Path]) -> None:
    for run in ("b", "a", "c"):
        upload(idle, run, loras[0])
    upload(idle, "a", loras[1])
    first = idle.get("/v1/runs?limit=2").json()
    second = idle.get("/v1/runs", params={"limit": 2, "cursor": first["next"]}).json()
    assert [run["name"] for run in first["runs"] + second["runs"]] == ["a", "b", "c"]
    assert second["next"] is None
    page = idle.get("/v1/runs/a/checkpoints?limit=1").json()
    rest = idle.get("/v1/runs/a/checkpoints", params={"cursor": page["next"]}).json()
    assert [each["epoch"] for each in page["checkpoints"] + rest["checkpoints"]] == [4, 8]
    assert idle.get("/v1/runs/nobody").status_code == 404
    assert idle.get("/v1/runs/nobody/checkpoints").status_code == 404


def test_the_epoch_can_be_changed(idle: TestClient, loras: list[Path]) -> None:
    checkpoint = upload(idle, "kk", loras[0]).json()
    address = f"/v1/runs/kk/checkpoints/{checkpoint['id']}"
    assert idle.patch(address, json={"epoch": 150}).json()["epoch"] == 150
    assert upload(idle, "kk", loras[0]).json()["epoch"] == 150
    assert upload(idle, "kk", loras[0], epoch=7).json()["epoch"] == 7
    assert idle.patch(address, json={"epoch": None}).json()["epoch"] is None
    assert idle.patch(address, json={"epoch": -1}).status_code == 422
    assert idle.patch(address, json={}).status_code == 422


def test_a_folder_is_registered_if_the_operator_allows_it(idle: TestClient, loras: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "allowed" / "run"
    folder.mkdir()
    for path in loras:
        shutil.copy(path, folder)
    (folder / "broken.safetensors").write_text("no")
    write_lora(folder / "alien_epoch9.safetensors", seed=1, width=48)
    found = idle.post("/v1/runs/kk/folder", json={"path": str(folder)}).json()
    assert [each["epoch"] for each in found["checkpoints"]] == [4, 8]
    assert {each["file"] for each in found["refused"]} == {"broken.safetensors", "alien_epoch9.safetensors"}
    assert idle.post("/v1/runs/kk/folder", json={"path": str(tmp_path)}).status_code == 403
    assert idle.post("/v1/runs/kk/folder", json={"path": str(folder / "none")}).status_code == 404


def test_uploads_are_scored_at_once_on_one_leaderboard(client: TestClient, loras: list[Path]) -> None:
    assert client.post("/v1/suites", json={"text": SUITE}).status_code == 201
    first, second = (upload(client, "kk", path, evaluate="small").json() for path in loras)
    assert first["evaluation"] == second["evaluation"]
    wait(client, first["evaluation"])
    board = client.get(f"/v1/evaluations/{first['evaluation']}/leaderboard").json()
    assert sorted(entry["epoch"] for entry in board["leaderboard"]) == [4, 8]
    again = upload(client, "kk", loras[0], evaluate="small").json()
    assert again["evaluation"] == first["evaluation"]
    assert upload(client, "kk", loras[0], evaluate="no-such-suite").status_code == 422


def test_a_checkpoint_in_use_is_kept_unless_forced(client: TestClient, loras: list[Path]) -> None:
    made = [upload(client, "kk", path).json() for path in loras]
    wanted = {"runs": ["kk"], "suite_yaml": SUITE, "seeds": 1}
    evaluation = client.post("/v1/evaluations", json=wanted).json()["id"]
    wait(client, evaluation)
    address = f"/v1/runs/kk/checkpoints/{made[0]['id']}"
    refused = client.delete(address)
    assert refused.status_code == 409
    assert evaluation in refused.json()["detail"]
    assert client.delete("/v1/runs/kk").status_code == 409
    assert client.delete(address, params={"force": True}).status_code == 204
    state = client.get(f"/v1/evaluations/{evaluation}").json()
    assert [each["epoch"] for each in state["checkpoints"]] == [8]
    assert state["progress"]["total"] == 4
    assert len(kept(client)) == 1
    assert client.delete("/v1/runs/kk?force=true").status_code == 204
    assert client.get(f"/v1/evaluations/{evaluation}").status_code == 404
    assert client.get("/v1/runs").json()["runs"] == []
    assert kept(client) == []


def test_a_registered_file_stays_where_it_lies(idle: TestClient, loras: list[Path], tmp_path: Path) -> None:
    path = shutil.copy(loras[0], tmp_path / "allowed")
    checkpoint = idle.post("/v1/runs/kk/checkpoints", json={"path": str(path)}).json()
    assert idle.delete(f"/v1/runs/kk/checkpoints/{checkpoint['id']}").status_code == 204
    assert Path(path).is_file()
    assert idle.get("/v1/runs/kk").json()["checkpoints"] == []
