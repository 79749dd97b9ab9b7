"""Drawings: the same scene gives the same pixels, and the truth beside them is true."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from benchmarks.miniature.drawing import draw
from benchmarks.miniature.palette import HAIR
from benchmarks.miniature.scenes import (
    BACKGROUNDS,
    CONTACT_POSES,
    KANA,
    KEI,
    PAIR_POSES,
    SOLO_POSES,
    Failure,
    Scene,
    sample_look,
    sample_scene,
)

PAIR = Scene((KEI, KANA), "together", seed=5)
SOLO = Scene((KEI,), "standing", seed=5)


@pytest.mark.parametrize("pose", [*SOLO_POSES, *PAIR_POSES])
def test_a_scene_gives_the_same_pixels_twice_and_other_pixels_for_another_seed(pose: str) -> None:
    people = (KEI,) if pose in SOLO_POSES else (KEI, KANA)
    scene = Scene(people, pose, seed=3)
    first, again, other = draw(scene), draw(scene), draw(replace(scene, seed=4))
    assert first.image.shape == (256, 256, 3)
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.people[0].mask, again.people[0].mask)
    assert (first.image != other.image).any()


@pytest.mark.parametrize("pose", PAIR_POSES)
def test_every_pixel_belongs_to_one_person_and_one_part(pose: str) -> None:
    drawing = draw(replace(PAIR, pose=pose))
    first, second = (p.mask for p in drawing.people)
    assert first.sum() > 2000
    assert second.sum() > 2000
    assert not (first & second).any()
    for person in drawing.people:
        parts = np.stack(list(person.parts.values()))
        assert parts.sum(0).max() == 1
        np.testing.assert_array_equal(parts.any(0), person.mask)


@pytest.mark.parametrize("pose", CONTACT_POSES)
def test_bodies_touch_in_contact_poses(pose: str) -> None:
    assert draw(replace(PAIR, pose=pose)).contact.sum() > 50


def test_people_standing_apart_touch_with_their_hands_at_most() -> None:
    apart, hug = (draw(replace(PAIR, pose=pose)).contact.sum() for pose in ("apart", "hug"))
    assert apart < 0.2 * hug


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_a_background_does_not_change_the_truth(background: str) -> None:
    plain, busy = draw(replace(SOLO, background="simple background")), draw(replace(SOLO, background=background))
    assert plain.people[0].mask.sum() == pytest.approx(busy.people[0].mask.sum(), rel=0.25)


def test_a_mirrored_scene_mirrors_picture_masks_and_hands() -> None:
    scene = Scene((KEI, KANA), "piggyback", seed=9)
    straight, mirrored = draw(scene), draw(replace(scene, flipped=True))
    np.testing.assert_array_equal(straight.image[:, ::-1], mirrored.image)
    np.testing.assert_array_equal(straight.people[0].mask[:, ::-1], mirrored.people[0].mask)
    for hand, other in zip(straight.people[0].hands, mirrored.people[0].hands, strict=True):
        assert hand.box[0] == pytest.approx(256 - other.box[2])
        assert hand.state == other.state


def test_a_larger_drawing_shows_the_same_scene() -> None:
    small, large = draw(PAIR), draw(PAIR, size=512)
    shrunk = cv2.resize(large.image, (256, 256), interpolation=cv2.INTER_AREA).astype(int)
    assert np.abs(shrunk - small.image).mean() < 8


class TestFailures:
    """Each fault changes what it is about, and nothing says it is there without it."""

    def test_ahoge_bleed_puts_one_on_a_head_without(self) -> None:
        clean, bled = draw(PAIR), draw(replace(PAIR, failures=(Failure("ahoge_bleed", 0),)))
        assert not clean.people[0].parts["ahoge"].any()
        assert bled.people[0].parts["ahoge"].sum() > 60

    def test_a_tuft_is_smaller_than_an_ahoge(self) -> None:
        tuft, bled = (draw(replace(PAIR, failures=(Failure(k, 0),))) for k in ("ahoge_tuft", "ahoge_bleed"))
        assert 5 < tuft.people[0].parts["ahoge"].sum() < 0.5 * bled.people[0].parts["ahoge"].sum()

    def test_ahoge_missing_takes_it_from_its_owner(self) -> None:
        assert draw(PAIR).people[1].parts["ahoge"].any()
        assert not draw(replace(PAIR, failures=(Failure("ahoge_missing", 1),))).people[1].parts["ahoge"].any()

    def test_pulled_hair_is_longer(self) -> None:
        pulled = draw(replace(PAIR, failures=(Failure("hair_pull", 1),)))
        assert pulled.people[1].parts["hair"].sum() > 1.2 * draw(PAIR).people[1].parts["hair"].sum()

    def test_the_others_hair_colour_is_drawn(self) -> None:
        colored = draw(replace(PAIR, failures=(Failure("hair_color", 0),)))
        pixels = colored.image[colored.people[0].parts["hair"]].astype(int)
        distance = {name: np.abs(pixels - rgb).sum(1).min() for name, rgb in HAIR.items()}
        assert distance["black"] < distance["blonde"]

    @pytest.mark.parametrize("state", ["minor", "fused", "lost"])
    @pytest.mark.parametrize("pose", ["piggyback", "hug", "princess carry"])
    def test_a_hand_fault_is_told_for_one_hand(self, state: str, pose: str) -> None:
        scene = Scene((KEI, KANA), pose, failures=(Failure(f"{state}_hand", 0),), seed=2)
        states = [hand.state for hand in draw(scene).people[0].hands]
        assert states.count(state) == 1
        assert all(h.state in ("holds", "occluded") for h in draw(replace(scene, failures=())).people[0].hands)

    def test_fused_bodies_lose_their_boundary(self) -> None:
        scene = Scene((KEI, KANA), "hug", seed=2)
        clean, fused = draw(scene), draw(replace(scene, failures=(Failure("fused_bodies"),)))
        assert (clean.image != fused.image).any(axis=2).sum() > 800

    def test_an_extra_person_is_there_and_marked(self) -> None:
        drawing = draw(replace(SOLO, failures=(Failure("extra_person"),)))
        assert [p.extra for p in drawing.people] == [False, True]
        assert drawing.people[1].mask.sum() > 500

    def test_an_extra_leg_adds_leg(self) -> None:
        legs = [draw(replace(SOLO, failures=f)).people[0].parts["leg"].sum() for f in ((), (Failure("extra_leg", 0),))]
        assert legs[1] > 1.15 * legs[0]


def test_gripping_hands_are_readable_at_middle_distance() -> None:
    for hand in draw(Scene((KEI, KANA), "piggyback", seed=1)).people[0].hands:
        x0, y0, x1, y1 = hand.box
        assert hand.gripping
        assert hand.state == "holds"
        assert min(x1 - x0, y1 - y0) >= 20
        assert np.isfinite(hand.keypoints).all()


def test_random_people_are_never_kei_or_kana() -> None:
    rng = np.random.default_rng(0)
    own = {(k.hair_color, k.hair_length, k.ahoge) for k in (KEI, KANA)}
    assert not own & {
        (look.hair_color, look.hair_length, look.ahoge) for look in (sample_look(rng) for _ in range(800))
    }


def test_random_scenes_can_all_be_drawn() -> None:
    rng = np.random.default_rng(1)
    for _ in range(40):
        assert draw(sample_scene(rng)).people[0].mask.any()
