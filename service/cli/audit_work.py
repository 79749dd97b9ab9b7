"""What ``bleedcheck audit`` and ``bleedcheck calibrate`` do and print."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from detectors import calibration
from detectors.calibration import Band
from detectors.profiles import profile_of
from service.audits.calibrating import Unsettled, settle
from service.audits.calibrations import audited_scores, forget, keep, read_scores
from service.audits.draws import Drawing
from service.audits.importing import Imported, import_rows
from service.audits.questions import FINDINGS, PICTURE
from service.audits.results import AuditResults, CheckResult
from service.audits.tables import read_table, write_table
from service.cli.printing import print_json, say
from service.cli.working import newest
from service.errors import InvalidInput
from service.evaluations.workspace import Workspace
from service.rankings import percent
from service.storage.files import whole_file

_WIDTH_OF_LOGS = 140


@dataclass(frozen=True)
class AuditOptions:
    """See the options of ``bleedcheck audit``."""

    labels: Path | None
    draw: int | None
    out: Path | None
    about: str
    question: str | None
    seed: int | None
    person: str
    results: bool


@dataclass(frozen=True)
class CalibrateOptions:
    """See the options of ``bleedcheck calibrate``."""

    labels: Path | None
    evaluation: str | None
    checks: tuple[str, ...]
    precision: float
    profile: str | None
    forget: bool


def run_audit(space: Workspace, evaluation: str, options: AuditOptions, as_json: bool) -> None:
    """Take labels, draw, write a table, and say what the labels do, as far as each was asked for."""
    imported = drawing = None
    if options.labels is not None:
        rows = read_table(_read(options.labels), options.person)
        imported = import_rows(space.database, evaluation, rows)
    if options.draw is not None:
        drawing = space.audits.draw(evaluation, options.draw, options.about, options.seed, options.question)
    if options.out is not None:
        _write(space, evaluation, options.out, only_waiting=drawing is not None)
    nothing = imported is None and drawing is None and options.out is None
    results = space.audits.results(evaluation) if options.results or nothing or imported is not None else None
    if as_json:
        print_json(
            {
                "evaluation": evaluation,
                "imported": asdict(imported) if imported else None,
                "draw": asdict(drawing) if drawing else None,
                "out": str(options.out) if options.out else None,
                "results": results.to_json() if results else None,
            }
        )
        return
    _tell(imported, drawing, options.out)
    if results is not None:
        print_results(results)


def run_calibrate(space: Workspace, options: CalibrateOptions, as_json: bool) -> None:
    """Settle bands and keep them, or go back to the shipped thresholds."""
    folder = space.settings.data_dir
    profile = profile_of(options.profile or space.settings.detector_profile).name
    if options.forget:
        left = forget(folder, profile, options.checks)
        bands: Sequence[Band] = left.bands
        unsettled: list[Unsettled] = []
        path = calibration.place(folder, profile)
    else:
        labels, source = _scores(space, options)
        bands, unsettled = settle(labels, options.precision, source, options.checks)
        if not bands:
            reasons = "; ".join(f"{_who(each.check, each.character)}: {each.reason}" for each in unsettled)
            raise InvalidInput(f"nothing was calibrated, nothing has changed. {reasons or 'There is no label.'}")
        path = keep(folder, profile, bands)
    if as_json:
        print_json(
            {
                "profile": profile,
                "file": str(path),
                "bands": [asdict(band) for band in bands],
                "unsettled": [asdict(each) for each in unsettled],
            }
        )
        return
    if options.forget:
        print(f"{profile}: {len(bands)} settled thresholds are left; evaluations asked for from now on use them")
        return
    print_bands(bands)
    for each in unsettled:
        say(f"{_who(each.check, each.character)} stays as it is: {each.reason}")
    print(f"Kept in {path}. Evaluations asked for from now on use it; they judge existing images again.")


def print_results(results: AuditResults) -> None:
    """Rates before and after, precision and recall, agreement, warnings."""
    console = Console(width=None if sys.stdout.isatty() else _WIDTH_OF_LOGS)
    rows = [each for each in (results.overall, *results.checks, results.picture) if each]
    if rows:
        table = Table(pad_edge=False)
        for name in ("", "labels", "machine", "corrected", "95% interval", "precision", "recall", "error differs"):
            table.add_column(name, justify="left" if not name else "right")
        for row in rows:
            table.add_row(*_row(row))
        console.print(table)
        _print_checkpoints(console, rows)
    for question in results.questions:
        told = [f"{_name(asdict(each))} {each.fails} of {each.labels}" for each in question.rates if each.labels]
        console.print(Text(f"{question.question} Fails: {', '.join(told)}"))
    if results.agreement.pairs:
        kappa = "" if results.agreement.kappa is None else f", kappa {results.agreement.kappa:.2f}"
        low, high = results.agreement.kappa_interval or (None, None)
        span = "" if low is None or high is None else f" ({low:.2f} to {high:.2f})"
        agreed = percent(results.agreement.share or 0.0)
        console.print(Text(f"Agreement on {results.agreement.pairs} items: {agreed}{kappa}{span}"))
    for sentence in results.sentences:
        console.print(Text(sentence))
    for warning in results.warnings:
        console.print(Text(f"Beware: {warning}"))


def print_bands(bands: Sequence[Band]) -> None:
    """Bands with what they reach."""
    table = Table(pad_edge=False)
    for name in ("check", "fails from", "holds below", "labels", "failures", "precision", "recall", "unsure"):
        table.add_column(name, justify="left" if name == "check" else "right")
    for band in bands:
        measured = band.measured
        table.add_row(
            _who(band.check, band.character),
            "never" if band.fails_from is None else f"{band.fails_from:g}",
            f"{band.holds_below:g}",
            str(measured["labels"]),
            str(measured["failures"]),
            *(_with_interval(measured, name) for name in ("precision", "recall", "unsure")),
        )
    Console(width=None if sys.stdout.isatty() else _WIDTH_OF_LOGS).print(table)


def _print_checkpoints(console: Console, rows: Sequence[CheckResult]) -> None:
    """Each checkpoint's rate of whole pictures, or else of all checks together, before and after."""
    shown = next((row for name in (PICTURE, FINDINGS) for row in rows if row.check == name), None)
    if shown is None:
        return
    table = Table(title="whole pictures" if shown.check == PICTURE else "all checks together", title_justify="left")
    for name in ("checkpoint", "own labels", "machine", "corrected", "95% interval"):
        table.add_column(name, justify="left" if name == "checkpoint" else "right")
    for each in shown.rates:
        rate = each.rate
        table.add_row(
            _name({"run": each.run, "epoch": each.epoch}),
            str(each.own_labels),
            _percent(rate.uncorrected),
            _percent(rate.corrected),
            _span(rate.interval),
        )
    console.print(table)


