"""``bleedcheck evaluations``, ``leaderboard``, ``compare`` and ``report``: reading what was evaluated."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from service.cli.options import DataDir, Json
from service.errors import StorageFailed, refuse_unknown

app = typer.Typer(rich_markup_mode=None)

Evaluation = Annotated[str | None, typer.Argument(help="The evaluation's id. [default: the newest]")]
EvaluationOption = Annotated[str | None, typer.Option(help="The evaluation's id. [default: the newest]")]
Epoch = Annotated[int | None, typer.Option(min=0, help="Only this epoch. [default: all that both have]")]


@app.command("evaluations")
def list_evaluations(
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 20,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """List the evaluations there are, newest first: their ids, and how far each is.

    \b
    Examples:
      bleedcheck evaluations
      bleedcheck evaluations --limit 5 --json
    """
    from service.cli.printing import print_json, print_table
    from service.cli.working import opened
    from service.evaluations.schemas import EvaluationOut

    with opened(data_dir) as space:
        rows = [EvaluationOut.of(space.evaluations.state(each.id)) for each in space.evaluations.page(None, limit)]
    if json:
        print_json({"evaluations": [each.model_dump(mode="json") for each in rows]})
    elif not rows:
        typer.echo("nothing has been evaluated here yet; start with `bleedcheck demo` or `bleedcheck evaluate`")
    else:
        lines = []
        for each in rows:
            runs = ", ".join(dict.fromkeys(checkpoint.run for checkpoint in each.checkpoints))
            judged = f"{each.progress.judged} of {each.progress.total}"
            lines.append((each.id, each.suite, each.base, runs, each.status_text, judged))
        print_table(("id", "suite", "base", "runs", "state", "images judged"), lines)


@app.command()
def leaderboard(
    evaluation: Evaluation = None,
    run: Annotated[str | None, typer.Option(help="A run's own leaderboard, from its newest evaluation.")] = None,
    use: Annotated[
        str, typer.Option(help="What for: all, hard-contact, no-crossing, or weights per check (hands=2,fusion=1).")
    ] = "all",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Show the leaderboard of an evaluation, also while it runs.

    \b
    Examples:
      bleedcheck leaderboard
      bleedcheck leaderboard 8d3c4b1f0a9e --use hard-contact
      bleedcheck leaderboard --run v2 --json
    """
    from service.cli.printing import print_board, print_json
    from service.cli.working import newest, opened
    from service.reports.delivery import run_leaderboard

    with opened(data_dir) as space:
        if run is not None:
            board = run_leaderboard(space, run, None, use)
        else:
            board = space.evaluations.leaderboard(newest(space, evaluation), use)
        state = space.evaluations.state(board["evaluation"])
    if json:
        print_json(board)
    else:
        print_board(board, state.evaluation.suite, state.evaluation.request["base"])


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help='A run; "control" is the base without a LoRA.')],
    second: Annotated[str, typer.Argument(help="The other one, or the same at another epoch.")],
    first_epoch: Epoch = None,
    second_epoch: Epoch = None,
    evaluation: EvaluationOption = None,
    second_evaluation: Annotated[str | None, typer.Option(help="The second one's evaluation, if another.")] = None,
    check: Annotated[
        list[str] | None, typer.Option(metavar="CHECK", help="Only these checks. Several are fine.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, max=1000, help="How many flipped images to name.")] = 10,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Compare two runs, or two checkpoints, on the same prompts and seeds: rates, and the images that flipped.

    \b
    Examples:
      bleedcheck compare v1 v2
      bleedcheck compare v2 v2 --first-epoch 120 --second-epoch 148 --check hands
      bleedcheck compare control v2 --json
    """
    from service.cli.printing import print_comparison, print_json
    from service.cli.working import newest, opened
    from service.comparisons.schemas import ComparisonOut
    from service.comparisons.service import Side
    from service.comparisons.service import compare as compared

    with opened(data_dir) as space:
        where = newest(space, evaluation)
        sides = Side(where, first, first_epoch), Side(second_evaluation or where, second, second_epoch)
        found = compared(space.evaluations, *sides, checks=check, limit=limit)
    if json:
        print_json(ComparisonOut.of(found).model_dump(mode="json"))
    else:
        print_comparison(found)


@app.command()
def report(
    evaluation: Evaluation = None,
    format: Annotated[
        Literal["single-page", "zip", "csv", "findings", "markdown", "html", "json"],
        typer.Option(help="One HTML file with its pictures inside; a zip; tables; or a page beside the data."),
    ] = "single-page",
    out: Annotated[Path | None, typer.Option(help="The file. [default: bleedcheck-ID.SUFFIX in this folder]")] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Write an evaluation's report to a file that opens without the service.

    The form html is the page that the data folder keeps, beside its pictures.

    \b
    Examples:
      bleedcheck report
      bleedcheck report 8d3c4b1f0a9e --format zip --out answer.zip
      bleedcheck report --format markdown --out answer.md
    """
    from service.cli.printing import print_json
    from service.cli.working import newest, opened
    from service.reports.delivery import SUFFIXES, write_report

    if format == "html" and out is not None:
        raise typer.BadParameter(
            "this form lies in the data folder, beside the pictures that it shows; to take a report elsewhere write "
            "--format single-page or --format zip",
            param_hint="--out",
        )
    with opened(data_dir) as space:
        where = newest(space, evaluation)
        target = out or Path(f"bleedcheck-{where}.{SUFFIXES[format]}")
        try:
            if format == "html":
                target = space.write_report(where)
            elif format == "json":
                _write_json(target, space.evaluations.leaderboard(where))
            else:
                write_report(space, where, format, target)
        except OSError as error:
            raise StorageFailed(
                f"{target} cannot be written: {error.strerror or error}; name another file with --out"
            ) from error
    if json:
        print_json({"evaluation": where, "file": str(target), "bytes": target.stat().st_size})
    else:
        typer.echo(str(target))


@app.command()
def conclude(
    table: Annotated[
        Path | None, typer.Argument(help="A CSV table filled in by hand: seed,140,144 and then 7,holds,lost a line.")
    ] = None,
    run: Annotated[str | None, typer.Option(help="Or a run of an evaluation, with --scenario and --check.")] = None,
    scenario: Annotated[str | None, typer.Option(help="The scenario.")] = None,
    check: Annotated[str | None, typer.Option(help="The check.")] = None,
    evaluation: EvaluationOption = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Say what a small table of seeds by epochs can show, and what it cannot.

    The words of a table are holds, minor, fails, fused, lost and ? for what cannot be told.

    \b
    Examples:
      bleedcheck conclude my-table.csv
      bleedcheck conclude --run v2 --scenario piggyback --check hands
    """
    from dataclasses import asdict

    from service.cli.printing import print_json
    from service.cli.working import hand_table, newest, opened
    from service.rankings import OutcomeTable
    from service.rankings.conclusion import conclude as concluded
    from service.rankings.hand_tables import CHECK, RUN, SCENARIO

    if table is not None:
        found = concluded(hand_table(table), RUN, SCENARIO, CHECK)
    elif run and scenario and check:
        with opened(data_dir) as space:
            state = space.evaluations.state(newest(space, evaluation))
            images = space.evaluations.images(state.evaluation)
            suite = space.cells.request(state.evaluation.id).suite
        refuse_unknown(f"suite {suite.name}", "scenario", [scenario], [each.name for each in suite.scenarios])
        refuse_unknown(f"scenario {scenario}", "check", [check], suite.scenario(scenario).checks)
        refuse_unknown("the evaluation", "run", [run], list(dict.fromkeys(each.run for each in images)))
        judged = OutcomeTable.from_outcomes(image.outcome() for image in images)
        found = concluded(judged, run, scenario, check)
    else:
        raise typer.BadParameter("give a table, or all of --run, --scenario and --check")
    if json:
        print_json(asdict(found))
        return
    for title, said in (("What it shows", found.can), ("What it cannot show", found.cannot)):
        typer.echo("\n".join([f"{title}:", *(f"- {sentence}" for sentence in said or ["nothing"])]))


def _write_json(target: Path, board: Any) -> None:
    import json

    target.write_text(json.dumps(board, ensure_ascii=False, indent=1), encoding="utf-8")
