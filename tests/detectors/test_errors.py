"""The detectors know nothing of the service, and what they refuse reaches people as clearly as its own errors."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import detectors
from detectors import open_detectors
from detectors.errors import MissingWeights
from service.app import create_app
from service.cli import main
from service.evaluations.local import describe
from service.settings import Settings

SOURCES = sorted(Path(detectors.__file__).parent.rglob("*.py"))


def imported(source: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").partition(".")[0] if not node.level else "detectors")
    return found


def test_detectors_import_neither_the_service_nor_the_benchmarks() -> None:
    assert any("numpy" in imported(source) for source in SOURCES)
    wrong = {source.name for source in SOURCES if imported(source) & {"service", "benchmarks", "tests"}}
    assert not wrong


def test_a_refusal_becomes_a_problem(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path / "data", work=False))

    @app.get("/detectors")
    def refuse() -> None:
        open_detectors(weights=tmp_path / "empty")

    with TestClient(app, base_url="http://127.0.0.1") as client:
        answer = client.get("/detectors")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["title"] == "Missing weights"
    assert str(tmp_path / "empty") in answer.json()["detail"]


def test_a_refusal_is_one_line_on_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["weights", "fetch", "nothing"])
    assert ended.value.code == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("bleedcheck: there are no weights 'nothing'; there are hand_landmarker")


def test_a_refusal_is_recorded_without_its_kind() -> None:
    assert describe(MissingWeights("put it there")) == "put it there"
