"""Planning in rounds: the ledger holds one round at a time, and the next one follows from what is in it.

A round is fixed when it is planned, batches and seeds included, so an evaluation that is killed goes on in the same
round and makes the same pixels. When nothing of it is left, the race is replayed from the ledger (every draw has a
seed of its own) and :mod:`service.rankings.allocation` says what comes next.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel
from sqlalchemy.orm import Session

from service.database import models
from service.errors import InvalidInput
from service.evaluations import repository
from service.evaluations.outcomes import outcome_table
from service.evaluations.plan import plan_more
from service.evaluations.requests import EvaluationRequest
from service.rankings import Grade
from service.rankings.allocation import DEEPEST, Ending, Races, Round, Rules
from service.suites import Suite

Floats = NDArray[np.float64]

PHASES: dict[int, Literal["race", "confirm", "over"]] = {0: "race", 1: "confirm", 2: "over"}
FAILING = (Grade.CLEAR, Grade.FUSED, Grade.LOST)
PASSING = (Grade.HOLDS, Grade.MINOR)


class Drop(BaseModel):
    """Why a checkpoint gets no more images. Contenders are named by their position.

    ``only_this`` and ``only_against`` count the cells, of ``pairs`` measured on both, on which only one of the two
    fails; ``against`` is the best so far.
    """

    contender: int
    how: Literal["worse", "set aside", "not measurable"]
    chance_best: float
    against: int
    pairs: int
    only_this: int
    only_against: int


class Believed(BaseModel):
    """A contender's smoothed failure rate with a 95 % range, and its chance of being the best."""

    contender: int
    rate: float
    low: float
    high: float
    chance_best: float


class RoundPlan(BaseModel):
    """What a round is stored as: what was decided before it, and its cells.

    ``seeds`` are by scenario, ``depth`` of them a block. In the last one (``over``) there are no cells, but an ending.
    """

    phase: Literal["race", "confirm", "over"]
    playing: list[int] = []
    rivals: dict[int, float] = {}
    blocks: int = 0
    depth: dict[str, int] = {}
    seeds: dict[str, list[int]] = {}
    dropped: list[Drop] = []
    returned: list[int] = []
    standing: list[Believed] = []
    ending: Literal["leader", "tie", "budget", None] = None
    pick: int | None = None
    tied: list[int] = []
    confirmed: dict[int, tuple[int, int]] = {}


def check_budget(request: EvaluationRequest) -> None:
    """See that a request's budget can decide anything.

    Raises:
        InvalidInput: it cannot; the message says what would.
    """
    if request.until is None:
        if request.max_images is not None:
            raise InvalidInput("a number of images needs a goal: add --until decided (in the API: until)")
        return
    if len(request.checkpoints) < 2:
        raise InvalidInput("there is nothing to decide between: name at least two checkpoints, or leave --until out")
    least = (len(request.checkpoints) + 1) * len(request.suite.scenarios)
    if request.max_images is not None and request.max_images < least:
        raise InvalidInput(
            f"a budget of {request.max_images} is too small: one seed of every scenario for every checkpoint and "
            f"the base takes {least} images; allow more, or name fewer epochs"
        )


def budget_of(request: EvaluationRequest) -> int:
    """Images that may be made, the control's included: as asked, or as many as the suite's whole grid has."""
    return request.max_images or (len(request.checkpoints) + 1) * len(request.suite.cells())


def seed_of(suite: Suite, suite_hash: str, scenario: int, number: int) -> int:
    """The ``number``-th seed of a scenario: the suite's own first, then fresh ones drawn from the suite's hash.

    Each scenario begins at another of the suite's seeds, so that a round's pictures do not all start from one noise:
    the sequential test counts on cells that are independent.
    """
    own = suite.seeds  # pinned seeds are in no rate, so they decide nothing
    if number < len(own):
        return own[(number + scenario) % len(own)]
    name = f"{suite_hash}:{suite.scenarios[scenario].name}:{number}"
    for attempt in range(100):  # a seed that the suite has is no fresh one
        drawn = int.from_bytes(hashlib.sha256(f"{name}:{attempt}".encode()).digest()[:4])
        if drawn not in own and drawn not in suite.pinned_seeds:
            return drawn
    raise AssertionError("a hundred draws from four billion all hit the suite's seeds")


