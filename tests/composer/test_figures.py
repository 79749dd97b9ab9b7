from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from service.composer.figures import Figure, NoFigureError, find_figure
from tests.composer.drawings import Picture, busy, draw_person, gradient, plain

BLONDE = (240, 210, 90)


def overlap(figure: Figure, mask: NDArray[np.bool_]) -> float:
    found = np.zeros_like(mask)
    x0, y0, x1, y1 = figure.box
    found[y0:y1, x0:x1] = figure.coverage[..., 0] > 0.5
    return float((found & mask).sum() / (found | mask).sum())


@pytest.mark.parametrize(
    "background",
    [plain((255, 255, 255)), plain((30, 30, 40)), plain((120, 160, 200)), gradient((250, 200, 200), (180, 160, 250))],
    ids=["white", "dark", "blue", "gradient"],
)
@pytest.mark.parametrize("noise", [0, 3])
def test_the_figure_and_its_box_on_plain_backgrounds(background: Picture, noise: int) -> None:
    picture, mask = draw_person(BLONDE, background)
    grain = np.random.default_rng(1).integers(-noise, noise + 1, picture.shape)
    picture = np.clip(picture.astype(int) + grain, 0, 255).astype(np.uint8)
    figure = find_figure(picture)
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    truth = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    assert np.abs(np.subtract(figure.box, truth)).max() <= 1
    assert overlap(figure, mask) > 0.96
    assert not figure.is_cropped


def on_grey(figure: Figure) -> NDArray[np.float32]:
    return figure.color + (1 - figure.coverage) * 128


@pytest.mark.parametrize("smooth", [False, True], ids=["hard edges", "mixed edges"])
def test_the_old_background_leaves_no_rim(smooth: bool) -> None:
    """Cut off a dark and off a white background, the figure looks the same on a third one."""
    found = []
    for background in (plain((20, 20, 30), 640, 800), plain((255, 255, 255), 640, 800)):
        picture, _ = draw_person((200, 120, 60), background, height=560, floor=720)
        picture = picture if not smooth else np.asarray(cv2.resize(picture, (160, 200), interpolation=cv2.INTER_AREA))
        found.append(find_figure(picture))
    boxes = np.array([figure.box for figure in found])
    x0, y0, x1, y1 = *boxes[:, :2].max(0), *boxes[:, 2:].min(0)
    dark, white = (on_grey(f)[y0 - f.box[1] : y1 - f.box[1], x0 - f.box[0] : x1 - f.box[0]] for f in found)
    difference = np.abs(dark - white).max(-1)
    # Without unmixing, the mean is 3.6 on mixed edges; what remains is skin, too near to white to be told from it.
    assert difference.mean() < 1
    assert np.quantile(difference, 0.97) < 2


def test_a_dark_outline_around_light_clothes_stays() -> None:
    picture, _ = draw_person(BLONDE, plain((220, 200, 240)))
    cv2.rectangle(picture, (60, 100), (100, 140), (250, 250, 250), -1)
    cv2.rectangle(picture, (60, 100), (100, 140), (40, 30, 30), 1)
    figure = find_figure(picture)
    shown = on_grey(figure)[:, 60 - figure.box[0]]
    assert shown[105 - figure.box[1] : 135 - figure.box[1]].max() < 60


def test_a_transparent_background_needs_no_fitting() -> None:
    picture, mask = draw_person(BLONDE, busy())
    figure = find_figure(np.dstack([picture, mask.astype(np.uint8) * 255]))
    assert overlap(figure, mask) == 1
    assert figure.background is None


def test_a_white_shirt_on_white_stays_with_the_figure() -> None:
    picture, mask = draw_person(BLONDE, plain((255, 255, 255)))
    cv2.rectangle(picture, (72, 110), (88, 130), (255, 255, 255), -1)
    assert overlap(find_figure(picture), mask) > 0.96


def test_a_figure_that_runs_out_below_is_known_as_cropped() -> None:
    picture, _ = draw_person(BLONDE, plain((200, 220, 230)), height=240, floor=270)
    assert find_figure(picture).is_cropped


def test_an_ahoge_belongs_to_the_figure_but_not_to_its_stature() -> None:
    with_ahoge = find_figure(draw_person(BLONDE, plain((255, 255, 255)), ahoge=True)[0])
    without = find_figure(draw_person(BLONDE, plain((255, 255, 255)))[0])
    assert with_ahoge.box[1] < without.box[1] - 15
    assert abs(with_ahoge.stature - without.stature) <= 3


def two_people() -> Picture:
    picture, _ = draw_person(BLONDE, plain((255, 255, 255)), x=40, height=120)
    return draw_person(BLONDE, picture, x=120, height=120)[0]


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (draw_person(BLONDE, busy())[0], "not plain"),
        (plain((255, 255, 255)), "nothing large enough"),
        (draw_person(BLONDE, plain((255, 255, 255)), height=30)[0], "nothing large enough|pixels high"),
        (draw_person(BLONDE, plain((255, 255, 255)), x=8)[0], "cut off at the left"),
        (draw_person(BLONDE, plain((255, 255, 255)), x=152)[0], "cut off at the right"),
        (two_people(), "two separate figures"),
        (np.zeros((8, 8, 3), np.uint8), "only 8x8"),
    ],
    ids=["busy", "empty", "tiny figure", "cut left", "cut right", "two people", "tiny picture"],
)
def test_pictures_without_one_whole_figure_are_refused_with_the_reason(picture: Picture, reason: str) -> None:
    with pytest.raises(NoFigureError, match=reason):
        find_figure(picture)
