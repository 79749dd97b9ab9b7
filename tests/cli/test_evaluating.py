"""``bleedcheck evaluate`` in a process of its own: pictures made elsewhere, and Ctrl-C in the middle."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.checkpoints.families import every_format, random_pairs, transformer
from tests.evaluations.world import SUITE, build_base, write_lora
from tests.generation.flow_world import build, save

ROOT = Path(__file__).parents[2]
SEEDS = (7, 13, 99)


def bleedcheck(*arguments: str | Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "service.cli", *map(str, arguments)]
    quiet = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=quiet, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def pictures(folder: Path) -> list[Path]:
    return list((folder / "data" / "images").rglob("*.png"))


@pytest.mark.slow
@pytest.mark.parametrize("missing", [None, "kk8-hug-13.png"])
def test_pictures_made_elsewhere_are_judged_and_ranked(tmp_path: Path, missing: str | None) -> None:
    (tmp_path / "suite.yaml").write_text(SUITE)
    rng = np.random.default_rng(0)
    rows = ["file,run,epoch,scenario,seed"]
    for run, epoch in (("control", ""), ("kk", 4), ("kk", 8)):
        for scenario in ("hug", "solo"):
            for seed in SEEDS:
                name = f"{run}{epoch}-{scenario}-{seed}.png"
                (tmp_path / "grid").mkdir(exist_ok=True)
                Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / "grid" / name)
                if name != missing:
                    rows.append(f"{name},{run},{epoch},{scenario},{seed}")
    (tmp_path / "grid" / "images.csv").write_text("\n".join(rows))
    asked = ["evaluate", "--images", tmp_path / "grid", "--suite", tmp_path / "suite.yaml"]
    process = bleedcheck(*asked, "--data-dir", tmp_path / "data", "--json")
    out, err = process.communicate(timeout=300)
    assert process.returncode == (3 if missing else 0), err
    assert ("1 of 18 images could not be made or judged" in err) == bool(missing)
    board = json.loads(out)
    assert {(row["run"], row["epoch"]) for row in board["leaderboard"]} == {("kk", 4), ("kk", 8)}
    assert board["control"]["images"] == 6
    assert len(board["problems"]) == bool(missing)
    assert Path(board["report"]).is_file()


@pytest.mark.slow
def test_a_base_of_another_family_with_its_own_lora_files(tmp_path: Path) -> None:
    base = save(tmp_path / "z-image", "z-image", build("z-image"))
    pairs = random_pairs(transformer("z-image"))
    files = every_format(tmp_path, "z-image", pairs)
    (tmp_path / "run").mkdir()
    for epoch, kind in ((4, "kohya"), (8, "comfyui"), (12, "diffusers")):
        files[kind].rename(tmp_path / "run" / f"kk_epoch{epoch}.safetensors")
    (tmp_path / "suite.yaml").write_text(SUITE.replace("width: 64", "sampler: euler, width: 64"))
    asked = ["evaluate", tmp_path / "run", "--base", base, "--suite", tmp_path / "suite.yaml", "--full", "--json"]
    process = bleedcheck(*asked, "--data-dir", tmp_path / "data")
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert "Apache-2.0" in err
    board = json.loads(out)
    assert (board["status"], len(board["leaderboard"]), board["problems"]) == ("finished", 3, [])
    assert len(pictures(tmp_path)) >= 12


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_the_same_command_goes_on(tmp_path: Path) -> None:
    base = build_base(tmp_path / "nano")
    for epoch in (4, 8):
        write_lora(tmp_path / "run" / f"kk_epoch{epoch}.safetensors", seed=epoch)
    (tmp_path / "suite.yaml").write_text(
        SUITE.replace("[7, 13, 99]", str(list(range(1, 41)))).replace("steps: 1", "steps: 8")
    )
    asked = ["evaluate", tmp_path / "run", "--base", base, "--suite", tmp_path / "suite.yaml", "--full"]
    asked += ["--batch-size", "2", "--data-dir", tmp_path / "data", "--json"]
    process = bleedcheck(*asked)
    deadline = time.monotonic() + 200
    while len(pictures(tmp_path)) < 6:
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert out == ""
    assert "the same command goes on where it was" in err
    made = len(pictures(tmp_path))
    assert 0 < made < 240
    again = bleedcheck(*asked)
    out, err = again.communicate(timeout=300)
    assert again.returncode == 0, err
    assert json.loads(out)["status"] == "finished"
    first = next(line for line in err.splitlines() if "/240 images" in line)
    assert int(first.split("/240")[0].split()[-1]) >= made - 2  # a batch that was stored and not yet recorded
