"""What a report shows, as plain data: built once from images and their findings, then drawn or written as JSON."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from detectors.findings import UNANSWERED, Finding, Verdict
from service.rankings import (
    CONTROL,
    SEVERITIES,
    CellOutcome,
    FindingRow,
    Judgement,
    LeaderboardAnswer,
    LeaderboardEntry,
    OutcomeTable,
    PairedComparison,
    RateDifference,
    Recommendation,
    State,
    how_sure,
    judge,
    rank,
    shown_standing,
)
from service.rankings.answering import answer_of
from service.rankings.sweet_spot import find_sweet_spot
from service.reports.charts import CHART_WIDTHS, Chart, draw_chart
from service.reports.evidence import EvidenceBox, evidence_boxes
from service.reports.keepers import Baking, Keepers, bakings, keepers
from service.reports.wording import check_label, state_label

MINIATURE = "miniature"


@dataclass(frozen=True)
class ReportScenario:
    """A scenario as the report names it; ``checks`` are those it asks for."""

    name: str
    prompt: str
    checks: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReportImage:
    """One cell's image and all that was found on it.

    Attributes:
        run: name of the run, ``control`` for the base model without LoRA.
        epoch: the checkpoint's epoch.
        scenario: name of the scenario.
        seed: the seed.
        key: what the picture is asked for by, such as its content hash; ``None`` if there is none.
        width: pixels; evidence boxes are in these.
        height: pixels.
        findings: what the detectors said.
        invalid: why the image is no picture; ``None`` if it is one.
    """

    run: str
    epoch: int | None
    scenario: str
    seed: int
    key: str | None
    width: int
    height: int
    findings: tuple[Finding, ...] = ()
    invalid: str | None = None

    def outcome(self, expected: tuple[str, ...] = (), pinned: bool = False) -> CellOutcome:
        """The same image, reduced to what ranking needs; a pinned one is in no rate.

        A check that the detector profile has nothing for is left out: it would make every image that does not fail
        another check "not measurable", and the failure rate of those that are left one hundred percent.
        """
        unanswered = {item.check for item in self.findings if item.detector == UNANSWERED}
        rows = tuple(
            FindingRow(item.check, item.character, item.verdict, item.severity, item.by_absence)
            for item in self.findings
            if item.check not in unanswered
        )
        asked = tuple(check for check in expected if check not in unanswered)
        return CellOutcome(
            self.run, self.epoch, self.scenario, self.seed, self.invalid is not None, rows, asked, pinned
        )


@dataclass(frozen=True)
class Reason:
    """Why a checkpoint loses images: a check, on whom, how badly and how often."""

    check: str
    character: str | None
    kind: str
    images: int

    @property
    def text(self) -> str:
        """In words, such as ``hands lost (Kei)``."""
        kind = "" if self.kind == "clear" else f" {self.kind}"
        return f"{check_label(self.check)}{kind}{f' ({self.character})' if self.character else ''}"


@dataclass(frozen=True)
class LeaderRow:
    """A checkpoint on the leaderboard: its place, how it stands to the recommended one, and what it loses on.

    ``out``: it was dropped from a race, has fewer images than those that stayed, and therefore no place.
    """

    rank: int
    entry: LeaderboardEntry
    standing: str
    comparison: PairedComparison | None
    reasons: tuple[Reason, ...]
    out: bool = False


@dataclass(frozen=True)
class GridCell:
    """One thumbnail. ``index`` numbers the cell within the page."""

    index: int
    image: ReportImage
    url: str | None
    judgement: Judgement
    label: str
    alt: str
    boxes: tuple[EvidenceBox, ...]

    @property
    def checkpoint(self) -> str:
        """Whose picture it is."""
        if self.image.run == CONTROL:
            return "control without LoRA"
        return self.image.run if self.image.epoch is None else f"{self.image.run} epoch {self.image.epoch}"

    @property
    def short_label(self) -> str:
        """The label where there is little room: the symbol beside it says the rest."""
        return {State.NOT_MEASURABLE: "unclear"}.get(self.judgement.state, self.label)

    @property
    def summary(self) -> str:
        """The label and what is behind it, in one line."""
        told = [
            f"{check_label(item.check)}{f' ({item.character})' if item.character else ''} "
            f"{str(item.verdict).replace('_', ' ')}"
            for item in self.image.findings
            if item.verdict is not Verdict.HOLDS
        ]
        return "; ".join([self.label, *told])


@dataclass(frozen=True)
class GridColumn:
    """A checkpoint, or the control, in a grid."""

    run: str
    epoch: int | None
    recommended: bool

    @property
    def label(self) -> str:
        """The epoch alone: the run stands above it."""
        return "no LoRA" if self.run == CONTROL else "final" if self.epoch is None else str(self.epoch)


@dataclass(frozen=True)
class ScenarioGrid:
    """One scenario: seeds down, checkpoints across; a place without an image yet is ``None``."""

    scenario: ReportScenario
    columns: tuple[GridColumn, ...]
    rows: tuple[tuple[int, tuple[GridCell | None, ...]], ...]

    @property
    def runs(self) -> list[tuple[str, int]]:
        """Each run in column order, with how many columns it spans."""
        return list(Counter(column.run for column in self.columns).items())

    @property
    def ordered_counts(self) -> list[tuple[State, int]]:
        """How many images ended in each state, worst first, the control's left out."""
        cells = [cell for _, row in self.rows for cell in row if cell is not None and cell.image.run != CONTROL]
        counts = Counter(cell.judgement.state for cell in cells)
        return [(state, counts[state]) for state in State if counts[state]]


