"""Decisions on real findings: what a budget saves, whether halves of the seeds agree, and who is wrongly left out.

The findings are those of :mod:`benchmarks.experiment`: every checkpoint of full-length runs, a whole suite, 16 or 8
seeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from benchmarks.decisions.exclusions import kept
from benchmarks.decisions.power_prior import power_prior_costs
from benchmarks.decisions.replays import Grid, measure_budget
from benchmarks.experiment.findings import FOLDER, read_findings
from benchmarks.experiment.grid import outcomes_of
from service.rankings import OutcomeTable, Ranking, Scoring, rank, wilson
from service.rankings.posterior import angles
from service.rankings.ranking import breaks_from, search_onsets
from service.rankings.sweet_spot import FAILURES

TABLES = {"v1-v2": ("v1", "v2"), "v1-rank8-v2-rank4": ("v1-rank8", "v2-rank4")}
"""Packed findings and their runs."""
BUDGETS = (1.2, 1.6, 2.0, 3.0, 4.0, 6.0, 8.0)
"""Of the adaptive side, in images of one seed of every scenario for every checkpoint."""


def measure(seed: int, quick: bool) -> dict[str, Any]:
    """Every part, each with a stream of random numbers of its own."""
    tables = {name: _table(name) for name in TABLES}
    orders, splits, grids = (20, 2, 10) if quick else (300, 60, 200)
    main = tables["v1-v2"]
    budget = {}
    for place, (name, runs) in enumerate({"v2": ("v2",), "v1 and v2": ("v1", "v2")}.items()):
        for again in (False, True):
            key = f"{name}, {'seeds drawn again' if again else 'each seed once'}"
            rng = np.random.default_rng([seed, 80, place, again])
            budget[key] = measure_budget(Grid.of(main, runs), BUDGETS, orders, again, rng)
    return {
        "budget": budget,
        "halves": {
            name: halves(table, splits, np.random.default_rng([seed, 81, place]))
            for place, (name, table) in enumerate(tables.items())
        },
        "luck": {name: luck(table, TABLES[name]) for name, table in tables.items()},
        "onsets": {name: onsets(table, TABLES[name]) for name, table in tables.items()},
        "wrong_exclusions": wrong_exclusions(main, grids, seed),
    }


def _table(name: str) -> OutcomeTable:
    _, rows = read_findings(FOLDER / f"{name}.csv.xz")
    return OutcomeTable.from_outcomes(outcomes_of(rows))


def halves(table: OutcomeTable, splits: int, rng: np.random.Generator) -> dict[str, Any]:
    """Rank one half of the seeds and the other half by themselves, in random splits, and compare the answers.

    The splits share their images, so that the spread over splits (2.5 to 97.5 % quantile) is that of the split alone.

    Returns:
        ``rank_correlation`` of the failure rates; shares of halves whose recommended checkpoint is the other half's
        (``same``), is not told apart from the other half's leader (``tied_there``) or is called worse there; and for
        the recommended checkpoint, for that with the lowest rate and for that which the smoothing that was given up
        would recommend: how much more often it fails there than the best there (``excess``), the same in what an image
        costs (``excess_cost``), and how much more often than in its own half (``optimism``).
    """
    seeds = np.unique(table.seed)
    correlation, same, tied, worse, tied_number = [], [], [], [], []
    found: dict[str, dict[str, list[float]]] = {kind: {} for kind in ("excess", "excess_cost", "optimism")}
    for _ in range(splits):
        first = np.isin(table.seed, rng.permutation(seeds)[: len(seeds) // 2])
        pair = [rank(table.keep(rows)) for rows in (first, ~first)]
        rates = [_rates(each) for each in pair]
        correlation.append(float(spearmanr([rates[0][name] for name in rates[0]], [rates[1][n] for n in rates[0]])[0]))
        for here, there in ((0, 1), (1, 0)):
            one, two, own, other = pair[here], pair[there], rates[here], rates[there]
            costs = {_name(each): each.severity_score or 0.0 for each in two.board}
            chosen = _name(one.recommendation.entry)
            level = [_name(two.recommendation.leader), *(_name(c.other) for c in _level(two))]
            same.append(chosen == _name(two.recommendation.entry))
            tied.append(chosen in level)
            worse.append(chosen in [_name(each) for each in two.recommendation.worse])
            tied_number.append(len(level))
            picks = {
                "recommended": chosen,
                "lowest rate": min(own, key=lambda key: own[key]),
                "given up": given_up(one),
            }
            for how, name in picks.items():
                found["excess"].setdefault(how, []).append(other[name] - min(other.values()))
                found["excess_cost"].setdefault(how, []).append(costs[name] - min(costs.values()))
                found["optimism"].setdefault(how, []).append(other[name] - own[name])
    return {
        "splits": splits,
        "seeds_each": len(seeds) // 2,
        "rank_correlation": _spread(correlation),
        "same": float(np.mean(same)),
        "tied_there": float(np.mean(tied)),
        "worse_there": float(np.mean(worse)),
        "not_separable": _spread(tied_number),
        **{kind: {how: _spread(values) for how, values in by_pick.items()} for kind, by_pick in found.items()},
    }


def luck(table: OutcomeTable, runs: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """How much of the variance of failing and not failing is luck of the seed, and how much of that is shared.

    Returns:
        By run: ``within`` scenarios, the part of the variance that is not between them (mean over checkpoints), and
        ``shared``, the correlation of two checkpoints on the same cell.
    """
    found = {}
    for run in runs:
        codes = [code for code, (name, _) in enumerate(table.checkpoints) if name == run]
        seen = angles(*Scoring().only(*FAILURES).by_cell(table, codes), 1.0)
        found[run] = {"within": round(float(seen.design_effect.mean()), 3), "shared": round(seen.likeness, 3)}
    return found


def given_up(ranking: Ranking) -> tuple[str, int | None]:
    """Which of those that cannot be told apart the smoothing of :mod:`benchmarks.decisions.power_prior` would take."""
    names = list(ranking.beliefs)
    costs, _ = ranking.scoring.by_cell(ranking.used, [ranking.used.checkpoints.index(name) for name in names])
    limits = {run: onset.epoch for run, onset in breaks_from(ranking.onsets).items()}
    expected = power_prior_costs(costs, [run for run, _ in names], [epoch or 0 for _, epoch in names], limits)
    advice = ranking.recommendation
    level = [_name(advice.leader), *(_name(each.other) for each in advice.comparisons if not each.separable)]
    return min(
        (name for name in level if name in ranking.beliefs),
        key=lambda name: ((name[1] or 0) >= limits.get(name[0], np.inf), expected[names.index(name)]),
    )


def onsets(table: OutcomeTable, runs: tuple[str, ...]) -> dict[str, Any]:
    """Faults that set in on all seeds, and which of them each half of the seeds finds by itself (first and second)."""
    found, series = search_onsets(table, list(runs))
    seeds = np.unique(table.seed)
    halved = [
        {
            (each.run, each.check, each.mode, each.scenario): each
            for each in search_onsets(table.keep(np.isin(table.seed, part)), list(runs))[0]
        }
        for part in (seeds[::2], seeds[1::2])
    ]
    again = [
        each.interval[0] <= half[key].interval[1] and half[key].interval[0] <= each.interval[1]
        for each in found
        for key in [(each.run, each.check, each.mode, each.scenario)]
        for half in halved
        if key in half
    ]
    return {
        "series": series,
        "found": len(found),
        "by_run": {run: sum(each.run == run for each in found) for run in runs},
        "in_both_halves": sum(all((e.run, e.check, e.mode, e.scenario) in half for half in halved) for e in found),
        "found_in_halves": [len(half) for half in halved],
        "intervals_that_overlap": [sum(again), len(again)],
        "over_all_scenarios": [
            {
                "run": each.run,
                "check": each.check,
                "mode": each.mode,
                "epoch": each.epoch,
                "interval": each.interval,
                "before": round(each.before, 3),
                "after": round(each.after, 3),
            }
            for each in found
            if each.scenario is None
        ],
    }


def wrong_exclusions(table: OutcomeTable, grids: int, seed: int) -> dict[str, Any]:
    """How often a best checkpoint is called worse, on seeds redrawn from the findings with replacement.

    ``best``: the one with the lowest rate on all findings. ``equal``: outcomes of the checkpoints shuffled within each
    cell, so that all are equally good and hang together as real ones do; any exclusion counts.
    """
    both, second = Grid.of(table, ("v1", "v2")), Grid.of(table, ("v2",))
    late = Grid(second.names[-12:], second.fails[-12:])
    found = {}
    for place, (name, grid, equal) in enumerate(
        (
            ("best of 76, v1 and v2", both, False),
            ("best of 38, v2", second, False),
            ("12 equal, as v2's last", late, True),
            ("38 equal, as v2", second, True),
        )
    ):
        for seeds in (4, 16):
            rng = np.random.default_rng([seed, 82, place, seeds])
            best = set(range(len(grid.names))) if equal else {int(grid.rates.argmin())}
            left = [kept(fails) for fails in _redrawn(grid, seeds, equal, grids, rng)]
            wrong = sum(not best <= each for each in left)
            found[f"{name}, {seeds} seeds"] = {
                "share": wrong / grids,
                "interval": wilson(wrong, grids),
                "not_separable": float(np.mean([len(each) for each in left])),
                "checkpoints": len(grid.names),
                "grids": grids,
            }
    return found


def _redrawn(grid: Grid, seeds: int, equal: bool, grids: int, rng: np.random.Generator) -> Iterator[NDArray[np.bool_]]:
    """Failures, shape (checkpoints, cells), of cells that were measured on every checkpoint."""
    for _ in range(grids):
        drawn = rng.integers(grid.fails.shape[2], size=(1, grid.fails.shape[1], seeds))
        cells = np.take_along_axis(grid.fails, drawn, axis=2).reshape(len(grid.names), -1)
        cells = cells[:, ~np.isnan(cells).any(axis=0)]
        yield (rng.permuted(cells, axis=0) if equal else cells) > 0.5


def _rates(ranking: Ranking) -> dict[tuple[str, int | None], float]:
    return {(each.run, each.epoch): each.failure_rate for each in ranking.board if each.failure_rate is not None}


def _level(ranking: Ranking) -> list[Any]:
    return [item for item in ranking.recommendation.comparisons if not item.separable]


def _name(entry: Any) -> tuple[str, int | None]:
    return (entry.run, entry.epoch)


def _spread(values: list[Any]) -> list[float]:
    """Mean, and the 2.5 and 97.5 % quantiles."""
    return [round(float(number), 4) for number in (np.mean(values), *np.quantile(values, [0.025, 0.975]))]
