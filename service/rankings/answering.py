"""From a ranking to the answer as data, and to the words made from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from service.rankings.attribution import Cause, Kind
from service.rankings.good_pictures import CleanChance
from service.rankings.leaderboard import LeaderboardEntry
from service.rankings.locking import EpochRate, Measures
from service.rankings.outcomes import Grade, judgement_of
from service.rankings.phrasings import Hits
from service.rankings.ranking import Onset, Ranking, rank
from service.rankings.recommendation import listed, percent
from service.rankings.schemas import LeaderboardAnswer
from service.rankings.second_look import SecondLook
from service.rankings.sweet_spot import SweetSpot, find_sweet_spot
from service.rankings.table_of_outcomes import Checkpoint, OutcomeTable
from service.rankings.tables import state_word
from service.rankings.uses import ScenarioFacts, Scoring, Use

MAX_KEEPERS = 24
MAX_PINNED = 1000
_MAX_ONSETS_SAID = 3
_MAX_CAUSES_SAID = 3


def answer(
    table: OutcomeTable,
    *,
    use: Use | None = None,
    scenarios: Sequence[ScenarioFacts] = (),
    scoring: Scoring | None = None,
    measures: Measures | None = None,
    places: Mapping[Checkpoint, int] | None = None,
) -> LeaderboardAnswer:
    """The leaderboard's answer; see :func:`service.rankings.ranking.rank` for the arguments."""
    ranking = rank(table, use=use, scenarios=scenarios, scoring=scoring, measures=measures, places=places)
    return answer_of(ranking, find_sweet_spot(ranking, scenarios))


def answer_of(ranking: Ranking, spot: SweetSpot) -> LeaderboardAnswer:
    """A ranking and its sweet spot as data."""
    advice = ranking.recommendation
    clean: dict[Checkpoint, dict[str, Any]] = defaultdict(dict)
    for chance in ranking.clean:
        clean[chance.checkpoint][chance.scenario] = _clean(chance)
    onsets = [_onset(onset) for onset in ranking.onsets]
    level = [advice.leader, *(item.other for item in advice.comparisons if not item.separable)]
    data: dict[str, Any] = {
        "use": ranking.use.name,
        "leaderboard": [_entry(ranking, entry, clean) for entry in ranking.board],
        "control": None
        if ranking.control is None
        else {**ranking.control.to_json(), "good_pictures": clean[ranking.control.run, ranking.control.epoch]},
        "recommendation": advice.to_json(),
        "not_separable": [{"run": each.run, "epoch": each.epoch} for each in level if each is not None],
        "all_equal": asdict(ranking.cochran),
        "sweet_spot": _sweet_spot(spot),
        "onsets": onsets,
        "onsets_searched": ranking.series,
        "causes": [{**asdict(cause), "rate": cause.rate} for cause in ranking.causes],
        "phrasings": [
            {**asdict(each), "original": _hits(each.original), "variant": _hits(each.variant)}
            for each in ranking.phrasings
        ],
        "by_run": {run: _run(ranking, run) for run in ranking.following},
        "runs": _runs(ranking),
        "second_look": [_second_look(each) for each in ranking.absences],
        "pinned": list(_pinned(ranking.table)),
        "summary": list(summarise(ranking, spot)),
    }
    return LeaderboardAnswer.model_validate(data)


def summarise(ranking: Ranking, spot: SweetSpot) -> Iterator[str]:
    """The answer in plain words, most important first."""
    first, *rest = ranking.recommendation.sentences
    chosen = ranking.recommendation.entry
    if ranking.use.name != "all":
        words = ranking.use.words
        first = first.replace(": ", f" for {words}: ", 1) if chosen else f"For {words}: {first}"
    yield first
    yield from rest
    if chosen is None:
        return
    belief = ranking.beliefs.get((chosen.run, chosen.epoch))
    if belief is not None and len(ranking.beliefs) > 1:
        yield f"The chance that {chosen.label} really costs least is {percent(belief.p_best)}."
    yield from spot.trade_offs
    yield from (_onset_words(onset) for onset in ranking.onsets[:_MAX_ONSETS_SAID] if onset is not spot.breaks_from)
    yield from _causes_in_words(ranking.causes)
    yield from _phrasings_in_words(ranking)
    yield from _absences_in_words(ranking.absences, chosen)
    yield from spot.would_change


