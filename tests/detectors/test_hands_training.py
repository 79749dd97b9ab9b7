"""What the hand network is told: which arm's ends there are, and how often it sees the hard ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.detectors.augment import Motion, Warp
from benchmarks.detectors.hands import FIELDS, Objective, _heat, build, save, shares
from benchmarks.detectors.sampling import scene_of
from benchmarks.detectors.store import _FILES, OCCLUDED, SIDE, Drawings, _render_part
from detectors.networks import load_unet

# Training drawings with crossed arms, and with three people in a row.
CROSSED, ROW = 108, 93
COUNT = 109


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Drawings:
    folder = tmp_path_factory.mktemp("drawings")
    for name, (shape, dtype) in _FILES.items():
        np.lib.format.open_memmap(folder / f"{name}.npy", "w+", dtype, (COUNT, *shape)).flush()
    for index in (CROSSED, ROW):
        _render_part(str(folder), "train", index, index + 1)
    return Drawings(folder, "cpu", FIELDS)


def still() -> Warp:
    return Warp.random(1, SIDE, "cpu", Motion(zoom=0, shift=0, turn=0, bend=0, flip=False))


def test_the_scenes_are_what_these_tests_need() -> None:
    assert (scene_of("train", CROSSED).pose, scene_of("train", CROSSED).arms) == ("apart", "crossed")
    assert len(scene_of("train", ROW).people) == 3


def test_a_hand_under_the_other_arm_is_no_arms_end(drawings: Drawings) -> None:
    wanted = Objective(drawings, 1).targets(torch.tensor([CROSSED]), still())
    hidden = (wanted["state"] == OCCLUDED) & (drawings.tensors["hands"][CROSSED][..., 0].flatten() > 0)
    assert hidden.sum() == 2
    assert not (hidden & (wanted["judge"] | wanted["ignore"])).any()
    heat, weight = _heat(torch.zeros(1, 1, SIDE // 2, SIDE // 2), wanted)
    x, y = (wanted["center"][hidden] / 2).long().unbind(-1)
    assert (heat[0, y, x] < 0.5).all()
    assert (weight[0, y, x] == 1).all()


def test_a_lost_hand_at_the_edge_is_taught_by_the_part_of_its_place_that_shows(drawings: Drawings) -> None:
    content = drawings.tensors["hands"]
    kept = content[ROW].clone()
    content[ROW, 0, 0, :7] = torch.tensor([1.0, 3.0, 0.0, 100.0, 236.0, 130.0, 290.0])
    content[ROW, 0, 1, :7] = torch.tensor([1.0, OCCLUDED, 0.0, 160.0, 236.0, 190.0, 290.0])
    wanted = Objective(drawings, 1).targets(torch.tensor([ROW]), still())
    content[ROW] = kept
    assert (wanted["judge"][0, :2].tolist(), wanted["ignore"][0, :2].tolist()) == ([True, False], [False, True])
    assert wanted["box"][0, 0].tolist() == pytest.approx([100.0, 236.0, 130.0, 256.0], abs=0.01)


def test_where_hands_hide_each_other_drawings_are_picked_more_often(drawings: Drawings) -> None:
    often = shares(drawings)
    assert (often[CROSSED], often[ROW], often[0]) == (4.0, 3.0, 1.0)
    picked = drawings.pick(4000, torch.Generator().manual_seed(0), often)
    assert (picked == CROSSED).sum() > 2 * (picked < ROW).sum() / ROW


def test_training_makes_a_file_that_the_detectors_read(drawings: Drawings, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = build("nano")
    losses = Objective(drawings, 4)(network)
    assert all(torch.isfinite(value) for value in losses.values())
    sum(losses.values()).backward()
    save(tmp_path / "hands.safetensors", network, {})
    loaded, _ = load_unet(tmp_path / "hands.safetensors", "cpu")
    assert loaded(torch.rand(1, 3, 64, 64))[0].shape == (1, 24, 32, 32)
