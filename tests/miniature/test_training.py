"""The parts that every training shares."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import torch

from benchmarks.miniature.train_base import Optimizers
from benchmarks.miniature.training import (
    Average,
    Budget,
    Gradients,
    Journal,
    Rank,
    TrainingError,
    learning_rate_factor,
    load_state,
    save_state,
)

CPU = Rank(0, 1, torch.device("cpu"))


def test_the_rate_warms_up_holds_and_ends_at_zero() -> None:
    rates = [learning_rate_factor(p / 100, hold=0.5) for p in range(101)]
    assert rates[0] == pytest.approx(0.02)
    assert rates[2:51] == [1.0] * 49
    assert rates[50:] == sorted(rates[50:], reverse=True)
    assert rates[-1] == 0.0


def test_a_budget_ends_where_it_was_told_and_starts_at_the_first_look() -> None:
    budget = Budget(time.monotonic() + 0.3, start=0.2, until=0.6)
    time.sleep(0.1)
    assert budget.position == pytest.approx(0.2, abs=0.02)
    time.sleep(0.1)
    assert 0.3 < budget.position < 0.55
    time.sleep(0.15)
    assert budget.position == 0.6
    assert budget.seconds_left == 0.0


def test_gradients_are_limited_and_a_broken_step_is_dropped() -> None:
    weights = [torch.nn.Parameter(torch.zeros(3)), torch.nn.Parameter(torch.zeros(2))]
    gradients = Gradients(weights, CPU, limit=1.0)
    for weight, value in zip(weights, (3.0, 4.0), strict=True):
        weight.grad = torch.full_like(weight, value)
    norm = gradients.settle()
    assert norm == pytest.approx((27 + 32) ** 0.5)
    assert torch.cat([w.grad for w in weights]).norm() == pytest.approx(1.0)
    weights[0].grad[1] = float("nan")
    gradients.settle()
    assert all(torch.count_nonzero(w.grad) == 0 for w in weights)


def test_the_average_follows() -> None:
    source, target = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    average = Average(source, target, decay=0.9)
    for step in range(200):
        average.follow(step)
    assert torch.allclose(source.weight, target.weight, atol=1e-4)
    assert not target.weight.requires_grad


def test_a_save_is_whole_or_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "deep" / "state.pt"
    assert load_state(path, torch.device("cpu")) is None
    save_state(path, {"step": 1})

    def broken(state: object, file: Path) -> None:
        Path(file).write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", broken)
    with pytest.raises(OSError, match="disk full"):
        save_state(path, {"step": 2})
    assert load_state(path, torch.device("cpu")) == {"step": 1}


def test_a_loss_that_is_no_number_stops_the_training() -> None:
    journal = Journal(CPU, Budget(time.monotonic() + 1, 0.0, 1.0))
    journal.add(torch.tensor(float("nan")))
    with pytest.raises(TrainingError, match="lower --lr"):
        journal.report(3, 1e-3, force=True)


def test_muon_takes_the_hidden_matrices_only() -> None:
    from argparse import Namespace

    from benchmarks.miniature.architecture import build_components
    from benchmarks.miniature.denoiser import PARTS, Denoiser

    components = build_components("nano")
    model = Denoiser(*(components[name] for name in PARTS))
    optimizers = Optimizers(model, Namespace(optimizer="muon", lr=1e-3), torch.device("cpu"))
    adam, muon = optimizers._all
    sizes = [sum(p.numel() for g in o.param_groups for p in g["params"]) for o in (adam, muon)]
    assert sum(sizes) == sum(p.numel() for p in model.parameters())
    assert all(p.ndim == 2 for g in muon.param_groups for p in g["params"])
    embedding = model.text_encoder.embed_tokens.weight
    assert any(p is embedding for g in adam.param_groups for p in g["params"])
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizers.step(1e-3)
    assert all(torch.isfinite(p).all() for p in model.parameters())