def next_rows(session: Session, evaluation: models.Evaluation) -> list[models.Base]:
    """The next round with its batches, or the end; nothing if it has ended.

    Everything of the last round has to be done: what has no verdict by now counts as not measured.
    """
    request = EvaluationRequest.restore(evaluation.request)
    done = repository.rounds(session, evaluation.id)
    plans = [RoundPlan.model_validate(each.plan) for each in done]
    if request.until is None or (plans and plans[-1].phase == "over"):
        return []
    contenders = repository.contenders(session, evaluation.id)
    race = _Race(request, contenders, _outcomes(session, evaluation.id, request))
    for number, plan in enumerate(plans):
        race.replay(number, plan)
    plan = race.next()
    row = models.Round(
        evaluation_id=evaluation.id, number=len(done), phase=plan.phase, plan=plan.model_dump(mode="json")
    )
    position = repository.last_position(session, evaluation.id) + 1
    return [row, *_batches(evaluation, request, contenders, plan, position)]


def _batches(
    evaluation: models.Evaluation,
    request: EvaluationRequest,
    contenders: Sequence[models.Contender],
    plan: RoundPlan,
    position: int,
) -> list[models.Batch]:
    """A round's batches, contender by contender; the control comes first, in the first round only."""
    cells = [(name, seed) for name, seeds in plan.seeds.items() for seed in seeds]
    playing = [0, *plan.playing] if position == 0 and cells else plan.playing
    chosen = [each for each in contenders if each.position in playing]
    return list(plan_more(evaluation, chosen, cells, request.batch_size, position))


def _outcomes(session: Session, evaluation_id: str, request: EvaluationRequest) -> dict[tuple[int, str, int], float]:
    """1 fails, 0 does not, by contender, scenario and seed; what was not measured is absent."""
    rows = repository.outcome_rows(session, evaluation_id)
    positions = sorted({row[0] for row in rows})
    table = outcome_table(rows, {position: ("contender", position) for position in positions}, request)
    grades = table.image_grades()
    return {
        (int(table.checkpoints[checkpoint][1] or 0), table.scenarios[scenario], seed): float(grade in FAILING)
        for checkpoint, scenario, seed, grade in zip(
            table.checkpoint.tolist(), table.scenario.tolist(), table.seed.tolist(), grades.tolist(), strict=True
        )
        if grade in FAILING or grade in PASSING
    }


