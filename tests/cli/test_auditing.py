"""``bleedcheck audit`` and ``bleedcheck calibrate`` as people use them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from detectors.calibration import load
from service.cli import main
from tests.evaluations.world import ask, build_base, open_space, register, write_lora

Captured = pytest.CaptureFixture[str]


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(each) for each in arguments])
    return int(left.value.code or 0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A data folder with a finished evaluation: 6 images of one checkpoint and 6 of the control."""
    folder = tmp_path_factory.mktemp("cli")
    space = open_space(folder / "data", build_base(folder / "nano"))
    checkpoints = register(space, [write_lora(folder / "kk_epoch4.safetensors", seed=4)])
    evaluation = space.evaluations.start(ask(space, checkpoints))
    space.executor.run(evaluation.id)
    space.close()
    return folder / "data", evaluation.id


def test_from_draw_to_results(finished: tuple[Path, str], tmp_path: Path, capsys: Captured) -> None:
    data, evaluation = finished
    table = tmp_path / "labels.csv"
    assert run("audit", evaluation, "--draw", "30", "--out", table, "--data-dir", data) == 0
    assert "items drawn about findings" in capsys.readouterr().out
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert all(Path(row["picture"]).is_file() for row in rows)
    for row in rows:
        row["label"] = "fails" if row["check"] == "cast" else "holds"
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    assert run("audit", evaluation, "--labels", table, "--person", "aya", "--data-dir", data) == 0
    said = capsys.readouterr().out
    assert f"{len(rows)} new labels" in said
    assert "all checks together" in said
    assert "kk epoch 4" in said
    assert run("audit", evaluation, "--results", "--json", "--data-dir", data) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["results"]["labelled"] == len(rows)
    assert told["results"]["overall"]["pooled"]["corrected"] > told["results"]["overall"]["pooled"]["uncorrected"]
    assert run("audit", evaluation, "--draw", "4", "--question", "Is all lettering real?", "--data-dir", data) == 0
    assert "about question" in capsys.readouterr().out


def test_calibrate_settles_keeps_and_forgets(tmp_path: Path, capsys: Captured) -> None:
    rng, table = np.random.default_rng(0), tmp_path / "truth.csv"
    lines = ["check,character,score,label"]
    for score in rng.random(300):
        fails = score + rng.normal(0, 0.08) > 0.6
        lines.append(f"hands,Kei,{score:.4f},{'fails' if fails else 'holds'}")
    table.write_text("\n".join(lines))
    assert run("calibrate", "--labels", table, "--check", "hands", "--data-dir", tmp_path, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert {band["character"] for band in told["bands"]} == {None, "Kei"}
    stored = load(tmp_path, "miniature")
    assert stored is not None
    assert stored.bands[0].measured["labels"] == 300
    assert 0.55 < (stored.bands[0].fails_from or 0) < 0.7
    assert run("calibrate", "--labels", table, "--data-dir", tmp_path) == 0
    assert "holds below" in capsys.readouterr().out
    assert run("calibrate", "--forget", "--data-dir", tmp_path) == 0
    assert load(tmp_path, "miniature") is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["audit", "nothing"], "no evaluation nothing"),
        (["audit", "nothing", "--draw", "5"], "no evaluation nothing"),
        (["audit", "nothing", "--labels", "missing.csv"], "no evaluation nothing"),
        (["calibrate"], "say where the labels come from"),
        (["calibrate", "--evaluation", "nothing"], "no evaluation nothing"),
        (["calibrate", "--labels", "missing.csv"], "missing.csv"),
        (["calibrate", "--labels", "few.csv"], "nothing was calibrated"),
        (["calibrate", "--labels", "few.csv", "--precision", "2"], "above 0.5"),
        (["calibrate", "--labels", "few.csv", "--profile", "../up"], "no detector profile"),
    ],
)
def test_an_error_is_one_line(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "few.csv").write_text("check,score,label\nhands,0.5,fails\n")
    assert run(*arguments, "--data-dir", "data") == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert not (tmp_path / "data" / "calibrations").exists()
