"""``bleedcheck audit`` and ``bleedcheck calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import DataDir, Json

audits_app = typer.Typer(rich_markup_mode=None)


@audits_app.command()
def audit(
    evaluation: Annotated[str | None, typer.Argument(help="The evaluation's id. [default: the newest]")] = None,
    labels: Annotated[Path | None, typer.Option(help="Take in the labels of this filled CSV table.")] = None,
    draw: Annotated[int | None, typer.Option(min=1, help="Draw so many items at random to judge.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the items that wait as CSV; without --draw, every item with its labels.")
    ] = None,
    about: Annotated[
        str, typer.Option(help="findings (of every check), one check's name, picture (whole pictures), or question.")
    ] = "findings",
    question: Annotated[
        str | None, typer.Option(help="A free question on whole pictures, such as: Are all shadows possible?")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the draw.")] = None,
    person: Annotated[str, typer.Option(help="Who labelled, where the table does not say.")] = "unnamed",
    results: Annotated[bool, typer.Option("--results", help="Say what the labels do to the rates.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Let people's verdicts correct the machine's: draw findings, take labels, and see the corrected rates.

    Labels are holds, minor, fails or cant_tell. Thirty are enough to begin with.

    \b
    Examples:
      bleedcheck audit --draw 30 --out labels.csv
      bleedcheck audit --labels labels.csv --results
      bleedcheck audit 8d3c4b1f0a9e --draw 24 --question "Is all lettering real?" --out labels.csv
    """
    from service.cli.audit_work import AuditOptions, run_audit
    from service.cli.working import newest, opened

    options = AuditOptions(labels, draw, out, "question" if question else about, question, seed, person, results)
    with opened(data_dir) as space:
        run_audit(space, newest(space, evaluation), options, json)


@audits_app.command()
def calibrate(
    labels: Annotated[
        Path | None, typer.Option(help="CSV with check, character, score, label: from known truth or exported audits.")
    ] = None,
    evaluation: Annotated[str | None, typer.Option(help="Use the audits of this evaluation.")] = None,
    check: Annotated[
        list[str] | None, typer.Option(metavar="CHECK", help="Only this check. Can be given several times.")
    ] = None,
    precision: Annotated[
        float, typer.Option(help="Share of what is called a failure that must be one, above 0.5 and at most 1.")
    ] = 0.95,
    profile: Annotated[str | None, typer.Option(help="Detector profile. [default: the one in use]")] = None,
    forget: Annotated[bool, typer.Option("--forget", help="Go back to the shipped thresholds.")] = False,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Settle the thresholds of checks on labelled findings, for a stated precision.

    Scores between "fails" and "holds" become not measurable. The calibration is kept in the data folder with what it
    was settled on; evaluations that are asked for afterwards use it, earlier ones stay as they are.

    \b
    Examples:
      bleedcheck calibrate --evaluation 8d3c4b1f0a9e --check hands --precision 0.95
      bleedcheck calibrate --labels truth.csv --json
      bleedcheck calibrate --check hands --forget
    """
    from service.cli.audit_work import CalibrateOptions, run_calibrate
    from service.cli.working import opened

    options = CalibrateOptions(labels, evaluation, tuple(check or ()), precision, profile, forget)
    with opened(data_dir) as space:
        run_calibrate(space, options, json)
