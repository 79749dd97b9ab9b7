"""Ties, differences and the recommendation, against numbers worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from service.rankings import (
    CellOutcome,
    build_leaderboard,
    compare_with_leader,
    failures_needed,
    how_sure,
    mcnemar_exact,
    name_entries,
    percent,
    recommend,
    shown_standing,
)
from service.rankings.comparison import comparisons_shared, holm
from tests.rankings.worlds import checkpoint, row


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [(0, 0, 1.0), (0, 1, 1.0), (0, 5, 2 / 32), (0, 6, 2 / 64), (2, 8, 2 * (1 + 10 + 45) / 1024), (3, 3, 1.0)],
)
def test_mcnemar_is_a_binomial_test_of_the_discordant_cells(first: int, second: int, expected: float) -> None:
    assert mcnemar_exact(first, second) == pytest.approx(expected)
    assert mcnemar_exact(second, first) == pytest.approx(expected)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_agrees_with_statsmodels(first: int, second: int) -> None:
    reference = mcnemar([[0, first], [second, 0]], exact=True).pvalue if first + second else 1.0
    assert mcnemar_exact(first, second) == pytest.approx(min(1.0, reference))


@settings(max_examples=15, deadline=None)  # the reference is slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(values: list[float]) -> None:
    assert holm(values) == pytest.approx(list(multipletests(values, method="holm")[1]))


def test_failures_needed_is_the_smallest_that_suffices() -> None:
    for comparisons in (1, 2, 7, 75):
        needed = failures_needed(comparisons)
        assert 2 * 0.5**needed * comparisons <= 0.05 < 2 * 0.5 ** (needed - 1) * comparisons


def test_pairs_are_matched_by_scenario_and_seed_and_unmeasured_ones_dropped() -> None:
    leader = checkpoint("hhhfh?hx", epoch=4)
    other = [*checkpoint("ffhhm?", epoch=8), *checkpoint("f", epoch=8, scenario="solo")]
    board = {entry.epoch: entry for entry in build_leaderboard([*leader, *other])}
    (result,) = compare_with_leader(board[4], [board[8]])
    assert (result.pairs, result.leader_only, result.other_only) == (5, 1, 2)
    assert result.p == pytest.approx(1.0)


def test_several_rivals_are_harder_to_tell_apart_than_one() -> None:
    leader = checkpoint("h" * 12, epoch=4)
    rivals = [*checkpoint("f" * 7 + "h" * 5, epoch=8), *checkpoint("f" * 6 + "h" * 6, epoch=12)]
    board = build_leaderboard([*leader, *rivals])
    weaker, stronger = sorted(compare_with_leader(board[0], board[1:]), key=lambda result: -result.p)
    assert stronger.p < stronger.p_adjusted <= 3 * stronger.p  # three pairs among three checkpoints
    assert (weaker.p, weaker.p_adjusted) == (pytest.approx(2 / 2**6), stronger.p_adjusted)
    assert 0.05 / 3 <= stronger.threshold < weaker.threshold
    assert weaker.threshold == pytest.approx(0.05)
    assert stronger.separable
    assert weaker.separable
    assert comparisons_shared([weaker, stronger]) == pytest.approx(1)


def test_a_clear_winner_is_named_without_a_tie() -> None:
    board = build_leaderboard([*checkpoint("h" * 24, epoch=140), *checkpoint("f" * 20 + "h" * 4, epoch=150)])
    answer = recommend(board)
    assert answer.entry is board[0]
    assert answer.tied_with == ()
    assert answer.worse == (board[1],)
    assert answer.sentences[0] == "Use: v1 epoch 140."
    assert answer.sentences[1] == "0 of 24 judged images failed (0%; 95% interval 0% to 14%)."
    assert answer.sentences[2] == "Every other checkpoint fails more often than chance explains."


def test_close_checkpoints_are_a_tie_and_it_is_said() -> None:
    board = build_leaderboard(
        [
            *checkpoint("h" * 23 + "f", run="v2", epoch=140),
            *checkpoint("f" * 3 + "h" * 21, run="v2", epoch=144),
            *checkpoint("f" * 23 + "h", run="v1", epoch=150),
        ]
    )
    answer = recommend(board)
    assert answer.entry is board[0]
    assert [entry.label for entry in answer.tied_with] == ["v2 epoch 144"]
    assert answer.sentences[0] == "Best so far, but tied: v2 epoch 140."
    assert answer.sentences[1].startswith("1 of 24 judged images failed")
    assert answer.sentences[2].startswith("v2 epoch 140 cannot be told apart from v2 epoch 144:")
    assert answer.sentences[3] == "v1 epoch 150 fails more often than chance explains."
    assert answer.to_json()["tied_with"] == [{"run": "v2", "epoch": 144}]


def test_five_seeds_settle_nothing_and_it_is_said() -> None:
    answer = recommend(build_leaderboard([*checkpoint("hhhhh", epoch=4), *checkpoint("fffff", epoch=8)]))
    assert len(answer.tied_with) == 1
    assert "With 5 images to compare, no difference could be told from luck: add seeds." in answer.sentences


def test_a_leader_that_was_hardly_measured_is_passed_over() -> None:
    board = build_leaderboard([*checkpoint("hh" + "?" * 10, epoch=4), *checkpoint("f" + "h" * 11, epoch=8)])
    answer = recommend(board)
    assert board[0].epoch == 4
    assert answer.entry is board[1]
    assert answer.too_few_judged == (board[0],)
    assert answer.tied_with == ()
    assert any(text.startswith("v1 epoch 4 got a verdict on less than 50%") for text in answer.sentences)


def posed(letters: str, poses: str, epoch: int) -> list[CellOutcome]:
    return [
        CellOutcome("v1", epoch, "lap", seed, False, (row(letter), row(pose, "pose", None)))
        for seed, (letter, pose) in enumerate(zip(letters, poses, strict=True))
    ]


def test_a_checkpoint_cannot_win_by_drawing_another_pose() -> None:
    board = build_leaderboard([*posed("h" * 20, "f" * 17 + "hhh", 4), *posed("f" + "h" * 19, "h" * 16 + "ffff", 8)])
    answer = recommend(board)
    assert (board[0].epoch, board[0].hit_rate) == (4, pytest.approx(0.15))
    assert answer.entry is board[1]
    assert answer.too_few_hits == (board[0],)
    assert answer.tied_with == ()
    assert (
        "v1 epoch 4 cannot be recommended: the asked pose came out on 15% of the images at most, v1 epoch 8 on 80%. "
        "What is not drawn cannot fail." in answer.sentences
    )


def test_a_pose_that_hardly_ever_comes_out_recommends_nobody_and_a_rare_one_somebody() -> None:
    never = recommend(build_leaderboard([*posed("h" * 20, "f" * 20, 4), *posed("h" * 20, "f" * 19 + "h", 8)]))
    assert never.entry is None
    assert "no checkpoint produces the asked poses often enough" in never.sentences[0]
    rare = recommend(
        build_leaderboard([*posed("h" * 20, "f" * 15 + "hhhhh", 4), *posed("f" * 20, "f" * 16 + "hhhh", 8)])
    )
    assert rare.entry is not None
    assert (rare.entry.epoch, rare.too_few_hits) == (4, ())


@pytest.mark.parametrize(
    ("standing", "tied", "leads", "shown"),
    [
        ("recommended", False, True, "recommended"),
        ("recommended", True, True, "best so far"),
        ("recommended", True, False, "best guess"),
        ("tied", True, True, "lowest rate"),
        ("tied", True, False, "tied"),
        ("worse", True, False, "worse"),
    ],
)
def test_a_standing_says_who_has_the_lowest_rate(standing: str, tied: bool, leads: bool, shown: str) -> None:
    assert shown_standing(standing, tied, leads) == shown


def test_a_heading_says_how_sure_it_is() -> None:
    assert how_sure(0, leads=True) == "Use this checkpoint"
    assert how_sure(1, leads=True) == "Best so far, tied with 1 other"
    assert how_sure(0, leads=True, alone=True) == "The only checkpoint"
    assert how_sure(3, leads=False) == "Best guess, tied with 3 others"


def test_another_choice_is_taken_only_from_those_that_cannot_be_told_apart() -> None:
    board = build_leaderboard(
        [
            *checkpoint("h" * 22 + "LL", epoch=4),
            *checkpoint("fff" + "h" * 21, epoch=8),
            *checkpoint("f" * 20 + "h" * 4, epoch=12),
        ]
    )
    other = recommend(board, board[1])
    assert (other.entry, other.leader, other.tied_with) == (board[1], board[0], (board[0],))
    assert other.sentences[0] == "Best guess among those tied: v1 epoch 8."
    assert other.sentences[2].startswith(
        "v1 epoch 4 does best on these images (2 of 24 fail), but by so little that it may be luck. v1 epoch 8 is "
        "preferred."
    )
    assert other.sentences[3].startswith("Tied with it: v1 epoch 4.")
    because = recommend(board, board[1], "it is milder")
    assert because.sentences[2].endswith("v1 epoch 8 is preferred because it is milder.")
    assert recommend(board, board[2]).entry is board[0]


def test_invalid_images_do_not_help_a_checkpoint() -> None:
    board = build_leaderboard([*checkpoint("h" + "x" * 11, epoch=4), *checkpoint("f" + "h" * 11, epoch=8)])
    assert recommend(board).entry is board[1]


def test_without_enough_data_nothing_is_recommended() -> None:
    assert recommend([]).sentences == ("There are no checkpoint images yet.",)
    answer = recommend(build_leaderboard(checkpoint("h???")))
    assert answer.entry is None
    assert answer.sentences[0].startswith("Not enough data")


def test_what_was_not_measured_and_what_is_bad_is_said() -> None:
    answer = recommend(build_leaderboard(checkpoint("fffh??x")))
    text = " ".join(answer.sentences)
    assert "only checkpoint" in text
    assert "2 of its 7 images could not be judged: its failure rate is 50% if all of those hold, 83%" in text
    assert "Invalid (black or empty) among its 7 images: 1." in text
    assert "none of these checkpoints is good" in text


def test_names_are_gathered_by_run() -> None:
    board = build_leaderboard(
        [
            *checkpoint("h", "v2", 140),
            *checkpoint("h", "v2", 120),
            *checkpoint("h", "v1", 36),
            *checkpoint("h", "x", None),
        ]
    )
    assert name_entries(board) == "v1 epoch 36, v2 epochs 120 and 140, and x"
    assert name_entries(board[:1]) == "v1 epoch 36"


def test_three_epochs_in_a_row_become_a_range() -> None:
    board = build_leaderboard([image for epoch in (4, 8, 12, 16, 20, 24) for image in checkpoint("h", "v2", epoch)])
    picked = [entry for entry in board if entry.epoch in (4, 8, 16, 20, 24)]
    assert name_entries(picked, board) == "v2 epochs 4, 8 and 16 to 24"
    assert name_entries(board) == "v2 epochs 4 to 24"


def test_percent_never_rounds_to_a_false_certainty() -> None:
    assert [percent(rate) for rate in (0, 0.001, 0.041, 0.999, 1)] == ["0%", "<1%", "4%", ">99%", "100%"]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("hmfFL?x", min_size=1, max_size=10), min_size=1, max_size=5))
def test_everyone_is_leader_tied_or_worse(letters: list[str]) -> None:
    outcomes = [image for epoch, word in enumerate(letters) for image in checkpoint(word, epoch=epoch)]
    board = build_leaderboard(outcomes)
    answer = recommend(board)
    assert answer.sentences
    if answer.entry is not None:
        named = [answer.entry, *answer.tied_with, *answer.worse, *answer.too_few_judged]
        assert sorted(entry.epoch or 0 for entry in named) == list(range(len(letters)))
        assert answer.entry.measured_share >= 0.5
