"""Grid, strip and comparison as data: what is where, what is filtered, and what is not there yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from markupsafe import escape

from detectors import Finding, Severity, Verdict
from service.cells.known import Place
from service.cells.repository import CellFacts, CellRow, ImageFacts
from service.cells.service import SeenCell
from service.evaluations.schemas import EvaluationOut
from service.evaluations.workspace import Workspace
from service.pages.answers import ENDINGS
from service.pages.comparisons import build_comparison
from service.pages.grids import Wanted, build_grid, find_columns, name_finding, query_of
from service.pages.strips import Look, build_strip, frame_of
from service.suites import Suite
from tests.evaluations.world import SUITE
from tests.service.world import open_client, upload, wait

BROWSER = {"accept": "text/html"}


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, base: Path, loras: list[Path]) -> Iterator[tuple[Any, str]]:
    """A client and the id of a finished evaluation: two checkpoints, two scenarios, three seeds."""
    with open_client(tmp_path_factory.mktemp("seen") / "data", base) as client:
        for path in loras:
            upload(client, "kk", path)
        evaluation = client.post("/v1/evaluations", json={"runs": ["kk"], "suite_yaml": SUITE}).json()["id"]
        wait(client, evaluation)
        yield client, evaluation


def space_of(client: TestClient) -> Workspace:
    space: Workspace = client.app.state.workspace  # type: ignore[attr-defined]
    return space


def of(seen: tuple[TestClient, str]) -> tuple[Workspace, EvaluationOut, Suite]:
    """The folder, the evaluation and its suite."""
    client, evaluation = seen
    space = space_of(client)
    return space, EvaluationOut.of(space.evaluations.state(evaluation)), space.cells.request(evaluation).suite


def test_epochs_go_across_and_seeds_down(seen: tuple[TestClient, str]) -> None:
    client, evaluation = seen
    grid = build_grid(*of(seen), Wanted("hug"))
    assert [column.name for column in grid.columns] == ["no LoRA", "kk epoch 4", "kk epoch 8"]
    assert [row.seed for row in grid.rows] == [7, 13, 99]
    assert grid.after is None
    given = client.get(f"/v1/evaluations/{evaluation}/cells", params={"scenario": "hug"}).json()["cells"]
    states = {(cell["run"], cell["epoch"], cell["seed"]): (cell["id"], cell["state"]) for cell in given}
    shown = {
        (cell.column.run, cell.column.epoch, cell.seed): (cell.id, cell.state)
        for row in grid.rows
        for cell in row.cells
        if cell is not None
    }
    assert shown == states


def test_a_check_says_what_became_of_it_alone(seen: tuple[TestClient, str]) -> None:
    asked = build_grid(*of(seen), Wanted("solo", check="ahoge_bleed"))
    assert all(cell is not None for row in asked.rows for cell in row.cells)
    other = build_grid(*of(seen), Wanted("solo", check="fusion"))
    assert all(cell is None for row in other.rows for cell in row.cells)  # nobody touches anybody in a solo picture


def test_a_check_that_the_scenario_does_not_ask_for_is_said_and_one_that_asks_is_found(
    seen: tuple[TestClient, str],
) -> None:
    client, evaluation = seen
    page = client.get(f"/evaluations/{evaluation}/grid?scenario=solo&check=fusion").text
    assert "This scenario does not ask for that" in page
    assert 'id="grid"' not in page
    found = client.get(f"/evaluations/{evaluation}/grid?check=fusion").text
    assert "This scenario does not ask for that" not in found
    assert 'id="grid"' in found
    assert '<option value="fusion" selected>' in found


def test_states_that_were_not_asked_for_step_back(seen: tuple[TestClient, str]) -> None:
    grid = build_grid(*of(seen), Wanted("hug", states=("fails",)))
    for row in grid.rows:
        assert [cell.matches for cell in row.cells if cell] == [cell.state == "fails" for cell in row.cells if cell]
        assert row.matches == any(cell is not None and cell.state == "fails" for cell in row.cells)


def test_further_rows_come_on_their_own(seen: tuple[TestClient, str], monkeypatch: pytest.MonkeyPatch) -> None:
    client, evaluation = seen
    monkeypatch.setattr("service.pages.grids.ROWS_AT_A_TIME", 2)
    page = client.get(f"/evaluations/{evaluation}/grid?scenario=hug").text
    assert 'data-more="2"' in page
    rows = client.get(f"/evaluations/{evaluation}/grid?scenario=hug&part=rows&start=2").text
    assert rows.count('role="row"') == 1
    assert "<html" not in rows
    assert "data-more" not in rows


def test_an_address_keeps_every_filter() -> None:
    asked = Wanted("hug", "ahoge_bleed", ("fails", "minor"), ("a b",))
    assert query_of(asked, 24) == "scenario=hug&check=ahoge_bleed&state=fails&state=minor&run=a+b&start=24"


def test_a_strip_shows_one_seed_by_every_checkpoint(seen: tuple[TestClient, str]) -> None:
    strip = build_strip(*of(seen), "hug", 13, None)
    assert [(run, [frame.cell.column.epoch for frame in frames]) for run, frames in strip.runs] == [
        ("kk", [None, 4, 8]),  # the control is the first of every run
    ]
    assert strip.look.part == "whole"  # this world's detector shows no place
    assert (strip.beside(-1), strip.beside(1)) == (7, 99)
    assert all(frame.cell.seed == 13 for _, frames in strip.runs for frame in frames)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("grid?scenario=nowhere", "has no scenario"),
        ("strip?scenario=nowhere", "; it has hug, solo"),
        ("strip?scenario=hug&seed=5", "has no seed 5; it has 7, 13, 99"),
        ("compare?first=zz@4", "has no checkpoint zz@4; it has no LoRA, kk epoch 4, kk epoch 8"),
    ],
)
def test_what_is_not_there_is_said(seen: tuple[TestClient, str], address: str, words: str) -> None:
    client, evaluation = seen
    shown = client.get(f"/evaluations/{evaluation}/{address}", headers=BROWSER)
    assert shown.status_code == 404
    assert words in shown.text


def test_flipped_pictures_come_first(seen: tuple[TestClient, str]) -> None:
    found = build_comparison(*of(seen)[:2], "control@", "kk@8")
    turns = [pair.turn for pair in found.pairs]
    assert turns == sorted(turns, key=("broke", "mended", "same", "unclear").index)
    assert len(found.pairs) == 6
    assert sum(found.counts.values()) == 6
    for pair in found.pairs:
        assert (pair.turn == "broke") == (pair.first.state != "fails" and pair.second.state == "fails")
        assert (pair.first.column.name, pair.second.column.name) == ("no LoRA", "kk epoch 8")
    back = build_comparison(*of(seen)[:2], "kk@8", "control@")
    assert (back.counts["broke"], back.counts["mended"]) == (found.counts["mended"], found.counts["broke"])


def test_a_single_run_is_compared_with_itself(seen: tuple[TestClient, str]) -> None:
    found = build_comparison(*of(seen)[:2], None, None)
    assert found.sides is not None
    assert [side.key for side in found.sides] == ["kk@4", "kk@8"]


def test_before_anything_is_made_every_page_says_so(idle: TestClient, loras: list[Path]) -> None:
    upload(idle, "kk", loras[0])
    evaluation = idle.post("/v1/evaluations", json={"runs": ["kk"], "suite_yaml": SUITE}).json()["id"]
    assert [column.name for column in find_columns(of((idle, evaluation))[1])] == ["no LoRA", "kk epoch 4"]
    grid = idle.get(f"/evaluations/{evaluation}/grid").text
    assert grid.count("… to come</span>") == 6
    assert "<img" not in grid.partition('id="grid"')[2].partition("<dialog")[0]
    assert idle.get(f"/evaluations/{evaluation}/strip").text.count("no picture yet") == 2
    assert "No pair of pictures yet" in idle.get(f"/evaluations/{evaluation}/compare").text
    assert "There are no checkpoint images yet." in idle.get(f"/evaluations/{evaluation}/report").text


def test_what_will_not_come_any_more_is_called_missing(idle: TestClient, loras: list[Path]) -> None:
    upload(idle, "kk", loras[0])
    evaluation = idle.post("/v1/evaluations", json={"runs": ["kk"], "suite_yaml": SUITE}).json()["id"]
    assert idle.post(f"/v1/evaluations/{evaluation}/cancel").status_code in (200, 202)
    grid = idle.get(f"/evaluations/{evaluation}/grid").text
    assert (grid.count("missing</span>"), grid.count("to come")) == (6, 0)
    strip = idle.get(f"/evaluations/{evaluation}/strip").text
    assert (strip.count("no picture</span>"), strip.count("missing</span>")) == (2, 2)


def test_rounds_say_how_they_ended_and_show_every_seed_they_drew(seen: tuple[TestClient, str]) -> None:
    client, _ = seen
    asked = {"runs": ["kk"], "suite_yaml": SUITE, "until": "decided", "max_images": 60}
    evaluation = client.post("/v1/evaluations", json=asked).json()["id"]
    wait(client, evaluation)
    space, shown, suite = of((client, evaluation))
    cells = client.get(f"/v1/evaluations/{evaluation}/cells?limit=1000&scenario=hug").json()["cells"]
    grid = build_grid(space, shown, suite, Wanted("hug"))
    assert {row.seed for row in grid.rows} == {cell["seed"] for cell in cells}
    assert len({row.seed for row in grid.rows} - set(suite.seeds)) > 0  # more than the suite has
    assert sum(cell is not None for row in grid.rows for cell in row.cells) == len(cells)
    drawn = grid.rows[-1].seed
    assert build_strip(space, shown, suite, "hug", drawn, None).seed == drawn
    board = client.get(f"/v1/evaluations/{evaluation}/leaderboard").json()
    page = client.get(f"/evaluations/{evaluation}", headers=BROWSER).text
    assert ENDINGS[board["decision"]["ended"]] in page
    assert str(escape(board["decision"]["sentences"][0])) in page
    taken = client.get(f"/v1/evaluations/{evaluation}/report?format=html").text
    assert "Use this checkpoint" not in taken
    assert str(escape(board["decision"]["sentences"][0])) in taken.partition("Leaderboard")[0]
    client.delete(f"/v1/evaluations/{evaluation}")


def test_a_check_speaks_under_the_piece_it_looked_at() -> None:
    """Checks that disagree about who is who look for one character in different places."""
    place, other = {"head_box": [10, 10, 40, 40]}, {"head_box": [60, 10, 90, 40]}
    found = [
        Finding("ahoge_bleed", Verdict.HOLDS, "d", "1", "Kei", None, 0.1, place),
        Finding("hair_bleed", Verdict.FAILS, "d", "1", "Kei", Severity.CLEAR, 0.9, other),
        Finding("eye_bleed", Verdict.NOT_MEASURABLE, "d", "1", "Kei"),
        Finding("outfit_bleed", Verdict.HOLDS, "d", "1", "Kei", None, 0.1, other),  # about the clothes, not the head
        Finding("hands", Verdict.HOLDS, "d", "1", "Kei", None, 0.1, place),
    ]
    row = CellRow(CellFacts(1, "hug", 7), 1, ImageFacts("0" * 64, 128, 128, None), 1)
    seen = SeenCell(row, Place("kk", 4, "id"), tuple(found), "fails", None)
    frame = frame_of(seen, Look("head", "Kei"))
    assert [(len(group.boxes), [words for _, words in group.said]) for group in frame.groups] == [
        (1, ["ahoge bleed (Kei) holds"]),
        (1, ["hair bleed (Kei) fails"]),
    ]
    assert [words for _, words in frame.said] == ["eye bleed (Kei) not measurable"]
    assert frame.groups[0].boxes != frame.groups[1].boxes
    [whole] = frame_of(replace(seen, findings=tuple(found[:1])), Look("head", "Kei")).groups
    assert len(whole.boxes) == 1


def test_a_missed_pose_says_that_it_makes_no_image_fail() -> None:
    assert name_finding(Finding("pose", Verdict.FAILS, "d", "1", "Kei")) == "pose (Kei) fails, counted apart"
    assert name_finding(Finding("hands", Verdict.FAILS, "d", "1", "Kei", Severity.LOST)) == "hands (Kei) lost"
