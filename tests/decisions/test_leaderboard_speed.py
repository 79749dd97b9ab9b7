"""The synthetic ledger is one that the product reads."""

from __future__ import annotations

from pathlib import Path

from benchmarks.leaderboard_speed.measuring import build, measure


def test_a_small_ledger_is_built_and_ranked(tmp_path: Path) -> None:
    path = tmp_path / "small.db"
    evaluation = build(path, (3, 2, 4))
    found = measure(path, evaluation)
    assert found["entries"] == 3
    assert found["seconds"] > 0
