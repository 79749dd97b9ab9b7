"""Everything that follows from the outcomes of an evaluation, worked out once."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.rankings.attribution import Cause, attribute
from service.rankings.good_pictures import CleanChance, clean_chances
from service.rankings.leaderboard import LeaderboardEntry, build_leaderboard, control_entry
from service.rankings.locking import (
    Curve,
    Following,
    Locking,
    Measures,
    measure_curve,
    measure_following,
    measure_locking,
)
from service.rankings.onset import SURE, Onsets, find_onsets, share_of_rises
from service.rankings.outcomes import APART_CHECKS, CONTROL, MEASURED_GRADES, Grade
from service.rankings.paired import CochranTest, cochran
from service.rankings.phrasings import PhrasingComparison, compare_phrasings
from service.rankings.posterior import Smoothing, posterior
from service.rankings.recommendation import Recommendation, recommend, too_few_hits
from service.rankings.runs import Flip, RateDifference, compare_runs, flipped
from service.rankings.second_look import SecondLook, second_look
from service.rankings.table_of_outcomes import Checkpoint, OutcomeTable
from service.rankings.uses import ScenarioFacts, Scoring, Use

MAX_FLIPS = 100
"""So many flipped images are listed."""
MODES: dict[str, tuple[Grade, ...]] = {
    "any failure": (Grade.CLEAR, Grade.FUSED, Grade.LOST),
    "minor": (Grade.MINOR,),
    "fused": (Grade.FUSED,),
    "lost": (Grade.LOST,),
}
"""Kinds of fault whose beginning is looked for."""


@dataclass(frozen=True)
class Belief:
    """What is believed of a checkpoint; see :class:`service.rankings.posterior.Posterior`."""

    cost: float
    interval: tuple[float, float]
    p_best: float
    regret: float


@dataclass(frozen=True)
class Onset:
    """A fault that is more frequent from some epoch on.

    Attributes:
        run: name of the run.
        check: name of the check.
        mode: key of :data:`MODES`.
        scenario: name, ``None`` for all together.
        epoch: the most probable first epoch with more of it.
        interval: first and last epoch it may be, 95 % credible.
        probability: that there is a rise at all, 0..1.
        before: its rate before.
        after: its rate from then on.
    """

    run: str
    check: str
    mode: str
    scenario: str | None
    epoch: int
    interval: tuple[int, int]
    probability: float
    before: float
    after: float


@dataclass(frozen=True)
class RunComparison:
    """Two runs on the same suite and seeds; of ``flipped`` images that fail in one only, ``flips`` are the first."""

    first: str
    second: str
    differences: tuple[RateDifference, ...]
    flips: tuple[Flip, ...]
    flipped: int


@dataclass(frozen=True)
class Ranking:
    """What follows from the outcomes, for one use.

    Attributes:
        table: all images.
        used: those of the scenarios that count for the use, without pinned seeds.
        use: what the checkpoints are wanted for.
        scoring: what an image costs.
        board: checkpoints, best first.
        control: the base model's own figures.
        recommendation: which one to use, and what it cannot be told apart from.
        beliefs: by run and epoch; those that may not be recommended have none.
        smoothing: how far neighbouring epochs of each run speak for each other.
        cochran: whether all checkpoints fail equally often.
        onsets: faults that set in, the surest first.
        series: how many series of counts were searched for an onset.
        causes: whose fault the recommended checkpoint's failures are.
        phrasings: two ways to ask for the same picture.
        clean: chances of clean pictures, by checkpoint and scenario.
        locking: by run, looks that lock.
        curves: by run, numbers by epoch, such as likeness and sharpness.
        following: by run, how asked changes are followed.
        runs: the comparison, if there are two runs.
        absences: where something is lost because it is not there, and whether another picture shows it.
    """

    table: OutcomeTable
    used: OutcomeTable
    use: Use
    scoring: Scoring
    board: tuple[LeaderboardEntry, ...]
    control: LeaderboardEntry | None
    recommendation: Recommendation
    beliefs: Mapping[Checkpoint, Belief]
    smoothing: Mapping[str, Smoothing]
    cochran: CochranTest
    onsets: tuple[Onset, ...]
    series: int
    causes: tuple[Cause, ...]
    phrasings: tuple[PhrasingComparison, ...]
    clean: tuple[CleanChance, ...]
    locking: Mapping[str, tuple[Locking, ...]]
    curves: Mapping[str, tuple[Curve, ...]]
    following: Mapping[str, Following]
    runs: RunComparison | None
    absences: tuple[SecondLook, ...]


def rank(
    table: OutcomeTable,
    *,
    use: Use | None = None,
    scenarios: Sequence[ScenarioFacts] = (),
    scoring: Scoring | None = None,
    measures: Measures | None = None,
    places: Mapping[Checkpoint, int] | None = None,
    among: Collection[Checkpoint] | None = None,
    seed: int = 0,
) -> Ranking:
    """Rank checkpoints, and say what follows.

    Args:
        table: all images, pinned seeds and the control too.
        use: what the checkpoints are wanted for; by default everything in the suite.
        scenarios: what is known of them.
        scoring: what faults cost; the use's weights come on top.
        measures: measures per cell, for locking.
        places: the board's order where something else has decided it, such as a race; those without one come last.
        among: only one of these may be recommended, and only they are compared with it: those still in a race.
        seed: drives draws and shuffles: the same images always give the same answer.
    """
    use = use or Use()
    facts = {fact.name: fact for fact in scenarios}
    scoring = Scoring((scoring or Scoring()).severities, use.weights)
    used = use.restrict(table, facts).rated
    rng = np.random.default_rng(seed)
    board = tuple(build_leaderboard(use.restrict(table, facts), scoring))
    if places:
        board = tuple(sorted(board, key=lambda entry: places.get((entry.run, entry.epoch), len(places))))
    onsets, series = search_onsets(used, [entry.run for entry in board])
    breaks = {run: onset.epoch for run, onset in breaks_from(onsets).items()}
    beliefs, smoothing = believe(used, board, scoring, rng, breaks)
    racing = [entry for entry in board if among is None or (entry.run, entry.epoch) in among]
    advice = recommend(racing)
    choice = _choose(advice, beliefs, onsets)
    if choice is not advice.entry:
        advice = recommend(racing, choice, _why(advice, choice, beliefs, onsets), advice.comparisons)
    looks = measures or {}
    runs = list(dict.fromkeys(run for run, _ in table.checkpoints if run != CONTROL))
    chosen = advice.entry
    return Ranking(
        table=table,
        used=used,
        use=use,
        scoring=scoring,
        board=board,
        control=control_entry(use.restrict(table, facts), scoring),
        recommendation=advice,
        beliefs=beliefs,
        smoothing=smoothing,
        cochran=_cochran(board, rng),
        onsets=onsets,
        series=series,
        causes=tuple(attribute(used, (chosen.run, chosen.epoch))) if chosen else (),
        phrasings=tuple(compare_phrasings(table, facts)),
        clean=tuple(clean_chances(table)),
        locking={run: tuple(measure_locking(looks, run, name) for name in _names(looks, run, str)) for run in runs},
        curves={
            run: tuple(measure_curve(looks, run, name) for name in _names(looks, run, (int, float))) for run in runs
        },
        following={run: measure_following(table, run) for run in runs},
        runs=_compare(used, use.restrict(table, facts), scoring, runs, rng) if len(runs) == 2 else None,
        absences=tuple(second_look(used)),
    )


def believe(
    used: OutcomeTable,
    board: Sequence[LeaderboardEntry],
    scoring: Scoring,
    rng: np.random.Generator,
    breaks: Mapping[str, int],
) -> tuple[dict[Checkpoint, Belief], dict[str, Smoothing]]:
    """The posterior over the checkpoints that may be recommended."""
    unseen = {(entry.run, entry.epoch) for entry in too_few_hits(board)}
    names = [
        (entry.run, entry.epoch) for entry in board if entry.tally.measured and (entry.run, entry.epoch) not in unseen
    ]
    names.sort(key=lambda name: (name[0], name[1] is None, name[1] or 0))
    costs, places = scoring.by_cell(used, [used.checkpoints.index(name) for name in names])
    runs, epochs = [run for run, _ in names], [epoch for _, epoch in names]
    belief = posterior(costs, places, runs, epochs, rng, dearest=scoring.dearest, breaks=breaks)
    found = {
        name: Belief(
            cost=float(belief.mean[place]),
            interval=(float(belief.interval[place, 0]), float(belief.interval[place, 1])),
            p_best=float(belief.p_best[place]),
            regret=float(belief.regret[place]),
        )
        for place, name in enumerate(names)
    }
    return found, belief.smoothing


def search_onsets(used: OutcomeTable, runs: Sequence[str]) -> tuple[tuple[Onset, ...], int]:
    """Search every run, check, mode and scenario (and all scenarios together) for a fault that sets in.

    What is believed before looking is how many of all these series rise (:func:`share_of_rises`), so that searching
    many does not find what is not there.

    Returns:
        Those that are probable, surest first, and how many series had any such fault at all.
    """
    parts = [_series(used, run, mode) for run in dict.fromkeys(runs) for mode in MODES]
    odds = np.concatenate([_odds(onsets) for _, _, onsets in parts]) if parts else np.zeros(0)
    share = share_of_rises(odds)
    found = []
    for (run, mode), (places, epochs, onsets) in zip(
        [(run, mode) for run in dict.fromkeys(runs) for mode in MODES], parts, strict=True
    ):
        chances = share * _odds(onsets) / (1 - share + share * _odds(onsets))
        for row in np.flatnonzero(chances >= SURE).tolist():
            scenario, check = places[row]
            found.append(
                Onset(
                    run=run,
                    check=used.checks[check],
                    mode=mode,
                    scenario=used.scenarios[scenario] if scenario < len(used.scenarios) else None,
                    epoch=epochs[int(onsets.first[row])],
                    interval=(epochs[int(onsets.low[row])], epochs[int(onsets.high[row])]),
                    probability=float(chances[row]),
                    before=float(onsets.before[row]),
                    after=float(onsets.after[row]),
                )
            )
    return tuple(sorted(found, key=lambda item: (-item.probability, item.run, item.check, item.mode))), len(odds)


def _series(used: OutcomeTable, run: str, mode: str) -> tuple[list[tuple[int, int]], list[int], Onsets]:
    """Places (scenario, check) with any such fault, the last scenario being all together; epochs; their onsets."""
    codes = [code for code, (name, epoch) in enumerate(used.checkpoints) if name == run and epoch is not None]
    counts = used.count_checks()[codes]
    counts = np.concatenate([counts, counts.sum(axis=1, keepdims=True)], axis=1)
    faults, totals = counts[..., list(MODES[mode])].sum(axis=-1), counts[..., MEASURED_GRADES].sum(axis=-1)
    places = [
        (scenario, check)
        for scenario, check in np.argwhere(faults.sum(axis=0) > 0).tolist()
        if used.checks[check] not in APART_CHECKS
    ]
    at = np.array(places, dtype=np.int64).reshape(-1, 2).T
    onsets = find_onsets(faults[:, at[0], at[1]].T, totals[:, at[0], at[1]].T)
    return places, [used.checkpoints[code][1] or 0 for code in codes], onsets


def _odds(onsets: Onsets) -> NDArray[np.float64]:
    return np.asarray(onsets.probability / np.maximum(1 - onsets.probability, 1e-12))


def _choose(
    advice: Recommendation, beliefs: Mapping[Checkpoint, Belief], onsets: Sequence[Onset]
) -> LeaderboardEntry | None:
    """Of those that cannot be told apart from the leader, the one that is expected to cost least.

    One from before a breakage sets in is preferred to one from after it, whatever its cost.
    """
    if advice.entry is None:
        return None
    breaks = breaks_from(onsets)

    def order(entry: LeaderboardEntry) -> tuple[bool, float]:
        limit = breaks.get(entry.run)
        belief = beliefs.get((entry.run, entry.epoch))
        broken = limit is not None and entry.epoch is not None and entry.epoch >= limit.epoch
        return (broken, belief.cost if belief else 1.0)

    # The leader comes first, so that it stays where nothing is better.
    return min([advice.entry, *advice.tied_with], key=order)


def _why(
    advice: Recommendation,
    choice: LeaderboardEntry | None,
    beliefs: Mapping[Checkpoint, Belief],
    onsets: Sequence[Onset],
) -> str:
    """Why the choice is preferred to the leader, in words that need no statistics."""
    leader = advice.leader
    if choice is None or leader is None:
        return ""
    limit = breaks_from(onsets).get(leader.run)
    if limit is not None and leader.epoch is not None and leader.epoch >= limit.epoch:
        return f"in {leader.run} failures in {limit.check.replace('_', ' ')} set in at epoch {limit.epoch}"
    mine, theirs = choice.severity_score, leader.severity_score
    if mine is not None and theirs is not None and mine < theirs:
        return "its faults are milder (see the severity score), so that it is expected to do better on new images"
    return "counting the epochs next to each of them as well, it is expected to do better on new images"


def breaks_from(onsets: Sequence[Onset]) -> dict[str, Onset]:
    """By run, the earliest failure that sets in over all the scenarios that count."""
    first: dict[str, Onset] = {}
    for onset in onsets:
        if onset.scenario is None and onset.mode != "minor":
            known = first.get(onset.run)
            if known is None or onset.epoch < known.epoch:
                first[onset.run] = onset
    return first


def _cochran(board: Sequence[LeaderboardEntry], rng: np.random.Generator) -> CochranTest:
    """Over the cells that were measured on every checkpoint that has a measured one."""
    measured = [entry.cells.measured() for entry in board if entry.tally.measured]
    if len(measured) < 2:
        return CochranTest(None, None, False, 0, 0)
    common = measured[0][0]
    for codes, _ in measured[1:]:
        common = np.intersect1d(common, codes, assume_unique=True)
    return cochran(np.stack([fails[np.searchsorted(codes, common)] for codes, fails in measured], axis=1), rng)


def _names(measures: Measures, run: str, kind: type | tuple[type, ...]) -> list[str]:
    """Names of a run's measures of one kind: words lock, numbers make curves."""
    own = (values for cell, values in measures.items() if cell[0] == run)
    return sorted({name for values in own for name, value in values.items() if isinstance(value, kind)})


def _compare(
    used: OutcomeTable, shown: OutcomeTable, scoring: Scoring, runs: Sequence[str], rng: np.random.Generator
) -> RunComparison:
    first, second = sorted(runs)
    differences = tuple(compare_runs(used, first, second, check=check, rng=rng) for check in (None, *used.checks))
    flips, total = flipped(shown, first, second, checks=scoring.checks(shown), limit=MAX_FLIPS)
    return RunComparison(first, second, differences, tuple(flips), total)
