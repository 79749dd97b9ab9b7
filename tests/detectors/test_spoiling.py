"""Damaged training drawings: the truth goes along with the picture."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.detectors import spoiling
from benchmarks.detectors.truths import fused
from benchmarks.miniature.drawing import draw
from benchmarks.miniature.scenes import KANA, KEI, Scene
from benchmarks.miniature.truth import Drawing

HUG = Scene((KEI, KANA), "hug", "close", seed=4)
APART = Scene((KEI, KANA), "apart", "middle", seed=4)


def spoilt(scene: Scene, monkeypatch: pytest.MonkeyPatch, hands: float, contact: float) -> tuple[Drawing, Drawing]:
    monkeypatch.setattr(spoiling, "HAND_SHARE", hands)
    monkeypatch.setattr(spoiling, "CONTACT_SHARE", contact)
    drawing = draw(scene)
    return drawing, spoiling.spoil(drawing, np.random.default_rng(2))


def test_without_damage_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = spoilt(HUG, monkeypatch, 0.0, 0.0)
    assert np.array_equal(before.image, after.image)
    assert after.people == before.people


def test_a_damaged_hand_is_called_what_it_is_and_the_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = spoilt(APART, monkeypatch, 1.0, 1.0)
    assert not fused(after)
    assert np.array_equal(before.image, draw(APART).image)  # the drawing itself is left alone
    for old, new in zip(before.people, after.people, strict=True):
        changed = [(a, b) for a, b in zip(old.hands, new.hands, strict=True) if a.state != b.state]
        assert [b.state in ("fused", "lost") for _, b in changed] == [True]
        x0, y0, x1, y1 = (max(0, round(v)) for v in changed[0][1].box)
        assert (before.image != after.image)[y0:y1, x0:x1].any()
        assert np.isnan(changed[0][1].keypoints).all()


def test_damaged_contact_is_fused_and_takes_the_hands_in_it_along(monkeypatch: pytest.MonkeyPatch) -> None:
    before, after = spoilt(HUG, monkeypatch, 0.0, 1.0)
    assert (fused(before), fused(after)) == (False, True)
    assert (before.image != after.image)[before.contact].any()
    states = [
        (a.state, b.state)
        for p, q in zip(before.people, after.people, strict=True)
        for a, b in zip(p.hands, q.hands, strict=True)
    ]
    assert all(a == b or b == "fused" for a, b in states)
