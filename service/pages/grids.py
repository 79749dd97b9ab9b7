"""The grid: one scenario at a time, epochs across and seeds down, some rows of it at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from detectors.findings import Finding, Severity, Verdict
from service.cells.repository import PENDING, CellFilter
from service.cells.service import SeenCell, version_of
from service.errors import NotFound
from service.evaluations.executor import Status
from service.evaluations.schemas import EvaluationOut
from service.evaluations.workspace import Workspace
from service.rankings import APART_CHECKS, CONTROL, State
from service.reports.wording import check_label
from service.suites import Suite

ROWS_AT_A_TIME = 24
"""Seeds that a page holds at first and that every further request adds."""

WORDS = {
    "lost": "lost",
    "fused": "fused",
    State.FAILS: "fails",
    State.MINOR: "slightly off",
    State.HOLDS: "holds",
    State.NOT_MEASURABLE: "unclear",
    State.INVALID: "invalid",
    PENDING: "to come",
}
"""What a cell is called where there is little room."""
MISSING = "missing"
"""What is not judged is called so once the evaluation has ended: nothing more is to come."""
_AT_WORK = frozenset({Status.PLANNED, Status.RUNNING})


STATE_WORDS = tuple((state, WORDS[state]) for state in State)
"""The states a grid can be narrowed to, worst first."""


@dataclass(frozen=True)
class Column:
    """A checkpoint, or the control."""

    run: str
    epoch: int | None

    @property
    def label(self) -> str:
        """The epoch alone: the run stands above it."""
        return "no LoRA" if self.run == CONTROL else "final" if self.epoch is None else str(self.epoch)

    @property
    def name(self) -> str:
        """Run and epoch."""
        if self.run == CONTROL:
            return "no LoRA"
        return self.run if self.epoch is None else f"{self.run} epoch {self.epoch}"


@dataclass(frozen=True)
class GridCell:
    """One tile. ``matches`` says whether it is among the states that are asked for."""

    id: int
    seed: int
    column: Column
    image: str | None
    width: int
    height: int
    state: str
    word: str
    told: str
    matches: bool
    version: str

    @property
    def name(self) -> str:
        """What a screen reader says."""
        return f"{self.column.name}, seed {self.seed}: {self.told}"


@dataclass(frozen=True)
class GridRow:
    """One seed; a place that has no cell, or none that was asked the check, is ``None``."""

    number: int
    seed: int
    cells: tuple[GridCell | None, ...]

    @property
    def matches(self) -> bool:
        """Whether anything of it is among the states that are asked for."""
        return any(cell is not None and cell.matches for cell in self.cells)


@dataclass(frozen=True)
class Wanted:
    """What the page is asked to show."""

    scenario: str
    check: str | None = None
    states: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Grid:
    """Some rows of a scenario's grid."""

    suite: Suite
    wanted: Wanted
    columns: tuple[Column, ...]
    all_runs: tuple[str, ...]
    rows: tuple[GridRow, ...]
    total: int
    after: int | None

    @property
    def runs(self) -> list[tuple[str, int]]:
        """Each run in column order, with how many columns it spans."""
        spans: dict[str, int] = {}
        for column in self.columns:
            spans[column.run] = spans.get(column.run, 0) + 1
        return list(spans.items())

    @property
    def nothing_matches(self) -> bool:
        """Whether all rows are here and none of them has anything that is asked for."""
        return len(self.rows) == self.total and not any(row.matches for row in self.rows)

    @property
    def not_asked(self) -> bool:
        """Whether the scenario does not ask for the check that is looked for."""
        return self.wanted.check is not None and self.wanted.check not in self.checks

    @property
    def wanted_at_all(self) -> Wanted:
        """The same without filters."""
        return Wanted(self.wanted.scenario)

    @property
    def checks(self) -> tuple[str, ...]:
        """The checks that the scenario asks for."""
        return tuple(self.suite.scenario(self.wanted.scenario).checks)

    @property
    def prompt(self) -> str:
        """The scenario's prompt."""
        return self.suite.scenario(self.wanted.scenario).prompt


def read_wanted(
    suite: Suite, scenario: str | None, check: str | None, states: Sequence[str], runs: Sequence[str]
) -> Wanted:
    """What a page is asked to show; where no scenario is named, the first one that asks for the check.

    Raises:
        NotFound: there is no such scenario or state. Checks and runs are looked up with the cells.
    """
    known = [each.name for each in suite.scenarios]
    if scenario is not None and scenario not in known:
        raise NotFound(f"suite {suite.name} has no scenario {scenario!r}; it has {', '.join(known)}")
    for state in states:
        if state not in dict(STATE_WORDS):
            raise NotFound(f"there is no state {state[:80]!r}; there are {', '.join(State)}")
    asking = [each.name for each in suite.scenarios if not check or check in each.checks]
    return Wanted(scenario or (asking or known)[0], check or None, tuple(states), tuple(runs))


