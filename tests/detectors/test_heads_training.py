"""Which pictures the head network learns from more often."""

from __future__ import annotations

import torch

from benchmarks.detectors.heads import hard_shares, masks_of
from benchmarks.detectors.sampling import scene_of
from benchmarks.detectors.store import Drawings
from benchmarks.detectors.truths import PART_CODES
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


def test_a_strand_in_a_mask_says_nothing_about_a_strand_in_the_picture() -> None:
    torch.manual_seed(0)
    count = 400
    labels = torch.zeros(count, 1, 128, 128)
    labels[:, :, 60:110, 40:90] = 16 + PART_CODES["hair"]
    labels[::2, :, 20:60, 60:70] = 16 + PART_CODES["ahoge"]
    windows = torch.tensor([[64.0, 64.0, 128.0]]).expand(count, 3)
    masks = masks_of(labels, torch.zeros(count, dtype=torch.long), windows)
    there = masks[:, 0, 80:100, 50:80].mean((1, 2)) > 0.9
    strand = masks[:, 0, 25:50, 62:68].mean((1, 2)) > 0.5
    assert 0.84 < float(there.float().mean()) < 0.96
    owners, others = strand[::2].float().mean(), strand[1::2].float().mean()
    assert 0.3 < float(owners) < 0.7
    assert 0.1 < float(others) < 0.35
