"""What the description promises, tried with made-up requests: no failure of the server, only answers it lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.fuzz_api.fuzzing import fuzz
from benchmarks.fuzz_api.world import filled_app


@pytest.mark.slow
def test_made_up_requests_never_break_the_server(tmp_path: Path) -> None:
    outcome = fuzz(filled_app(tmp_path), examples=3, seed=1)
    assert outcome.operations > 40
    assert outcome.failures == []
