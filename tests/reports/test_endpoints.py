"""Reports to take away, each with the numbers of the API, and a run's own leaderboard."""

from __future__ import annotations

import csv
import json
import re
import zipfile
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import pytest

from service.reports import exporting
from tests.service.two_runs import TwoRuns


def report(two_runs: TwoRuns, form: str) -> Any:
    answer = two_runs.client.get(f"/v1/evaluations/{two_runs.both}/report", params={"format": form})
    assert answer.status_code == 200, answer.text
    return answer


def test_data_is_not_sent_again_but_files_and_streams_go_out_as_they_are(two_runs: TwoRuns) -> None:
    client, address = two_runs.client, f"/v1/evaluations/{two_runs.both}"
    for each in ("/report?format=json", "/cells", "/audits", "/audits/results", ""):
        answer = client.get(address + each)
        again = client.get(address + each, headers={"if-none-match": f"W/{answer.headers['etag']}"})
        assert (again.status_code, again.content) == (304, b""), each
    for form in ("csv", "zip", "single-page", "html"):
        tag = report(two_runs, form).headers.get("etag", "none")
        again = client.get(address + "/report", params={"format": form}, headers={"if-none-match": tag})
        assert (again.status_code, len(again.content) > 0) == (200, True), form
    with client.stream("GET", f"{address}/events") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        assert "etag" not in events.headers
    assert left(two_runs) == []


def left(two_runs: TwoRuns) -> list[Path]:
    folder: Path = two_runs.client.app.state.workspace.settings.reports_dir  # type: ignore[attr-defined]
    return list(folder.iterdir())


def test_rates_as_csv_are_the_leaderboards(two_runs: TwoRuns) -> None:
    board = two_runs.client.get(f"/v1/evaluations/{two_runs.both}/leaderboard").json()
    answer = report(two_runs, "csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "attachment" in answer.headers["content-disposition"]
    rows = list(csv.DictReader(StringIO(answer.text)))
    whole = {(row["run"], row["epoch"]): row for row in rows if row["about"] == "image"}
    assert len(whole) == 5
    for entry in board["leaderboard"]:
        row = whole[entry["run"], str(entry["epoch"])]
        assert float(row["rate"]) == entry["failure_rate"]
        assert [float(row["interval_low"]), float(row["interval_high"])] == entry["interval"]
    assert {row["name"] for row in rows if row["about"] == "check"} == {"ahoge_bleed", "cast", "fusion"}
    assert left(two_runs) == []


def test_findings_as_csv_are_all_there(two_runs: TwoRuns) -> None:
    rows = list(csv.DictReader(StringIO(report(two_runs, "findings").text)))
    assert len(rows) == 5 * (3 * 2 + 3 * 2)
    images = report(two_runs, "json").json()["images"]
    fails = sum(finding["verdict"] == "fails" for image in images for finding in image["findings"])
    assert sum(row["verdict"] == "fails" for row in rows) == fails


def test_markdown_has_a_row_for_every_checkpoint(two_runs: TwoRuns) -> None:
    text = report(two_runs, "markdown").text
    assert text.startswith("# small: which epoch to use")
    assert len(re.findall(r"^\| [1-4] \| v[12] \| [48] \|", text, re.MULTILINE)) == 4


def test_a_single_page_needs_nothing_else(two_runs: TwoRuns) -> None:
    page = report(two_runs, "single-page").text
    assert page.count('src="data:image/webp;base64,') == 30 + page.count('class="keeper"')
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert "/v1/images" not in page


def test_too_many_pictures_for_a_page_are_refused(two_runs: TwoRuns, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "MAX_EMBEDDED_BYTES", 100)
    answer = two_runs.client.get(f"/v1/evaluations/{two_runs.both}/report?format=single-page")
    assert answer.status_code == 413
    assert "zip" in answer.json()["detail"]
    assert left(two_runs) == []


def test_a_zip_opens_without_the_service(two_runs: TwoRuns) -> None:
    archive = zipfile.ZipFile(BytesIO(report(two_runs, "zip").content))
    names = set(archive.namelist())
    assert {"report.html", "report.md", "rates.csv", "findings.csv", "leaderboard.json"} <= names
    page = archive.read("report.html").decode()
    linked = set(re.findall(r'src="(pictures/[^"]+)"', page))
    assert len(linked) == 30
    assert linked <= names
    board = two_runs.client.get(f"/v1/evaluations/{two_runs.both}/leaderboard").json()
    assert json.loads(archive.read("leaderboard.json")) == board
    assert left(two_runs) == []


def test_a_table_holds_no_formulas() -> None:
    assert exporting._plain("=1+1") == "'=1+1"
    assert exporting._plain("v1") == "v1"


def test_a_run_has_its_own_leaderboard(two_runs: TwoRuns) -> None:
    board = two_runs.client.get("/v1/runs/v1/leaderboard").json()
    assert board["evaluation"] == two_runs.both
    assert {entry["run"] for entry in board["leaderboard"]} == {"v1"}
    assert two_runs.client.get("/v1/runs/v2/leaderboard").json()["evaluation"] == two_runs.second_alone
    assert two_runs.client.get("/v1/runs/v1/leaderboard?suite=other").status_code == 404
    assert two_runs.client.get("/v1/runs/nobody/leaderboard").status_code == 404


def test_a_form_that_is_none(two_runs: TwoRuns) -> None:
    assert two_runs.client.get(f"/v1/evaluations/{two_runs.both}/report?format=pdf").status_code == 422
    assert two_runs.client.get("/v1/evaluations/nothing/report?format=zip").status_code == 404
