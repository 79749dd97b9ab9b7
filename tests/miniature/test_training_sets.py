"""The two recipes' pictures and captions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.miniature.scenes import KANA, KEI
from benchmarks.miniature.training_sets import RECIPES, drawn_pair_scenes, make_training_set, pair_caption, solo_scene

BAKED = ("blonde", "black hair", "long hair", "short hair", "ahoge", "blue eyes", "red eyes", "red blazer", "blue vest")


@pytest.fixture(scope="module")
def v2(tmp_path_factory: pytest.TempPathFactory) -> list:
    return make_training_set(RECIPES["v2"], tmp_path_factory.mktemp("v2"))


def test_the_sets_have_the_users_counts(v2: list) -> None:
    kinds = [picture.kind for picture in v2]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {"kei": 79, "kana": 53, "composed": 8, "drawn": 12}
    assert len(v2) == RECIPES["v2"].pictures == 152
    assert RECIPES["v2"].pair_share == pytest.approx(20 / 152)
    assert round(RECIPES["v2"].pair_share, 2) == 0.13
    assert (RECIPES["v1"].pictures, RECIPES["v1"].pair_share) == (96, 0.0)


def test_only_rank_and_data_differ_between_the_cells() -> None:
    assert {(r.rank, r.pairs) for r in RECIPES.values()} == {(4, False), (4, True), (8, False), (8, True)}


def test_the_smaller_set_is_the_beginning_of_the_larger(v2: list, tmp_path: Path) -> None:
    v1 = make_training_set(RECIPES["v1"], tmp_path / "v1")
    for kind, count in (("kei", 43), ("kana", 53)):
        ours = [p for p in v1 if p.kind == kind]
        theirs = [p for p in v2 if p.kind == kind][:count]
        assert len(ours) == count
        assert all(
            a.caption == b.caption and np.array_equal(a.image, b.image) for a, b in zip(ours, theirs, strict=True)
        )


def test_captions_name_the_trigger_and_never_what_it_stands_for(v2: list) -> None:
    for picture in v2:
        assert ("keichan" in picture.caption) == (picture.kind != "kana")
        assert ("kanachan" in picture.caption) == (picture.kind != "kei")
        assert not [word for word in BAKED if word in picture.caption], picture.caption


def test_pairs_are_named_from_left_to_right(v2: list) -> None:
    scenes = drawn_pair_scenes(np.random.default_rng(0))
    assert sum(scene.flipped for scene in scenes) == 6
    for scene in scenes:
        caption = pair_caption(scene)
        kei_first = caption.rindex("keichan") < caption.rindex("kanachan")
        assert kei_first != scene.flipped, caption
    composed = [p.caption for p in v2 if p.kind == "composed"]
    lefts = [caption.index("keichan") < caption.index("kanachan") for caption in composed]
    assert sum(lefts) == 4, "every composed pair is there both ways round"


def test_the_characters_keep_their_hair_and_change_their_clothes() -> None:
    looks = [solo_scene("keichan", np.random.default_rng(i)).people[0] for i in range(200)]
    assert {(look.hair_color, look.hair_length, look.ahoge, look.eye_color) for look in looks} == {
        (KEI.hair_color, KEI.hair_length, KEI.ahoge, KEI.eye_color)
    }
    usual = np.mean([look.outfit == KEI.outfit for look in looks])
    assert 0.5 < usual < 0.7
    assert KANA.ahoge
