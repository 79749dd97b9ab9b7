"""What a report shows, worked out from images by hand."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from detectors.findings import Finding, Severity, Verdict
from service.rankings import OutcomeTable, State, answer, build_leaderboard
from service.reports import ReportImage, ReportScenario, ReportView, build_view, report_json
from service.reports.charts import HEIGHT, LABEL_GAP, _spread, draw_chart
from service.reports.evidence import evidence_boxes

HUG = ReportScenario("hug", "2girls, hug", ("hands",))
VERDICTS = {"h": Verdict.HOLDS, "L": Verdict.FAILS, "F": Verdict.FAILS, "?": Verdict.NOT_MEASURABLE}
SEVERITIES = {"L": Severity.LOST, "F": Severity.FUSED}


def images(letters: str, run: str = "v1", epoch: int | None = 4, scenario: str = "hug") -> list[ReportImage]:
    found = []
    for seed, letter in enumerate(letters):
        finding = Finding("hands", VERDICTS.get(letter, Verdict.HOLDS), "hand-net", "2", "Kei", SEVERITIES.get(letter))
        invalid = "black" if letter == "x" else None
        findings = () if letter == "x" else (finding,)
        found.append(ReportImage(run, epoch, scenario, seed, f"{run}-{epoch}-{seed}", 256, 256, findings, invalid))
    return found


def view(*groups: list[ReportImage], base: str = "miniature", pinned_seeds: tuple[int, ...] = ()) -> ReportView:
    return build_view(
        [image for group in groups for image in group],
        [HUG],
        title="test",
        base=base,
        suite="demo 1",
        picture_url=lambda key: f"/v1/images/{key}",
        pinned_seeds=pinned_seeds,
    )


def test_standings_follow_the_recommendation() -> None:
    shown = view(
        images("h" * 12, epoch=4),
        images("L" * 12, epoch=8),
        images("L" + "h" * 11, epoch=12),
        images("?" * 12, epoch=16),
    )
    assert [(row.entry.epoch, row.standing) for row in shown.rows] == [
        (4, "best so far"),
        (12, "tied"),
        (8, "worse"),
        (16, "too few judged"),
    ]
    assert view(images("h" * 12), images("L" * 12, epoch=8)).rows[0].standing == "recommended"


def test_a_best_guess_that_has_not_the_lowest_rate_says_so() -> None:
    # Lost hands cost more than fused ones: epoch 8 fails once more often, and is expected to cost less.
    shown = view(images("LLLLL" + "h" * 35, epoch=4), images("FFFFFF" + "h" * 34, epoch=8))
    assert [(row.rank, row.entry.epoch, row.standing) for row in shown.rows] == [
        (1, 4, "lowest rate"),
        (2, 8, "best guess"),
    ]
    assert shown.how_sure == "Best guess, tied with 1 other"
    assert shown.recommendation.sentences[0] == "Best guess among those tied: v1 epoch 8."
    assert "v1 epoch 4 does best on these images (5 of 40 fail)" in " ".join(shown.recommendation.sentences)


def test_a_higher_place_with_too_few_judged_is_marked_so() -> None:
    shown = view(images("h" + "?" * 11, epoch=4), images("L" + "h" * 11, epoch=8))
    assert [row.standing for row in shown.rows] == ["too few judged", "recommended"]
    assert shown.recommendation.entry is shown.rows[1].entry


def test_reasons_are_the_most_frequent_first_then_the_worse() -> None:
    (row,) = view(images("LLFFFhh?x")).rows
    assert [(reason.text, reason.images) for reason in row.reasons] == [
        ("hands fused (Kei)", 3),
        ("hands lost (Kei)", 2),
    ]
    (even,) = view(images("FFLLh")).rows
    assert [reason.kind for reason in even.reasons] == ["lost", "fused"]


def test_grids_put_the_control_first_and_leave_gaps_where_nothing_is_made() -> None:
    shown = view(
        images("hh", run="v2", epoch=150), images("h", run="v2", epoch=36), images("L", run="control", epoch=None)
    )
    (grid,) = shown.grids
    assert [(column.run, column.label) for column in grid.columns] == [
        ("control", "no LoRA"),
        ("v2", "36"),
        ("v2", "150"),
    ]
    assert [seed for seed, _ in grid.rows] == [0, 1]
    assert [cell is None for cell in grid.rows[1][1]] == [True, True, False]
    assert [column.recommended for column in grid.columns] == [False, False, True]
    assert grid.ordered_counts == [(State.HOLDS, 3)]


def test_cells_carry_picture_words_and_verdict() -> None:
    (grid,) = view(images("Lx")).grids
    lost, invalid = grid.rows[0][1][0], grid.rows[1][1][0]
    assert lost is not None
    assert invalid is not None
    assert lost.url == "/v1/images/v1-4-0"
    assert lost.alt == "v1 epoch 4, hug, seed 0: lost"
    assert lost.summary == "lost; hands (Kei) fails"
    assert (invalid.judgement.state, invalid.label) == (State.INVALID, "invalid")


def test_a_check_without_a_finding_counts_as_not_measured() -> None:
    bare = ReportImage("v1", 4, "hug", 1, "k", 256, 256, (Finding("cast", Verdict.HOLDS, "people", "1"),))
    assert view([bare]).cells[0].judgement.state is State.NOT_MEASURABLE


def test_images_of_other_scenarios_are_left_out() -> None:
    assert view(images("h"), images("LLL", scenario="other")).rows[0].entry.images == 1


def test_two_runs_are_compared_and_one_is_not() -> None:
    shown = view(images("LLLh", run="v1"), images("hhhh", run="v2"))
    assert shown.compared == ("v1", "v2")
    assert [row.check for row in shown.differences] == [None, "hands"]
    assert shown.differences[0].difference == pytest.approx(-0.75)
    assert view(images("Lh")).compared is None


def test_the_json_has_the_leaderboards_own_numbers() -> None:
    groups = [images("hLF?x", epoch=4), images("hhhh", epoch=8), images("LL", run="control", epoch=None)]
    shown = view(*groups)
    data = json.loads(json.dumps(report_json(shown)))
    board = build_leaderboard(image.outcome(HUG.checks) for group in groups for image in group)
    for row, entry in zip(data["leaderboard"], board, strict=True):
        assert {key: row[key] for key in entry.to_json()} == json.loads(json.dumps(entry.to_json()))
    assert data["control"]["failure_rate"] == 1.0
    assert data["evidence_about_real_models"] is False
    assert len(data["cells"]) == 11
    assert data["cells"][2]["run"] == "v1"
    assert json.loads(json.dumps(report_json(view(images("h"), base="anima"))))["evidence_about_real_models"] is True


def test_boxes_are_found_at_any_depth_and_nothing_else_is() -> None:
    evidence = {
        "head_box": [1, 2, 30, 40],
        "people": [{"box": [0.0, 0.0, 9.5, 9.0]}, {"box": [5, 5, 5, 9]}],
        "boxes": [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4]],
        "weights": [1, 2, 3, 4],
        "box": None,
        "note": "box",
    }
    findings = [Finding("cast", Verdict.HOLDS, "d", "1"), Finding("hands", Verdict.FAILS, "d", "1", evidence=evidence)]
    found = evidence_boxes(findings)
    assert {item.finding for item in found} == {1}
    assert [item.box for item in found] == [(1, 2, 30, 40), (0, 0, 9.5, 9), (1, 1, 2, 2), (3, 3, 4, 4)]


def test_the_chart_places_rates_and_breaks_where_nothing_was_judged() -> None:
    shown = view(
        images("hhhh", epoch=4), images("????", epoch=8), images("LLLL", epoch=12), images("LLhh", run="v2", epoch=None)
    )
    chart = shown.charts[0]
    (line,) = chart.lines
    assert [len(segment) for segment in line.segments] == [1, 1]
    good, bad = line.segments[0][0], line.segments[1][0]
    assert good.x < bad.x
    assert good.y > bad.y
    assert good.low == pytest.approx(good.y)
    assert bad.high == pytest.approx(bad.y)
    assert chart.unplaced == ("v1 epoch 8", "v2")
    assert [tick.text for tick in chart.x_ticks] == ["4", "12"]


def test_the_axis_is_halved_where_everything_is_low() -> None:
    assert [tick.text for tick in view(images("h" * 30)).charts[0].y_ticks] == ["0%", "12%", "25%", "38%", "50%"]


def test_many_epochs_leave_room_between_their_numbers_and_keep_the_last() -> None:
    chart = view(*[images("hL", epoch=epoch) for epoch in [*range(4, 149, 4), 150]]).charts[1]
    places = [tick.at for tick in chart.x_ticks]
    assert min(b - a for a, b in pairwise(places)) >= 34
    assert chart.x_ticks[-1].text == "150"


def test_labels_never_cover_each_other() -> None:
    placed = _spread([100.0, 101.0, 99.0, HEIGHT * 1.0, HEIGHT * 1.0])
    ordered = sorted(placed)
    assert all(b - a >= LABEL_GAP - 1e-9 for a, b in pairwise(ordered))


def test_an_empty_chart_is_drawn_without_error() -> None:
    assert draw_chart([], None, None, 360).lines == ()


def test_the_report_gives_the_same_answer_as_the_api() -> None:
    groups = [images("hLFh", epoch=4), images("hhhh", epoch=8)]
    data = json.loads(json.dumps(report_json(view(*groups))))
    table = OutcomeTable.from_outcomes(image.outcome(HUG.checks) for group in groups for image in group)
    expected = answer(table).model_dump(mode="json")
    assert expected.keys() <= data.keys()
    assert {key: data[key] for key in expected.keys() - {"leaderboard"}} == {
        key: value for key, value in expected.items() if key != "leaderboard"
    }


def test_pinned_seeds_are_shown_and_in_no_rate() -> None:
    shown = view(images("hL"), pinned_seeds=(1,))
    assert (len(shown.cells), shown.rows[0].entry.images) == (2, 1)
    assert shown.answer.pinned[0].state == "lost"
