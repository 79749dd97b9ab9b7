"""The audit page: by keyboard, blind until one's own answer, with what the labels do to the rates."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.evaluations.world import SmallModels
from tests.pages.browsing import serving, small_settings


def test_the_page_says_what_it_is(client: TestClient, evaluation: str) -> None:
    for address in (f"/audits/{evaluation}", f"/evaluations/{evaluation}/audit"):
        page = client.get(address, headers={"accept": "text/html"})
        assert page.status_code == 200, page.text
        assert "audit.js" in page.text
        assert "Nobody has labelled" in page.text
    assert client.get("/audits/nothing", headers={"accept": "text/html"}).status_code == 404


def test_the_results_alone_are_a_part(client: TestClient, evaluation: str) -> None:
    address = f"/v1/evaluations/{evaluation}/audits"
    client.post(f"{address}/draws", json={"size": 30})
    while (item := client.get(f"{address}/next").json()["item"]) is not None:
        client.put(f"{address}/{item['id']}/label", json={"verdict": "fails"})
    part = client.get(f"/evaluations/{evaluation}/audit?part=results").text
    assert "<html" not in part
    assert "all checks together" in part
    assert "95% interval" in part
    assert "kk epoch 8" in part


@pytest.fixture
def address(data: Path, template: tuple[Path, Path, str]) -> Iterator[str]:
    """A server that a browser can ask."""
    with serving(small_settings(data, template[1], work=False), SmallModels()) as opened:
        yield opened


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    context = chromium.new_context(bypass_csp=True)  # the accessibility checker is put into the page
    opened = context.new_page()
    opened.set_default_timeout(20_000)
    yield opened
    context.close()


@pytest.mark.slow
def test_a_person_audits_by_keyboard(page: Any, address: str, evaluation: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.goto(f"{address}/audits/{evaluation}")
    page.wait_for_selector("#nothing:not([hidden])")
    assert page.is_hidden("#undo-last")  # there is nothing to take back yet
    page.fill("input[name=size]", "12")
    page.click("#draw button[type=submit]")
    page.wait_for_selector("#judge:not([hidden])")
    question = page.inner_text("#question")
    assert question.endswith(("?", "minor."))
    assert page.is_hidden("#told")
    assert page.is_hidden("#undo")
    assert "epoch" not in page.inner_text("#judge")  # whose picture it is would be a hint

    page.keyboard.press("f")
    page.wait_for_selector("#told:not([hidden])")
    assert "The machine says" in page.inner_text("#told")
    assert page.get_attribute("[data-answer=fails]", "aria-pressed") == "true"
    assert page.evaluate("document.activeElement.id") == "next"
    page.keyboard.press("u")
    page.wait_for_selector("#told", state="hidden")
    assert page.inner_text("#question") == question
    page.wait_for_selector("#undo", state="hidden")

    page.fill("#person", "f h u")  # letters typed into a field are no answers
    assert page.is_hidden("#told")
    page.fill("#person", "aya")
    page.uncheck("#keys")
    page.keyboard.press("h")
    page.wait_for_timeout(200)
    assert page.is_hidden("#told")
    page.check("#keys")

    for _ in range(12):
        page.keyboard.press("h")
        page.wait_for_selector("#told:not([hidden])")
        page.keyboard.press("Enter")
        page.wait_for_selector("#told", state="hidden")
        if page.is_visible("#nothing"):
            break
    page.wait_for_selector("#nothing:not([hidden])")
    assert page.is_visible("#undo-last")
    page.wait_for_selector("text=all checks together")
    serious = [each for each in Axe().run(page).response["violations"] if each["impact"] in ("serious", "critical")]
    assert serious == []
    assert faults == []
