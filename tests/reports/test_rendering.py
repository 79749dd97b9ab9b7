"""The page: self-contained, well-formed, and safe against whatever stands in names."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from detectors.findings import Finding, Verdict
from service.reports import ReportImage, ReportScenario, build_view, render_report
from service.suites import load_suite
from tests.reports.sample import sample_images, sample_view

VOID = {"meta", "img", "input", "br", "hr", "link", "line", "rect", "circle", "path"}


class Page(HTMLParser):
    """Collects elements, and checks that they nest."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID or tag in {"circle", "rect", "path", "line"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"{tag} closed at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def html() -> str:
    suite = load_suite("demo")
    return render_report(sample_view(sample_images(suite), suite))


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_elements_nest(page: Page) -> None:
    assert page.faults == []
    assert page.open == []


def test_nothing_is_fetched_but_the_pictures(html: str, page: Page) -> None:
    assert page.all("link") == []
    assert all("src" not in script for script in page.all("script"))
    assert all((image["src"] or "").startswith("pictures/") for image in page.all("img"))
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", html))
    assert addresses == {"http://www.w3.org/2000/svg"}  # a name, not an address
    assert "@import" not in html
    assert "url(" not in html


def test_the_answer_comes_first(html: str) -> None:
    suite = load_suite("demo")
    answer = sample_view(sample_images(suite), suite).recommendation
    assert answer.entry is not None
    assert 0 < html.index(f'<h1 id="answer-title">{answer.entry.label}</h1>') < html.index("Leaderboard</h2>")
    assert answer.sentences[1] in html


def test_every_cell_has_a_lazy_picture_with_words_and_a_verdict_that_is_no_mere_colour(page: Page) -> None:
    pictures = page.all("img")
    kept = [link for link in page.all("a") if link.get("class") == "keeper"]
    assert len(pictures) == 9 * 24 + len(kept)
    assert kept
    assert all(picture["loading"] == "lazy" and picture["alt"] for picture in pictures)
    words = " ".join(page.words)
    for label in ("✓ holds", "✕ fails", "✕ lost", "? unclear", "! invalid"):
        assert label in words


def test_tables_have_captions_and_scopes(page: Page) -> None:
    assert len(page.all("caption")) == len(page.all("table")) >= 8
    assert all(header.get("scope") for header in page.all("th"))
    assert page.all("html")[0]["lang"] == "en"
    assert any(meta.get("name") == "viewport" for meta in page.all("meta"))


def test_the_viewers_data_is_complete_and_its_neighbours_exist(html: str) -> None:
    match = re.search(r'<script type="application/json" id="cells">(.*?)</script>', html, re.DOTALL)
    assert match
    cells = json.loads(match.group(1))
    assert len(cells) == 9 * 24
    for index, cell in enumerate(cells):
        for one, other in (("left", "right"), ("up", "down")):
            if cell[one] is not None:
                assert cells[cell[one]][other] == index


def test_light_and_dark_and_reduced_motion_are_served(html: str) -> None:
    assert "prefers-color-scheme: dark" in html
    assert "prefers-reduced-motion" in html


def test_the_miniature_is_no_evidence_and_the_page_says_so_only_then() -> None:
    def shown(base: str) -> str:
        return render_report(build_view([], [], title="t", base=base, suite="s 1", picture_url=str, planned=4))

    assert "no evidence about Anima" in shown("miniature")
    assert "no evidence" not in shown("circlestone-labs/Anima-Base-v1.0-Diffusers")


def test_an_evaluation_without_images_is_a_page_that_says_so() -> None:
    text = render_report(build_view([], [], title="t", base="miniature", suite="s 1", picture_url=str, planned=216))
    assert "There are no checkpoint images yet." in text
    assert "0 of 216 images" in text
    assert Page(text).faults == []


def test_names_from_outside_cannot_break_out() -> None:
    evil = "</script><img src=x onerror=alert(1)>\"'"
    finding = Finding("hands", Verdict.FAILS, evil, "1", evil, reason=evil, evidence={"box": [1, 1, 9, 9]})
    image = ReportImage(evil, 4, evil, 1, evil, 64, 64, (finding,), None)
    text = render_report(
        build_view(
            [image, ReportImage("b", 1, evil, 1, None, 64, 64, (), evil)],
            [ReportScenario(evil, evil, ("hands",))],
            title=evil,
            base=evil,
            suite=evil,
            picture_url=lambda key: f"/images/{key}",
            facts={evil: evil},
        )
    )
    page = Page(text)
    assert page.faults == []
    assert len(page.all("script")) == 2
    assert all("onerror" not in picture for picture in page.all("img"))
    assert len(page.all("img")) == 1


def test_the_same_view_gives_the_same_page(html: str) -> None:
    suite = load_suite("demo")
    assert render_report(sample_view(sample_images(suite), suite)) == html


def test_what_else_follows_is_told_below_the_answer() -> None:
    suite = load_suite("demo")
    view = sample_view(sample_images(suite), suite)
    further = view.answer.summary[len(view.recommendation.sentences) :]
    assert further
    text = re.sub(r"&#39;", "'", render_report(view))
    assert "What else to know" in text
    assert all(f"<li>{sentence}</li>" in text.replace("&lt;", "<").replace("&gt;", ">") for sentence in further)


def test_who_is_out_of_a_race_stands_apart_and_has_no_place() -> None:
    suite = load_suite("demo")
    images = sample_images(suite)
    checkpoints = sorted({(image.run, image.epoch) for image in images if image.run != "control"})
    out = dict.fromkeys(checkpoints[1:], "set aside")
    scenarios = [ReportScenario(each.name, each.prompt, each.checks) for each in suite.scenarios]
    places = {checkpoint: place for place, checkpoint in enumerate(checkpoints)}
    shown = build_view(
        images,
        scenarios,
        title="t",
        base="b",
        suite="s",
        picture_url=str,
        dropped=out,
        ranked_by={"places": places},
    )
    assert [row.out for row in shown.rows] == [False] + [True] * len(out)
    html = render_report(shown)
    assert html.count("Out of the race") == 1
    assert html.count('class="num rank soft">–<') == len(out)
    assert Page(html).faults == []
    assert "Out of the race" not in render_report(sample_view(images, suite))
