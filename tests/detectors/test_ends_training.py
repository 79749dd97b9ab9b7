"""What the closer look is told about the places that the hand network suspects."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.detectors.ends import NONE, UNTOLD, Objective, answers_at, build, save, suspected
from benchmarks.detectors.hands import split_maps
from benchmarks.detectors.store import Drawings
from detectors.arms import decode
from detectors.crops import END_SIZE
from detectors.networks import load_reader
from detectors.vocabulary import END_ANSWERS, HAND_STATES
from tests.detectors.test_arms import painted

FUSED = HAND_STATES.index("fused")


def wanted(kind: str) -> dict[str, torch.Tensor]:
    """A picture with one fused hand of 20 pixels at (100, 100), judged, hidden or ignored."""
    said = {name: torch.tensor([[name == kind]]) for name in ("judge", "hidden", "ignore")}
    return {"center": torch.tensor([[[100.0, 100.0]]]), "size": torch.tensor([[[20.0, 16.0]]]),
            "state": torch.tensor([[FUSED]])} | said  # fmt: skip


def answer(x: float, kind: str = "judge", reach: float = 0.6) -> int:
    return int(answers_at(torch.tensor([[[x - 9, 91.0, x + 9, 109.0]]]), wanted(kind), torch.tensor([[reach]])))


@pytest.mark.parametrize(("x", "expected"), [(100, FUSED), (111, FUSED), (113, UNTOLD), (123, UNTOLD), (125, NONE)])
def test_a_place_is_the_end_that_lies_near(x: float, expected: int) -> None:
    assert answer(x) == expected


def test_of_labelled_ends_a_place_may_lie_further_off() -> None:
    assert answer(117, reach=0.9) == FUSED


def test_at_a_covered_hand_no_end_is_seen_and_at_one_that_nobody_judged_nobody_can_tell() -> None:
    assert (answer(102, "hidden"), answer(102, "ignore"), answer(160, "ignore")) == (NONE, UNTOLD, NONE)


def test_what_training_suspects_is_what_the_detectors_suspect() -> None:
    maps = painted((20, 30, 0.6, "holds"), (80, 90, 0.9, "lost"))
    boxes, there = suspected(split_maps(maps))
    (found,) = decode(maps, 0.02)
    assert int(there.sum()) == len(found) == 2
    assert boxes[0, :2].tolist() == [list(hand.box) for hand in found]


def test_training_makes_a_file_that_the_detectors_read(drawings: Drawings, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, objective = build("nano"), Objective(drawings, 4)
    crops, answers = objective.crops()
    assert crops.shape[1:] == (4, END_SIZE, END_SIZE)
    answers = torch.cat([answers, *(objective.crops()[1] for _ in range(3))])
    assert set(answers.tolist()) <= set(range(len(END_ANSWERS)))
    assert NONE in answers.tolist()
    losses = objective(network)
    sum(losses.values()).backward()
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)
    save(tmp_path / "ends.safetensors", network, {})
    said = load_reader(tmp_path / "ends.safetensors", "cpu")(torch.rand(2, 4, END_SIZE, END_SIZE))
    assert said["end"].shape == (2, len(END_ANSWERS))
