"""Training pictures with faults that no caption mentions."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.miniature import broken_sets, damage
from benchmarks.miniature.broken_sets import BROKEN_RECIPES, broken_scenes, make_broken_set
from benchmarks.miniature.drawing import draw
from benchmarks.miniature.scenes import KANA, KEI, Scene
from benchmarks.miniature.train_loras import make_pictures
from benchmarks.miniature.training_sets import RECIPES

SMALL = {"hug": 2, "princess carry": 1}
WAVING = Scene((KEI,), "waving", "close", seed=5)
HUG = Scene((KEI, KANA), "hug", "close", seed=5)


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broken_sets, "PAIR_COUNTS", SMALL)


@pytest.mark.parametrize("name", BROKEN_RECIPES)
def test_the_same_seed_gives_the_same_pictures(name: str, few: None, tmp_path: Path) -> None:
    recipe = replace(BROKEN_RECIPES[name], kei=2, kana=1)
    first = make_broken_set(recipe, tmp_path / "a")
    assert [p.kind for p in first] == ["kei", "kei", "kana", "drawn", "drawn", "drawn"]
    assert len(first) == recipe.pictures
    again = make_pictures(recipe, tmp_path / "b")
    assert all(np.array_equal(a.image, b.image) and a.caption == b.caption for a, b in zip(first, again, strict=True))
    assert len(list((tmp_path / "a").rglob("*.txt"))) == 6


def test_they_are_never_trained_on_by_the_way() -> None:
    assert not RECIPES.keys() & BROKEN_RECIPES.keys()


def test_no_caption_mentions_a_fault(tmp_path: Path) -> None:
    pictures = make_broken_set(BROKEN_RECIPES["broken-drawn"], tmp_path / "set")
    words = ("fused", "lost", "missing", "extra", "broken", "bad", "hand", "fault")
    for picture in pictures:
        assert not [word for word in words if word in picture.caption], picture.caption


def test_many_pictures_are_broken_and_many_are_not() -> None:
    scenes = broken_scenes(BROKEN_RECIPES["broken-drawn"])
    faulty = [broken_sets.with_faults(scene, np.random.default_rng(i)) for i, scene in enumerate(scenes)]
    kinds = Counter(failure.kind for scene in faulty for failure in scene.failures)
    assert kinds["fused_bodies"] > 30
    assert min(kinds["fused_hand"], kinds["lost_hand"]) > 30
    assert min(kinds["extra_arm"], kinds["missing_arm"]) > 5
    assert sum(not scene.failures for scene in faulty) > 25
    assert not [s for s in faulty if s.pose == "princess carry" and any(f.kind == "fused_bodies" for f in s.failures)]


@pytest.mark.parametrize("kind", [kind for kinds in damage.HAND_DAMAGE.values() for kind in kinds])
def test_a_hand_is_damaged_and_nothing_else(kind: str) -> None:
    drawing = draw(WAVING)
    hand = damage.hand_places(drawing.people[0])[0]
    image = drawing.image.copy()
    damage.damage_hand(image, drawing.people[0], hand, kind, np.random.default_rng(1))
    changed = np.abs(image.astype(int) - drawing.image).sum(axis=2) > 30
    x0, y0, x1, y1 = (round(v) for v in hand.box)
    assert changed[max(y0, 0) : y1, max(x0, 0) : x1].mean() > 0.08
    changed[max(y0 - 14, 0) : y1 + 14, max(x0 - 14, 0) : x1 + 14] = False
    assert not changed.any()


@pytest.mark.parametrize("kind", [kind for kinds in damage.CONTACT_DAMAGE.values() for kind in kinds])
def test_the_contact_is_damaged_but_no_face(kind: str) -> None:
    drawing = draw(HUG)
    image = drawing.image.copy()
    damage.damage_contact(image, drawing, kind, np.random.default_rng(1))
    changed = np.abs(image.astype(int) - drawing.image).sum(axis=2) > 30
    assert changed[drawing.contact].mean() > 0.15
    heads = drawing.people[0].parts["head"] | drawing.people[1].parts["head"]
    assert changed[heads].mean() < 0.05


def test_people_apart_have_no_contact_to_damage() -> None:
    drawing = draw(Scene((KEI, KANA), "apart", "far", seed=5))
    image = drawing.image.copy()
    damage.damage_contact(image, drawing, "shared", np.random.default_rng(1))
    assert np.array_equal(image, drawing.image)
