"""Labelled generated pictures beside the drawings: what the networks are told about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.detectors import contact, ends, hands
from benchmarks.detectors.augment import Motion, Warp, swap_colors
from benchmarks.detectors.labelled import MOST_ENDS, Labelled
from benchmarks.detectors.store import OCCLUDED, PEOPLE, SIDE, Drawings
from detectors.vocabulary import HAND_STATES


@pytest.fixture(scope="module")
def labelled() -> Labelled:
    """Four pictures: a fused hand at (60, 80), a hidden one at (150, 80)."""
    rng = np.random.default_rng(1)
    ends = torch.zeros(4, MOST_ENDS, 8)
    ends[:, 0] = torch.tensor([1, HAND_STATES.index("fused"), 50, 70, 70, 90, 64, 40])
    ends[:, 1] = torch.tensor([1, OCCLUDED, 140, 70, 160, 90, torch.nan, torch.nan])
    boxes = torch.zeros(4, PEOPLE, 4)
    boxes[:, 0], boxes[:, 1] = torch.tensor([20.0, 20, 120, 220]), torch.tensor([110.0, 20, 220, 220])
    images = torch.from_numpy(rng.integers(0, 255, (4, SIDE, SIDE, 3), dtype=np.uint8))
    return Labelled(images, boxes, torch.tensor([0, 1, 0, -1]), ends, torch.tensor([0, 0, 1, 0]))


def test_a_hidden_end_is_neither_judged_nor_denied(labelled: Labelled) -> None:
    still = Warp.random(1, SIDE, "cpu", Motion(zoom=0, shift=0, turn=0, bend=0, flip=False))
    told = labelled.hands(torch.tensor([0]), still)
    assert told["judge"][0].tolist() == [True] + [False] * (MOST_ENDS - 1)
    assert told["ignore"][0, :3].tolist() == [False, True, False]
    assert told["head"][0, :2].tolist() == [True, False]
    assert told["box"][0, 0].tolist() == pytest.approx([50, 70, 70, 90], abs=0.01)
    heat, weight = hands._heat(torch.zeros(1, 1, SIDE // 2, SIDE // 2), told)
    assert heat[0, 40, 30] > 0.9
    assert weight[0, [40, 40, 5], [75, 30, 5]].tolist() == [0, 1, 1]


@pytest.mark.parametrize("module", [hands, contact, ends])
def test_networks_learn_from_drawings_and_labelled_pictures_in_one_batch(
    module: object, drawings: Drawings, labelled: Labelled
) -> None:
    torch.manual_seed(0)
    network = module.build("nano")  # type: ignore[attr-defined]
    losses = module.Objective(drawings, 12, labelled=labelled)(network)  # type: ignore[attr-defined]
    assert all(torch.isfinite(value) for value in losses.values())
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


def test_fused_pictures_are_picked_half_of_the_time_and_doubtful_ones_never(
    drawings: Drawings, labelled: Labelled
) -> None:
    often = contact.Objective(drawings, 8, labelled=labelled).often
    assert often is not None
    assert often.tolist() == [0.5, 1, 0.5, 0]


def test_a_model_with_many_pictures_does_not_drown_the_others(labelled: Labelled) -> None:
    one = replace(labelled, fused=torch.tensor([1, 1, 1, 1, 1]), model=torch.tensor([0, 0, 0, 0, 1]))
    often = contact.often_fused(replace(one, images=torch.zeros(5, 1, 1, 3, dtype=torch.uint8)))
    assert often[:4].sum().item() == pytest.approx(2 * often[4].item())
    assert often.sum().item() == pytest.approx(1)


def test_colours_change_places_and_nothing_else_does() -> None:
    torch.manual_seed(0)
    pictures = torch.rand(9, 3, 8, 8)
    swapped = swap_colors(pictures)
    changed = (swapped != pictures).flatten(1).any(1)
    assert 0 < changed.sum() <= 3
    assert torch.equal(swapped.sort(1).values, pictures.sort(1).values)


def test_hands_are_never_learnt_from_pictures_without_labelled_ends(drawings: Drawings, labelled: Labelled) -> None:
    ends = labelled.ends.clone()
    ends[1:3] = torch.nan
    some = replace(labelled, ends=ends)
    assert hands.often_broken(some).tolist() == [3, 0, 0, 3]
    objective = hands.Objective(drawings, 8, labelled=some)
    picked = some.pick(200, objective.generator, objective.often)
    assert set(picked.tolist()) == {0, 3}
