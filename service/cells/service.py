"""Cells as the endpoints and pages use them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

from detectors import Expectation, Finding, Severity, Verdict
from detectors.findings import UNANSWERED
from service.cells import repository
from service.cells.drawing import DRAWING_VERSION, Outline, draw, fit_mask
from service.cells.known import Known, Place
from service.cells.repository import PENDING, CellFilter, CellRow
from service.database.engine import Database
from service.errors import NotFound
from service.evaluations import repository as evaluations
from service.evaluations.executor import Models
from service.evaluations.requests import EvaluationRequest
from service.evaluations.states import run_names
from service.evaluations.verdicts import brief_findings
from service.generation.port import Pixels
from service.rankings import CONTROL, CellOutcome, FindingRow, State, judge
from service.storage.images import ImageStore
from service.suites import Suite


@dataclass(frozen=True)
class SeenCell:
    """A cell with what was found on it.

    Attributes:
        row: cell, image and detection.
        place: what it belongs to.
        findings: brief or whole, as asked for.
        state: what the findings add up to, or ``pending``.
        severity: of the worst finding.
    """

    row: CellRow
    place: Place
    findings: tuple[Finding, ...]
    state: str
    severity: str | None


@dataclass(frozen=True)
class Elsewhere:
    """Something that is lost because it is not there: how many of the other pictures of its prompt and seed show it."""

    check: str
    character: str | None
    shown: int
    pictures: int


@runtime_checkable
class _Seeing(Protocol):
    """Detectors that can say where people are."""

    def look(self, images: Sequence[Pixels], expectations: Sequence[Expectation]) -> Sequence[Any]:
        """What is seen in each image."""


class CellService:
    """Lists cells and draws what was seen in them."""

    def __init__(self, database: Database, images: ImageStore, models: Models) -> None:
        self._database = database
        self._images = images
        self._models = models

    def page(
        self,
        evaluation_id: str,
        wanted: CellFilter,
        *,
        runs: Collection[str] | None = None,
        epochs: Collection[int] | None = None,
        checkpoints: Collection[str] | None = None,
        after: int = 0,
        limit: int = 100,
        whole: bool = False,
    ) -> tuple[list[SeenCell], int | None]:
        """Cells in the order of the plan.

        Args:
            evaluation_id: the evaluation.
            wanted: which cells; its ``contenders`` is worked out here.
            runs: names of runs; "control" is the base model without a LoRA.
            epochs: epochs of checkpoints.
            checkpoints: ids.
            after: only cells with an id above this.
            limit: how many at most.
            whole: whether findings come with their evidence, those too that no detector answered.

        Returns:
            The cells, and the id to go on after; ``None`` at the end.

        Raises:
            NotFound: there is no such evaluation.
            InvalidInput: it has nothing of a name that is asked for; the message says what it has.
        """
        with self._database.reading() as session:
            places = self._places(session, evaluation_id)
            known = Known.of(evaluations.get(session, evaluation_id).request["suite"], places.values())
            known.check(evaluation_id, wanted, runs, epochs, checkpoints)
            if runs is not None or epochs is not None or checkpoints is not None:
                chosen = [
                    contender
                    for contender, place in places.items()
                    if (runs is None or place.run in runs)
                    and (epochs is None or place.epoch in epochs)
                    and (checkpoints is None or place.checkpoint in checkpoints)
                ]
                wanted = replace(wanted, contenders=chosen)
            rows = repository.list_cells(session, evaluation_id, wanted, after, limit + 1)
            more, rows = len(rows) > limit, rows[:limit]
            found = self._seen(session, rows, places, wanted, whole)
        return found, rows[-1].cell.id if more else None

    def seeds(self, evaluation_id: str, suite: Suite, scenario: str) -> tuple[int, ...]:
        """The seeds of a scenario that are planned: the suite's in its order, then those that rounds have drawn."""
        with self._database.reading() as session:
            planned = dict.fromkeys(repository.list_seeds(session, evaluation_id, scenario))
        own = dict.fromkeys(seed for each, seed in suite.cells() if each.name == scenario and seed in planned)
        return (*own, *(seed for seed in planned if seed not in own))

    def get(self, evaluation_id: str, cell_id: int) -> SeenCell:
        """One cell, with the evidence of its findings.

        Raises:
            NotFound: there is no such evaluation or cell.
        """
        with self._database.reading() as session:
            places = self._places(session, evaluation_id)
            row = repository.find_cell(session, evaluation_id, cell_id)
            if row is None:
                raise NotFound(f"evaluation {evaluation_id} has no cell {cell_id}")
            (seen,) = self._seen(session, [row], places, CellFilter(), True)
        return seen

    def control_of(self, evaluation_id: str, seen: SeenCell) -> int | None:
        """The id of the control's cell with the same scenario and seed."""
        with self._database.reading() as session:
            control = evaluations.contenders(session, evaluation_id)[0]
            return repository.find_place(session, control.id, seen.row.cell.scenario, seen.row.cell.seed)

    def elsewhere(self, evaluation_id: str, seen: SeenCell) -> list[Elsewhere]:
        """For everything that is lost because it is not there, whether others of the same prompt and seed show it."""
        absent = [finding for finding in seen.findings if finding.by_absence]
        if not absent:
            return []
        wanted = CellFilter(scenarios=[seen.row.cell.scenario], seeds=[seen.row.cell.seed])
        with self._database.reading() as session:
            places = self._places(session, evaluation_id)
            rows = repository.list_cells(session, evaluation_id, wanted, 0, len(places))
            others = self._seen(session, [row for row in rows if row.cell != seen.row.cell], places, wanted, True)
        judged = [other for other in others if other.findings and other.state != State.INVALID]
        return [
            Elsewhere(item.check, item.character, sum(_shows(other, item) for other in judged), len(judged))
            for item in absent
        ]

    def request(self, evaluation_id: str) -> EvaluationRequest:
        """What an evaluation was asked to do.

        Raises:
            NotFound: there is no such evaluation.
        """
        with self._database.reading() as session:
            return EvaluationRequest.restore(evaluations.get(session, evaluation_id).request)

    def overlay(self, evaluation_id: str, seen: SeenCell, layers: Collection[str], transparent: bool) -> bytes:
        """A cell's picture with what was seen in it, as PNG.

        Masks are not kept with findings: the detectors look at the picture once more.

        Raises:
            NotFound: it has no picture yet.
        """
        image = seen.row.image
        if image is None:
            raise NotFound(f"cell {seen.row.cell.id} has no image yet")
        pixels = self._images.load(image.sha256)
        request = self.request(evaluation_id)
        expectation = request.suite.expectation(seen.row.cell.scenario)
        masks = "masks" in layers and image.invalid is None
        outlines = self._outlines(request, pixels, expectation) if masks else []
        cast = [character.name for character in expectation.cast]
        return draw(pixels, seen.findings, outlines, layers, cast, transparent=transparent)

    def _outlines(self, request: EvaluationRequest, pixels: Pixels, expectation: Expectation) -> list[Outline]:
        detectors = self._models.detectors(request)
        if not isinstance(detectors, _Seeing):
            return []
        (context,) = detectors.look([pixels], [expectation])
        names = {person: name for name, person in context.assignment.matches.items() if person is not None}
        height, width = pixels.shape[:2]
        return [
            Outline(names.get(number), fit_mask(person.mask, context.factor, width, height))
            for number, person in enumerate(context.people)
        ]

    def _places(self, session: Any, evaluation_id: str) -> dict[int, Place]:
        evaluations.get(session, evaluation_id)
        contenders = evaluations.contenders(session, evaluation_id)
        names = run_names([each.checkpoint for each in contenders])
        return {
            each.id: Place(names[each.checkpoint.id], each.checkpoint.epoch, each.checkpoint.id)
            if each.checkpoint
            else Place(CONTROL, None, None)
            for each in contenders
        }

    def _seen(
        self, session: Any, rows: Sequence[CellRow], places: dict[int, Place], wanted: CellFilter, whole: bool
    ) -> list[SeenCell]:
        if not whole:
            return [_judged(row, places[row.contender_id], brief_findings(row.verdicts), wanted) for row in rows]
        findings = repository.findings_of(session, [row.detection for row in rows if row.detection is not None])
        return [
            _judged(row, places[row.contender_id], findings.get(row.detection, ()) if row.detection else (), wanted)
            for row in rows
        ]


