"""Locking and following in one picture, and the pictures to keep."""

from __future__ import annotations

from dataclasses import replace

import pytest

from detectors.findings import Finding, Severity, Verdict
from service.reports import ReportImage, ReportScenario, build_view, render_report
from service.reports.charts import CHART_WIDTHS, NAMES, RIGHT, draw_chart
from service.reports.keepers import FOLLOWS, SHOWN
from service.reports.views import ReportView

SEEDS = 8


def image(epoch: int, seed: int, fails: bool, follows: bool = True) -> ReportImage:
    hands = (Verdict.FAILS, Severity.LOST) if fails else (Verdict.HOLDS, None)
    follow = (Verdict.HOLDS, None) if follows else (Verdict.FAILS, Severity.CLEAR)
    found = tuple(
        Finding(check, verdict, "net", "1", "Kei", severity, 0.9, {})
        for check, (verdict, severity) in (("hands", hands), ("follow_through", follow))
    )
    return ReportImage("v1", epoch, "hug", seed, f"{epoch}-{seed}", 64, 64, found)


def view(measured: bool = True) -> ReportView:
    images = [
        image(epoch, seed, seed < (1 if epoch == 8 else 5), epoch < 12) for epoch in (4, 8, 12) for seed in range(SEEDS)
    ]
    looks = {
        ("v1", epoch, "hug", seed): {"hairstyle of Kei": "bob" if epoch > 4 else f"style {seed}"}
        for epoch in (4, 8, 12)
        for seed in range(SEEDS)
    }
    return build_view(
        images,
        [ReportScenario("hug", "two girls", ("hands", "follow_through"))],
        title="t",
        base="b",
        suite="s",
        picture_url="pictures/{}.png".format,
        ranked_by={"measures": looks if measured else {}},
    )


def test_locking_and_following_are_in_one_picture() -> None:
    [baking] = view().bakings
    lines = {line.run: line.segments[0] for line in baking.charts[0].lines}
    assert set(lines) == {"hairstyle of Kei", FOLLOWS}
    hair, follows = lines["hairstyle of Kei"], lines[FOLLOWS]
    assert hair[0].y > hair[1].y == hair[2].y  # pixels: agreement rises, and stays
    assert follows[0].y == follows[1].y < follows[2].y
    assert [point.recommended for point in hair] == [False, True, False]
    assert all(point.high <= point.y <= point.low for point in hair)
    assert any("hairstyle of Kei: locked from epoch 8" in sentence for sentence in baking.sentences)
    [alone] = view(measured=False).bakings
    assert [line.run for line in alone.charts[1].lines] == [FOLLOWS]


def test_clean_pictures_of_the_recommended_checkpoint_are_kept() -> None:
    shown = view()
    assert shown.recommendation.entry is not None
    assert shown.recommendation.entry.epoch == 8
    [kept] = shown.keepers
    assert (kept.chance.clean, kept.chance.measured) == (SEEDS - 1, SEEDS)
    assert [cell.image.epoch for cell in kept.cells] == [8] * SHOWN
    assert sorted([*(cell.image.seed for cell in kept.cells), *kept.others]) == list(range(1, SEEDS))


def test_both_are_on_the_page_and_absent_where_there_is_nothing() -> None:
    page = render_report(view())
    assert 'id="baking-title"' in page
    assert page.count('class="keeper"') == SHOWN
    assert 'src="pictures/8-1.png"' in page
    empty = build_view([], [], title="t", base="b", suite="s", picture_url=str)
    assert (empty.bakings, empty.keepers) == ((), ())
    assert "keepers-title" not in render_report(empty)


@pytest.mark.parametrize("width", [0, 1])
def test_names_have_room(width: int) -> None:
    [baking] = view().bakings
    chart = baking.charts[width]
    assert all(line.label_x <= chart.right + 12 for line in chart.lines)
    assert chart.width - chart.right >= 120


@pytest.mark.parametrize("width", [0, 1])
@pytest.mark.parametrize(("run", "room"), [("v1", RIGHT), ("keikana-v1", NAMES)])
def test_a_run_with_a_long_name_has_room_too(width: int, run: str, room: int) -> None:
    entry = view().chronological[0]
    chart = draw_chart([replace(entry, run=run)], None, None, CHART_WIDTHS[width])
    assert chart.width - chart.right == room
