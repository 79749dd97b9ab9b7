"""What tests of several domains share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """The one headless Chromium of a test process: Playwright cannot be started twice in it."""
    from tests.pages.browsing import NO_BROWSER, browser, find_browser

    if find_browser() is None:
        pytest.skip(NO_BROWSER)
    with browser() as opened:
        yield opened
