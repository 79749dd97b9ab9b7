"""Which pictures the head network learns from more often."""

from __future__ import annotations

import torch

from benchmarks.detectors.heads import hard_shares
from benchmarks.detectors.sampling import scene_of
from benchmarks.detectors.store import Drawings
from benchmarks.miniature.scenes import ROWS, THICKET


def test_crowded_small_and_thin_ones_are_taken_more_often() -> None:
    nobody, large = [0.0, 0.0, 0.0, 0.0], [20.0, 40.0, 100.0, 120.0]
    small, near = [200.0, 40.0, 220.0, 60.0], [90.0, 40.0, 170.0, 120.0]
    boxes = torch.tensor([[large, nobody], [large, near], [small, nobody], [small, nobody]])
    assert hard_shares(boxes, torch.tensor([False, False, False, True])).tolist() == [1, 2, 2, 3]


def test_the_store_knows_what_stands_before_thin_things(drawings: Drawings) -> None:
    thin = [scene_of("train", index).background in (ROWS, THICKET) for index in range(drawings.count)]
    assert drawings.tensors["scenes"][:, 3].tolist() == thin
    assert len(set(thin)) == 2
