"""Finding what a report is about, and writing it to a file: shared by the API and the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.errors import NotFound
from service.evaluations.workspace import Workspace
from service.reports.exporting import findings_csv, markdown, rates_csv, single_page, write_zip
from service.reports.views import ReportView

SUFFIXES = {
    "json": "json", "html": "html", "csv": "csv", "markdown": "md", "findings": "csv", "single-page": "html",
    "zip": "zip",
}  # fmt: skip


def run_leaderboard(space: Workspace, run: str, suite: str | None, use: str) -> dict[str, Any]:
    """The leaderboard of a run alone, from the newest evaluation that has results for it.

    Raises:
        NotFound: there is no such run, or nothing has been evaluated of it.
    """
    checkpoints = space.registry.checkpoints_of(run)
    for evaluation_id in space.evaluations.using([each.id for each in checkpoints]):
        evaluation = space.evaluations.state(evaluation_id).evaluation
        if suite in (None, evaluation.suite):
            board = space.evaluations.leaderboard(evaluation_id, use, run=run)
            if board["leaderboard"]:
                return board
    wanted = f" with suite {suite}" if suite else ""
    raise NotFound(f"no evaluation{wanted} has results for run {run} yet; start one with POST /v1/evaluations")


def write_report(space: Workspace, evaluation_id: str, wanted: str, target: Path) -> None:
    """Write an evaluation's report to a file.

    Args:
        space: the data folder.
        evaluation_id: the evaluation.
        wanted: csv, markdown, findings, single-page or zip.
        target: the file.

    Raises:
        NotFound: there is no such evaluation.
        TooLarge: its pictures are too many for a single page.
    """
    evaluation = space.evaluations.state(evaluation_id).evaluation

    def view(address: Callable[[str], str]) -> ReportView:
        return space.evaluations.report(evaluation_id, address)

    if wanted == "zip":
        with target.open("wb") as file:
            board = space.evaluations.leaderboard(evaluation_id)
            write_zip(file, view, board, space.evaluations.images(evaluation), space.images.path)
    elif wanted == "findings":
        with target.open("w", encoding="utf-8") as table:
            table.writelines(findings_csv(space.evaluations.images(evaluation)))
    elif wanted == "single-page":
        target.write_text(single_page(view, space.images.path), encoding="utf-8")
    else:
        board = space.evaluations.leaderboard(evaluation_id)
        title = f"{evaluation.suite}: which epoch to use"
        made = rates_csv(board) if wanted == "csv" else markdown(board, title, evaluation.request["base"])
        target.write_text(made, encoding="utf-8")
