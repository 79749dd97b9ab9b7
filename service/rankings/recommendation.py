"""Which checkpoint to use, in plain words, and how sure that is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from service.rankings.comparison import (
    PairedComparison,
    compare_with_leader,
    comparisons_shared,
    failures_needed,
)
from service.rankings.leaderboard import LeaderboardEntry

MIN_MEASURED_SHARE = 0.5
"""A checkpoint is recommended only if at least this part of all its images got a verdict."""
MIN_HIT_SHARE = 0.5
"""... and if it produces the asked pose at least this often, compared with the checkpoint that does so most often."""
MIN_HIT_RATE = 0.1
"""... and at least this often at all. What is not drawn cannot fail: nobody may win by drawing something else."""


@dataclass(frozen=True)
class Recommendation:
    """The answer.

    Attributes:
        entry: the checkpoint to use; ``None`` if there is not enough data for any.
        tied_with: checkpoints, judged often enough, that cannot be told apart from it on these images.
        comparisons: every other checkpoint against it, in the leaderboard's order.
        too_few_judged: checkpoints that got a verdict on too few of their images to be placed, however they rank.
        too_few_hits: checkpoints that too seldom produce the asked pose to be recommended, however they rank.
        leader: the one that the others are compared with: the best-ranked that may be recommended. It is ``entry``
            unless another one, that cannot be told apart from it, was chosen for better reasons.
        sentences: the answer for people, most important first; the first one names the checkpoint.
    """

    entry: LeaderboardEntry | None
    tied_with: tuple[LeaderboardEntry, ...]
    comparisons: tuple[PairedComparison, ...]
    too_few_judged: tuple[LeaderboardEntry, ...]
    sentences: tuple[str, ...]
    too_few_hits: tuple[LeaderboardEntry, ...] = ()
    leader: LeaderboardEntry | None = None

    @property
    def worse(self) -> tuple[LeaderboardEntry, ...]:
        """Checkpoints that fail more often than chance explains."""
        return tuple(comparison.other for comparison in self.comparisons if comparison.separable)

    def to_json(self) -> dict[str, Any]:
        """The recommendation as plain JSON values."""
        return {
            "run": self.entry.run if self.entry else None,
            "epoch": self.entry.epoch if self.entry else None,
            "tied_with": [{"run": entry.run, "epoch": entry.epoch} for entry in self.tied_with],
            "too_few_judged": [{"run": entry.run, "epoch": entry.epoch} for entry in self.too_few_judged],
            "too_few_hits": [{"run": entry.run, "epoch": entry.epoch} for entry in self.too_few_hits],
            "leader": {"run": self.leader.run, "epoch": self.leader.epoch} if self.leader else None,
            "comparisons": [comparison.to_json() for comparison in self.comparisons],
            "sentences": list(self.sentences),
        }


def recommend(
    leaderboard: Sequence[LeaderboardEntry],
    choice: LeaderboardEntry | None = None,
    reason: str = "",
    known: Sequence[PairedComparison] | None = None,
) -> Recommendation:
    """Pick the best-ranked checkpoint that was measured often enough, and say how far that can be trusted.

    Args:
        leaderboard: entries, best first, as :func:`service.rankings.build_leaderboard` returns them.
        choice: recommend this one instead, if it cannot be told apart from the best-ranked.
        reason: why, as the end of a sentence that begins with "because".
        known: the comparisons of an earlier recommendation from this leaderboard, which save making them again.
    """
    unseen = too_few_hits(leaderboard)
    leader = next((entry for entry in leaderboard if _is_judged(entry) and entry not in unseen), None)
    if leader is None:
        blank = tuple(entry for entry in leaderboard if entry not in unseen)
        return Recommendation(None, (), (), blank, (_not_enough(leaderboard, unseen),), tuple(unseen))
    rivals = [entry for entry in leaderboard if entry is not leader]
    comparisons = tuple(compare_with_leader(leader, rivals) if known is None else known)
    open_ones = [comparison.other for comparison in comparisons if not comparison.separable]
    level = [leader, *(entry for entry in open_ones if _is_judged(entry) and entry not in unseen)]
    chosen = choice if choice is not None and any(entry is choice for entry in level) else leader
    tied = tuple(entry for entry in level if entry is not chosen)
    too_few = tuple(entry for entry in open_ones if not _is_judged(entry) and entry not in unseen)
    sentences = [
        *_headline(chosen, tied, leader),
        *_preferred(chosen, leader, reason),
        *_standing(chosen, tied, comparisons, unseen, leader),
        *_caveats(chosen, too_few, unseen),
    ]
    return Recommendation(chosen, tied, comparisons, too_few, tuple(sentences), tuple(unseen), leader)


def too_few_hits(leaderboard: Sequence[LeaderboardEntry]) -> list[LeaderboardEntry]:
    """Checkpoints that produce the asked pose too seldom to be recommended."""
    rates = [entry.hit_rate for entry in leaderboard if entry.hit_rate is not None]
    needed = max(MIN_HIT_RATE, MIN_HIT_SHARE * max(rates, default=0.0))
    return [entry for entry in leaderboard if entry.hit_rate is not None and entry.hit_rate < needed]


def _is_judged(entry: LeaderboardEntry) -> bool:
    return entry.measured_share >= MIN_MEASURED_SHARE


def name_entries(entries: Sequence[LeaderboardEntry], among: Sequence[LeaderboardEntry] = ()) -> str:
    """Checkpoints in words, gathered by run: ``v2 epochs 120 and 140, and v1 epoch 36``.

    Args:
        entries: those to name.
        among: all there are, by default those to name; three or more in a row of these become ``4 to 96``.
    """
    runs: dict[str, list[LeaderboardEntry]] = defaultdict(list)
    for entry in entries:
        runs[entry.run].append(entry)
    parts = []
    for run, members in runs.items():
        parts += [run for entry in members if entry.epoch is None]
        epochs = sorted(entry.epoch for entry in members if entry.epoch is not None)
        known = sorted(entry.epoch for entry in among or members if entry.run == run and entry.epoch is not None)
        if epochs:
            parts.append(f"{run} epoch{'s' * (len(epochs) > 1)} {listed(_ranges(epochs, known))}")
    return listed(parts, comma=any(" and " in part for part in parts))


def _ranges(epochs: Sequence[int], known: Sequence[int]) -> list[str]:
    """Epochs as text; three or more that are neighbours among those known are drawn together."""
    streaks: list[list[int]] = []
    for epoch in epochs:
        place = known.index(epoch)
        if streaks and place and known[place - 1] == streaks[-1][-1]:
            streaks[-1].append(epoch)
        else:
            streaks.append([epoch])
    words = []
    for streak in streaks:
        words += [f"{streak[0]} to {streak[-1]}"] if len(streak) > 2 else [str(epoch) for epoch in streak]
    return words


def how_sure(tied: int, leads: bool, alone: bool = False) -> str:
    """A recommendation's heading: one of a tie need not have the lowest rate.

    Args:
        tied: how many others it is tied with.
        leads: whether it has the lowest rate of those that may be recommended.
        alone: whether there is no other checkpoint, so that it is the best of nothing.

    >>> how_sure(2, leads=False)
    'Best guess, tied with 2 others'
    """
    if alone:
        return "The only checkpoint"
    if not tied:
        return "Use this checkpoint"
    return f"Best {'so far' if leads else 'guess'}, tied with {tied} other{'s' * (tied > 1)}"


def shown_standing(standing: str, tied: bool, leads: bool) -> str:
    """What a table says of a checkpoint, so that nobody wonders why another one has the lowest rate.

    Args:
        standing: as in the answer: recommended, tied, worse, and so on.
        tied: whether the recommended one is tied with others.
        leads: whether this one has the lowest rate of those that may be recommended.

    >>> shown_standing("recommended", tied=True, leads=False), shown_standing("tied", tied=True, leads=True)
    ('best guess', 'lowest rate')
    """
    if standing == "recommended" and tied:
        return "best so far" if leads else "best guess"
    return "lowest rate" if standing == "tied" and leads else standing


def percent(rate: float) -> str:
    """A rate in words, without false precision: ``4%``, and ``<1%`` or ``>99%`` rather than a rounded end."""
    if 0 < rate < 0.005:
        return "<1%"
    return ">99%" if 0.995 < rate < 1 else f"{100 * rate:.0f}%"


def _headline(chosen: LeaderboardEntry, tied: Sequence[LeaderboardEntry], leader: LeaderboardEntry) -> list[str]:
    rate, interval = chosen.failure_rate, chosen.interval
    assert rate is not None  # a checkpoint measured on half its images has both
    assert interval is not None
    low, high = map(percent, interval)
    word = ("Best so far, but tied" if chosen is leader else "Best guess among those tied") if tied else "Use"
    return [
        f"{word}: {chosen.label}.",
        f"{chosen.tally.fails} of {chosen.tally.measured} judged images failed "
        f"({percent(rate)}; 95% interval {low} to {high}).",
    ]


def _preferred(chosen: LeaderboardEntry, leader: LeaderboardEntry, reason: str) -> list[str]:
    if chosen is leader:
        return []
    return [
        f"{leader.label} does best on these images ({leader.tally.fails} of {leader.tally.measured} fail), but by so "
        f"little that it may be luck. {chosen.label} is preferred{f' because {reason}' if reason else ''}."
    ]


def _standing(
    chosen: LeaderboardEntry,
    tied: Sequence[LeaderboardEntry],
    comparisons: Sequence[PairedComparison],
    unseen: Sequence[LeaderboardEntry],
    leader: LeaderboardEntry,
) -> list[str]:
    if not comparisons:
        return ["It is the only checkpoint, so there is nothing to compare it with."]
    everyone = [leader, *(comparison.other for comparison in comparisons)]
    worse = [item.other for item in comparisons if item.separable and item.other not in unseen]
    sentences = []
    if tied:
        rivals = "any other checkpoint" if len(tied) == len(comparisons) else name_entries(tied, everyone)
        sentences.append(
            f"{chosen.label} cannot be told apart from {rivals}: on the same prompts and seeds the difference may be "
            "luck."
            if chosen is leader
            else f"Tied with it: {name_entries(tied, everyone)}. On the same prompts and seeds, none of these is "
            "further from the lowest failure rate than luck may explain."
        )
    if worse:
        all_of_them = len(worse) == len(comparisons)
        subject = "Every other checkpoint" if all_of_them else name_entries(worse, everyone)
        verb = "fails" if all_of_them or len(worse) == 1 else "fail"
        sentences.append(f"{subject} {verb} more often than chance explains.")
    if tied:
        sentences.append(_reach(comparisons_shared(comparisons), max(comparison.pairs for comparison in comparisons)))
    return sentences


def _reach(rivals: float, pairs: int) -> str:
    """What these images could have shown at all."""
    needed = failures_needed(rivals)
    if needed > pairs:
        return f"With {pairs} images to compare, no difference could be told from luck: add seeds."
    return (
        f"To count as worse here, a checkpoint has to fail on at least {needed} images that the one with the lowest "
        "rate passes, and never the other way round. More seeds settle closer calls."
    )


def _caveats(
    chosen: LeaderboardEntry, too_few: Sequence[LeaderboardEntry], unseen: Sequence[LeaderboardEntry]
) -> list[str]:
    sentences = []
    if unseen:
        best = max(unseen, key=lambda entry: entry.hit_rate or 0.0)
        own = "" if chosen.hit_rate is None else f", {chosen.label} on {percent(chosen.hit_rate)}"
        sentences.append(
            f"{name_entries(unseen)} cannot be recommended: the asked pose came out on {percent(best.hit_rate or 0.0)} "
            f"of the images at most{own}. What is not drawn cannot fail."
        )
    rate, bounds = chosen.failure_rate, chosen.bounds
    if rate is not None and rate >= 0.5:
        sentences.append(
            "Even so, it fails at least as often as it holds: none of these checkpoints is good at this suite."
        )
    if chosen.tally.not_measurable and bounds is not None:
        low, high = map(percent, bounds)
        count = chosen.tally.not_measurable
        holds, fails = ("it holds", "it fails") if count == 1 else ("all of those hold", "all of them fail")
        sentences.append(
            f"{count} of its {chosen.images} images could not be judged: its failure rate is {low} if {holds}, "
            f"{high} if {fails}."
        )
    if chosen.invalid:
        sentences.append(f"Invalid (black or empty) among its {chosen.images} images: {chosen.invalid}.")
    if too_few:
        sentences.append(
            f"{name_entries(too_few)} got a verdict on less than {percent(MIN_MEASURED_SHARE)} of the images: too few "
            "to say how good that is."
        )
    return sentences


def _not_enough(leaderboard: Sequence[LeaderboardEntry], unseen: Sequence[LeaderboardEntry]) -> str:
    if not leaderboard:
        return "There are no checkpoint images yet."
    if len(unseen) == len(leaderboard):
        return (
            "Not enough data: no checkpoint produces the asked poses often enough to say how well it does in them. "
            "Look at the pictures and the prompts first."
        )
    return (
        f"Not enough data: no checkpoint got a verdict on {percent(MIN_MEASURED_SHARE)} of its images or more, so none "
        "can be recommended. Look at what is marked as not measurable first."
    )


def listed(parts: Sequence[str], comma: bool = False) -> str:
    """Parts in one phrase: ``a, b and c``; with ``comma`` there is one before the *and*."""
    if len(parts) < 2:
        return "".join(parts)
    return f"{', '.join(parts[:-1])}{',' if comma else ''} and {parts[-1]}"
