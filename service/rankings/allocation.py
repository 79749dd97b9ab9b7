"""A budget that goes where the question is: which checkpoints get the next images, on which cells, and when to stop.

Rounds over shared cells. Every checkpoint that is still racing gets the same fresh (scenario, seed) cells; what counts
is the difference on the same cells. Two things end a checkpoint's race, and they are kept apart:

- *worse*: the sequential test of :mod:`service.rankings.sequential` has refuted that it is the best. Over all looks
  this happens to a best checkpoint with at most ``Rules.level``.
- *set aside*: the budget is better spent on others (sequential halving, Karnin, Koren and Somekh 2013, on rates that
  are smoothed over neighbouring epochs). This proves nothing, and the answer says so. It comes back if the rest is
  settled and budget is left.

Seeds go where they tell most: a scenario whose cells scatter more gets up to :data:`DEEPEST` seeds a block, the others
one, since the error of a mean over scenarios is least with seeds in proportion to the standard deviation (Neyman 1934).
The finalists meet once more on fresh seeds, and the rate that is reported is from those alone.

Everything has a leading dimension of races: the product runs one, the benchmark thousands.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from service.rankings import sequential, smoothing

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]

DEEPEST = 3
"""Most seeds that one scenario gets in a block."""
SCATTER_STEP = 1.25
"""A scenario that scatters as the mean gets this many seeds, rounded: one that scatters 1.2 times as much gets two."""
RESERVE = 0.1
"""Part of the budget that is kept for the finalists' fresh seeds."""
CONFIRM_CELLS = 96
"""Cells on which finalists are confirmed when the race ended before its budget."""
NEAR = 0.95
"""Posterior probability from which a checkpoint counts as within the margin of the best."""


class Phase(IntEnum):
    """What a round is for."""

    RACE = 0
    CONFIRM = 1
    OVER = 2


class Ending(IntEnum):
    """How a race ended: one was shown best, those left are alike, or the budget was spent."""

    OPEN = 0
    LEADER = 1
    TIE = 2
    BUDGET = 3


@dataclass(frozen=True)
class Rules:
    """What a race may cost and what it promises.

    Attributes:
        max_images: images of checkpoints that may be made; ``None`` for as many as the proof needs.
        level: highest probability that the best checkpoint is ever dropped as worse.
        margin: difference of rates that does not matter: those left are tied if each is within it of the best.
    """

    max_images: int | None = None
    level: float = 0.05
    margin: float = 0.02


@dataclass(frozen=True)
class Round:
    """What to run next in each race.

    Attributes:
        phase: :class:`Phase` of each race, shape (races,).
        playing: which checkpoints get images, shape (races, checkpoints).
        rivals: weights as rivals in the test, fixed before the round; shape (races, checkpoints).
        depth: seeds of each scenario in one block, shape (races, scenarios).
        blocks: how many blocks, shape (races,).
    """

    phase: Ints
    playing: Bools
    rivals: Floats
    depth: Ints
    blocks: Ints

    def cells(self) -> Ints:
        """Cells of a checkpoint that plays, shape (races,)."""
        return self.blocks * self.depth.sum(-1)


@dataclass
class Standing:
    """What is believed after a round: posterior mean and covariance of the rates, and what follows from them.

    Attributes:
        mean: rate, 0..1; shape (races, checkpoints).
        covariance: shape (races, checkpoints, checkpoints).
        best: probability of being the best of those that race, shape (races, checkpoints).
        near: probability of being within the margin of the best that is not proven worse.
    """

    mean: Floats
    covariance: Floats
    best: Floats
    near: Floats


