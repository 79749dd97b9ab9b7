"""The full-size benchmark: the whole command in a tiny size, and the real shapes without their weights."""

from __future__ import annotations

import json
import sys

import pytest
import torch

from benchmarks.full_size.__main__ import main
from benchmarks.full_size.components import full_components, trained_modules


def test_the_whole_command_runs_on_a_cpu(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["full_size", "--size", "nano", "--steps", "2", "--batch", "2", "--json"])
    assert main() == 0
    result = json.loads(capsys.readouterr().out)
    assert result["lora"]["tensors_used"] == result["lora"]["tensors"] == 60
    assert result["lora"]["fold_error"] < 1e-6
    assert result["lora_changes_the_image"]
    assert result["invalid_images"] == result["repeated_call_grey_levels"] == 0
    assert result["alone_or_in_batch_grey_levels"] <= 1
    assert result["seconds_per_image"] > 0


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