def _shows(other: SeenCell, absent: Finding) -> bool:
    """Whether another picture shows what is absent: what is there, however broken, could be judged."""
    return any(
        (each.check, each.character) == (absent.check, absent.character)
        and each.verdict is not Verdict.NOT_MEASURABLE
        and not each.by_absence
        for each in other.findings
    )


def version_of(seen: SeenCell) -> str:
    """What a drawing of a cell depends on besides its picture: changes whenever the drawing would."""
    return f"{seen.row.detection or 0}-{DRAWING_VERSION}"


def _judged(row: CellRow, place: Place, findings: Sequence[Finding], wanted: CellFilter) -> SeenCell:
    invalid = row.image is not None and row.image.invalid is not None
    if row.detection is None and not invalid:
        return SeenCell(row, place, (), PENDING, None)
    rows = tuple(_as_row(each) for each in findings if each.detector != UNANSWERED)  # in no rate, and in no state
    outcome = CellOutcome(place.run, place.epoch, row.cell.scenario, row.cell.seed, invalid, rows)
    judgement = judge(outcome, wanted.check, wanted.character)
    return SeenCell(row, place, tuple(findings), judgement.state, judgement.severity)


@lru_cache(maxsize=4096)
def _row(check: str, character: str | None, verdict: Verdict, severity: Severity | None) -> FindingRow:
    return FindingRow(check, character, verdict, severity)


def _as_row(finding: Finding) -> FindingRow:
    """What judging needs of a finding; there are few different ones, however many findings there are."""
    return _row(finding.check, finding.character, finding.verdict, finding.severity)
