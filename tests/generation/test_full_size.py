"""The full-size benchmark: the whole command in a tiny size, and the real shapes without their weights."""

from __future__ import annotations

import json
import sys

import pytest
import torch

from benchmarks.full_size.__main__ import main
from benchmarks.full_size.components import full_components, trained_modules

ASKED = ["plain_ms", "ours_ms", "ratio", "ceiling_tflops", "transformer_tflops", "swap_ms", "vae_ms", "peak_gb"]


@pytest.mark.slow
def test_the_whole_command_runs_on_a_cpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(
        sys, "argv", ["full_size", "--size", "nano", "--steps", "2", "--batch", "2", "--profile", "--json"]
    )
    assert main() == 0
    result = json.loads(capsys.readouterr().out)
    for model in ("anima", "sdxl"):
        row = result[model]["64"]
        assert all(row[name] > 0 for name in ASKED if name != "transformer_tflops")
        assert row["gpu_busy"] is None
        assert row["images"] == 3 * 2 * 2
        assert row["bit_equal"]
        assert row["evaluation_bit_equal"]
        assert any("conv" in each["operation"] and each["calls"] for each in row["profile"])
        assert row["batch"]["wall_ms"] >= row["batch"]["launched_ms"] > 0
        assert row["batch"]["card_ms"] is None
        assert row["swap"]["wall_ms"] >= row["swap"]["launched_ms"] > 0
        assert any("addmm" in each["operation"] for each in row["swap"]["on_processor"])
        assert len(row["waits"]["batches"]) == 12 // row["batch_size"]
        # The same cell from diffusers' own pipeline and loader: the same noise, text, LoRA and sampler.
        assert row["grey_levels_from_plain"]["max"] <= 2
    checks = result["anima"]["checks"]
    assert checks["tensors_used"] == checks["tensors"] == 60
    assert checks["fold_error"] < 1e-6
    assert checks["changes_the_image"]
    assert checks["invalid_images"] == 0
    assert set(result["cards"]) == {"24gb", "12gb", "8gb", "6gb"}
    assert all("failed" not in row for row in result["cards"].values())
    assert all(
        row[name] > 0 for row in result["cards"].values() for name in ("ours_ms", "swap_ms", "read_ms", "file_mb")
    )


def test_the_full_size_has_the_real_shapes() -> None:
    components = full_components(torch.device("meta"), seed=0)
    parameters = {
        name: sum(parameter.numel() for parameter in components[name].parameters())
        for name in ("transformer", "text_encoder", "text_conditioner", "vae")
    }
    assert parameters["transformer"] == pytest.approx(1.96e9, rel=0.005)
    assert parameters["text_encoder"] == pytest.approx(0.596e9, rel=0.005)
    assert parameters["vae"] == pytest.approx(0.127e9, rel=0.01)
    assert len(trained_modules(components["transformer"])) == 280


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_without_a_gpu_the_full_size_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["full_size"])
    assert main() == 2
    assert "--size nano" in capsys.readouterr().err
