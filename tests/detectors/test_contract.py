"""What every check owes: batch equals single, the same answer twice, plain JSON, boxes inside of the picture."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from benchmarks.miniature.drawing import draw
from benchmarks.miniature.scenes import Scene
from detectors import Change, DetectorSet, Expectation, Finding, Measure, Severity, Verdict, checks
from detectors.checks import (
    AhogeBleed,
    AhogeMissing,
    Cast,
    Check,
    EyeBleed,
    Face,
    FollowThrough,
    Fusion,
    Ghost,
    HairBleed,
    Hands,
    Identity,
    Limbs,
    OutfitBleed,
    Pose,
)
from detectors.context import Context
from detectors.errors import InvalidInput
from detectors.measuring import measures_of
from tests.detectors.cases import expectation, scene

Image = NDArray[np.uint8]
FAULTY = replace(
    scene("piggyback", ("ahoge_bleed", 0), ("ahoge_missing", 1), ("lost_hand", 0), ("fused_bodies", 0)), seed=7
)
PICTURES = (FAULTY, replace(scene("together"), seed=8), replace(scene("princess carry", ("extra_person", 0)), seed=9))
ASKED = (Change("kei", "hair_color", "red"), Change("kana", "outfit", "white dress"))
HUG = expectation(Scene((), "hug"), changes=ASKED)


def wide(image: Image) -> Image:
    """The picture in the middle of a larger one that is not square."""
    return np.pad(image, ((0, 0), (40, 104), (0, 0)), constant_values=200)


@pytest.fixture(scope="module")
def images() -> list[Image]:
    drawn = [draw(one).image for one in PICTURES]
    return [*drawn[:2], wide(drawn[2])]


@pytest.fixture(scope="module")
def asked() -> list[Expectation]:
    return [expectation(one, changes=ASKED) for one in PICTURES]


@pytest.fixture(scope="module")
def blank(opened: DetectorSet) -> list[Context]:
    """Black, white, small and grey, a single pixel."""
    shapes = (((256, 256), 0), ((256, 256), 255), ((40, 90), 127), ((1, 1), 0))
    return opened.look([np.full((*size, 3), value, np.uint8) for size, value in shapes], [HUG] * len(shapes))


class Contract:
    """The contract, for the check of class ``kind``; ``blank_verdict`` is its answer where nobody is."""

    kind: type[Check]
    blank_verdict = Verdict.NOT_MEASURABLE

    @pytest.fixture
    def check(self, opened: DetectorSet) -> Check:
        check = opened.checks.get(self.kind.name) or self.kind(opened.thresholds)
        assert type(check) is self.kind
        return check

    def test_it_answers_with_its_own_name_and_version(self, check: Check, seen: list[Context]) -> None:
        for finding in (one for context in seen for one in check.detect(context)):
            assert (finding.check, finding.detector, finding.version) == (check.name, check.name, check.version)
            assert finding.reason
            assert (finding.severity is not None) == (finding.verdict in (Verdict.MINOR, Verdict.FAILS))
            assert finding.score is None or 0 <= finding.score <= 1

    def test_batch_equals_single(self, check: Check, seen: list[Context], alone: list[Context]) -> None:
        for together, single in zip(seen, alone, strict=True):
            for one, other in zip(check.detect(together), check.detect(single), strict=True):
                assert (one.verdict, one.severity, one.character) == (other.verdict, other.severity, other.character)
                assert one.score == pytest.approx(other.score, abs=0.01)

    def test_the_same_call_twice_gives_the_same_findings(
        self, check: Check, seen: list[Context], again: list[Context]
    ) -> None:
        assert [check.detect(one) for one in seen] == [check.detect(one) for one in again]

    def test_a_blank_picture_gets_an_explicit_answer(self, check: Check, blank: list[Context]) -> None:
        for context in blank:
            findings = check.detect(context)
            assert findings
            assert {finding.verdict for finding in findings} == {self.blank_verdict}
            assert all(finding.reason for finding in findings)

    def test_findings_survive_json(self, check: Check, seen: list[Context], blank: list[Context]) -> None:
        for finding in (one for context in (*seen, *blank) for one in check.detect(context)):
            back = Finding.from_json(json.loads(json.dumps(finding.to_json())))
            assert back == finding
            assert isinstance(back.verdict, Verdict)

    def test_every_box_lies_inside_of_the_picture(self, check: Check, seen: list[Context]) -> None:
        boxes = []
        for context in seen:
            height, width = context.size
            for key, value in ((k, v) for one in check.detect(context) for k, v in one.evidence.items()):
                found = value if key.endswith("_boxes") else [value] if key.endswith("_box") else []
                boxes += [(box, width, height) for box in found]
        assert boxes
        for (x0, y0, x1, y1), width, height in boxes:
            assert 0 <= x0 < x1 <= width
            assert 0 <= y0 < y1 <= height


class TestAhogeBleed(Contract):
    kind = AhogeBleed


class TestAhogeMissing(Contract):
    kind = AhogeMissing


class TestCast(Contract):
    kind = Cast
    blank_verdict = Verdict.FAILS


class TestHairBleed(Contract):
    kind = HairBleed


class TestEyeBleed(Contract):
    kind = EyeBleed


class TestOutfitBleed(Contract):
    kind = OutfitBleed


class TestFusion(Contract):
    kind = Fusion


class TestHands(Contract):
    kind = Hands


class TestLimbs(Contract):
    kind = Limbs


class TestIdentity(Contract):
    kind = Identity


class TestFace(Contract):
    kind = Face


class TestGhost(Contract):
    kind = Ghost


class TestPose(Contract):
    kind = Pose


class TestFollowThrough(Contract):
    kind = FollowThrough


def test_every_check_has_a_contract(opened: DetectorSet) -> None:
    ours = {each.kind for each in Contract.__subclasses__() if each.__module__ == __name__}
    assert ours == {getattr(checks, name) for name in checks.__all__} - {Check}
    assert {type(check) for check in opened.checks.values()} <= ours


def test_a_picture_with_five_faults_shows_them(opened: DetectorSet, seen: list[Context]) -> None:
    wrong = {(one.check, one.character) for one in opened.judge(seen[0]) if one.verdict is Verdict.FAILS}
    assert {("ahoge_bleed", "kei"), ("ahoge_missing", "kana"), ("hands", "kei"), ("fusion", None)} <= wrong
    assert Severity.LOST in {one.severity for one in opened.judge(seen[0])}


def test_a_check_that_nobody_can_answer_is_not_measurable(opened: DetectorSet, images: list[Image]) -> None:
    [[finding]] = opened.detect(images[:1], [replace(HUG, checks=("handwriting",))])
    assert finding.verdict is Verdict.NOT_MEASURABLE
    assert "no detector for handwriting" in finding.reason


def test_measures_come_from_the_same_look_and_survive_json(
    opened: DetectorSet, images: list[Image], asked: list[Expectation], seen: list[Context]
) -> None:
    examined = opened.examine(images, asked)
    assert [list(each.findings) for each in examined] == [opened.judge(context) for context in seen]
    for each in examined:
        found = {(one.name, one.character) for one in each.measures}
        assert {("hairstyle", "kei"), ("costume", "kana"), ("likeness", "kei"), ("sharpness_people", None)} <= found
        for one in each.measures:
            assert Measure.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_nobody_in_the_picture_is_nothing_to_measure(opened: DetectorSet, blank: list[Context]) -> None:
    assert opened.judge(blank[0])
    assert {one.name for context in blank for one in measures_of(context)} == {"sharpness_background"}


@pytest.mark.parametrize("shape", [(8, 8), (8, 8, 4), (0, 8, 3)])
def test_what_is_no_picture_is_refused(opened: DetectorSet, shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match="8-bit RGB"):
        opened.detect([np.zeros(shape, np.uint8)], [HUG])


def test_an_image_needs_its_expectation(opened: DetectorSet, images: list[Image]) -> None:
    with pytest.raises(InvalidInput, match="3 images came with 1"):
        opened.detect(images, [HUG])
