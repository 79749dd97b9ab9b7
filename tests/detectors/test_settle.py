"""Thresholds that labelled pictures of broken models choose."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.detectors import sets
from benchmarks.detectors import settle as command
from benchmarks.detectors.cases import case_of
from benchmarks.detectors.sets import FUSED, VALIDATION_SEEDS
from benchmarks.detectors.settle import Scores, judged, lowest_for, score_of, settle, told
from benchmarks.labelling.cells import LabelledCell, write_cells
from benchmarks.labelling.compare import truths
from benchmarks.labelling.labels import CONTACT, completed
from detectors.checks import Fusion
from detectors.context import Contact
from detectors.thresholds import FILE
from detectors.weights import shipped_folder
from tests.detectors.test_hands_check import LIMITS, context


def test_the_labelled_pictures_choose_above_what_clean_drawings_allow() -> None:
    pairs = [(0.1, False)] * 40 + [(0.4, True)] * 20 + [(0.9, True)] * 20
    free = Scores({"fused": pairs}, clean=[0.0] * 1000)
    assert settle(free, 0.002)[0] == pytest.approx(0.25)
    careful = Scores({"fused": pairs}, clean=[0.6] * 3 + [0.0] * 997)
    threshold, facts = settle(careful, 0.002)
    assert threshold == pytest.approx(0.75)
    assert (facts["alarms_on_them"], facts["labelled"]["fused"]["missed"]) == (0, 20)


def test_as_many_clean_drawings_as_allowed_may_fail() -> None:
    assert lowest_for([0.9, 0.8, 0.7, *[0.0] * 997], 0.002) == 0.7
    assert lowest_for([0.9], 1.0) == 0.0


def test_what_a_threshold_does_is_counted() -> None:
    facts = told([(0.9, True), (0.5, False), (0.4, True), (0.1, False)], 0.5)
    assert facts == {"n": 4, "hits": 1, "alarms": 1, "missed": 1, "f1": 0.5}
    assert told([], 0.5)["f1"] is None


def test_findings_are_held_against_the_labels() -> None:
    seen = context()
    asked = replace(seen.expectation, contact=True, checks=("fusion",))
    touching = replace(seen, expectation=asked, contact=Contact(0.3, (0, 0, 9, 9)))
    fused = completed({"people": "2", "fusion": "yes"})
    assert judged(Fusion(LIMITS), touching, truths(fused, touching)) == [(0.3, True)]
    alone = replace(touching, people=touching.people[:1])
    assert judged(Fusion(LIMITS), alone, truths(fused, alone)) == [(0.0, True)]
    assert judged(Fusion(LIMITS), touching, truths(completed({"people": "2"}), touching)) == []
    unasked = replace(touching, expectation=replace(asked, checks=("hands",)))
    assert judged(Fusion(LIMITS), unasked, truths(fused, unasked)) == []


def test_two_heads_on_one_body_fail_whatever_the_threshold() -> None:
    seen = context()
    asked = replace(seen.expectation, contact=True, checks=("fusion",))
    merged = replace(seen, expectation=asked, people=seen.people[:1], loose_heads=((0.0, 0.0, 9.0, 9.0),))
    assert [score_of(finding) for finding in Fusion(LIMITS).detect(merged)] == [1.0]


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A labelled set of four drawings, two of them fused, all of the seed that settles."""
    folder = tmp_path / "sets" / FUSED
    folder.mkdir(parents=True)
    monkeypatch.setattr(sets, "SETS", tmp_path / "sets")
    chosen = [case for case in (case_of("validation", i) for i in range(60)) if case.truth.get(("fusion", None))]
    chosen = sorted(chosen, key=lambda case: case.truth["fusion", None] == "holds")
    chosen = [*chosen[:2], *chosen[-2:]]
    seed = VALIDATION_SEEDS[FUSED]
    write_cells(folder / "cells.json", [LabelledCell(i, "m", 1, "f", "0", "hug-rooftop", "", seed) for i in range(4)])
    rows = [f"{i},2,hug,?,{'yes' if i < 2 else 'no'},whole,?,?" for i in range(4)]
    (folder / "faults.csv").write_text("\n".join([",".join(["number", *CONTACT]), *rows]) + "\n")
    for i, case in enumerate(chosen):
        Image.fromarray(case.image).save(tmp_path / f"{i:04d}.png")
    return tmp_path


def test_the_command_changes_the_named_threshold_alone(pictures: Path, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    shutil.copytree(shipped_folder(), weights)
    before = json.loads((weights / FILE).read_text())
    command.main(
        ["--weights", str(weights), "--images", "4", "--only", "fused_bodies", "--pictures", f"{FUSED}={pictures}"]
    )
    after = json.loads((weights / FILE).read_text())
    assert 0 < after["thresholds"].pop("fused_bodies") < 1
    del before["thresholds"]["fused_bodies"]
    assert after["thresholds"] == before["thresholds"]
    facts = after["settled_on_labelled"]["fused_bodies"]
    assert (facts["labelled"][FUSED]["f1"], facts["clean_drawings"], facts["alarms_on_them"]) == (1.0, 4, 0)
