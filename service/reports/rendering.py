"""Draws a report as one HTML page, or writes it as JSON: the same numbers in both."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from detectors.findings import Severity, Verdict
from service.rankings import Judgement, LeaderboardEntry, State, Tally, percent
from service.reports.views import GridCell, ReportView, ScenarioGrid
from service.reports.wording import CHECK_MEANINGS, STATE_MEANINGS, SYMBOLS, check_label, state_label


@dataclass(frozen=True)
class Column:
    """A column of a table of rates; ``unverified`` where nobody has measured the error of its check."""

    label: str
    unverified: bool = False


@dataclass(frozen=True)
class RateRow:
    """A checkpoint's row: a tally per column, ``None`` where the column does not apply."""

    label: str
    entry: LeaderboardEntry
    tallies: tuple[Tally | None, ...]


@dataclass(frozen=True)
class RateTable:
    """Checkpoints down, something they are counted by across."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[RateRow, ...]


def render_report(view: ReportView) -> str:
    """The report as one HTML page without any outside file but the pictures themselves."""
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            view=view,
            css=_asset("report.css"),
            js=_asset("report.js"),
            tables=_tables(view),
            cells=_viewer_cells(view),
            symbols=SYMBOLS,
            state_meanings=STATE_MEANINGS,
            check_meanings=CHECK_MEANINGS,
        )
    )


def report_json(view: ReportView) -> dict[str, Any]:
    """The report's numbers as plain JSON values."""
    answer = view.answer.model_dump(mode="json")
    for entry, row in zip(answer["leaderboard"], view.rows, strict=True):
        entry["reasons"] = [
            {"check": item.check, "character": item.character, "severity": item.kind, "images": item.images}
            for item in row.reasons
        ]
    return {
        "title": view.title,
        "suite": view.suite,
        "base": view.base,
        "evidence_about_real_models": not view.is_miniature,
        "images": view.images,
        "planned": view.planned,
        **answer,
        "detectors": list(view.detectors),
        "unverified": sorted(view.unverified),
        "facts": dict(view.facts),
        "cells": [_cell_json(cell) for cell in view.cells],
    }


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("service.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=percent, css=_css_percent, points=_points, p_value=_p_value, check_label=check_label
    )
    return environment


@cache
def _asset(name: str) -> Markup:
    """One of the page's own files, trusted as it stands."""
    return Markup((resources.files("service.reports") / "templates" / name).read_text(encoding="utf-8"))


def _css_percent(share: float) -> str:
    return f"{100 * share:.2f}%"


def _points(difference: float | None) -> str:
    """A difference of rates in percentage points, always with its sign."""
    if difference is None:
        return "–"
    number = round(100 * difference)
    return "0" if number == 0 else f"{'+' if number > 0 else '−'}{abs(number)}"


def _p_value(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _tables(view: ReportView) -> list[RateTable]:
    entries = [*view.chronological, *([view.control] if view.control else [])]
    checks = sorted({check for entry in entries for check in entry.checks})
    scenarios = [grid.scenario.name for grid in view.grids]
    persons = sorted({(check, name) for entry in entries for name, part in entry.characters.items() for check in part})
    return [
        _table(
            "By check",
            [(check_label(check), check) for check in checks],
            [(e, e.checks) for e in entries],
            view.unverified,
        ),
        _table("By scenario", [(name, name) for name in scenarios], [(e, e.scenarios) for e in entries]),
        _table(
            "By character",
            [(f"{check_label(check)}, {name}", f"{check}\0{name}") for check, name in persons],
            [
                (e, {f"{check}\0{name}": tally for name, part in e.characters.items() for check, tally in part.items()})
                for e in entries
            ],
            view.unverified,
        ),
    ]


def _table(
    title: str,
    columns: Sequence[tuple[str, str]],
    entries: Sequence[tuple[LeaderboardEntry, Mapping[str, Tally]]],
    unverified: Collection[str] = (),
) -> RateTable:
    rows = tuple(
        RateRow(_checkpoint(entry), entry, tuple(tallies.get(key) for _, key in columns)) for entry, tallies in entries
    )
    headed = tuple(Column(label, key.partition("\0")[0] in unverified) for label, key in columns)
    return RateTable(title, headed, rows)


def _checkpoint(entry: LeaderboardEntry) -> str:
    return "no LoRA" if entry.run == "control" else entry.label


def _viewer_cells(view: ReportView) -> list[dict[str, Any]]:
    """What the picture viewer needs of every cell, with the neighbours to walk to."""
    cells = []
    for grid in view.grids:
        for y, (_, row) in enumerate(grid.rows):
            for x, cell in enumerate(row):
                if cell is not None:
                    cells.append({**_viewer_cell(cell, view.unverified), **_neighbours(grid, x, y)})
    return cells


def _viewer_cell(cell: GridCell, unverified: Collection[str]) -> dict[str, Any]:
    image, state = cell.image, cell.judgement.state
    return {
        "title": cell.checkpoint,
        "place": f"{image.scenario}, seed {image.seed}",
        "url": cell.url,
        "alt": cell.alt,
        "width": image.width,
        "height": image.height,
        "state": state,
        "symbol": SYMBOLS[state],
        "label": cell.label,
        "invalid": image.invalid,
        "boxes": [[item.finding, *item.box] for item in cell.boxes],
        "findings": [
            {
                "verdict": finding.verdict,
                "symbol": SYMBOLS[State(finding.verdict)],
                "label": _finding_label(finding.verdict, finding.severity),
                "title": check_label(finding.check) + (f" · {finding.character}" if finding.character else ""),
                "reason": finding.reason,
                "detector": _source(finding.detector, finding.version, finding.score)
                + (", unverified" if finding.check in unverified else ""),
            }
            for finding in image.findings
        ],
    }


def _finding_label(verdict: Verdict, severity: Severity | None) -> str:
    return state_label(Judgement(State(verdict), severity))


def _source(detector: str, version: str, score: float | None) -> str:
    return f"{detector} {version}" + ("" if score is None else f", score {score:.2f}")


def _neighbours(grid: ScenarioGrid, x: int, y: int) -> dict[str, int | None]:
    """Index of the nearest cell each way, stepping over places without an image."""

    def walk(dx: int, dy: int) -> int | None:
        column, line = x + dx, y + dy
        while 0 <= line < len(grid.rows) and 0 <= column < len(grid.columns):
            cell = grid.rows[line][1][column]
            if cell is not None:
                return cell.index
            column, line = column + dx, line + dy
        return None

    return {"left": walk(-1, 0), "right": walk(1, 0), "up": walk(0, -1), "down": walk(0, 1)}


def _cell_json(cell: GridCell) -> dict[str, Any]:
    image = cell.image
    return {
        "run": image.run,
        "epoch": image.epoch,
        "scenario": image.scenario,
        "seed": image.seed,
        "picture": cell.url,
        "state": cell.judgement.state,
        "severity": cell.judgement.severity,
        "invalid": image.invalid,
        "findings": [finding.to_json() for finding in image.findings],
    }