def _row(row: CheckResult) -> list[str]:
    quality = row.quality
    return [
        {PICTURE: "whole pictures", FINDINGS: "all checks together"}.get(row.check, row.check),
        str(row.pooled.labels),
        _percent(row.pooled.uncorrected),
        _percent(row.pooled.corrected),
        _span(row.pooled.interval),
        f"{_percent(quality.precision)} {_span(quality.precision_interval)}",
        f"{_percent(quality.recall)} {_span(quality.recall_interval)}",
        "-" if row.p_adjusted is None else f"p = {row.p_adjusted:.3f}",
    ]


def _scores(space: Workspace, options: CalibrateOptions) -> tuple[list[Any], str]:
    if (options.labels is None) == (options.evaluation is None):
        raise InvalidInput("say where the labels come from: --labels FILE.csv or --evaluation ID")
    if options.labels is not None:
        return read_scores(options.labels), f"labels in {options.labels.name}"
    evaluation = newest(space, options.evaluation)
    with space.database.reading() as session:
        return audited_scores(session, evaluation), f"audits of evaluation {evaluation}"


def _tell(imported: Imported | None, drawing: Drawing | None, out: Path | None) -> None:
    if imported is not None:
        print(f"{imported.labels} new labels, {imported.unchanged} that were there already")
        if imported.chosen:
            say(f"{imported.chosen} rows are about findings that nobody drew; they correct no rate")
    if drawing is not None:
        print(f"{drawing.size} items drawn about {drawing.about}, seed {drawing.seed}")
    if out is not None:
        print(f"Written: {out}. Fill in the column label with holds, minor, fails or cant_tell, and hand it back.")


def _write(space: Workspace, evaluation: str, out: Path, *, only_waiting: bool) -> None:
    views = [view for view in space.audits.items(evaluation) if not (only_waiting and view.label)]
    table = write_table(views, lambda sha256: str(space.images.path(sha256).resolve()))
    with whole_file(out) as file:
        file.write(table.encode())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror}") from None


def _who(check: str, character: str | None) -> str:
    return f"{check} ({character})" if character else check


def _name(row: Mapping[str, Any]) -> str:
    return str(row["run"]) if row["epoch"] is None else f"{row['run']} epoch {row['epoch']}"


def _percent(rate: float | None) -> str:
    return "-" if rate is None else percent(rate)


def _span(interval: Sequence[float] | None) -> str:
    return "-" if interval is None else f"{percent(interval[0])} to {percent(interval[1])}"


def _with_interval(measured: Mapping[str, Any], name: str) -> str:
    return f"{_percent(measured.get(name))} {_span(measured.get(f'{name}_interval'))}"