def _entry(ranking: Ranking, entry: LeaderboardEntry, clean: dict[Checkpoint, dict[str, Any]]) -> dict[str, Any]:
    belief = ranking.beliefs.get((entry.run, entry.epoch))
    return {
        **entry.to_json(),
        "expected_cost": belief.cost if belief else None,
        "expected_cost_interval": belief.interval if belief else None,
        "p_best": belief.p_best if belief else None,
        "expected_regret": belief.regret if belief else None,
        "standing": _standing(ranking, entry),
        "good_pictures": clean[entry.run, entry.epoch],
    }


def _standing(ranking: Ranking, entry: LeaderboardEntry) -> str:
    advice = ranking.recommendation
    groups: tuple[tuple[str, Iterable[LeaderboardEntry | None]], ...] = (
        ("recommended", (advice.entry,)),
        ("tied", advice.tied_with),
        ("too few hits", advice.too_few_hits),
        ("too few judged", advice.too_few_judged),
    )
    return next((word for word, members in groups if any(entry is each for each in members)), "worse")


def _clean(chance: CleanChance) -> dict[str, Any]:
    return {
        "clean": chance.clean,
        "measured": chance.measured,
        "chance": chance.chance,
        "interval": chance.interval,
        "needed": chance.needed,
        "needed_at_most": chance.needed_at_most,
        "keepers": list(chance.keepers[:MAX_KEEPERS]),
    }


def _sweet_spot(spot: SweetSpot) -> dict[str, Any]:
    run, epoch = spot.checkpoint or (None, None)
    return {
        "run": run,
        "epoch": epoch,
        "locked_from": spot.locked_from,
        "breaks_from": _onset(spot.breaks_from) if spot.breaks_from else None,
        "unfollowing_from": spot.unfollowing_from,
        "trade_offs": list(spot.trade_offs),
        "would_change": list(spot.would_change),
    }


def _onset(onset: Onset) -> dict[str, Any]:
    return {**asdict(onset), "sentence": _onset_words(onset)}


def _onset_words(onset: Onset) -> str:
    what = onset.check.replace("_", " ")
    fault = {"any failure": f"fails in {what}", "minor": f"is slightly off in {what}"}.get(
        onset.mode, f"is {onset.mode} in {what}"
    )
    where = f"In {onset.scenario} {onset.run}" if onset.scenario else onset.run
    first, last = onset.interval
    span = f" (between {first} and {last})" if first != last else ""
    return (
        f"{where} {fault} more often from epoch {onset.epoch}{span}: {percent(onset.before)} before, "
        f"{percent(onset.after)} after."
    )


def _hits(hits: Hits) -> dict[str, Any]:
    return {**asdict(hits), "rate": hits.rate}


def _run(ranking: Ranking, run: str) -> dict[str, Any]:
    following = ranking.following[run]
    smoothing = ranking.smoothing.get(run)
    return {
        "locking": [{**asdict(locking), "points": _points(locking.points)} for locking in ranking.locking.get(run, ())],
        "curves": [asdict(curve) for curve in ranking.curves.get(run, ())],
        "following": {**asdict(following), "points": _points(following.points)},
        "smoothing_width": smoothing.width if smoothing and smoothing.strength else None,
        "smoothing_strength": smoothing.strength if smoothing else 0.0,
    }


def _points(points: Sequence[EpochRate]) -> list[dict[str, Any]]:
    return [asdict(point) for point in points]