@dataclass(frozen=True)
class ReportView:
    """Everything a report shows."""

    title: str
    base: str
    suite: str
    answer: LeaderboardAnswer
    recommendation: Recommendation
    rows: tuple[LeaderRow, ...]
    control: LeaderboardEntry | None
    chronological: tuple[LeaderboardEntry, ...]
    differences: tuple[RateDifference, ...]
    compared: tuple[str, str] | None
    grids: tuple[ScenarioGrid, ...]
    charts: tuple[Chart, ...]
    detectors: tuple[str, ...]
    planned: int
    facts: Mapping[str, str] = field(default_factory=dict)
    unverified: frozenset[str] = frozenset()
    audits: Mapping[str, Any] | None = None
    bakings: tuple[Baking, ...] = ()
    keepers: tuple[Keepers, ...] = ()

    @property
    def is_miniature(self) -> bool:
        """Whether the pictures come from the tiny model, which is no evidence about real ones."""
        return self.base == MINIATURE

    @property
    def how_sure(self) -> str:
        """The recommendation's heading."""
        found = self.recommendation
        return how_sure(len(found.tied_with), found.entry is found.leader, len(self.rows) == 1)

    @property
    def images(self) -> int:
        """Images there are, the control's too."""
        return sum(row.entry.images for row in self.rows) + (self.control.images if self.control else 0)

    @property
    def cells(self) -> list[GridCell]:
        """Every thumbnail of the page, by index."""
        return [cell for grid in self.grids for _, row in grid.rows for cell in row if cell is not None]


def build_view(
    images: Iterable[ReportImage],
    scenarios: Sequence[ReportScenario],
    *,
    title: str,
    base: str,
    suite: str,
    picture_url: Callable[[str], str],
    planned: int | None = None,
    facts: Mapping[str, str] | None = None,
    ranked_by: Mapping[str, Any] | None = None,
    dropped: Mapping[tuple[str, int | None], str] | None = None,
    pinned_seeds: Collection[int] = (),
    unverified: Iterable[str] = (),
    audits: Mapping[str, Any] | None = None,
) -> ReportView:
    """Work out everything a report shows.

    Args:
        images: the images there are; those of the run ``control`` are the base model's own.
        scenarios: in the order to show them; images of others are left out.
        title: heading of the page.
        base: name of the base model; ``miniature`` brings up the notice.
        suite: name and version of the suite.
        picture_url: a picture's key to its address, absolute or relative to the page.
        planned: images the evaluation will have when it is finished; by default those there are.
        unverified: checks whose error on such pictures nobody has measured; every rate of theirs says so.
        facts: further lines for the foot of the page, such as sampler and hashes, by label.
        ranked_by: further arguments of :func:`service.rankings.rank`, such as what faults cost.
        dropped: checkpoints that are out of a race, and how: these are not recommended.
        pinned_seeds: seeds that are shown and kept out of the rates.
        audits: what people's labels say, if there are any.

    Raises:
        ValueError: if a cell is there twice.
    """
    by_name = {scenario.name: scenario for scenario in scenarios}
    kept = [image for image in images if image.scenario in by_name]
    outcomes = [image.outcome(by_name[image.scenario].checks, image.seed in pinned_seeds) for image in kept]
    table = OutcomeTable.from_outcomes(outcomes)
    racing = set(table.checkpoints) - set(dropped) if dropped else None
    ranking = rank(table, **(ranked_by or {}), among=racing)
    board, control, answer = ranking.board, ranking.control, ranking.recommendation
    compared = _runs_to_compare(board)
    grids = _grids(kept, scenarios, answer.entry, picture_url)
    chronological = tuple(sorted(board, key=lambda entry: (entry.run, entry.epoch is None, entry.epoch or 0)))
    shown = answer_of(ranking, find_sweet_spot(ranking, (ranked_by or {}).get("scenarios", ())))
    return ReportView(
        title=title,
        base=base,
        suite=suite,
        answer=shown,
        recommendation=answer,
        rows=_leader_rows(board, answer, outcomes, dropped or {}),
        control=control,
        chronological=chronological,
        differences=ranking.runs.differences if ranking.runs else (),
        compared=compared,
        grids=grids,
        charts=tuple(draw_chart(chronological, control, answer.entry, width) for width in CHART_WIDTHS),
        detectors=tuple(sorted({f"{item.detector} {item.version}" for image in kept for item in image.findings})),
        planned=max(planned or 0, len(kept)),
        facts=dict(facts or {}),
        unverified=frozenset(unverified),
        audits=audits,
        bakings=bakings(shown.by_run, (answer.entry.run, answer.entry.epoch) if answer.entry else None),
        keepers=keepers(ranking, grids),
    )


