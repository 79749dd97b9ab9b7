"""Which pictures the head network learns from more often."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmarks.detectors.heads import Objective, build, hard_shares, save
from benchmarks.detectors.sampling import scene_of
from benchmarks.detectors.store import Drawings
from benchmarks.miniature.scenes import ROWS, THICKET
from detectors.crops import HEAD_SIZE
from detectors.networks import load_unet
from detectors.vocabulary import AHOGE_STATES, HEAD_PARTS


def test_crowded_small_and_thin_ones_are_taken_more_often() -> None:
    nobody, large = [0.0, 0.0, 0.0, 0.0], [20.0, 40.0, 100.0, 120.0]
    small, near = [200.0, 40.0, 220.0, 60.0], [90.0, 40.0, 170.0, 120.0]
    boxes = torch.tensor([[large, nobody], [large, near], [small, nobody], [small, nobody]])
    assert hard_shares(boxes, torch.tensor([False, False, False, True])).tolist() == [1, 2, 2, 3]


def test_the_store_knows_what_stands_before_thin_things(drawings: Drawings) -> None:
    thin = [scene_of("train", index).background in (ROWS, THICKET) for index in range(drawings.count)]
    assert drawings.tensors["scenes"][:, 3].tolist() == thin
    assert len(set(thin)) == 2


def test_training_makes_a_file_that_takes_colours_alone(drawings: Drawings, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, objective = build("nano"), Objective(drawings, 4)
    inputs, parts, owner, index = objective.crops()
    assert inputs.shape[1:] == (3, HEAD_SIZE, HEAD_SIZE)
    assert len(inputs) == len(parts) == len(owner) == len(index) <= 4
    losses = objective(network)
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
    save(tmp_path / "heads.safetensors", network, {})
    maps, answers = load_unet(tmp_path / "heads.safetensors", "cpu")[0](inputs)
    assert maps.shape == (len(inputs), len(HEAD_PARTS), HEAD_SIZE, HEAD_SIZE)
    assert answers["ahoge"].shape == (len(inputs), len(AHOGE_STATES))
