"""The sweet spot: which checkpoint for a stated use, what it costs, and what would change the answer."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from detectors.findings import Severity
from service.rankings.comparison import ALPHA, comparisons_shared, failures_needed
from service.rankings.leaderboard import LeaderboardEntry
from service.rankings.outcomes import CONTROL
from service.rankings.posterior import expected_costs
from service.rankings.ranking import Onset, Ranking, breaks_from
from service.rankings.recommendation import percent
from service.rankings.table_of_outcomes import Checkpoint, OutcomeTable
from service.rankings.uses import USES, ScenarioFacts, Scoring

POWER = 0.8
_MAX_CHECKS = 3


@dataclass(frozen=True)
class SweetSpot:
    """The answer for one use.

    Attributes:
        checkpoint: run and epoch; ``None`` if none can be recommended.
        locked_from: first epoch of its run at which every measured look is locked: the lower bound; ``None`` if no
            measure says.
        breaks_from: the earliest failure of its run that sets in: the upper bound; ``None`` if none does.
        unfollowing_from: first epoch of its run that follows an asked change less; ``None`` if it is not to be seen.
        trade_offs: what is given up, one sentence each.
        would_change: what would change the answer, one sentence each.
    """

    checkpoint: Checkpoint | None
    locked_from: int | None
    breaks_from: Onset | None
    unfollowing_from: int | None
    trade_offs: tuple[str, ...]
    would_change: tuple[str, ...]


def find_sweet_spot(ranking: Ranking, scenarios: Sequence[ScenarioFacts] = ()) -> SweetSpot:
    """Put the recommendation between locking and breaking, and say what it costs."""
    chosen = ranking.recommendation.entry
    if chosen is None:
        return SweetSpot(None, None, None, None, (), ())
    locked = [locking.locked_from for locking in ranking.locking.get(chosen.run, ()) if locking.points]
    following = ranking.following.get(chosen.run)
    bounds = SweetSpot(
        checkpoint=(chosen.run, chosen.epoch),
        locked_from=max((epoch for epoch in locked if epoch is not None), default=None) if None not in locked else None,
        breaks_from=breaks_from(ranking.onsets).get(chosen.run),
        unfollowing_from=following.lost_from if following else None,
        trade_offs=(),
        would_change=(),
    )
    return SweetSpot(
        bounds.checkpoint,
        bounds.locked_from,
        bounds.breaks_from,
        bounds.unfollowing_from,
        (*_bounds(chosen, bounds), *_checks(ranking, chosen), *_curves(ranking, chosen)),
        tuple(_changes(ranking, chosen, scenarios)),
    )


def pairs_to_tell_apart(first_only: int, second_only: int, pairs: int, comparisons: float = 1) -> int | None:
    """How many images of each would tell two checkpoints apart, if they go on differing as they do now.

    The usual size for McNemar's test (Connor 1987) with a chance of 80 % to see it, two-sided 5 % shared by all
    comparisons, and no fewer than the exact test can work with. ``None`` where they do not differ.

    >>> pairs_to_tell_apart(2, 8, 50), pairs_to_tell_apart(2, 8, 50, comparisons=7)
    (107, 171)
    """
    if not pairs or first_only == second_only:
        return None
    differing, gap = (first_only + second_only) / pairs, abs(first_only - second_only) / pairs
    at = NormalDist().inv_cdf(1 - ALPHA / (2 * max(1, comparisons)))
    sight = NormalDist().inv_cdf(POWER)
    needed = (at * math.sqrt(differing) + sight * math.sqrt(max(0.0, differing - gap**2))) ** 2 / gap**2
    return max(math.ceil(needed), math.ceil(failures_needed(comparisons) / gap))


def cheapest(
    table: OutcomeTable, scoring: Scoring, among: Sequence[Checkpoint], breaks: Mapping[str, int]
) -> Checkpoint | None:
    """The checkpoint of least expected cost, smoothed over neighbouring epochs; ``None`` without a measured image."""
    costs, places = scoring.by_cell(table, [table.checkpoints.index(name) for name in among])
    known = np.flatnonzero((~np.isnan(costs)).any(axis=1)).tolist()
    if not known:
        return None
    names = [among[place] for place in known]
    runs, epochs = [run for run, _ in names], [epoch for _, epoch in names]
    expected = expected_costs(costs[known], places, runs, epochs, scoring.dearest, breaks)
    return names[int(np.argmin(expected))]


def _bounds(chosen: LeaderboardEntry, spot: SweetSpot) -> Iterator[str]:
    """Where the checkpoint lies between locking and breaking."""
    if spot.locked_from is not None:
        before = chosen.epoch is not None and chosen.epoch < spot.locked_from
        yield (
            f"The look of {chosen.run} is locked from epoch {spot.locked_from} on"
            + ("; before, as here, it still changes from seed to seed." if before else ", so it is here.")
        )
    limit = spot.breaks_from
    if limit is not None:
        after = chosen.epoch is not None and chosen.epoch >= limit.epoch
        yield (
            f"From epoch {limit.epoch} on, {chosen.run} fails more often in {limit.check.replace('_', ' ')} "
            f"({percent(limit.before)} before, {percent(limit.after)} after): "
            + ("this one is past that." if after else "this one is before that.")
        )
    if spot.unfollowing_from is not None:
        after = chosen.epoch is not None and chosen.epoch >= spot.unfollowing_from
        yield (
            f"From epoch {spot.unfollowing_from} on, {chosen.run} follows asked changes less: "
            + ("this one is over-baked in that." if after else "this one still follows.")
        )


def _checks(ranking: Ranking, chosen: LeaderboardEntry) -> Iterator[str]:
    """Where another checkpoint that may be recommended does better: the largest gaps first."""
    blocked = (*ranking.recommendation.too_few_hits, *ranking.recommendation.too_few_judged)
    rivals = [entry for entry in ranking.board if entry is not chosen and not any(entry is each for each in blocked)]
    gaps = []
    for check, own in chosen.checks.items():
        if own.rate is None:
            continue
        rates = [(entry.checks[check].rate, place) for place, entry in enumerate(rivals) if check in entry.checks]
        lowest = min(((rate, place) for rate, place in rates if rate is not None), default=None)
        if lowest is not None and lowest[0] < own.rate:
            gaps.append((own.rate - lowest[0], check, rivals[lowest[1]], own.rate, lowest[0]))
    for _, check, rival, rate, best in sorted(gaps, key=lambda gap: -gap[0])[:_MAX_CHECKS]:
        yield f"In {check.replace('_', ' ')} {rival.label} fails on {percent(best)} against {percent(rate)} here."
    better = [entry for entry in rivals if (entry.hit_rate or 0.0) > (chosen.hit_rate or 0.0) + 0.05]
    if chosen.hit_rate is not None and better:
        best_hits = max(better, key=lambda entry: entry.hit_rate or 0.0)
        yield (
            f"The asked pose comes out on {percent(chosen.hit_rate)} of its images; {best_hits.label} brings it out on "
            f"{percent(best_hits.hit_rate or 0.0)}."
        )


def _curves(ranking: Ranking, chosen: LeaderboardEntry) -> Iterator[str]:
    """Numbers of which another epoch of the run has more, beyond what other seeds would change."""
    for curve in ranking.curves.get(chosen.run, ()):
        own = next((point for point in curve.points if point.epoch == chosen.epoch), None)
        if own is None or own.interval is None:
            continue
        sure = [point for point in curve.points if point.interval is not None and point.interval[0] > own.interval[1]]
        if sure:
            best = max(sure, key=lambda point: point.mean)
            yield f"The {curve.name} is {own.mean:.2f} here and highest at epoch {best.epoch}, {best.mean:.2f}."


def _changes(ranking: Ranking, chosen: LeaderboardEntry, scenarios: Sequence[ScenarioFacts]) -> Iterator[str]:
    own = (chosen.run, chosen.epoch)
    among = [name for name in ranking.beliefs if name[0] != CONTROL]
    facts = {fact.name: fact for fact in scenarios}
    breaks = {run: onset.epoch for run, onset in breaks_from(ranking.onsets).items()}
    if not ranking.use.weights:
        for use in USES.values():
            part = use.restrict(ranking.table, facts).rated
            if use.name == ranking.use.name or len(part) == len(ranking.used):
                continue  # the same use, or by this suite the same pictures
            other = cheapest(part, ranking.scoring, among, breaks)
            if other is not None and other != own:
                yield f"For {use.words}, {_label(other)} is expected to cost less."
    for words, severities in (("lost hands and limbs", (Severity.LOST,)), ("failures of any kind, alike,", FAILURES)):
        other = cheapest(ranking.used, ranking.scoring.only(*severities), among, breaks)
        if other is not None and other != own and _any_of(ranking, severities):
            yield f"If only {words} counted, it would be {_label(other)}."
    yield from _more_images(ranking, chosen)
    bounds = chosen.bounds
    if chosen.tally.not_measurable and bounds is not None and ranking.recommendation.tied_with:
        worst = next(
            (entry for entry in ranking.recommendation.tied_with if (entry.failure_rate or 1) < bounds[1]), None
        )
        if worst is not None:
            count = chosen.tally.not_measurable
            which, them = ("its one image", "it") if count == 1 else (f"all of its {count} images", "them")
            yield f"If {which} that could not be judged failed, {worst.label} would be ahead: judge {them} by eye."


FAILURES = (Severity.CLEAR, Severity.FUSED, Severity.LOST)


def _any_of(ranking: Ranking, severities: Sequence[Severity]) -> bool:
    costs = ranking.scoring.only(*severities).costs(ranking.used)
    return bool((np.nan_to_num(costs) > 0).any())


def _more_images(ranking: Ranking, chosen: LeaderboardEntry) -> Iterator[str]:
    """How many images would settle it between the leader and the one that comes closest to it in expected cost."""
    advice = ranking.recommendation
    leader = advice.leader
    level = [entry for entry in (chosen, *advice.tied_with) if entry is not leader]
    if leader is None or not level:
        return
    nearest = min(level, key=lambda entry: _cost(ranking, entry))
    item = next(each for each in advice.comparisons if each.other is nearest)
    needed = pairs_to_tell_apart(item.leader_only, item.other_only, item.pairs, comparisons_shared(advice.comparisons))
    if needed is None:
        yield f"More seeds: on these {item.pairs} images {leader.label} and {nearest.label} fail equally often."
        return
    yield (
        f"More seeds: {leader.label} and {nearest.label} would be told apart by about {needed} images each, if they go "
        f"on differing as they do on these {item.pairs}."
    )


def _cost(ranking: Ranking, entry: LeaderboardEntry) -> float:
    belief = ranking.beliefs.get((entry.run, entry.epoch))
    return belief.cost if belief else 1.0


def _label(checkpoint: Checkpoint) -> str:
    run, epoch = checkpoint
    return run if epoch is None else f"{run} epoch {epoch}"