def _leader_rows(
    board: Sequence[LeaderboardEntry],
    answer: Recommendation,
    outcomes: Sequence[CellOutcome],
    dropped: Mapping[tuple[str, int | None], str],
) -> tuple[LeaderRow, ...]:
    comparisons = {(item.other.run, item.other.epoch): item for item in answer.comparisons}
    reasons = _reasons(outcomes)
    rows = []
    for place, entry in enumerate(board, start=1):
        comparison = comparisons.get((entry.run, entry.epoch))
        leads = entry is answer.leader
        if entry is answer.entry:
            standing = shown_standing("recommended", bool(answer.tied_with), leads)
        elif (entry.run, entry.epoch) in dropped:
            standing = dropped[entry.run, entry.epoch]
        elif comparison is not None and comparison.separable:
            standing = "worse"
        else:
            standing = shown_standing("tied", True, leads) if entry in answer.tied_with else "too few judged"
        key = entry.run, entry.epoch
        rows.append(LeaderRow(place, entry, standing, comparison, reasons.get(key, ()), out=key in dropped))
    return tuple(rows)


def _reasons(outcomes: Iterable[CellOutcome]) -> dict[tuple[str, int | None], tuple[Reason, ...]]:
    """Per checkpoint, its failures by check, character and kind: most frequent first, worse ones before milder."""
    counts: dict[tuple[str, int | None], Counter[tuple[str, str | None, str]]] = defaultdict(Counter)
    for outcome in outcomes:
        if outcome.invalid:
            continue
        asked = {(row.check, row.character) for row in outcome.findings}
        for check, character in asked:
            judgement = judge(outcome, check, character)
            if judgement.state is State.FAILS and judgement.severity is not None:
                counts[outcome.run, outcome.epoch][check, character, judgement.severity] += 1
    order = [str(severity) for severity in SEVERITIES]
    return {
        checkpoint: tuple(
            Reason(*key, number)
            for key, number in sorted(
                counter.items(), key=lambda item: (-item[1], order.index(item[0][2]), item[0][0], item[0][1] or "")
            )
        )
        for checkpoint, counter in counts.items()
    }


def _runs_to_compare(board: Sequence[LeaderboardEntry]) -> tuple[str, str] | None:
    """The two runs, in name order; ``None`` unless there are exactly two."""
    runs = sorted({entry.run for entry in board})
    return (runs[0], runs[1]) if len(runs) == 2 else None


def _grids(
    images: Sequence[ReportImage],
    scenarios: Sequence[ReportScenario],
    best: LeaderboardEntry | None,
    picture_url: Callable[[str], str],
) -> tuple[ScenarioGrid, ...]:
    keys = {(image.run, image.epoch) for image in images}
    ordered = sorted(keys, key=lambda key: (key[0] != CONTROL, key[0], key[1] is None, key[1] or 0))
    chosen = (best.run, best.epoch) if best else None
    columns = tuple(GridColumn(run, epoch, (run, epoch) == chosen) for run, epoch in ordered)
    places = {(image.scenario, image.seed, image.run, image.epoch): image for image in images}
    grids = []
    index = 0
    for scenario in scenarios:
        seeds = list(dict.fromkeys(image.seed for image in images if image.scenario == scenario.name))
        rows = []
        for seed in seeds:
            cells: list[GridCell | None] = []
            for column in columns:
                image = places.get((scenario.name, seed, column.run, column.epoch))
                cells.append(_cell(index, image, scenario, picture_url) if image else None)
                index += image is not None
            rows.append((seed, tuple(cells)))
        if rows:
            grids.append(ScenarioGrid(scenario, columns, tuple(rows)))
    return tuple(grids)


def _cell(index: int, image: ReportImage, scenario: ReportScenario, picture_url: Callable[[str], str]) -> GridCell:
    judgement = judge(image.outcome(scenario.checks))
    label = state_label(judgement)
    url = picture_url(image.key) if image.key is not None else None
    cell = GridCell(index, image, url, judgement, label, "", evidence_boxes(image.findings))
    return replace(cell, alt=f"{cell.checkpoint}, {image.scenario}, seed {image.seed}: {label}")