def query_of(asked: Wanted, start: int | None = None) -> str:
    """The same as the part of an address after the question mark."""
    parts = [("scenario", asked.scenario), *((("check", asked.check),) if asked.check else ())]
    parts += [*(("state", each) for each in asked.states), *(("run", each) for each in asked.runs)]
    return urlencode([*parts, *((("start", str(start)),) if start is not None else ())])


def find_columns(evaluation: EvaluationOut) -> tuple[Column, ...]:
    """The control and every checkpoint of an evaluation, by run and epoch."""
    found = [Column(CONTROL, None), *(Column(each.run, each.epoch) for each in evaluation.checkpoints)]
    return tuple(sorted(found, key=lambda each: (each.run != CONTROL, each.run, each.epoch is None, each.epoch or 0)))


def build_grid(space: Workspace, evaluation: EvaluationOut, suite: Suite, wanted: Wanted, start: int = 0) -> Grid:
    """Some rows of a grid.

    Args:
        space: where the evaluation is.
        evaluation: the evaluation.
        suite: its suite.
        wanted: scenario and filters.
        start: seeds to leave out at the top.
    """
    every = find_columns(evaluation)
    columns = tuple(each for each in every if not wanted.runs or each.run in wanted.runs or each.run == CONTROL)
    seeds = space.cells.seeds(evaluation.id, suite, wanted.scenario)
    part = seeds[start : start + ROWS_AT_A_TIME]
    filters = CellFilter(scenarios=[wanted.scenario], seeds=part, check=wanted.check)
    asked = {CONTROL, *wanted.runs} if wanted.runs else None
    seen, _ = space.cells.page(evaluation.id, filters, runs=asked, limit=max(1, len(part) * len(every)))
    tiles = [as_cell(each, wanted.states, ended=has_ended(evaluation)) for each in seen]
    rows = _rows(tiles, columns, part, start)
    runs = tuple(dict.fromkeys(each.run for each in every if each.run != CONTROL))
    after = start + len(part) if start + len(part) < len(seeds) else None
    return Grid(suite, wanted, columns, runs, rows, len(seeds), after)


def has_ended(evaluation: EvaluationOut) -> bool:
    """Whether nobody works on it: what it has not judged by now does not come by itself."""
    return evaluation.status not in _AT_WORK


def word_of(state: str, severity: str | None, ended: bool = False) -> str:
    """What people call what became of a cell: a failure by its kind, where it has one."""
    if state == PENDING and ended:
        return MISSING
    if state == State.FAILS and severity in WORDS:
        return WORDS[severity]
    return WORDS[state]


def tell(seen: SeenCell, ended: bool = False) -> str:
    """A cell's word and every finding that does not hold, in one line."""
    if seen.row.image is not None and seen.row.image.invalid:
        return f"invalid: {seen.row.image.invalid}"
    told = [name_finding(each) for each in seen.findings if each.verdict != Verdict.HOLDS]
    return "; ".join([word_of(seen.state, seen.severity, ended), *told])


def name_finding(finding: Finding) -> str:
    """A finding in words: ``hands (Kei) lost``; what makes no image fail says so."""
    who = f" ({finding.character})" if finding.character else ""
    kind = finding.severity if finding.severity in (Severity.LOST, Severity.FUSED) else finding.verdict
    word = {State.MINOR: "slightly off"}.get(State(finding.verdict), check_label(str(kind)))
    apart = ", counted apart" if finding.check in APART_CHECKS and finding.verdict == Verdict.FAILS else ""
    return f"{check_label(finding.check)}{who} {word}{apart}"


def as_cell(seen: SeenCell, states: Collection[str] = (), *, ended: bool = False) -> GridCell:
    """A tile of what was seen in a cell; ``ended``: nobody works on its evaluation any more."""
    image = seen.row.image
    return GridCell(
        id=seen.row.cell.id,
        seed=seen.row.cell.seed,
        column=Column(seen.place.run, seen.place.epoch),
        image=image.sha256 if image else None,
        width=image.width if image else 1,
        height=image.height if image else 1,
        state=seen.state,
        word=word_of(seen.state, seen.severity, ended),
        told=tell(seen, ended),
        matches=not states or seen.state in states,
        version=version_of(seen),
    )


def _rows(
    cells: Sequence[GridCell], columns: Sequence[Column], seeds: Sequence[int], start: int
) -> tuple[GridRow, ...]:
    tiles = {(cell.seed, cell.column): cell for cell in cells}
    return tuple(
        GridRow(number, seed, tuple(tiles.get((seed, column)) for column in columns))
        for number, seed in enumerate(seeds, start=start)
    )
