"""The command line as people meet it: help, facts, one line for every error."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from service.cli import main
from tests.evaluations.world import build_base, write_lora

ROOT = Path(__file__).parents[2]
COMMANDS = ["demo", "evaluate", "serve", "inspect", "compose-pairs", "audit", "calibrate"]
COMMANDS += ["weights list", "weights fetch", "weights path", "keys create", "keys list", "keys revoke"]
COMMANDS += ["suite list", "suite show", "suite validate", "suite new", "leaderboard", "compare", "report", "doctor"]
COMMANDS += ["conclude"]

Captured = pytest.CaptureFixture[str]


def run(*arguments: str | Path) -> int:
    with pytest.raises(SystemExit) as left:
        main([str(each) for each in arguments])
    return int(left.value.code or 0)


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_base(tmp_path_factory.mktemp("base") / "nano")


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom service.cli import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'numpy', 'sqlalchemy', 'fastapi', 'pydantic') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert result.stdout.splitlines()[-1] == "[]"
    assert all(command.split()[0] in result.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_an_example(capsys: Captured, command: str) -> None:
    assert run(*command.split(), "--help") == 0
    said = capsys.readouterr().out
    assert "Example" in said
    assert f"bleedcheck {command}" in said


def test_inspect_says_what_a_file_is(capsys: Captured, tmp_path: Path) -> None:
    path = write_lora(tmp_path / "kk_epoch4.safetensors", seed=1)
    assert run("inspect", path) == 0
    said = capsys.readouterr().out
    assert "epoch 4" in said
    assert "rank 4" in said
    assert "trained on" in said
    assert "Anima" in said
    assert run("inspect", path, "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["name"], facts["epoch"], facts["rank"], facts["fits"]) == ("kk", 4, 4, None)


def test_inspect_asks_the_base(capsys: Captured, tmp_path: Path, base: Path) -> None:
    path = write_lora(tmp_path / "kk_epoch4.safetensors", seed=1)
    assert run("inspect", path, "--base", base, "--json") == 0
    assert json.loads(capsys.readouterr().out)["fits"] is True
    assert run("inspect", tmp_path) == 1
    assert "is a folder; what belongs here is a file" in capsys.readouterr().err
    alien = write_lora(tmp_path / "alien_epoch4.safetensors", seed=1, width=48)
    assert run("inspect", alien, "--base", base) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "lora_unet_blocks_0_self_attn_q_proj" in said.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["inspect", "missing.safetensors"], "missing.safetensors"),
        (["inspect", "text.safetensors"], "text.safetensors"),
        (["evaluate", "nowhere"], "nowhere"),
        (["evaluate", "empty"], "no .safetensors file"),
        (["evaluate", "run", "--suite", "unknown"], "unknown"),
        (["evaluate", "run", "--epochs", "9-3"], "empty range"),
        (["evaluate", "run", "--epochs", "100-"], "it has epochs 4"),
        (["evaluate", "run", "--seeds", "many"], "names no seeds"),
        (["evaluate", "run", "--size", "big"], "is no size"),
        (["evaluate", "run", "--size", "100x100"], "size 100x100"),
        (["evaluate", "run", "--with", "turbo.safetensors:1.0"], "turbo.safetensors"),
        (["evaluate", "run", "--with", "vae:1.0"], "there is no file vae; there is vae.safetensors beside it"),
        (["evaluate", "run", "--with", "vae.safetensors:high"], "'high' is no scale for vae.safetensors"),
        (["evaluate", "run", "--base", "nowhere/at/all"], "nowhere/at/all"),
        (["evaluate", "run", "--base", "vae.safetensors"], "vae.safetensors is the VAE of Qwen-Image and Anima"),
        (["evaluate", "run", "--with", "vae.safetensors:1.0"], "what belongs here is a LoRA file"),
        (["evaluate", "vae.safetensors"], "vae.safetensors is the VAE of Qwen-Image and Anima"),
        (["evaluate", "mixed"], "no checkpoint in mixed was trained on this base"),
        (["evaluate", "mixed"], "the base is the miniature, a toy model: name the one your files were trained on"),
        (["evaluate", "mixed"], "flux_epoch4.safetensors is left out: it is a LoRA for Flux, and the base is Anima"),
        (["evaluate", "mixed"], "vae.safetensors is left out: the VAE of Qwen-Image and Anima"),
        (["inspect", "vae.safetensors"], "vae.safetensors is the VAE of Qwen-Image and Anima"),
        (["compose-pairs", "empty", "run", "out"], "empty"),
        (["weights", "fetch", "no-such-thing"], "no-such-thing"),
    ],
)
def test_an_error_is_one_line(
    capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BLEEDCHECK_DATA_DIR", str(tmp_path / "data"))
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.safetensors").write_text("this is no safetensors file")
    write_lora(tmp_path / "run" / "kk_epoch4.safetensors", seed=1)
    save_file({"decoder.upsamples.0.residual.0.gamma": torch.ones(4, 1, 1, 1)}, tmp_path / "vae.safetensors")
    (tmp_path / "mixed").mkdir()
    shutil.copy(tmp_path / "vae.safetensors", tmp_path / "mixed")
    flux = {f"double_blocks.0.img_attn.qkv.lora_{side}.weight": torch.ones(2, 2) for side in "AB"}
    save_file(flux, tmp_path / "mixed" / "flux_epoch4.safetensors")
    assert run(*arguments) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert words in said.err
    assert "Traceback" not in said.err
    assert said.err.splitlines()[-1].startswith("bleedcheck: ")


@pytest.mark.parametrize("arguments", [["evaluate"], ["inspect", "--nonsense"], ["nonsense"], ["serve", "--port", "x"]])
def test_wrong_usage_is_two(capsys: Captured, arguments: list[str]) -> None:
    assert run(*arguments) == 2
    assert "Error" in capsys.readouterr().err


def test_debug_shows_where(tmp_path: Path) -> None:
    from service.errors import NotFound

    with pytest.raises(NotFound):
        main(["inspect", str(tmp_path / "missing.safetensors"), "--debug"])


def test_weights_are_listed(capsys: Captured, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BLEEDCHECK_CACHE_DIR", str(tmp_path))
    assert run("weights", "list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["weights"]
    assert any(row["name"] == "hand_landmarker" and not row["present"] for row in rows)
    assert run("weights", "list") == 0
    assert "hand_landmarker" in capsys.readouterr().out
    assert run("weights", "path") == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "weights")
    assert run("weights", "path", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"name": None, "path": str(tmp_path / "weights"), "present": False}
