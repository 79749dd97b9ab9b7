from __future__ import annotations

import math

import pytest
import torch

from benchmarks.detectors.hands import build
from detectors.arms import decode, owners, paint
from detectors.context import Hand
from detectors.vocabulary import HAND_MAPS, HAND_STATES
from tests.detectors.test_hands_check import hand, person

_START = {name: sum(list(HAND_MAPS.values())[:k]) for k, name in enumerate(HAND_MAPS)}


def painted(*ends: tuple[int, int, float, str]) -> torch.Tensor:
    """Maps with arm ends at (row, column, heat, state); hands of 32 x 16 pixels, heads 64 pixels above."""
    maps = torch.zeros(1, sum(HAND_MAPS.values()), 128, 128)
    maps[:, _START["heat"]] = -8.0
    for row, column, heat, state in ends:
        cell = maps[0, :, row, column]
        cell[_START["heat"]] = math.log(heat / (1 - heat))
        cell[_START["state"] + HAND_STATES.index(state)] = 5.0
        cell[_START["size"]], cell[_START["size"] + 1] = 1.0, 0.5
        cell[_START["owner"] + 1] = -1.0
    return maps


def test_painted_ends_are_read_back_hottest_first() -> None:
    ((first, second),) = decode(painted((20, 30, 0.6, "holds"), (80, 90, 0.9, "lost")), 0.3)
    assert first.point == (181.0, 161.0)
    assert first.box == (165.0, 153.0, 197.0, 169.0)
    assert first.heat == pytest.approx(0.9)
    assert HAND_STATES[max(range(4), key=first.states.__getitem__)] == "lost"
    assert first.head == (181.0, 97.0)
    assert second.heat == pytest.approx(0.6)


def test_an_end_is_reported_once_and_only_if_hot_enough() -> None:
    twice = decode(painted((20, 30, 0.6, "holds"), (20, 33, 0.7, "holds"), (60, 60, 0.1, "holds")), 0.3)
    assert [round(h.heat, 3) for h in twice[0]] == [0.7]


def test_a_hand_belongs_to_the_head_it_points_at() -> None:
    people = [person(10, 10), person(150, 10)]
    hands: list[Hand] = [hand(0, head=(175.0, 44.0)), hand(0, head=(42.0, 40.0))]
    assert owners(hands, people) == [1, 0]
    assert owners(hands, []) == [None, None]


def test_a_mirrored_picture_is_painted_mirrored() -> None:
    torch.manual_seed(0)
    network = build("nano").eval()
    picture = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        maps, other = paint(network, picture), paint(network, picture.flip(3)).flip(3)
    sideways = [_START[name] + k for name in ("shift", "owner", "keypoints") for k in range(0, HAND_MAPS[name], 2)]
    straight = [channel for channel in range(maps.shape[1]) if channel not in sideways]
    assert torch.allclose(other[:, straight], maps[:, straight], atol=1e-6)
    assert torch.allclose(other[:, sideways], -maps[:, sideways], atol=1e-6)
    assert maps[:, sideways].abs().max() > 1e-3