def _runs(ranking: Ranking) -> dict[str, Any] | None:
    compared = ranking.runs
    if compared is None:
        return None
    return {
        "first": compared.first,
        "second": compared.second,
        "differences": [difference.to_json() for difference in compared.differences],
        "flipped_total": compared.flipped,
        "flipped": [
            {
                "scenario": flip.scenario,
                "seed": flip.seed,
                "epoch": flip.epoch,
                "first": state_word(judgement_of(flip.first)),
                "second": state_word(judgement_of(flip.second)),
            }
            for flip in compared.flips
        ],
    }


def _pinned(table: OutcomeTable) -> Iterator[dict[str, Any]]:
    grades = table.image_grades()
    for row in np.flatnonzero(table.pinned)[:MAX_PINNED].tolist():
        run, epoch = table.checkpoints[int(table.checkpoint[row])]
        yield {
            "run": run,
            "epoch": epoch,
            "scenario": table.scenarios[int(table.scenario[row])],
            "seed": int(table.seed[row]),
            "state": state_word(judgement_of(Grade(int(grades[row])))),
        }


def _causes_in_words(causes: Sequence[Cause]) -> Iterator[str]:
    for kind, words in (
        (Kind.BASE, "is likely no fault of the LoRA: without it the base model fails there about as often"),
        (Kind.SYSTEMATIC, "happens on at least half of the seeds: that is the checkpoint's doing"),
    ):
        found = [cause for cause in causes if cause.kind is kind and cause.fails > 1][:_MAX_CAUSES_SAID]
        if found:
            places = [
                f"{cause.check.replace('_', ' ')} in {cause.scenario} ({cause.fails} of {cause.measured})"
                for cause in found
            ]
            yield f"What fails in {listed(places)} {words}."
    rest = [cause for cause in causes if cause.kind is Kind.OCCASIONAL]
    if rest:
        yield (
            f"{'The other' if len(rest) < len(causes) else 'Its'} failures come and go with the seed: generate a few "
            "and pick a good one."
        )


def _second_look(found: SecondLook) -> dict[str, Any]:
    run, epoch = found.checkpoint
    return {
        "run": run,
        "epoch": epoch,
        "check": found.check,
        "absent": found.absent,
        "unseen": found.unseen,
        "rate": found.rate,
        "rate_without": found.rate_without,
        "interval_without": found.interval_without,
    }


def _absences_in_words(absences: Sequence[SecondLook], chosen: LeaderboardEntry) -> Iterator[str]:
    """For each check, how much that is called lost may be covered, and what that means for the chosen checkpoint."""
    for check in dict.fromkeys(each.check for each in absences):
        found = [each for each in absences if each.check == check]
        absent, unseen = sum(each.absent for each in found), sum(each.unseen for each in found)
        if not unseen:
            continue
        told = (
            f"Of {absent} images that fail {check.replace('_', ' ')} because something is not there, {unseen} have a "
            "prompt and seed at which no picture shows it: it may be covered."
        )
        own = next((each for each in found if each.checkpoint == (chosen.run, chosen.epoch)), None)
        if own is not None and own.unseen and own.rate_without is not None:
            told += (
                f" Without these {chosen.label} fails on {percent(own.rate_without)} instead of {percent(own.rate)}."
            )
        yield told


def _phrasings_in_words(ranking: Ranking) -> Iterator[str]:
    chosen = ranking.recommendation.entry
    for each in ranking.phrasings:
        if (
            chosen is None
            or each.run != chosen.run
            or each.interval is None
            or each.interval[0] <= 0 <= each.interval[1]
        ):
            continue
        better, other = (each.variant, each.original) if each.interval[0] > 0 else (each.original, each.variant)
        yield (
            f"Ask for it as in {better.scenario}: the pose comes out on {percent(better.rate or 0.0)} of the images, "
            f"as in {other.scenario} on {percent(other.rate or 0.0)}."
        )
