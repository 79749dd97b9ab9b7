"""Hard cases, drawn: the faults people train against are seen, and what only looks like one is not."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from benchmarks.detectors.sampling import scene_of
from benchmarks.miniature.scenes import KANA, KEI
from benchmarks.miniature.truth import Drawing
from detectors import DetectorSet, Severity, Verdict
from tests.detectors.cases import BOTH, Judged, character, scene

SEEDS = (100, 101, 102)
MOST = 2 / 3
# Hugs of the test split where the second one's ahoge reaches into the first one's hair.
OVERLAPPING = (319, 494, 651)


def test_a_flawless_picture_holds(opened: DetectorSet) -> None:
    for pose in ("hug", "piggyback"):
        for image in Judged(opened, scene(pose), SEEDS[:2]).findings:
            assert {one.verdict for one in image} == {Verdict.HOLDS}


def test_an_ahoge_on_kei_is_hers_and_not_kanas_fault(opened: DetectorSet) -> None:
    judged = Judged(opened, scene("together", ("ahoge_bleed", 0)), SEEDS)
    assert judged.share(Verdict.FAILS, "ahoge_bleed", "kei") >= MOST
    assert not judged.found("ahoge_bleed", "kana")
    assert judged.share(Verdict.HOLDS, "ahoge_missing", "kana") == 1


def test_a_tuft_is_minor(opened: DetectorSet) -> None:
    judged = Judged(opened, scene("together", ("ahoge_tuft", 0)), SEEDS)
    assert judged.share(Verdict.MINOR, "ahoge_bleed", "kei") >= MOST
    assert judged.share(Verdict.FAILS, "ahoge_bleed", "kei") == 0


def test_a_ribbon_is_no_ahoge(opened: DetectorSet) -> None:
    people = (replace(KEI, ribbon=True),)
    judged = Judged(opened, scene("standing", people=people), SEEDS, BOTH[:1])
    assert judged.share(Verdict.HOLDS, "ahoge_bleed", "kei") == 1


@pytest.mark.parametrize("number", OVERLAPPING)
def test_the_partners_ahoge_touching_ones_hair_is_no_bleed(opened: DetectorSet, number: int) -> None:
    found = scene_of("test", number)
    partner = found.people[0]
    hug = replace(found, people=(partner, KANA), failures=())
    judged = Judged(opened, hug, (found.seed,), (character("partner", partner), BOTH[1]))
    assert _kanas_ahoge_touches_the_other(judged.drawings[0])
    assert judged.share(Verdict.HOLDS, "ahoge_bleed", "partner") == 1
    assert judged.share(Verdict.HOLDS, "ahoge_missing", "kana") == 1


def test_a_second_person_in_a_solo_picture_fails_the_cast(opened: DetectorSet) -> None:
    judged = Judged(opened, scene("standing", ("extra_person", 0), people=(KEI,)), SEEDS, BOTH[:1])
    assert judged.share(Verdict.FAILS, "cast") >= MOST
    assert judged.share(Verdict.HOLDS, "ahoge_bleed", "kei") == 1


def test_the_same_character_twice_fails_the_cast(opened: DetectorSet) -> None:
    judged = Judged(opened, scene("apart", people=(KANA, KANA)), SEEDS[:2])
    assert judged.share(Verdict.FAILS, "cast") == 1
    assert {one.evidence["assignment"] for one in judged.found("cast")} == {"dominance"}


def test_melted_bodies_are_fused(opened: DetectorSet) -> None:
    judged = Judged(opened, scene("hug", ("fused_bodies", 0)), SEEDS)
    assert judged.share(Verdict.FAILS, "fusion") >= MOST


def test_a_hand_lost_in_piggyback_is_lost(opened: DetectorSet) -> None:
    judged = Judged(opened, scene("piggyback", ("lost_hand", 0)), SEEDS)
    assert [one.severity for one in judged.found("hands", "kei")].count(Severity.LOST) / len(SEEDS) >= MOST
    assert judged.share(Verdict.HOLDS, "hands", "kana") >= MOST


def test_kei_with_kanas_hair_colour_is_still_kei(opened: DetectorSet) -> None:
    judged = Judged(opened, scene("apart", ("hair_color", 0)), SEEDS[:2])
    for drawing, context in zip(judged.drawings, judged.contexts, strict=True):
        for name, truth in zip(("kei", "kana"), drawing.people, strict=True):
            person = context.person_of(name)
            assert person is not None
            x0, _, x1, _ = person.box
            assert x0 < np.nonzero(truth.mask)[1].mean() * context.factor < x1
        assert context.assignment.kind == "blend"


def _kanas_ahoge_touches_the_other(drawing: Drawing) -> bool:
    strand = cv2.dilate(drawing.people[1].parts["ahoge"].astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return bool((strand & drawing.people[0].mask).any())
