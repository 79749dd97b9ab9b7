"""Leaderboards are worked out once, and again when something changes."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from service.evaluations.service import EvaluationService
from tests.service.two_runs import TwoRuns


def test_many_who_ask_cost_one_ranking(two_runs: TwoRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    ranked = EvaluationService.leaderboard

    def counted(self: EvaluationService, *arguments: Any, **more: Any) -> Any:
        asked.append(arguments[0])
        return ranked(self, *arguments, **more)

    monkeypatch.setattr(EvaluationService, "leaderboard", counted)
    address = f"/v1/evaluations/{two_runs.both}/leaderboard?use=hands=2"
    wanted = f"/v1/evaluations/{two_runs.both}/leaderboard?use=cast=2"
    answers: list[Any] = []
    threads = [threading.Thread(target=lambda: answers.append(two_runs.client.get(wanted))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(asked) == 1
    assert two_runs.client.get(address).status_code == 422  # no scenario asks for hands
    again = two_runs.client.get(wanted, headers={"if-none-match": answers[0].headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_page_costs_no_ranking_of_its_own(two_runs: TwoRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    client, evaluation = two_runs.client, two_runs.both
    board = client.get(f"/v1/evaluations/{evaluation}/leaderboard").json()
    monkeypatch.setattr(EvaluationService, "leaderboard", None)  # whoever ranks again falls over
    page = client.get(f"/evaluations/{evaluation}", headers={"accept": "text/html"})
    assert page.status_code == 200
    advice = board["recommendation"]
    assert f"{advice['run']} epoch {advice['epoch']}" in page.text


def test_another_epoch_is_another_leaderboard(two_runs: TwoRuns) -> None:
    address = f"/v1/evaluations/{two_runs.second_alone}/leaderboard"
    before = two_runs.client.get(address)
    checkpoint = two_runs.client.get("/v1/runs/v2").json()["checkpoints"][0]
    place = f"/v1/runs/v2/checkpoints/{checkpoint['id']}"
    two_runs.client.patch(place, json={"epoch": 77})
    try:
        after = two_runs.client.get(address)
        assert after.headers["etag"] != before.headers["etag"]
        assert 77 in {entry["epoch"] for entry in after.json()["leaderboard"]}
    finally:
        two_runs.client.patch(place, json={"epoch": checkpoint["epoch"]})
