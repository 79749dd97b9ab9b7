"""What a browser shows: every page without an error and without a serious barrier, by keyboard, wide and narrow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.checkpoints.test_recognising import write_sparse
from tests.evaluations.world import SUITE, SmallModels
from tests.pages.browsing import serving, small_settings
from tests.pages.conftest import House

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
PAGES = (
    "/",
    "/evaluations/new",
    "/evaluations/{id}",
    "/evaluations/{id}/grid",
    "/evaluations/{id}/grid?scenario=hug&check=fusion&state=fails",
    "/evaluations/{id}/strip",
    "/evaluations/{id}/compare",
    "/evaluations/{id}/audit",
    "/evaluations/{id}/report",
    "/v1/evaluations/{id}/report?format=html",
    "/docs",
    "/nowhere",
)
_REFUSED = "Failed to load resource"
"""What the browser notes of an answer such as 404 or 422, which some tests are about."""


@contextmanager
def opened(chromium: Any, **context: Any) -> Iterator[Any]:
    """A tab that gathers errors of scripts; there must be none when it is closed."""
    room = chromium.new_context(**{"viewport": DESK, **context})
    tab = room.new_page()
    errors: list[str] = []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on(
        "console",
        lambda line: errors.append(line.text) if line.type == "error" and _REFUSED not in line.text else None,
    )
    yield tab
    room.close()
    assert errors == []


def barriers(tab: Any) -> list[str]:
    """What axe finds fault with on the page, each with the first element it is about."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(tab).response["violations"]
    return [f"{each['id']} ({len(each['nodes'])}): {each['nodes'][0]['html'][:160]}" for each in found]


@pytest.mark.parametrize(("scheme", "viewport"), [("light", DESK), ("dark", PHONE)], ids=["desk", "phone"])
def test_no_page_has_a_barrier_or_is_wider_than_the_screen(
    chromium: Any, house: House, scheme: str, viewport: dict[str, int]
) -> None:
    with opened(chromium, color_scheme=scheme, viewport=viewport) as tab:
        for address in PAGES:
            tab.goto(house.address + address.format(id=house.evaluation))
            tab.wait_for_load_state("networkidle")
            assert barriers(tab) == [], address
            width, room = tab.evaluate("[document.documentElement.scrollWidth, innerWidth]")
            assert width <= room, address


def test_the_keys_walk_the_grid_and_open_a_picture(chromium: Any, house: House) -> None:
    with opened(chromium) as tab:
        tab.goto(f"{house.address}/evaluations/{house.evaluation}/grid?scenario=hug")
        label = "document.activeElement.getAttribute('aria-label')"
        tab.locator(".tile[tabindex='0']").focus()
        assert tab.evaluate(label).startswith("no LoRA, seed 7")
        tab.keyboard.press("ArrowDown")
        tab.keyboard.press("ArrowRight")
        assert tab.evaluate(label).startswith("kk epoch 4, seed 13")
        tab.keyboard.press("ArrowLeft")
        tab.keyboard.press("ArrowLeft")  # there is nothing further left
        tab.keyboard.press("End")
        assert tab.evaluate(label).startswith("kk epoch 8, seed 13")
        tab.keyboard.press("Enter")
        title = tab.locator("#viewer-title")
        title.wait_for()
        assert title.inner_text() == "kk epoch 8"
        tab.keyboard.press("ArrowLeft")
        tab.locator("#viewer-title", has_text="kk epoch 4").wait_for()
        assert barriers(tab) == []
        tab.keyboard.press("Escape")
        # The browser tells the page that the dialog is closed a moment after it is.
        tab.wait_for_function(f"{label}.startsWith('kk epoch 4, seed 13')")


def test_a_filter_leaves_what_was_asked_for(chromium: Any, house: House) -> None:
    with opened(chromium) as tab:
        tab.goto(f"{house.address}/evaluations/{house.evaluation}/grid?scenario=solo")
        before = tab.locator(".tile.fails").count()
        tab.locator("#filters label", has_text="fails").click()
        tab.wait_for_url("**state=fails**")
        assert tab.locator(".tile:not(.off)").count() == before
        assert tab.locator(".g-row.off .tile.fails").count() == 0


def test_the_chart_shows_one_check_at_a_time(chromium: Any, house: House) -> None:
    with opened(chromium) as tab:
        tab.goto(f"{house.address}/evaluations/{house.evaluation}")
        tab.wait_for_selector("#plot .main-svg")
        tab.get_by_role("button", name="fusion").click()
        assert tab.get_by_role("button", name="fusion").get_attribute("aria-pressed") == "true"
        assert tab.get_by_role("button", name="any check").get_attribute("aria-pressed") == "false"
        drawn = tab.evaluate(
            "document.getElementById('plot').data.filter((each) => each.text).map((each) => each.y.length)"
        )
        assert drawn == [2]


def test_the_report_has_the_chart_too(chromium: Any, house: House) -> None:
    with opened(chromium) as tab:
        tab.goto(f"{house.address}/evaluations/{house.evaluation}/report")
        tab.wait_for_selector("#plot .main-svg")
        tab.get_by_role("button", name="fusion").click()
        assert tab.get_by_role("button", name="fusion").get_attribute("aria-pressed") == "true"


def test_a_long_name_of_a_run_stays_above_its_own_columns(chromium: Any, house: House) -> None:
    with opened(chromium) as tab:
        tab.goto(f"{house.address}/evaluations/{house.evaluation}/grid")
        tab.locator(".g-run").last.evaluate("node => { node.textContent = 'long-'.repeat(60); }")
        assert tab.locator(".g-run").last.evaluate("node => getComputedStyle(node).overflow") == "hidden"


