"""Every training once, for a few steps on the CPU: drawings → VAE → base → packed base → LoRA runs."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest
import torch

from benchmarks.miniature import assemble, train_base, train_loras, train_vae, training
from benchmarks.miniature.architecture import load_models
from benchmarks.miniature.dataset import render_drawings
from benchmarks.miniature.denoiser import PARTS, Denoiser
from benchmarks.miniature.lora_training import Job, LoraTrainer, Settings, epoch_batches
from benchmarks.miniature.training_sets import Recipe, make_training_set
from service.checkpoints import Folder, inspect_checkpoint, load_adapter

TINY = Recipe("tiny", 2, 5, 3, pairs=False)


def run(main: object, *arguments: str) -> None:
    """Call a module's command line as if it had just started."""
    patch = pytest.MonkeyPatch()
    patch.setattr(sys, "argv", ["module", *arguments])
    patch.setattr(training, "STARTED", time.monotonic())
    try:
        main()  # type: ignore[operator]
    finally:
        patch.undo()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the results of every training at nano size."""
    root = tmp_path_factory.mktemp("trained")
    render_drawings(root / "drawings", 40, seed=6, workers=2, report=lambda line: None)
    common = ("--drawings", str(root / "drawings"), "--work", str(root / "work"), "--size", "nano", "--minutes", "0.01")
    run(train_vae.main, *common, "--out", str(root / "out"), "--batch", "2", "--crop", "64")
    base = (*common, "--out", str(root / "out"), "--vae", str(root / "out"), "--batch", "2", "--sheet-cells", "8")
    run(train_base.main, *base, "--until", "0.5")
    run(train_base.main, *base, "--distill-minutes", "0.01", "--optimizer", "adamw")
    folders = ("--folder", str(root / "pipeline"), "--packed", str(root / "packed"), "--unpacked", str(root / "base"))
    run(assemble.main, "--trained", str(root / "out"), *folders, "--size", "nano")
    return root


def settings(root: Path, **changes: object) -> Settings:
    values = {"base": root / "base", "out": root / "runs", "epochs": 6, "save_every": 4, "batch": 4, "rate": 1e-3}
    more = {"sheet_epochs": (6,), "graphs": True, "cells": 4, "deadline": time.monotonic() + 600}
    return Settings(**{**values, **more, **changes})  # type: ignore[arg-type]


def test_the_vae_training_measures_itself(trained: Path) -> None:
    log = json.loads((trained / "out" / "vae-log.json").read_text())
    assert log["pictures"] == 5
    assert 5 < log["psnr_worst"] <= log["psnr_mean"] < 40
    assert (trained / "out" / "vae-sheet.png").exists()
    config = json.loads((trained / "out" / "vae.json").read_text())
    assert len(set(config["latents_std"])) == 16, "each channel's own spread is written"


def test_the_base_training_goes_on_where_it_was(trained: Path) -> None:
    log = json.loads((trained / "out" / "base-log.json").read_text())
    assert log["position"] == 1.0
    assert log["steps"] >= 40, "two calls with two stretches of at least ten steps each"
    assert log["distilled"]
    for name in ("base-middle.png", "base-end.png", "distilled-end.png"):
        assert (trained / "out" / name).exists()
    state = torch.load(trained / "work" / "base-state.pt", weights_only=True)
    moved = state["model"]["transformer.proj_out.weight"]
    assert moved.abs().max() > 0, "the output starts at zero, so training has moved it"


def test_distillation_can_start_from_written_weights(trained: Path, tmp_path: Path) -> None:
    out = trained / "out"
    common = ("--drawings", str(trained / "drawings"), "--vae", str(out), "--size", "nano", "--minutes", "0.01")
    places = ("--out", str(tmp_path / "out"), "--work", str(tmp_path / "work"), "--init", str(out))
    again = ("--only-distil", "--distill-minutes", "0.01", "--batch", "2", "--sheet-cells", "8")
    run(train_base.main, *common, *places, *again)
    assert json.loads((tmp_path / "out" / "base-log.json").read_text())["steps"] == 0
    before, after = train_base.read_pieces(out), train_base.read_pieces(tmp_path / "out")
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[key], after[key]) for key in before)


def test_the_assembled_base_is_the_distilled_average(trained: Path) -> None:
    pieces = train_base.read_pieces(trained / "out")
    models = load_models(trained / "pipeline")
    whole = Denoiser(*(models[name] for name in PARTS)).state_dict()
    assert whole.keys() == pieces.keys()
    assert all(torch.equal(whole[key].half(), value.half()) for key, value in pieces.items())
    state = torch.load(trained / "work" / "distilled-state.pt", weights_only=True)["follower"]
    assert all(torch.equal(state[key].half(), value.half()) for key, value in pieces.items())


def test_a_run_has_the_toolkits_files_and_changes_the_base(trained: Path) -> None:
    facts = train_loras.train_run(Job(TINY, seed=0), settings(trained), torch.device("cpu"))
    assert facts is not None
    assert facts["steps"] == 6 * 4, "8 pictures twice in batches of 4"
    folder = trained / "runs" / "tiny"
    names = sorted(p.name for p in folder.glob("*.safetensors"))
    assert names == ["keikana-tiny.safetensors", "keikana-tiny_epoch4.safetensors"]
    info = inspect_checkpoint(folder / names[1])
    assert (info.epoch, info.is_final, info.rank, info.alpha) == (4, False, 2, 2.0)
    assert "kohya" in info.key_format
    assert inspect_checkpoint(folder / names[0]).is_final
    models = {name: model for name, model in load_models(trained / "base").items() if name in PARTS}
    before = {k: v.clone() for k, v in models["transformer"].state_dict().items()}
    Folder(models).fold([(load_adapter(folder / names[0]), 1.0)])
    changed = [k for k, v in models["transformer"].state_dict().items() if not torch.equal(v, before[k])]
    assert len(changed) == 2 * 10, "ten matrices in each of the two blocks"


def test_the_same_seed_trains_the_same_run_and_another_does_not(trained: Path, tmp_path: Path) -> None:
    for out, seed in (("one", 0), ("two", 0), ("three", 1)):
        train_loras.train_run(
            Job(TINY, seed), settings(trained, out=tmp_path / out, epochs=1, sheet_epochs=()), torch.device("cpu")
        )
    one, two = (next((tmp_path / n / "tiny").glob("*.safetensors")).read_bytes() for n in ("one", "two"))
    assert one == two
    assert next((tmp_path / "three" / "tiny-seed1").glob("*.safetensors")).read_bytes() != one


def test_a_run_without_time_leaves_nothing(trained: Path, tmp_path: Path) -> None:
    late = settings(trained, out=tmp_path, deadline=0.0)
    assert train_loras.train_run(Job(TINY, 0), late, torch.device("cpu")) is None
    assert list(tmp_path.iterdir()) == []


def test_training_lowers_the_loss(trained: Path, tmp_path: Path) -> None:
    pictures = make_training_set(TINY, tmp_path / "set")
    trainer = LoraTrainer(Job(TINY, 0), settings(trained, rate=2e-2), pictures, torch.device("cpu"))
    rows = torch.arange(4)

    def measured() -> float:
        generator = torch.Generator().manual_seed(0)
        noise = torch.randn(trainer.latents[rows].shape, generator=generator)
        with torch.no_grad():
            guess = trainer.model.denoise(noise, torch.ones(4), trainer.texts[rows])
        return float((guess - (noise - trainer.latents[rows])).square().mean())

    before = measured()
    for _ in range(60):
        trainer.train_batch(rows)
    assert measured() < 0.98 * before


def test_an_epoch_shows_every_picture_as_often_as_the_recipe_says() -> None:
    batches = epoch_batches(152, 16, 2, torch.Generator().manual_seed(0))
    assert [len(b) for b in batches] == [16] * 19
    assert torch.bincount(torch.cat(batches)).tolist() == [2] * 152
