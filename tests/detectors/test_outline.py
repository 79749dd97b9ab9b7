"""A strand that leaves the outline of the hair is found, what only looks like one is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.miniature.drawing import draw
from benchmarks.miniature.scenes import KANA, KEI, Look, Scene
from detectors.outline import strand_of

SEEDS = range(100, 112)


def found(look: Look) -> list[bool]:
    """Whether a strand is found on drawings of one person alone."""
    answers = []
    for seed in SEEDS:
        drawing = draw(replace(Scene((look,), "standing"), seed=seed))
        x0, y0, x1, y1 = drawing.people[0].head_box
        answers.append(strand_of(drawing.image, (float(x0), float(y0), float(x1), float(y1))) is not None)
    return answers


def test_an_ahoge_is_found() -> None:
    assert np.mean(found(replace(KANA, ahoge=True))) >= 0.75


@pytest.mark.parametrize(
    "look", [KEI, replace(KANA, ahoge=False), replace(KEI, ribbon=True), replace(KEI, hair_style="twintails")]
)
def test_what_is_none_is_not(look: Look) -> None:
    assert np.mean(found(look)) <= 0.1


@pytest.mark.parametrize("box", [(0, 0, 0, 0), (5, 5, 6, 6), (-40, -40, 30, 30), (10, 10, 500, 500)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_nothing_is_found_where_nothing_is(box: tuple[float, float, float, float], level: int) -> None:
    assert strand_of(np.full((60, 60, 3), level, np.uint8), box) is None
