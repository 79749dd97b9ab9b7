from __future__ import annotations

import doctest

import pytest

from service.composer import captions
from service.composer.captions import infer_trigger, merge_captions, read_caption, similarity


def test_the_examples_in_the_docstrings() -> None:
    result = doctest.testmod(captions)
    assert result.attempted >= 4
    assert result.failed == 0


def test_two_solo_captions_become_one_in_left_to_right_order() -> None:
    kei = read_caption(
        "masterpiece, best quality, score_7, safe, 1girl, solo, kei, blonde hair, Long_Hair, standing, smile"
    )
    kana = read_caption("best quality, safe, 1girl, kana, dark hair, ahoge, smile, standing, solo")
    assert merge_captions(kei, kana, "kei", "kana", ["simple background"]) == (
        "masterpiece, best quality, score_7, safe, 2girls, kei, blonde hair, Long_Hair, kana, dark hair, ahoge, "
        "standing, smile, simple background"
    )
    assert merge_captions(kana, kei, "kana", "kei", []) == (
        "best quality, safe, masterpiece, score_7, 2girls, kana, dark hair, ahoge, kei, blonde hair, Long_Hair, "
        "smile, standing"
    )


def test_a_missing_trigger_is_put_in_and_a_foreign_one_left_out() -> None:
    merged = merge_captions(read_caption("1girl, smile"), read_caption("1girl, kana, kei, hat"), "kei", "kana", [])
    assert merged == "2girls, kei, smile, kana, hat"


@pytest.mark.parametrize(
    ("left", "right", "who"),
    [("1girl", "1girl", "2girls"), ("1boy", "1boy", "2boys"), ("1boy", "1girl", "1girl, 1boy"), ("1girl", "", "1girl")],
)
def test_who_is_there(left: str, right: str, who: str) -> None:
    assert merge_captions(read_caption(left), read_caption(right), "a", "b", []) == f"{who}, a, b"


def test_of_two_ratings_the_stricter_stays() -> None:
    merged = merge_captions(read_caption("safe, 1girl"), read_caption("nsfw, 1girl"), "a", "b", [])
    assert merged == "nsfw, 2girls, a, b"


@pytest.mark.parametrize(
    ("caption", "solo"),
    [("1girl, solo", True), ("", True), ("2girls", False), ("1girl, 1boy", False), ("multiple girls", False)],
)
def test_solo_captions_are_told_from_others(caption: str, solo: bool) -> None:
    assert read_caption(caption).is_solo is solo


def test_the_trigger_is_the_foremost_tag_that_marks_a_character() -> None:
    kei = [read_caption("1girl, kei, blonde hair, standing"), read_caption("1girl, solo, kei, blonde hair, hat")]
    kana = [read_caption("1girl, kana, dark hair, standing"), read_caption("1girl, kana, hat")]
    assert infer_trigger(kei, kana) == "kei"
    assert infer_trigger(kana, kei) == "kana"
    assert infer_trigger([read_caption("1girl, smile")], [read_caption("1girl, smile")]) is None
    assert infer_trigger([], kana) is None


def test_poses_weigh_more_than_other_tags() -> None:
    standing = read_caption("kei, standing, hat")
    assert similarity(standing, read_caption("kana, standing, scarf")) > similarity(
        standing, read_caption("kana, hat, sitting")
    )
    assert similarity(standing, standing) == 1
    assert similarity(read_caption("1girl"), read_caption("1girl")) == 0
