"""A check that the profile has no detector for is in no rate, and so in no state of a cell either."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select, update

from detectors import Finding, Verdict
from detectors.findings import UNANSWERED
from service.cells.repository import CellFilter
from service.database.models import Cell
from service.evaluations.ledger.repository import Judged, store_detection
from service.evaluations.workspace import Workspace
from service.settings import Settings
from tests.pages.large import build, large_suite

HOLDS = Finding("hands", Verdict.HOLDS, "d", "1", "Kei")
NOBODY_LOOKED = Finding("fusion", Verdict.NOT_MEASURABLE, UNANSWERED, "1", reason="no detector")


@pytest.mark.parametrize(
    ("found", "check", "state"),
    [
        ((HOLDS, NOBODY_LOOKED), None, "holds"),
        ((HOLDS, NOBODY_LOOKED), "fusion", "not_measurable"),
        ((NOBODY_LOOKED,), None, "not_measurable"),
    ],
    ids=["beside an answer", "asked for itself", "alone"],
)
@pytest.mark.parametrize("whole", [False, True], ids=["brief", "whole"])
def test_state_and_filter_agree(
    tmp_path: Path, found: tuple[Finding, ...], check: str | None, state: str, whole: bool
) -> None:
    evaluation = build(tmp_path, large_suite(1, 1), epochs=(4,))
    space = Workspace(Settings(data_dir=tmp_path, work=False))
    with space.database.transaction() as session:
        cell = session.scalars(select(Cell.id)).first()
        detection = store_detection(session, "0" * 64, "unanswered", Judged(found))
        session.execute(update(Cell).where(Cell.id == cell).values(detection_id=detection))
    for asked in ("fails", "minor", "holds", "not_measurable"):
        wanted = CellFilter(states=[asked], check=check)
        cells, _ = space.cells.page(evaluation, wanted, whole=whole)
        assert all(each.state == asked for each in cells)
        assert any(each.row.cell.id == cell for each in cells) == (asked == state)
    space.close()