def test_the_slider_shows_more_of_the_first_picture(chromium: Any, house: House) -> None:
    with opened(chromium) as tab:
        tab.goto(f"{house.address}/evaluations/{house.evaluation}/compare")
        slider = tab.locator(".pair input[type=range]").first
        slider.focus()
        tab.keyboard.press("End")
        assert tab.locator(".slider").first.evaluate("node => node.style.getPropertyValue('--split')") == "100%"


def test_a_suite_is_checked_line_by_line_and_then_there_to_choose(chromium: Any, house: House, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(SUITE.replace("name: small", "name: mine"))
    bad.write_text(SUITE.replace("pose: hug", "pose: dance"))
    with opened(chromium) as tab:
        tab.goto(f"{house.address}/evaluations/new")
        tab.locator("#own summary").click()
        tab.set_input_files("#suite-file", str(bad))
        fault = tab.locator("#suite-faults li")
        fault.wait_for()
        assert "Line 11" in fault.inner_text()
        assert "pose" in fault.inner_text()
        tab.set_input_files("#suite-file", str(good))
        tab.wait_for_url("**suite=mine**")
        assert tab.locator("input[name=suite]:checked").get_attribute("value") == "mine"


def test_fresh_seeds_are_added_and_judged(chromium: Any, house: House) -> None:
    with opened(chromium) as tab:
        tab.goto(f"{house.address}/evaluations/{house.evaluation}")
        tab.fill("input[name=fresh_seeds]", "1")
        tab.get_by_role("button", name="Add and judge them").click()
        tab.wait_for_selector("#live:not([hidden])")
        tab.wait_for_selector("#live[data-status=finished]", state="attached")
        assert tab.locator("#bar").get_attribute("value") == "24"  # six more than before


def test_a_file_that_does_not_fit_is_refused_by_name(
    chromium: Any, base: Path, loras: list[Path], tmp_path: Path
) -> None:
    """The empty house: many files at once, one of them no LoRA, one of them no safetensors file at all."""
    broken = tmp_path / "broken_epoch3.safetensors"
    broken.write_bytes(b"PK\x03\x04" + bytes(100))
    other = tmp_path / "kk_epoch1.ckpt"
    other.write_bytes(bytes(64))
    large = {"decoder.upsamples.0.residual.0.gamma": (4, 1, 1, 1), "decoder.conv1.weight": (256, 1024, 1024)}
    vae = write_sparse(tmp_path / "kk_epoch2.safetensors", large)
    with (
        serving(small_settings(tmp_path / "data", base, work=False), SmallModels()) as address,
        opened(chromium) as tab,
    ):
        tab.goto(address)
        assert tab.locator("text=No runs yet").count() == 1
        assert barriers(tab) == []
        pieces: list[str] = []
        tab.on("request", lambda request: pieces.append(request.url) if request.method == "PATCH" else None)
        tab.set_input_files("#files", [*map(str, loras), str(broken), str(other), str(vae)])
        tab.wait_for_selector("#upload-done:not([hidden])")
        kept = tab.locator("#uploads .kept").all_inner_texts()
        refused = tab.locator("#uploads .refused").all_inner_texts()
        assert len(kept) == 2
        assert all("Run kk: epoch" in text and "rank 4" in text for text in kept)
        assert len(refused) == 3
        assert any("is the VAE of Qwen-Image and Anima" in text for text in refused)
        assert len(pieces) == 6  # two for each LoRA; of the others the beginning alone
        assert any("broken_epoch3.safetensors" in text for text in refused)
        assert any("Only .safetensors" in text for text in refused)
        assert tab.locator("#upload-status").inner_text() == "2 kept, 3 refused"
        assert barriers(tab) == []
        tab.click("#upload-next")
        tab.wait_for_url("**/evaluations/new?run=kk")
        assert tab.locator("input[name=checkpoint]:checked").count() == 2


def test_seeds_until_decided_are_asked_for_with_a_budget(chromium: Any, house: House) -> None:
    with opened(chromium, viewport=PHONE) as tab:
        tab.goto(f"{house.address}/evaluations/new")
        tab.check("input[name=suite][value=demo]")
        tab.check("input[name=until][value=decided]")
        assert tab.locator("#fixed").is_hidden()
        tab.fill("input[name=max_images]", "5")  # two checkpoints and the control, four scenarios
        assert "takes 12 images" in tab.locator("#problem").inner_text()
        assert tab.locator("#start").is_disabled()
        tab.fill("input[name=max_images]", "16")
        assert tab.locator("#images").inner_text() == "16"
        assert barriers(tab) == []
        with tab.expect_request("**/v1/estimates") as estimating:
            tab.click("#estimate")
        tab.wait_for_selector("#plans:not([hidden])")
        assert "at most 16 images" in tab.locator("#plan-list").inner_text()
        assert "without a speed LoRA" in tab.locator("#notices").inner_text()
        with tab.expect_request("**/v1/evaluations") as starting:
            tab.click("#start")
        for asked in (estimating.value.post_data_json, starting.value.post_data_json):
            assert (asked["until"], asked["max_images"]) == ("decided", 16)
            assert asked["batch_size"] is None  # the service takes what fits
            assert "seeds" not in asked
        tab.wait_for_url(re.compile(r"/evaluations/[0-9a-f]+$"))
        tab.wait_for_selector("#live[data-status=finished]", state="attached")
        tab.request.delete(f"{house.address}/v1{urlsplit(tab.url).path}")  # the other tests know of one evaluation