class _Race:
    """One race of the allocation, in the ledger's words: its checkpoints are the contenders but for the control.

    A contender that was taken out of the evaluation meanwhile is in earlier rounds, and has no part any more.
    """

    def __init__(
        self,
        request: EvaluationRequest,
        contenders: Sequence[models.Contender],
        outcomes: dict[tuple[int, str, int], float],
    ) -> None:
        self._suite, self._hash = request.suite, request.suite.content_hash
        self._outcomes = outcomes
        self._names = [scenario.name for scenario in request.suite.scenarios]
        self._drawn = dict.fromkeys(self._names, 0)
        self._positions = [each.position for each in contenders[1:]]
        runs, places = _places(contenders[1:])
        rules = Rules(budget_of(request) - len(self._names))  # the control has its share
        self._races = Races(runs, places, len(self._names), rules)
        self._before = self._races.racing[0].copy(), self._races.worse[0].copy()
        self._reviewed = False

    def replay(self, number: int, plan: RoundPlan) -> None:
        """Count a round that has been run, and decide what follows from it."""
        step = self._step(plan)
        for block in range(plan.blocks):
            values = np.full((1, len(self._races.runs), len(self._names), DEEPEST), np.nan)
            for arm in self._arms(plan.playing):
                for scenario, name in enumerate(self._names):
                    deep = plan.depth[name]
                    for slot, seed in enumerate(plan.seeds[name][block * deep : (block + 1) * deep]):
                        values[0, arm, scenario, slot] = self._outcomes.get((self._positions[arm], name, seed), np.nan)
            self._races.record(step, values, np.array([True]))
        for name, seeds in plan.seeds.items():
            self._drawn[name] += len(seeds)
        self._before = self._races.racing[0].copy(), self._races.worse[0].copy()
        self._races.review(np.random.default_rng([int(self._hash[:8], 16), number]))
        self._reviewed = True

    def next(self) -> RoundPlan:
        """The round that follows, or the end."""
        step = self._races.plan()
        blocks = int(step.blocks[0])
        plan = RoundPlan(phase=PHASES[int(step.phase[0])] if blocks else "over", **self._news())
        if not blocks:
            return plan.model_copy(update=self._ending())
        depth = dict(zip(self._names, step.depth[0].tolist(), strict=True))
        return plan.model_copy(
            update={
                "playing": self._names_of(step.playing[0]),
                "rivals": dict(zip(self._positions, step.rivals[0].round(6).tolist(), strict=True)),
                "blocks": blocks,
                "depth": depth,
                "seeds": {name: self._seeds(place, depth[name] * blocks) for place, name in enumerate(self._names)},
            }
        )

    def _arms(self, playing: Sequence[int]) -> list[int]:
        return [arm for arm, place in enumerate(self._positions) if place in playing]

    def _names_of(self, which: NDArray[np.bool_]) -> list[int]:
        return [self._positions[arm] for arm in np.flatnonzero(which)]

    def _seeds(self, scenario: int, count: int) -> list[int]:
        first = self._drawn[self._names[scenario]]
        return [seed_of(self._suite, self._hash, scenario, first + number) for number in range(count)]

    def _step(self, plan: RoundPlan) -> Round:
        phase = next(code for code, name in PHASES.items() if name == plan.phase)
        playing = np.isin(self._positions, plan.playing)
        rivals = np.array([plan.rivals.get(place, 0.0) for place in self._positions])
        depth = np.array([plan.depth[name] for name in self._names])
        return Round(np.array([phase]), playing[None], rivals[None], depth[None], np.array([plan.blocks]))

    def _news(self) -> dict[str, Any]:
        """What the last review has changed."""
        if not self._reviewed:
            return {}
        races = self._races
        racing, worse = self._before
        gone, back = racing & ~races.racing[0], races.racing[0] & ~racing
        pick = int(races.pick()[0])
        mean, spread = races.standing.mean[0], np.sqrt(np.diagonal(races.standing.covariance[0]))
        return {
            "dropped": [
                self._drop(int(arm), pick, bool(races.worse[0, arm] & ~worse[arm])) for arm in np.flatnonzero(gone)
            ],
            "returned": self._names_of(back),
            "standing": [
                Believed(
                    contender=self._positions[arm],
                    rate=float(np.clip(mean[arm], 0, 1)),
                    low=float(np.clip(mean[arm] - 1.96 * spread[arm], 0, 1)),
                    high=float(np.clip(mean[arm] + 1.96 * spread[arm], 0, 1)),
                    chance_best=float(races.standing.best[0, arm]),
                )
                for arm in range(len(mean))
            ],
        }

    def _drop(self, arm: int, pick: int, worse: bool) -> Drop:
        own = {cell[1:]: fails for cell, fails in self._outcomes.items() if cell[0] == self._positions[arm]}
        best = {cell[1:]: fails for cell, fails in self._outcomes.items() if cell[0] == self._positions[pick]}
        pairs = [(fails, best[cell]) for cell, fails in own.items() if cell in best]
        blank = not self._races.counts[0, arm].any()
        return Drop(
            contender=self._positions[arm],
            how="not measurable" if blank else "worse" if worse else "set aside",
            chance_best=float(self._races.chance[0, arm]),
            against=self._positions[pick],
            pairs=len(pairs),
            only_this=sum(mine > theirs for mine, theirs in pairs),
            only_against=sum(theirs > mine for mine, theirs in pairs),
        )

    def _ending(self) -> dict[str, Any]:
        races = self._races
        pick = int(races.pick()[0])
        ending = Ending(int(races.ending[0]))
        return {
            "ending": ending.name.lower() if ending is not Ending.OPEN else "budget",
            "pick": self._positions[pick] if races.counts[0, pick].any() else None,
            "tied": [place for place in self._names_of(races.racing[0]) if place != self._positions[pick]],
            "confirmed": {
                self._positions[arm]: tuple(int(number) for number in races.confirmed[0, arm])
                for arm in np.flatnonzero(races.confirmed[0, :, 1])
            },
        }


def _places(contenders: Sequence[models.Contender]) -> tuple[NDArray[np.int64], Floats]:
    """Run and place of each checkpoint; a place is an epoch, counted in the run's usual distance between two."""
    checkpoints = [each.checkpoint for each in contenders]
    names = sorted({each.run_id for each in checkpoints if each is not None})
    runs = np.array([names.index(each.run_id) if each is not None else 0 for each in checkpoints])
    places = np.zeros(len(runs))
    for run in range(len(names)):
        members = np.flatnonzero(runs == run)
        epochs = [checkpoints[member].epoch for member in members]  # type: ignore[union-attr]
        known = np.array([epoch for epoch in epochs if epoch is not None], dtype=float)
        steps = np.diff(np.unique(known))
        step = float(np.median(steps)) if len(steps) else 1.0
        for member, epoch in zip(members, epochs, strict=True):
            # One of unknown epoch has no neighbours.
            places[member] = epoch / step if epoch is not None else 1e6 * (1 + member)
    return runs, places
