"""Labels as a table: written for people to fill in, and read back whole or not at all."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from service.audits.questions import Answer, read_answer
from service.audits.service import NOBODY
from service.audits.views import AuditView
from service.errors import InvalidInput

COLUMNS = (
    "item",
    "label",
    "second_label",
    "person",
    "question",
    "run",
    "epoch",
    "scenario",
    "seed",
    "check",
    "character",
    "image",
    "control",
    "picture",
    "machine",
    "score",
    "chance",
)
LARGEST_TABLE_BYTES = 8 << 20
_COMPLAINTS = 10
# A cell that begins like this is a formula to a spreadsheet.
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class LabelRow:
    """One filled row. ``item`` is the number of a drawn item; without it the other fields say what it is about."""

    line: int
    item: int | None
    label: Answer | None
    second: Answer | None
    person: str
    run: str
    epoch: int | None
    scenario: str
    seed: int | None
    check: str
    character: str | None
    image: str


def write_table(views: Iterable[AuditView], picture: Callable[[str], str]) -> str:
    """Items as CSV, with empty cells where a label is missing. The machine's answer is there only beside a label.

    Args:
        views: the items.
        picture: from an image's hash to where it can be looked at.
    """
    buffer = io.StringIO()
    table = csv.writer(buffer, lineterminator="\n")
    table.writerow(COLUMNS)
    for view in views:
        machine = view.machine or {}
        cells = (
            view.id,
            view.label,
            view.second,
            view.person,
            view.question,
            view.run,
            view.epoch,
            view.scenario,
            view.seed,
            view.check,
            view.character,
            view.image,
            view.control,
            picture(view.image) if view.image else None,
            machine.get("verdict"),
            machine.get("score"),
            view.chance,
        )
        table.writerow(["" if cell is None else _harmless(str(cell)) for cell in cells])
    return buffer.getvalue()


def read_table(content: bytes, person: str = NOBODY) -> list[LabelRow]:
    """Read a filled table; rows without any label are left out.

    Args:
        content: CSV in UTF-8, with a heading; columns that are not known are ignored, so may be the order.
        person: who labelled, where the table does not say.

    Raises:
        InvalidInput: it is no such table, or rows cannot be used; says which lines and why.
    """
    if len(content) > LARGEST_TABLE_BYTES:
        raise InvalidInput(f"the table has more than {LARGEST_TABLE_BYTES >> 20} MB; send it in parts")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the table is not UTF-8 (byte {error.start}); save it as CSV in UTF-8") from None
    try:
        lines = csv.DictReader(io.StringIO(text), strict=True)
        fields = [name.strip().lower() for name in lines.fieldnames or ()]
        if "label" not in fields or not {"item", "check"} & set(fields):
            raise InvalidInput(f"the first line must name the columns: {','.join(COLUMNS[:4])} and so on")
        lines.fieldnames = fields
        found = list(lines)
    except csv.Error as error:
        raise InvalidInput(f"this is no CSV: {error}") from None
    return _read_rows(found, person)


def refuse(complaints: Sequence[str]) -> None:
    """Refuse a table for what is wrong with its rows, if anything is.

    Raises:
        InvalidInput: there are complaints.
    """
    if complaints:
        more = f"; and {len(complaints) - _COMPLAINTS} more" if len(complaints) > _COMPLAINTS else ""
        raise InvalidInput(f"nothing was taken: {'; '.join(complaints[:_COMPLAINTS])}{more}")


def _read_rows(lines: Sequence[dict[str, str | None]], person: str) -> list[LabelRow]:
    rows, complaints = [], []
    for number, line in enumerate(lines, start=2):
        try:
            row = _read_row(number, {name: (value or "").strip() for name, value in line.items() if name}, person)
        except InvalidInput as error:
            complaints.append(f"line {number}: {error}")
            continue
        if row is not None:
            rows.append(row)
    refuse(complaints)
    return rows


def _read_row(number: int, cells: dict[str, str], person: str) -> LabelRow | None:
    label, second = cells.get("label", ""), cells.get("second_label", "")
    if not label and not second:
        return None
    return LabelRow(
        line=number,
        item=_whole(cells, "item"),
        label=read_answer(label) if label else None,
        second=read_answer(second) if second else None,
        person=cells.get("person") or person,
        run=cells.get("run", ""),
        epoch=_whole(cells, "epoch"),
        scenario=cells.get("scenario", ""),
        seed=_whole(cells, "seed"),
        check=cells.get("check", ""),
        character=cells.get("character") or None,
        image=cells.get("image", ""),
    )


def _whole(cells: dict[str, str], name: str) -> int | None:
    text = cells.get(name, "")
    if not text:
        return None
    digits = text.removesuffix(".0")  # spreadsheets like to write 4.0
    if not digits.isdecimal() or int(digits) >= 2**63:
        raise InvalidInput(f"{name} {text[:20]!r} is no whole number")
    return int(digits)


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULAS) else text
