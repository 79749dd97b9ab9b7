"""What profiles promise: every check has a method or a reason, every file an entry, and the page says the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from detectors.profiles import PROFILES, Profile
from detectors.profiles.table import CHECKS, files_table, methods_table
from detectors.weights import entry
from service.suites.models import CheckName

PAGE = Path(__file__).parents[2] / "docs" / "profiles.md"


@pytest.mark.parametrize("profile", PROFILES.values(), ids=PROFILES)
def test_every_detector_names_its_method_and_files(profile: Profile) -> None:
    assert {check.name for check in profile.checks} == set(profile.methods)
    assert set(profile.methods) <= set(CHECKS)
    assert not set(profile.methods) & set(profile.missing)
    known = {*profile.weights, *profile.optional}
    for method in profile.methods.values():
        assert method.how
        assert set(method.models) <= known
    for name in known:
        item = entry(name)
        assert item.licence
        assert item.shipped or item.source.startswith("https://")


def test_the_table_knows_every_check_of_a_suite() -> None:
    assert set(CHECKS) == set(CheckName.__args__)


def test_the_page_shows_the_tables_of_the_code() -> None:
    page = PAGE.read_text()
    for table in (methods_table(), files_table()):
        assert table in page, "docs/profiles.md is old: paste what `python -m detectors.profiles.table` prints"


def test_listing_profiles_imports_nothing_heavy() -> None:
    program = "import sys, detectors.profiles; print({'torch', 'onnxruntime', 'open_clip', 'cv2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
