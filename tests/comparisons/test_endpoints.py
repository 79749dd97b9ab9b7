"""Runs against each other over the API, counted again by hand from the cells."""

from __future__ import annotations

from typing import Any

import pytest

from tests.service.two_runs import TwoRuns


def states(two_runs: TwoRuns, run: str, evaluation: str | None = None) -> dict[tuple[Any, ...], str]:
    address = f"/v1/evaluations/{evaluation or two_runs.both}/cells"
    cells = two_runs.client.get(address, params={"run": run, "limit": 1000}).json()["cells"]
    return {(cell["scenario"], cell["seed"], cell["epoch"]): cell["state"] for cell in cells}


def test_two_runs_of_one_evaluation(two_runs: TwoRuns) -> None:
    found = two_runs.client.get(
        f"/v1/evaluations/{two_runs.both}/compare", params={"first": "v1", "second": "v2"}
    ).json()
    one, two = states(two_runs, "v1"), states(two_runs, "v2")
    flips = {place for place in one if (one[place] == "fails") != (two[place] == "fails")}
    assert found["flipped"] == len(flips) == len(found["flips"])
    assert {(each["scenario"], each["seed"], each["epoch"]) for each in found["flips"]} == flips
    whole = found["differences"][0]
    assert (whole["check"], whole["pairs"], found["pairs"]) == (None, 12, 12)
    assert whole["first"]["fails"] == list(one.values()).count("fails")
    assert whole["second"]["fails"] == list(two.values()).count("fails")
    assert {each["check"] for each in found["differences"][1:]} == {"ahoge_bleed", "cast", "fusion"}
    for flip in found["flips"]:
        for side in ("first", "second"):
            assert two_runs.client.get(f"/v1/images/{flip[side]['image']}").status_code == 200
    few = two_runs.client.get(
        f"/v1/evaluations/{two_runs.both}/compare",
        params={"first": "v1", "second": "v2", "limit": 0, "scenario": "hug", "check": "fusion"},
    ).json()
    assert few["flips"] == []
    assert few["pairs"] == 6
    assert [each["check"] for each in few["differences"]] == [None, "fusion"]


def test_two_epochs_and_the_control(two_runs: TwoRuns) -> None:
    address = f"/v1/evaluations/{two_runs.both}/compare"
    epochs = {"first": "v1", "first_epoch": 4, "second": "v1", "second_epoch": 8}
    assert two_runs.client.get(address, params=epochs).json()["pairs"] == 6
    control = {"first": "control", "second": "v1", "second_epoch": 8}
    found = two_runs.client.get(address, params=control).json()
    assert found["pairs"] == 6
    base, run = states(two_runs, "control"), states(two_runs, "v1")
    expected = sum((base[s, seed, None] == "fails") != (run[s, seed, 8] == "fails") for s, seed, _ in base)
    assert found["flipped"] == expected


def test_across_evaluations(two_runs: TwoRuns) -> None:
    across = {
        "first_evaluation": two_runs.both,
        "first": "v1",
        "second_evaluation": two_runs.second_alone,
        "second": "v2",
    }
    found = two_runs.client.get("/v1/compare", params=across).json()
    within = two_runs.client.get(
        f"/v1/evaluations/{two_runs.both}/compare", params={"first": "v1", "second": "v2"}
    ).json()
    assert found["differences"] == within["differences"]
    assert found["flips"] == within["flips"]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ({"first": "v1", "second": "v1"}, 422),
        ({"first": "v1"}, 422),
        ({"first": "v1", "second": "nobody"}, 404),
        ({"first": "v1", "second": "v2", "limit": -1}, 422),
    ],
)
def test_what_cannot_be_compared(two_runs: TwoRuns, query: dict[str, Any], status: int) -> None:
    answer = two_runs.client.get(f"/v1/evaluations/{two_runs.both}/compare", params=query)
    assert answer.status_code == status, answer.text
    assert two_runs.client.get("/v1/evaluations/nothing/compare?first=a&second=b").status_code == 404
