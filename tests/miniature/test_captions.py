"""Captions name people from left to right and say nothing that is not drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.miniature.captions import POSE_TAGS, caption
from benchmarks.miniature.scenes import KANA, KEI, PAIR_POSES, Scene, sample_scene

NAMES = ("mirachan", "sorachan")


def _captions(scene: Scene, names: tuple[str, str] | None = None, count: int = 40) -> list[str]:
    rng = np.random.default_rng(0)
    return [caption(scene, rng, names) for _ in range(count)]


@pytest.mark.parametrize("flipped", [False, True])
def test_tags_are_in_left_to_right_order(flipped: bool) -> None:
    scene = Scene((KEI, KANA), "hug", flipped=flipped)
    tagged = [text for text in _captions(scene) if "left: " in text]
    assert tagged
    for text in tagged:
        left, right = text.split("left: ")[1].split("right: ")
        assert ("blonde hair" in left) != flipped
        assert ("black hair" in right) != flipped


@pytest.mark.parametrize("pose", PAIR_POSES)
def test_two_named_people_are_both_named(pose: str) -> None:
    for text in _captions(Scene((KEI, KANA), pose), NAMES):
        assert all(name in text for name in NAMES)
        assert "2girls" in text


@pytest.mark.parametrize("flipped", [False, True])
def test_roles_follow_the_people_and_not_the_side(flipped: bool) -> None:
    told = 0
    for text in _captions(Scene((KEI, KANA), "piggyback", flipped=flipped), NAMES):
        if " carrying " in text:
            before = text.split(" carrying ")[0]
            assert before.rfind("mirachan") > before.rfind("sorachan")
            told += 1
        if "riding on the back of" in text:
            assert text.split("riding on the back of ")[1].startswith("mirachan")
            told += 1
    assert told > 10


def test_an_ahoge_is_named_exactly_when_there_is_one() -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        scene = sample_scene(rng)
        assert ("ahoge" in caption(scene, rng)) == any(look.ahoge for look in scene.people)


def test_a_solo_caption_names_its_pose_and_place() -> None:
    for text in _captions(Scene((KEI,), "waving", background="park", distance="far")):
        assert "1girl, solo" in text
        assert "waving" in text
        assert text.endswith("full body, far away, park")


def test_every_pose_has_its_tag() -> None:
    assert set(POSE_TAGS) == set(PAIR_POSES)
    scene = replace(Scene((KEI, KANA), "lap sit"))
    assert any(POSE_TAGS["lap sit"] in text for text in _captions(scene))
