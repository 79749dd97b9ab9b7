"""Reports to take away: CSV, Markdown, one HTML file with its pictures inside, or a zip that opens without the service.

All of them hold the numbers of the API: they are written from the same answer.
"""

from __future__ import annotations

import base64
import csv
import json
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

from service.errors import NotFound, TooLarge
from service.evaluations.executor import status_words
from service.reports.rendering import render_report
from service.reports.views import MINIATURE, ReportImage, ReportView

MAX_EMBEDDED_BYTES = 200 << 20
"""An HTML file with more in it opens in no browser with pleasure; the zip has no such limit."""
_EMBEDDED_QUALITY = 90
_PICTURE = "picture:"
_COUNTS = ("fails", "minor", "holds", "not_measurable")
_RATES = ("run", "epoch", "about", "name", *_COUNTS, "rate", "interval_low", "interval_high")
_FINDINGS = (
    "run", "epoch", "scenario", "seed", "check", "character", "verdict", "severity", "score", "reason", "detector",
    "version", "invalid", "picture",
)  # fmt: skip
NOTICE = "The miniature shows that everything works; it is no evidence about real models."

PathOf = Callable[[str], Path]
"""A picture's hash to its file."""


def rates_csv(board: Mapping[str, Any]) -> str:
    """Failure rates as a table, one row a checkpoint and check, scenario, or character's check; "image" is the whole.

    Args:
        board: the leaderboard as the API gives it.
    """
    rows = StringIO()
    table = csv.writer(rows, lineterminator="\n")
    table.writerow(_RATES)
    for entry in _entries(board):
        place = [_plain(entry["run"]), entry["epoch"]]
        for about, name, counts in _tallies(entry):
            interval = counts["interval"] or (None, None)
            table.writerow([*place, about, _plain(name), *(counts[key] for key in _COUNTS), counts["rate"], *interval])
    return rows.getvalue()


def findings_csv(images: Iterable[ReportImage], picture: Callable[[str], str] = str) -> Iterator[str]:
    """Every finding as a row of a table, the header first; an image that is none has one row without a check.

    Args:
        images: an evaluation's images.
        picture: a picture's hash to what stands in the last column.
    """
    yield _line(_FINDINGS)
    for image in images:
        place = [_plain(image.run), image.epoch, _plain(image.scenario), image.seed]
        end = [image.invalid, picture(image.key) if image.key else None]
        for finding in image.findings:
            said = [finding.check, _plain(finding.character), finding.verdict, finding.severity, finding.score]
            yield _line([*place, *said, _plain(finding.reason), finding.detector, finding.version, *end])
        if not image.findings:
            yield _line([*place, *[None] * 8, *end])


