"""A closer look at suspected arms' ends: where it looks, and what it says of whom."""

from __future__ import annotations

import pytest
import torch

from detectors.closer_look import CloserLook, end_windows, enlarged
from detectors.crops import END_SIZE
from tests.detectors.test_hands_check import hand


def test_windows_are_three_times_as_wide_as_the_hand_within_limits() -> None:
    boxes = torch.tensor([[40.0, 50, 60, 66], [10, 10, 14, 14], [0, 0, 100, 90]])
    assert end_windows(boxes).tolist() == [[50, 58, 60], [12, 12, 40], [50, 45, 128]]


def test_the_last_channel_says_how_far_from_the_middle_a_pixel_lies() -> None:
    crops = enlarged(torch.ones(1, 3, 64, 64), torch.tensor([0]), torch.tensor([[20.0, 20.0, 40.0]]))
    assert crops.shape == (1, 4, END_SIZE, END_SIZE)
    assert (crops[0, :3] == 1).all()
    assert crops[0, 3, 0, 0] == pytest.approx(2**0.5)
    assert crops[0, 3, END_SIZE // 2, END_SIZE // 2] < 0.02


class _Says(torch.nn.Module):
    """Sure of "none" where the middle of a crop is bright, of a lost hand elsewhere."""

    def forward(self, crops: torch.Tensor) -> dict[str, torch.Tensor]:
        bright = crops[:, 0, END_SIZE // 2, END_SIZE // 2] > 0
        odds = torch.zeros(len(crops), 5)
        odds[:, 4], odds[:, 3] = bright * 20.0, ~bright * 20.0
        return {"end": odds}


def test_every_picture_gets_its_own_answers_back() -> None:
    pictures = torch.full((3, 3, 64, 64), -1.0)
    pictures[2] = 1.0
    box = (10.0, 10.0, 30.0, 30.0)
    one, none, two = CloserLook(_Says()).at(pictures, [[hand(0, box=box)], [], [hand(0, box=box), hand(1, box=box)]])
    assert none == []
    assert [round(each.there, 3) for each in (*one, *two)] == [1.0, 0.0, 0.0]
    assert (two[0].owner, two[1].owner) == (0, 1)


def test_nothing_suspected_is_nothing_seen() -> None:
    assert CloserLook(_Says()).at(torch.zeros(1, 3, 64, 64), [[]]) == [[]]


class _Left(torch.nn.Module):
    """Sure of "none" where the left of a crop is brighter than its right."""

    def forward(self, crops: torch.Tensor) -> dict[str, torch.Tensor]:
        half = END_SIZE // 2
        odds = torch.zeros(len(crops), 5)
        odds[:, 4] = 20.0 * (crops[:, 0, :, :half].mean((1, 2)) - crops[:, 0, :, half:].mean((1, 2))).sign()
        return {"end": odds}


def test_a_place_is_seen_as_it_is_and_mirrored() -> None:
    pictures = torch.full((1, 3, 64, 64), -1.0)
    pictures[..., :20] = 1.0
    ((end,),) = CloserLook(_Left()).at(pictures, [[hand(0, box=(10.0, 10.0, 30.0, 30.0))]])
    assert end.there == pytest.approx(0.5, abs=0.01)
