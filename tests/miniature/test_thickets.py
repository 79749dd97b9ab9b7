"""Thin things behind heads: there where strands are, behind everybody, and the same for the same scene."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.miniature.drawing import draw
from benchmarks.miniature.scenes import KANA, KEI, THICKET, Scene, Style

SOLO = Scene((KEI,), "standing", background=THICKET)


def _above(scene: Scene) -> float:
    """How much the colours vary along the rows right above a head, 0 to 255."""
    drawing = draw(scene)
    x0, y0, x1, _ = (round(v) for v in drawing.people[0].head_box)
    return float(drawing.image[max(0, y0 - 14) : y0 - 2, x0:x1].astype(float).std(axis=1).mean())


def test_the_same_scene_has_the_same_thicket_and_another_seed_another() -> None:
    first, again, other = (draw(replace(SOLO, seed=seed)).image for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert (first != other).mean() > 0.3


def test_it_stands_right_above_heads() -> None:
    seeds = range(20)
    behind = [_above(replace(SOLO, seed=seed)) for seed in seeds]
    plain = [_above(replace(SOLO, seed=seed, background="simple background")) for seed in seeds]
    assert max(plain) < 1
    assert np.mean([value > 5 for value in behind]) > 0.6


def test_nobody_is_hidden_by_it() -> None:
    for pose in ("hug", "piggyback"):
        drawing = draw(Scene((KEI, KANA), pose, background=THICKET, seed=2))
        assert min(person.mask.sum() for person in drawing.people) > 2000
        strand = drawing.people[1].parts["ahoge"]
        assert np.median(drawing.image[strand], axis=0).max() < 120  # Kana's hair is black


def test_an_ahoge_may_stray_from_its_usual_shape() -> None:
    def sizes(strand: float) -> list[int]:
        kana = Scene((KANA,), "standing", style=Style(strand=strand))
        return [int(draw(replace(kana, seed=seed)).people[0].parts["ahoge"].sum()) for seed in range(16)]

    usual, strayed = sizes(0), sizes(1)
    assert np.std(strayed) > 1.3 * np.std(usual)
    assert min(strayed) > 60
