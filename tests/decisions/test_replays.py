"""Real findings replayed: grids whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.decisions.exclusions import kept
from benchmarks.decisions.findings import given_up, halves, luck, onsets, wrong_exclusions
from benchmarks.decisions.replays import Grid, measure_budget
from detectors.findings import Severity, Verdict
from service.rankings import CellOutcome, FindingRow, OutcomeTable, rank

RATES = {("v1", 4): 0.8, ("v1", 8): 0.75, ("v1", 12): 0.8, ("v2", 4): 0.7, ("v2", 8): 0.1, ("v2", 12): 0.7}


def table(seeds: int = 16, rates: dict[tuple[str, int], float] = RATES) -> OutcomeTable:
    rng = np.random.default_rng(0)
    return OutcomeTable.from_outcomes(
        CellOutcome(
            run,
            epoch,
            scenario,
            seed,
            False,
            (
                FindingRow("hands", None, Verdict.FAILS, Severity.LOST)
                if rng.random() < rate
                else FindingRow("hands", None, Verdict.HOLDS),
            ),
        )
        for (run, epoch), rate in rates.items()
        for scenario in ("hug", "lap", "solo", "walk")
        for seed in range(seeds)
    )


def test_a_grid_holds_what_the_table_says() -> None:
    grid = Grid.of(table(), ("v2",))
    assert grid.names == (("v2", 4), ("v2", 8), ("v2", 12))
    assert grid.fails.shape == (3, 4, 16)
    assert (grid.block, int(grid.rates.argmin())) == (12, 1)
    assert grid.is_right([0, 1]).tolist() == [False, True]


def test_the_budget_finds_what_the_grid_finds() -> None:
    found = measure_budget(Grid.of(table(), ("v1", "v2")), (6.0, 12.0), 40, False, np.random.default_rng(0))
    assert found["whole_grid"] == 6 * 4 * 16
    for how in ("uniform, lowest count", "uniform, smoothed"):
        assert found[how]["right"]["384"][0] == 1.0
    assert [right[0] for right in found["adaptive"]["right"].values()] == pytest.approx([1.0, 1.0], abs=0.05)
    assert max(float(images) for images in found["adaptive"]["right"]) <= 12 * 24
    assert found["adaptive"]["best_dropped"][0][0] == 0
    assert next(iter(found["adaptive"]["same"].values()))[0] > 0.9  # the very one, far better than all others


def test_halves_agree_where_one_is_far_better() -> None:
    found = halves(table(), 2, np.random.default_rng(0))
    assert (found["seeds_each"], found["same"], found["tied_there"], found["worse_there"]) == (8, 1.0, 1.0, 0.0)
    assert found["not_separable"][0] == 1.0
    assert found["excess"]["recommended"] == [0.0, 0.0, 0.0]
    assert 0.5 < found["rank_correlation"][0] <= 1


def test_what_was_given_up_also_finds_one_that_is_far_better() -> None:
    assert given_up(rank(table())) == ("v2", 8)


def test_luck_is_all_where_scenarios_are_alike_and_seeds_independent() -> None:
    found = luck(table(), ("v1", "v2"))
    assert found["v1"]["within"] > 0.9
    assert found["v2"]["shared"] < 0.1


def test_onsets_are_found_in_both_halves() -> None:
    rates = {("v1", epoch): (0.05 if epoch < 40 else 0.8) for epoch in range(4, 80, 4)}
    found = onsets(table(8, rates), ("v1",))
    [whole] = [each for each in found["over_all_scenarios"] if each["mode"] == "lost"]
    assert whole["epoch"] == 40
    assert found["in_both_halves"] > 0
    assert found["intervals_that_overlap"][0] == found["intervals_that_overlap"][1] > 0


def test_the_best_is_kept_when_seeds_are_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.decisions.findings.kept", lambda fails: kept(fails) - {0})
    found = wrong_exclusions(table(), 2, 0)
    # Checkpoint 0 is always lost: an error among equals, and none where v2 epoch 8 is best.
    assert {name: each["share"] for name, each in found.items() if "4 seeds" in name} == {
        "best of 76, v1 and v2, 4 seeds": 0.0,
        "best of 38, v2, 4 seeds": 0.0,
        "12 equal, as v2's last, 4 seeds": 1.0,
        "38 equal, as v2, 4 seeds": 1.0,
    }
