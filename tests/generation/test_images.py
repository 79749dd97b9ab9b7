"""Invalid images are found and named; a checkpoint that changes nothing is noticed."""

from __future__ import annotations

import numpy as np
import pytest

from service.generation import GenerationSettings, changes_nothing, invalid_reason
from service.generation.errors import UnusableSettings
from service.generation.images import BLACK, NEAR_CONSTANT, NOT_A_NUMBER
from service.generation.port import Pixels


@pytest.fixture
def picture() -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (32, 48, 3), dtype=np.uint8)


def test_a_picture_is_valid(picture: Pixels) -> None:
    assert invalid_reason(picture) is None


def test_a_dark_but_drawn_picture_is_valid() -> None:
    night = np.zeros((64, 64, 3), np.uint8)
    night[20:40, 20:40] = 60
    assert invalid_reason(night) is None


def test_broken_images_are_named(picture: Pixels) -> None:
    assert invalid_reason(picture, finite=False) == NOT_A_NUMBER
    assert invalid_reason(np.zeros_like(picture)) == BLACK
    assert invalid_reason(picture // 64) == BLACK
    flat = np.broadcast_to(np.array([200, 60, 10], np.uint8), picture.shape)
    assert invalid_reason(flat) == NEAR_CONSTANT
    assert invalid_reason((flat + picture // 128).astype(np.uint8)) == NEAR_CONSTANT


def test_the_canary_sings_only_when_something_changed(picture: Pixels) -> None:
    assert changes_nothing(picture, picture)
    almost = np.clip(picture.astype(int) + 1, 0, 255).astype(np.uint8)
    assert changes_nothing(almost, picture)
    changed = picture.copy()
    changed[0, 0, 0] = np.uint8((int(changed[0, 0, 0]) + 100) % 256)
    assert not changes_nothing(changed, picture)
    assert not changes_nothing(picture[:16], picture)


@pytest.mark.parametrize(
    "wrong",
    [{"width": 250}, {"height": 0}, {"steps": 0}, {"batch_size": 0}, {"sampler": "ddim"}, {"schedule": "karras"}],
)
def test_impossible_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UnusableSettings):
        GenerationSettings(**wrong)  # type: ignore[arg-type]
