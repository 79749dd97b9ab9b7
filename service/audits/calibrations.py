"""Labelled scores from audits or from a file, and the calibrations that are kept in the data folder."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy.orm import Session

from detectors import calibration
from detectors.calibration import Band, Calibration
from service.audits import repository
from service.audits.calibrating import LabelledScore
from service.audits.gathering import chance, current
from service.audits.questions import Answer, read_answer
from service.audits.tables import LARGEST_TABLE_BYTES, refuse
from service.errors import InvalidInput
from service.storage.files import whole_file


def audited_scores(session: Session, evaluation_id: str) -> list[LabelledScore]:
    """Every drawn and labelled finding that has a score, weighted by 1 / its chance to be drawn."""
    draws = repository.draws(session, evaluation_id)
    found = []
    for place in repository.items(session, evaluation_id):
        item, label = place.item, current(place.item)
        if label is None or label.verdict == Answer.CANT_TELL or item.score is None or item.draw_id is None:
            continue
        weight = 1 / chance(draws, item.check, place.contender, item.verdict or "")
        found.append(LabelledScore(item.check, item.character, item.score, label.verdict == Answer.FAILS, weight))
    return found


def read_scores(path: Path) -> list[LabelledScore]:
    """Labelled scores from a CSV file with the columns check, character, score, label and, if drawn, chance.

    An exported table of audits is such a file, and so is one made from known truth.

    Raises:
        InvalidInput: it cannot be read or is no such table; says which lines and why.
    """
    try:
        if path.stat().st_size > LARGEST_TABLE_BYTES:
            raise InvalidInput(f"{path} has more than {LARGEST_TABLE_BYTES >> 20} MB")
        text = path.read_text(encoding="utf-8-sig")
        lines = csv.DictReader(io.StringIO(text), strict=True)
        fields = {name.strip().lower() for name in lines.fieldnames or ()}
        lines.fieldnames = [name.strip().lower() for name in lines.fieldnames or ()]
        rows = list(lines)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidInput(f"{path} cannot be read as CSV in UTF-8: {error}") from None
    if not {"check", "score", "label"} <= fields:
        raise InvalidInput(f"{path} must name the columns check, character, score and label in its first line")
    found, complaints = [], []
    for number, row in enumerate(rows, start=2):
        try:
            label = _labelled({name: (value or "").strip() for name, value in row.items() if name})
        except InvalidInput as error:
            complaints.append(f"line {number}: {error}")
            continue
        found += [label] if label else []
    refuse(complaints)
    return found


def keep(data_dir: Path, profile: str, bands: Sequence[Band]) -> Path:
    """Store bands beside those that are there for other checks; all earlier ones of a check are replaced.

    Returns:
        The file.

    Raises:
        InvalidInput: what is stored there is no calibration.
        StorageFailed: the folder cannot be written.
    """
    before = calibration.load(data_dir, profile) or Calibration()
    after = before.without(band.check for band in bands).with_bands(bands)
    return _write(data_dir, profile, after)


def forget(data_dir: Path, profile: str, checks: Sequence[str] = ()) -> Calibration:
    """Remove the bands of some checks, or of all; returns what is left."""
    before = calibration.load(data_dir, profile) or Calibration()
    left = before.without(checks) if checks else Calibration()
    if left.bands:
        _write(data_dir, profile, left)
    else:
        calibration.place(data_dir, profile).unlink(missing_ok=True)
    return left


def _write(data_dir: Path, profile: str, content: Calibration) -> Path:
    path = calibration.place(data_dir, profile)
    text = json.dumps({"profile": profile, **content.to_json()}, indent=2, ensure_ascii=False)
    with whole_file(path) as file:
        file.write(text.encode() + b"\n")
    return path


def _labelled(cells: dict[str, str]) -> LabelledScore | None:
    if not cells["label"] or not cells["score"]:
        return None
    answer = read_answer(cells["label"])
    if answer is Answer.CANT_TELL:
        return None
    if not cells["check"]:
        raise InvalidInput("it names no check")
    score, share = _share(cells, "score"), _share(cells, "chance") if cells.get("chance") else 1.0
    if share == 0:
        raise InvalidInput("chance is 0: it cannot have been drawn")
    return LabelledScore(cells["check"], cells.get("character") or None, score, answer is Answer.FAILS, 1 / share)


def _share(cells: dict[str, str], name: str) -> float:
    try:
        value = float(cells[name])
    except ValueError:
        value = -1.0
    if not 0.0 <= value <= 1.0:
        raise InvalidInput(f"{name} {cells[name][:20]!r} is no number of 0 to 1")
    return value
