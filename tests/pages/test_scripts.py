"""The pages' scripts: what the linter says of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_the_linter_has_nothing_to_say() -> None:
    beside = Path(sys.executable).parent / "biome"
    tool = str(beside) if beside.is_file() else shutil.which("biome")
    if tool is None:
        pytest.skip("biome is not installed: make install")
    folders = ["service/pages/static", "service/reports/templates"]
    done = subprocess.run(
        [tool, "lint", "--error-on-warnings", *folders], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
