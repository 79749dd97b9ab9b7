"""Whatever a picture is, every asked check answers, nothing crashes, and nothing passes because nothing was seen."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from benchmarks.miniature.drawing import draw
from benchmarks.miniature.scenes import Scene
from detectors import DetectorSet, Expectation, Finding, Verdict
from detectors.errors import InvalidInput
from tests.detectors.cases import expectation, scene

Image = NDArray[np.uint8]
HUG = expectation(Scene((), "hug"))


def judged(opened: DetectorSet, image: Image, asked: Expectation = HUG) -> list[Finding]:
    [context] = opened.look([image], [asked])
    findings = opened.judge(context)
    assert {one.check for one in findings} == set(asked.checks)
    assert all(one.reason for one in findings)
    if not context.people:
        assert Verdict.HOLDS not in {one.verdict for one in findings}
    return findings


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    height=st.integers(1, 400),
    width=st.integers(1, 400),
    seed=st.integers(0, 2**32 - 1),
    kind=st.sampled_from(["noise", "flat", "stripes", "dark"]),
)
def test_any_picture_gets_an_answer(opened: DetectorSet, height: int, width: int, seed: int, kind: str) -> None:
    rng = np.random.default_rng(seed)
    if kind == "noise":
        image = rng.integers(0, 256, (height, width, 3))
    elif kind == "flat":
        image = np.broadcast_to(rng.integers(0, 256, 3), (height, width, 3))
    elif kind == "stripes":
        image = np.broadcast_to((np.arange(width) % 7 * 36)[None, :, None], (height, width, 3))
    else:
        image = rng.integers(0, 6, (height, width, 3))
    judged(opened, np.ascontiguousarray(image, np.uint8))


@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (4000, 1), (2, 3)])
def test_extreme_shapes(opened: DetectorSet, shape: tuple[int, int]) -> None:
    findings = judged(opened, np.full((*shape, 3), 200, np.uint8))
    assert next(one for one in findings if one.check == "cast").verdict is Verdict.FAILS


def test_eight_thousand_by_eight_thousand(opened: DetectorSet) -> None:
    """A drawing enlarged to the largest size that anybody keeps gets the verdict of its own size."""
    asked = expectation(scene("together"))
    image = draw(scene("together")).image
    large = np.ascontiguousarray(image.repeat(32, 0).repeat(32, 1)[:8000, :8000])
    small = {(one.check, one.character): one.verdict for one in judged(opened, image, asked)}
    found = {(one.check, one.character): one.verdict for one in judged(opened, large, asked)}
    assert found["cast", None] is small["cast", None] is Verdict.HOLDS


@pytest.mark.parametrize(("columns", "rows"), [(2, 2), (3, 2), (5, 2), (4, 3), (5, 4)])
def test_a_crowd_never_passes(opened: DetectorSet, columns: int, rows: int) -> None:
    """Eight to forty people in one picture, the more the smaller: far too many, or too small to be told apart."""
    pair = draw(scene("together")).image
    crowd = np.concatenate([np.concatenate([pair] * columns, 1)] * rows, 0)
    cast = next(one for one in judged(opened, crowd, expectation(scene("together"))) if one.check == "cast")
    assert cast.verdict in (Verdict.FAILS, Verdict.NOT_MEASURABLE)


@pytest.mark.parametrize("value", [np.nan, np.inf, 0.5])
@pytest.mark.parametrize("kind", [np.float32, np.float16, np.float64])
def test_numbers_that_are_no_pixels_are_refused(opened: DetectorSet, value: float, kind: type) -> None:
    with pytest.raises(InvalidInput, match="8-bit RGB"):
        opened.detect([np.full((32, 32, 3), value, kind)], [HUG])


@pytest.mark.parametrize(
    "shape", [(0, 0, 3), (0, 5, 3), (32, 32), (32, 32, 1), (32, 32, 4), (3, 32, 32), (1, 32, 32, 3)]
)
def test_shapes_that_are_no_picture_are_refused(opened: DetectorSet, shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match="8-bit RGB"):
        opened.detect([np.zeros(shape, np.uint8)], [HUG])


def test_one_bad_picture_among_good_ones_is_refused_before_any_is_looked_at(opened: DetectorSet) -> None:
    good = draw(scene("together")).image
    with pytest.raises(InvalidInput):
        opened.detect([good, np.zeros((0, 8, 3), np.uint8)], [HUG] * 2)
    assert opened.detect([], []) == []
