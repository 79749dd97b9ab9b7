"""The strip: one seed across all epochs, cut out and enlarged where it matters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from service.cells.pieces import PARTS, Piece, Pixels, pieces_of
from service.cells.repository import CellFilter
from service.cells.service import SeenCell
from service.errors import NotFound
from service.evaluations.schemas import EvaluationOut
from service.evaluations.workspace import Workspace
from service.pages.grids import Column, GridCell, as_cell, find_columns, has_ended, name_finding
from service.rankings import CONTROL
from service.suites import Suite

WHOLE = "whole"
"""Not cut at all."""
_CHECKS_OF_PART = {
    "hand": frozenset({"hands"}),
    "contact": frozenset({"fusion"}),
    "head": frozenset({"ahoge_bleed", "ahoge_missing", "hair_bleed", "eye_bleed", "face"}),
}


@dataclass(frozen=True)
class Look:
    """Where to look: a part of the picture, of one character where it is somebody's."""

    part: str
    character: str | None

    @property
    def key(self) -> str:
        """What names it in an address."""
        return self.part if self.character is None else f"{self.part}:{self.character}"

    @property
    def label(self) -> str:
        """For people: ``hand of Kei``."""
        if self.part == WHOLE:
            return "whole picture"
        return self.part if self.character is None else f"{self.part} of {self.character}"


Said = tuple[tuple[str, str], ...]
"""Verdict or state, and the words, of each finding."""


@dataclass(frozen=True)
class Group:
    """Pieces that the same checks looked at, and what these said."""

    boxes: tuple[Pixels, ...]
    said: Said


@dataclass(frozen=True)
class Frame:
    """One checkpoint's picture: the pieces to enlarge, and what was said about them.

    There are several groups where checks disagree about who is who; ``said`` was said about no piece.
    """

    cell: GridCell
    groups: tuple[Group, ...]
    said: Said


@dataclass(frozen=True)
class Strip:
    """A seed of a scenario across the control and all checkpoints, run by run."""

    suite: Suite
    scenario: str
    seed: int
    seeds: tuple[int, ...]
    look: Look
    looks: tuple[Look, ...]
    runs: tuple[tuple[str, tuple[Frame, ...]], ...]

    @property
    def prompt(self) -> str:
        """The scenario's prompt."""
        return self.suite.scenario(self.scenario).prompt

    @property
    def disputed(self) -> bool:
        """Whether checks looked for the character in different places of the same picture."""
        return any(len(frame.groups) > 1 for _, frames in self.runs for frame in frames)

    def beside(self, step: int) -> int | None:
        """The seed that many places further on, if there is one."""
        place = self.seeds.index(self.seed) + step
        return self.seeds[place] if 0 <= place < len(self.seeds) else None


def build_strip(
    space: Workspace, evaluation: EvaluationOut, suite: Suite, wanted: str | None, seed: int | None, look: str | None
) -> Strip:
    """Cut one seed's pictures.

    Args:
        space: where the evaluation is.
        evaluation: the evaluation.
        suite: its suite.
        wanted: name of the scenario; the first one if ``None``.
        seed: the seed; the first one if ``None``.
        look: key of a :class:`Look`; what fails most if ``None`` or not to be had.

    Raises:
        NotFound: there is no such scenario or seed.
    """
    scenario = wanted or suite.scenarios[0].name
    if scenario not in [each.name for each in suite.scenarios]:
        known = ", ".join(each.name for each in suite.scenarios)
        raise NotFound(f"suite {suite.name} has no scenario {scenario!r}; it has {known}")
    seeds = space.cells.seeds(evaluation.id, suite, scenario)
    if not seeds:
        raise NotFound(f"no picture of scenario {scenario} is planned yet")
    chosen = seeds[0] if seed is None else seed
    if chosen not in seeds:
        raise NotFound(f"scenario {scenario} has no seed {chosen}; it has {', '.join(map(str, seeds))}")
    columns = find_columns(evaluation)
    filters = CellFilter(scenarios=[scenario], seeds=[chosen])
    seen, _ = space.cells.page(evaluation.id, filters, limit=len(columns) + 1, whole=True)
    looks = _looks(seen)
    taken = next((each for each in looks if each.key == look), None) or _worst(looks, seen)
    frames = [frame_of(each, taken, ended=has_ended(evaluation)) for each in seen]
    return Strip(suite, scenario, chosen, seeds, taken, looks, _runs(frames, columns))


def _pieces(seen: SeenCell) -> list[Piece]:
    image = seen.row.image
    return pieces_of(seen.findings, image.width, image.height) if image is not None and image.invalid is None else []


def _looks(seen: Iterable[SeenCell]) -> tuple[Look, ...]:
    """Everything that can be enlarged in any of the pictures, heads first; the whole picture at the end."""
    found = {Look(piece.part, piece.character) for each in seen for piece in _pieces(each)}
    order = sorted(found, key=lambda each: (PARTS.index(each.part), each.character or ""))
    return (*order, Look(WHOLE, None))


def _worst(looks: Sequence[Look], seen: Iterable[SeenCell]) -> Look:
    """The part whose checks fail in most of the pictures."""
    fails = Counter(
        (finding.check, finding.character) for each in seen for finding in each.findings if finding.verdict == "fails"
    )

    def number(look: Look) -> int:
        checks = _CHECKS_OF_PART.get(look.part, frozenset())
        return sum(count for (check, who), count in fails.items() if check in checks and look.character in (None, who))

    return max(looks, key=number)


def _runs(made: Iterable[Frame], columns: Sequence[Column]) -> tuple[tuple[str, tuple[Frame, ...]], ...]:
    """The frames run by run, each beginning with the control's, which stands alone only where there is no run."""
    frames = {frame.cell.column: frame for frame in made}
    runs: dict[str, list[Frame]] = {}
    for column in columns:
        if column in frames:
            runs.setdefault(column.run, []).append(frames[column])
    control = runs.pop(CONTROL, []) if len(runs) > 1 else []
    return tuple((run, (*control, *members)) for run, members in runs.items())


def frame_of(seen: SeenCell, look: Look, *, ended: bool = False) -> Frame:
    """What a look shows of one picture; ``ended``: nobody works on its evaluation any more."""
    about = _CHECKS_OF_PART.get(look.part)
    said: dict[str, list[tuple[str, str]]] = {}
    for each in seen.findings:
        if (about is None or each.check in about) and look.character in (None, each.character):
            said.setdefault(each.check, []).append((str(each.verdict), name_finding(each)))
    pieces = [piece for piece in _pieces(seen) if Look(piece.part, piece.character) == look]
    boxes: dict[frozenset[str], list[Pixels]] = {}
    for piece in [each for each in pieces if about is None or about.intersection(each.checks)] or pieces:
        checks = frozenset(piece.checks if about is None else about.intersection(piece.checks))
        boxes.setdefault(checks, []).append(piece.box)
    told = {check: checks for checks in reversed(boxes) for check in checks}  # once, where it looked first
    groups = tuple(
        Group(tuple(places), _together(said, [check for check in said if told.get(check) == checks]))
        for checks, places in boxes.items()
    )
    return Frame(as_cell(seen, ended=ended), groups, _together(said, [check for check in said if check not in told]))


def _together(said: Mapping[str, Sequence[tuple[str, str]]], checks: Iterable[str]) -> Said:
    return tuple(words for check in checks for words in said[check])
