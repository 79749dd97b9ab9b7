"""The page of an evaluation: with nothing, with results, and with the same numbers as the API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from service.evaluations.ranked_by import ranking_arguments
from service.pages.answers import build_answer
from service.rankings import OutcomeTable, answer, percent
from service.reports.keepers import SHOWN
from service.suites import load_suite
from tests.evaluations.world import SUITE
from tests.reports.sample import sample_images
from tests.service.world import open_client, upload, wait


def board() -> dict[str, Any]:
    """A leaderboard as the API gives it, of a made-up evaluation."""
    suite = load_suite("demo")
    outcomes = [image.outcome(suite.scenario(image.scenario).checks) for image in sample_images(suite)]
    found = answer(OutcomeTable.from_outcomes(outcomes), **ranking_arguments(suite))
    return {"evaluation": "abc", "status": "finished", "failed": 0, **found.model_dump(mode="json")}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, base: Path, loras: list[Path]) -> Iterator[tuple[Any, str]]:
    with open_client(tmp_path_factory.mktemp("finished") / "data", base) as client:
        for path in loras:
            upload(client, "kk", path)
        evaluation = client.post("/v1/evaluations", json={"runs": ["kk"], "suite_yaml": SUITE}).json()["id"]
        wait(client, evaluation)
        yield client, evaluation


def test_the_answer_is_the_recommended_checkpoint() -> None:
    given = board()
    shown = build_answer(given)
    assert shown.chosen is not None
    assert shown.chosen.label == f"{given['recommendation']['run']} epoch {given['recommendation']['epoch']}"
    assert shown.tied == len(given["recommendation"]["tied_with"])
    assert shown.sentences == given["summary"][1:]
    assert shown.certainty == given["leaderboard"][0]["p_best"]
    standings = {row.label: row.standing for row in shown.rows}
    separable = {
        f"{each['run']} epoch {each['epoch']}" for each in given["recommendation"]["comparisons"] if each["separable"]
    }
    assert {label for label, standing in standings.items() if standing == "worse"} == separable
    assert separable


def test_a_best_guess_is_not_called_the_best_so_far() -> None:
    given = board()
    advice = given["recommendation"]
    other = advice["tied_with"][0]
    for entry in given["leaderboard"]:
        if (entry["run"], entry["epoch"]) == (advice["run"], advice["epoch"]):
            entry["standing"] = "tied"
        elif (entry["run"], entry["epoch"]) == (other["run"], other["epoch"]):
            entry["standing"] = "recommended"
    leader = {"run": advice["run"], "epoch": advice["epoch"]}
    given["recommendation"] = {**advice, **other, "leader": leader}
    shown = build_answer(given)
    standings = {row.label: row.standing for row in shown.rows}
    assert standings[f"{other['run']} epoch {other['epoch']}"] == "best guess"
    assert standings[f"{leader['run']} epoch {leader['epoch']}"] == "lowest rate"
    assert shown.kicker.startswith("Best guess, tied with ")


def test_the_only_checkpoint_is_not_called_surely_the_best() -> None:
    given = board()
    shown = build_answer({**given, "leaderboard": given["leaderboard"][:1]})
    assert shown.alone
    assert shown.kicker == "The only checkpoint"
    assert shown.certainty is None
    assert build_answer(given).certainty is not None


def test_what_a_checkpoint_loses_on_is_named_by_character() -> None:
    rows = build_answer(board()).rows
    worst = rows[-1]
    assert [loss.images for loss in worst.losses] == sorted((loss.images for loss in worst.losses), reverse=True)
    assert {"hands (Kei)", "fusion"} <= {loss.text for loss in worst.losses}


def test_the_chart_has_every_rate_with_its_interval() -> None:
    given = board()
    chart = build_answer(given).chart
    entry = given["leaderboard"][0]
    (points,) = [run["points"] for run in chart["runs"] if run["name"] == entry["run"]]
    (point,) = [point for point in points if point["epoch"] == entry["epoch"]]
    assert point["rates"][""][:3] == [entry["failure_rate"], *entry["interval"]]
    assert point["rates"]["hands"][0] == entry["checks"]["hands"]["rate"]
    assert point["chosen"]
    assert [each["epoch"] for each in points] == sorted(each["epoch"] for each in points)


def test_no_data_is_an_answer() -> None:
    nothing = build_answer(answer(OutcomeTable.from_outcomes([]), **ranking_arguments(load_suite("demo"))).model_dump())
    assert nothing.chosen is None
    assert nothing.sentences == ["There are no checkpoint images yet."]
    assert nothing.chart["runs"] == []


def test_an_evaluation_that_has_not_begun_says_so(idle: TestClient, loras: list[Path]) -> None:
    upload(idle, "kk", loras[0])
    evaluation = idle.post("/v1/evaluations", json={"runs": ["kk"], "suite_yaml": SUITE}).json()["id"]
    page = idle.get(f"/evaluations/{evaluation}").text
    assert "Not enough data" in page
    assert "There are no checkpoint images yet." in page
    assert "0 of 12 images judged" in page
    assert 'id="plot"' not in page


def test_what_went_wrong_is_open_and_counted(tmp_path: Path, base: Path, loras: list[Path]) -> None:
    with open_client(tmp_path / "data", base, work=False) as client:
        upload(client, "kk", loras[0])
        for kept in (tmp_path / "data" / "checkpoints").glob("*/*.safetensors"):
            kept.write_bytes(kept.read_bytes()[:100])
        evaluation = client.post("/v1/evaluations", json={"runs": ["kk"], "suite_yaml": SUITE}).json()["id"]
        before = client.get(f"/evaluations/{evaluation}").text
        assert 'id="troubles" hidden>' in before
        client.app.state.workspace.executor.run(evaluation)  # type: ignore[attr-defined]
        after = client.get(f"/evaluations/{evaluation}").text
        assert "6 of 12 images judged" in after
        for page in (after, client.get("/").text):
            assert re.search(r'class="state finished marred"[^>]*>finished, 6 failed<', page)
        assert client.get(f"/v1/evaluations/{evaluation}").json()["status_text"] == "finished, 6 failed"
        assert client.get(f"/v1/evaluations/{evaluation}/leaderboard").json()["failed"] == 6
        report = client.get(f"/v1/evaluations/{evaluation}/report", params={"format": "markdown"}).text
        assert f"Evaluation {evaluation}, finished, 6 failed;" in report
        assert 'id="troubles" open>' in after
        assert "has changed since it was registered" in after


def test_the_page_has_the_numbers_of_the_api(finished: tuple[TestClient, str]) -> None:
    client, evaluation = finished
    given = client.get(f"/v1/evaluations/{evaluation}/leaderboard").json()
    page = client.get(f"/evaluations/{evaluation}").text
    for entry in given["leaderboard"]:
        rates = f'<span class="rate">{percent(entry["failure_rate"])}</span> <span class="soft small">'
        assert rates.replace("<1", "&lt;1").replace(">9", ">9") in page
    drawn = json.loads(re.findall(r'id="chart-data">(.*?)</script>', page)[0])
    assert drawn == json.loads(json.dumps(build_answer(given).chart))
    part = client.get(f"/evaluations/{evaluation}?part=answer").text
    assert part.lstrip().startswith('<section class="card answer"')


def test_there_is_no_page_of_an_evaluation_that_is_not(idle: TestClient) -> None:
    shown = idle.get("/evaluations/nothing", headers={"accept": "text/html"})
    assert shown.status_code == 404
    assert "There is no evaluation nothing" in shown.text


def test_who_is_out_of_the_race_has_no_place() -> None:
    given = board()
    first, *others = given["leaderboard"]
    racing = [{"run": first["run"], "epoch": first["epoch"]}]
    shown = build_answer({**given, "decision": {"still_in": racing, "ended": None, "sentences": []}})
    assert [row.out for row in shown.rows] == [False] + [True] * len(others)
    assert not any(row.out for row in build_answer(given).rows)
    unbegun = {**given, "decision": {"still_in": [], "ended": None, "sentences": []}}
    assert not any(row.out for row in build_answer(unbegun).rows)  # the first round is not done


def test_the_page_shows_what_to_keep_and_how_runs_set(finished: tuple[TestClient, str]) -> None:
    client, evaluation = finished
    given = client.get(f"/v1/evaluations/{evaluation}/leaderboard").json()
    chosen = given["recommendation"]
    [entry] = [
        each for each in given["leaderboard"] if (each["run"], each["epoch"]) == (chosen["run"], chosen["epoch"])
    ]
    kept = {(name, seed) for name, each in entry["good_pictures"].items() for seed in each["keepers"][:SHOWN]}
    page = client.get(f"/evaluations/{evaluation}").text
    assert "Pictures to keep" in page
    assert page.count('class="keeper"') == len(kept)
    looks = [look for part in given["by_run"].values() for look in part["locking"] if look["points"]]
    follows = [part for part in given["by_run"].values() if part["following"]["points"]]
    assert ("Locked, and still able to change" in page) == bool(looks or follows)


def test_the_state_is_not_sent_again_to_who_has_it(finished: tuple[TestClient, str]) -> None:
    client, evaluation = finished
    first = client.get(f"/v1/evaluations/{evaluation}")
    known = {"if-none-match": first.headers["etag"]}
    assert client.get(f"/v1/evaluations/{evaluation}", headers=known).status_code == 304
    assert client.get(f"/v1/evaluations/{evaluation}", headers={"if-none-match": '"other"'}).json() == first.json()