def markdown(board: Mapping[str, Any], title: str, base: str) -> str:
    """The leaderboard and what follows from it, as Markdown."""
    checks = sorted({check for entry in board["leaderboard"] for check in entry["checks"]})
    head = [
        "",
        "run",
        "epoch",
        "failed",
        "rate",
        "95 % interval",
        "not judged",
        *(each.replace("_", " ") for each in checks),
    ]
    lines = [f"# {title}", ""]
    lines += [f"> {NOTICE}", ""] if base == MINIATURE else []
    lines += [f"- {_escaped(sentence)}" for sentence in board["recommendation"]["sentences"]]
    lines += ["", f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for place, entry in enumerate(_entries(board), start=1):
        measured = entry["fails"] + entry["minor"] + entry["holds"]
        number = "" if entry["run"] == "control" else str(place)
        row = [number, _escaped(entry["run"]), str(entry["epoch"] if entry["epoch"] is not None else "")]
        row += [f"{entry['fails']} of {measured}", _percent(entry["failure_rate"]), _range(entry["interval"])]
        row += [str(entry["images"] - measured), *(_share(entry["checks"].get(check)) for check in checks)]
        lines.append(f"| {' | '.join(row)} |")
    status = status_words(board["status"], board["failed"])
    lines += ["", f"Evaluation {board['evaluation']}, {status}; base {_escaped(base)}.", ""]
    return "\n".join(lines)


def single_page(view: Callable[[Callable[[str], str]], ReportView], path_of: PathOf) -> str:
    """The report as one HTML file that needs nothing else: its pictures lie in it, as WebP.

    Args:
        view: what makes the report's view, given a picture's hash to its address.
        path_of: where pictures lie.

    Raises:
        TooLarge: the pictures are more than :data:`MAX_EMBEDDED_BYTES`.
    """
    page = render_report(view(f"{_PICTURE}{{}}".format))
    room = MAX_EMBEDDED_BYTES

    def embedded(match: re.Match[str]) -> str:
        nonlocal room
        content = _as_webp(path_of(match[1]))
        room -= len(content)
        if room < 0:
            raise TooLarge(
                f"the pictures are more than {MAX_EMBEDDED_BYTES >> 20} MB, too many for one page; take the zip"
            )
        return f'src="data:image/webp;base64,{base64.b64encode(content).decode()}"' if content else 'src=""'

    page = re.sub(rf'href="{_PICTURE}[0-9a-f]{{64}}"', 'href="#"', page)
    return re.sub(rf'src="{_PICTURE}([0-9a-f]{{64}})"', embedded, page)


def write_zip(
    file: Any,
    view: Callable[[Callable[[str], str]], ReportView],
    board: Mapping[str, Any],
    images: Sequence[ReportImage],
    path_of: PathOf,
) -> None:
    """The report as a zip: the page with its pictures beside it, and the tables.

    Args:
        file: a binary file to write to.
        view: what makes the report's view, given a picture's hash to its address.
        board: the leaderboard as the API gives it.
        images: the evaluation's images.
        path_of: where pictures lie.
    """

    def address(sha256: str) -> str:
        return f"pictures/{sha256}{path_of(sha256).suffix}"

    seen = view(address)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("report.html", render_report(seen))
        archive.writestr("report.md", markdown(board, seen.title, seen.base))
        archive.writestr("rates.csv", rates_csv(board))
        archive.writestr("leaderboard.json", json.dumps(board, ensure_ascii=False, indent=1))
        with archive.open("findings.csv", "w") as table:
            for line in findings_csv(images, address):
                table.write(line.encode())
        for sha256 in dict.fromkeys(image.key for image in images if image.key):
            path = path_of(sha256)
            if path.is_file():
                archive.write(path, address(sha256), zipfile.ZIP_STORED)


def _entries(board: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [*board["leaderboard"], *([board["control"]] if board["control"] else [])]


def _tallies(entry: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    yield "image", "", {**entry, "rate": entry["failure_rate"]}
    for about, parts in (("check", entry["checks"]), ("scenario", entry["scenarios"])):
        for name, counts in parts.items():
            yield about, name, counts
    for character, part in entry["characters"].items():
        for check, counts in part["checks"].items():
            yield "character", f"{character}: {check}", counts


def _line(values: Iterable[Any]) -> str:
    row = StringIO()
    csv.writer(row, lineterminator="\n").writerow(values)
    return row.getvalue()


def _plain(text: str | None) -> str | None:
    """Text that a spreadsheet does not take for a formula."""
    return f"'{text}" if text and text[0] in "=+-@\t\r" else text


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_\[\]<>|])", r"\\\1", text)


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.0%}"


def _range(interval: Sequence[float] | None) -> str:
    return "-" if interval is None else f"{interval[0]:.0%} to {interval[1]:.0%}"


def _share(counts: Mapping[str, Any] | None) -> str:
    if counts is None:
        return ""
    measured = counts["fails"] + counts["minor"] + counts["holds"]
    return f"{counts['fails']}/{measured}" if measured else "-"


def _as_webp(path: Path) -> bytes:
    """A picture for a page, at a quality that shows every fault; empty if its file is gone."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            buffer = BytesIO()
            image.convert("RGB").save(buffer, "WEBP", quality=_EMBEDDED_QUALITY, method=2)
            return buffer.getvalue()
    except (FileNotFoundError, NotFound):
        return b""