@dataclass
class Races:
    """The state of races between the same kind of checkpoints, advanced by :meth:`record` and :meth:`review`.

    Args:
        runs: which run each checkpoint belongs to, shape (checkpoints,).
        places: its place in its run, counted in checkpoints, shape (checkpoints,).
        scenarios: how many there are.
        rules: what they may cost and promise.
        races: how many are run side by side.
    """

    runs: Ints
    places: Floats
    scenarios: int
    rules: Rules
    races: int = 1
    fails: Floats = field(init=False)
    counts: Floats = field(init=False)
    confirmed: Floats = field(init=False)
    fortunes: Floats = field(init=False)
    racing: Bools = field(init=False)
    worse: Bools = field(init=False)
    phase: Ints = field(init=False)
    ending: Ints = field(init=False)
    used: Ints = field(init=False)
    seen: Ints = field(init=False)
    standing: Standing = field(init=False)
    chance: Floats = field(init=False)

    def __post_init__(self) -> None:
        shape = (self.races, len(self.runs))
        self.fails, self.counts = np.zeros((*shape, self.scenarios)), np.zeros((*shape, self.scenarios))
        self.confirmed = np.zeros((*shape, 2))
        self.fortunes = np.zeros((*shape, len(sequential.BETS)))
        self.racing, self.worse = np.ones(shape, bool), np.zeros(shape, bool)
        self.phase, self.ending, self.used, self.seen = (np.zeros(self.races, np.int64) for _ in range(4))
        self._cycle_used = np.zeros(self.races, np.int64)
        self._cycle_field = np.full(self.races, len(self.runs))
        self._depth = np.ones((self.races, self.scenarios), np.int64)
        self._together, self._expected = np.zeros(self.races), np.zeros(self.races)
        even = np.full(shape, 1 / len(self.runs))
        self.chance = even
        self.standing = Standing(even * 0 + 0.5, np.zeros((*shape, shape[-1])), even, even * 0)

    @property
    def line(self) -> float:
        """Log fortune from which a checkpoint counts as worse."""
        return sequential.dropping_line(len(self.runs), self.rules.level)

    def plan(self) -> Round:
        """The next round of every race; a race that is over gets no blocks."""
        confirming = self.phase == Phase.CONFIRM
        playing = np.where(confirming[:, None], self._finalists(), self.racing)
        depth = np.where(confirming[:, None], 1, self._depth)
        size = playing.sum(1)
        blocks = np.where(confirming, self._confirm_blocks(size), self._race_blocks(size, depth.sum(1)))
        shallow = (blocks < 1) & ~confirming
        depth = np.where(shallow[:, None], 1, depth)
        blocks = np.where(shallow, np.minimum(1, self._left(RESERVE) // (size * self.scenarios)), blocks)
        blocks = np.where(self.phase == Phase.OVER, 0, np.maximum(blocks, 0))
        rivals = np.where(playing, self.standing.best + 1e-6, 0.0)
        return Round(self.phase.copy(), playing, rivals, depth, blocks)

    def record(self, step: Round, outcomes: Floats, on: Bools) -> None:
        """Count one block of a round.

        Args:
            step: the round.
            outcomes: 1 fails, 0 does not, nan not measured or not run; shape (races, checkpoints, scenarios,
                DEEPEST).
            on: which races this block belongs to, shape (races,).
        """
        asked = step.playing[:, :, None, None] & on[:, None, None, None]
        asked = asked & (np.arange(DEEPEST) < step.depth[:, None, :, None])
        values = np.where(asked, outcomes, np.nan)
        measured = ~np.isnan(values)
        failed = np.where(measured, values, 0.0)
        self.fails += failed.sum(-1)
        self.counts += measured.sum(-1)
        fresh = (step.phase == Phase.CONFIRM)[:, None]
        self.confirmed += np.where(fresh[..., None], np.stack([failed.sum((-2, -1)), measured.sum((-2, -1))], -1), 0)
        self.used += asked.sum((1, 2, 3))
        self.seen += on
        self._note_likeness(failed, measured)
        stakes = np.repeat(1.0 / step.depth, DEEPEST, axis=-1)
        flat = values.reshape(*values.shape[:2], -1)
        self.fortunes += sequential.settle(flat, step.rivals, stakes)

    def review(self, rng: np.random.Generator) -> None:
        """After a round: who is out, who is set aside, and whether it is over."""
        self.standing = self._believe(rng)
        self.phase = np.where(self.phase == Phase.CONFIRM, int(Phase.OVER), self.phase)
        live = self.phase == Phase.RACE
        self.chance = self.standing.best
        blank = self.racing & (self.counts.sum(-1) == 0) & live[:, None]
        self._end(live & (blank == self.racing).all(1), Ending.BUDGET)  # nothing at all could be judged
        blank &= ~(blank == self.racing).all(1)[:, None]
        self.worse |= blank
        self.racing &= ~blank
        poor = self.racing & (sequential.log_fortune(self.fortunes) >= self.line) & live[:, None]
        poor &= ~(poor & (poor == self.racing).all(1)[:, None] & self._first(self.racing))  # somebody has to stay
        self.worse |= poor
        self.racing &= ~poor
        settled = live & (self.racing.sum(1) == 1)
        open_ = (~self.worse).sum(1) > 1
        self._end(settled & ~open_, Ending.LEADER)
        near = np.where(self.racing, self.standing.near >= NEAR, True).all(1)
        self._end(live & near & (self.racing.sum(1) > 1), Ending.TIE)
        self._start_cycle(settled & open_)
        self._cut(self.phase == Phase.RACE)
        self._depth = self._deepen()
        if self.rules.max_images is not None:
            affordable = self._left(RESERVE) >= self.racing.sum(1) * self.scenarios
            self._end((self.phase == Phase.RACE) & ~affordable, Ending.BUDGET)
            short = (self.phase == Phase.CONFIRM) & (self._confirm_blocks(self._finalists().sum(1)) < 1)
            self.phase = np.where(short, int(Phase.OVER), self.phase)

    def pick(self) -> Ints:
        """The checkpoint to use in each race, as things stand: the lowest smoothed rate of those not set aside."""
        return np.where(self.racing, self.standing.mean, np.inf).argmin(1)

    def _left(self, reserve: float = 0.0) -> Ints:
        if self.rules.max_images is None:
            return np.full(self.races, 2**40)
        return np.maximum(np.floor(self.rules.max_images * (1 - reserve)).astype(np.int64) - self.used, 0)

    def _finalists(self) -> Bools:
        """The pick and its strongest rival."""
        score = self.standing.mean + 10.0 * ~self.racing + 10.0 * self.worse
        return score.argsort(1).argsort(1) < 2

    def _confirm_blocks(self, size: Ints) -> Ints:
        enough = -(-CONFIRM_CELLS // self.scenarios)
        possible = self._left() // (size * self.scenarios)
        return np.where(self.ending == Ending.BUDGET, possible, np.minimum(enough, possible))

    def _race_blocks(self, size: Ints, cells: Ints) -> Ints:
        """Up to the next cut, but never more than half of what has been seen, so that the test gets its looks."""
        growth = np.maximum(1, self.seen // 2)
        if self.rules.max_images is None:
            return growth
        budget = self._cycle_used + self._left(RESERVE) + (self.used - self._cycle_used)
        stages = self._stages()
        span = (budget - self._cycle_used) / stages
        stage = np.minimum((self.used - self._cycle_used) // np.maximum(span, 1), stages - 1)
        due = self._cycle_used + (stage + 1) * span - self.used
        wanted = np.maximum(1, np.rint(due / (size * cells))).astype(np.int64)
        return np.minimum(np.minimum(wanted, growth), self._left(RESERVE) // (size * cells))

    def _stages(self) -> Ints:
        return np.maximum(1, np.ceil(np.log2(np.maximum(self._cycle_field, 2)))).astype(np.int64)

    def _cut(self, live: Bools) -> None:
        """Set aside all but the half, the quarter, ... that are likeliest the best, as the budget is used up."""
        if self.rules.max_images is None:
            return
        span = (self._left(RESERVE) + self.used - self._cycle_used) / self._stages()
        size = self.racing.sum(1)
        done = np.floor((self.used - self._cycle_used) / np.maximum(span, 1) + 0.25)
        allowed = np.maximum(2, np.ceil(self._cycle_field / 2.0**done))
        score = self.standing.best - 1e-3 * self.standing.mean - 10.0 * ~self.racing
        keep = (-score).argsort(1).argsort(1) < allowed[:, None]
        self.racing = np.where((live & (size > allowed))[:, None], self.racing & keep, self.racing)

    def _start_cycle(self, which: Bools) -> None:
        """Everything is settled but what was set aside: race that against the leader with what is left."""
        self.racing = np.where(which[:, None], ~self.worse, self.racing)
        self._cycle_used = np.where(which, self.used, self._cycle_used)
        self._cycle_field = np.where(which, self.racing.sum(1), self._cycle_field)

    def _end(self, which: Bools, ending: Ending) -> None:
        which = which & (self.phase == Phase.RACE)
        self.phase = np.where(which, int(Phase.CONFIRM), self.phase)
        self.ending = np.where(which, int(ending), self.ending)

    def _first(self, among: Bools) -> Bools:
        lowest = np.where(among, self.standing.mean, np.inf).argmin(1)
        return np.arange(len(self.runs)) == lowest[:, None]

    def _deepen(self) -> Ints:
        """Seeds per scenario in proportion to the scatter of its cells, at least one."""
        _, variances = smoothing.scenario_rates(self.fails, self.counts)
        racing = self.racing[..., None]
        scatter = np.sqrt((variances * racing).sum(1) / racing.sum(1))
        wanted = np.rint(SCATTER_STEP * scatter / scatter.mean(1, keepdims=True))
        return np.clip(wanted, 1, DEEPEST).astype(np.int64)

    def _note_likeness(self, failed: Floats, measured: Bools) -> None:
        common = (self.fails.sum(1, keepdims=True) + 0.25) / (self.counts.sum(1, keepdims=True) + 0.5)
        expected = (self.fails + 2.0 * common) / (self.counts + 2.0)
        scale = np.sqrt(expected * (1.0 - expected))[..., None]
        residual = np.where(measured, (failed - expected[..., None]) / scale, 0.0)
        number = measured.sum(1)
        self._together += (residual.sum(1) ** 2 - (residual**2).sum(1)).sum((-2, -1))
        self._expected += (number * (number - 1)).sum((-2, -1))

    def _believe(self, rng: np.random.Generator) -> Standing:
        rates, variances = smoothing.scenario_rates(self.fails, self.counts)
        likeness = smoothing.cell_likeness(self._together, self._expected)
        covariance = smoothing.sampling_covariance(variances, self.counts, likeness)
        smoothed = smoothing.smooth(rates, covariance, self.runs, self.places)
        mean, spread = smoothed.mean, smoothed.covariance
        drawn = smoothing.draw(mean, spread, rng)
        open_ = np.where(self.worse[..., None], np.inf, drawn)
        near = (drawn <= open_.min(1, keepdims=True) + self.rules.margin).mean(-1)
        racers = np.where(self.racing[..., None], drawn, np.inf)
        best = (racers.argmin(1)[:, None, :] == np.arange(len(self.runs))[:, None]).mean(-1)
        return Standing(mean, spread, best, near)
