"""A newcomer's whole path on the miniature: hand in, start, watch, read, look closer, audit, take it home."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from service.settings import Settings
from tests.pages.browsing import serving
from tests.pages.test_browser import DESK, barriers, opened

RUNS = Path(str(resources.files("service.miniature") / "runs"))
FILES = [RUNS / "v1" / "keikana-v1_epoch20.safetensors", RUNS / "v2" / "keikana-v2_epoch20.safetensors"]


@pytest.mark.slow
def test_a_newcomer_finds_the_epoch_to_use(chromium: Any, tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path / "data", base="miniature", device="cpu")
    with serving(settings) as address, opened(chromium, viewport=DESK, accept_downloads=True) as tab:
        tab.set_default_timeout(270_000)
        hand_in(tab, address)
        start(tab)
        watch(tab)
        read(tab)
        look(tab)
        disagree(tab)
        taken = take_home(tab, tmp_path)
    open_alone(chromium, taken)


def hand_in(tab: Any, address: str) -> None:
    tab.goto(address)
    assert tab.locator(".notice", has_text="This is the miniature").count() == 1
    tab.set_input_files("#files", [str(path) for path in FILES])
    tab.wait_for_selector("#upload-done:not([hidden])")
    said = tab.locator("#uploads .kept").all_inner_texts()
    assert len(said) == 2
    assert any("epoch 20" in text and "rank 4" in text and "kohya keys" in text for text in said)
    tab.click("#upload-next")


def start(tab: Any) -> None:
    tab.wait_for_url("**/evaluations/new?**")
    assert tab.locator("input[name=checkpoint]:checked").count() == 2
    tab.check("input[name=suite][value=demo]")
    tab.fill("input[name=seeds]", "1")
    assert tab.locator("#images").inner_text() == "12"  # two checkpoints and the control, four scenarios
    tab.click("#start")


def watch(tab: Any) -> None:
    tab.wait_for_url(re.compile(r"/evaluations/[0-9a-f]+$"))
    tab.wait_for_selector("#live[data-status=finished]", state="attached")


def read(tab: Any) -> None:
    tab.wait_for_selector(".board tbody tr:nth-child(3)")
    given = tab.evaluate("fetch('/v1' + location.pathname + '/leaderboard').then((answer) => answer.json())")
    advice = given["recommendation"]
    heading = tab.locator("#answer-title").inner_text()
    assert heading == (f"{advice['run']} epoch {advice['epoch']}" if advice["run"] else "Not enough data")
    assert tab.locator(".board tbody tr").count() == 3  # two checkpoints and the control
    assert barriers(tab) == []


def look(tab: Any) -> None:
    """v1 was trained on solo pictures only: its pictures of both girls fail."""
    tab.get_by_role("link", name="Grid").click()
    tab.wait_for_selector(".tile.fails")
    tab.wait_for_load_state("domcontentloaded")  # a click before the page's script runs opens nothing
    tab.locator(".tile.fails").first.click()
    tab.wait_for_selector("#viewer .findings .badge.fails")
    tab.keyboard.press("Escape")


def disagree(tab: Any) -> None:
    """An audit of one finding, by its key: only then does the page say what the machine had answered."""
    tab.get_by_role("link", name="Audit").click()
    tab.get_by_role("button", name="Draw", exact=True).click()
    tab.wait_for_selector("#judge:not([hidden])")
    tab.keyboard.press("f")
    tab.wait_for_selector("#told:not([hidden])")
    assert "The machine says" in tab.locator("#told").inner_text()


def take_home(tab: Any, folder: Path) -> Path:
    tab.get_by_role("link", name="Report").click()
    with tab.expect_download() as waiting:
        tab.get_by_role("link", name="One page").click()
    taken = folder / "alone" / waiting.value.suggested_filename
    waiting.value.save_as(taken)
    return taken


def open_alone(chromium: Any, file: Path) -> None:
    """The server is gone by now, and the browser has no network."""
    room = chromium.new_context(viewport=DESK, offline=True)
    tab = room.new_page()
    tab.goto(file.as_uri())
    assert "Made with the miniature." in tab.locator("body").inner_text()
    pictures = tab.locator("a.thumb img")
    assert pictures.count() == 12
    pictures.first.scroll_into_view_if_needed()
    assert pictures.first.evaluate("node => node.decode().then(() => node.naturalWidth)") > 0
    pictures.first.click()
    tab.wait_for_selector("dialog[open] .findings li")
    room.close()
