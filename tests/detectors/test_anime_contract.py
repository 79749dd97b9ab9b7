"""The shared contract, for every check of the profile ``anime``."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as Pictures

from detectors import Attributes, Character, DetectorSet, Expectation, Verdict, open_detectors
from detectors.checks import AhogeBleed, AhogeMissing, Cast
from detectors.checks.found_hands import FoundHands
from detectors.checks.references import CcipIdentity
from detectors.checks.tagged import TaggedEyeBleed, TaggedFollowThrough, TaggedHairBleed, TaggedOutfitBleed
from detectors.context import Context
from detectors.expectations import Change
from tests.detectors.public_models import KANA, KEI, YELLOW, picture, write_all
from tests.detectors.test_contract import Contract, wide

Image = NDArray[np.uint8]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DetectorSet]:
    folder = tmp_path_factory.mktemp("anime")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BLEEDCHECK_CACHE_DIR", str(folder / "cache"))
        yield open_detectors("anime", weights=write_all(folder / "weights"))


@pytest.fixture(scope="module")
def images() -> list[Image]:
    faulty = [replace(KEI, hair=YELLOW, ahoge=True, hands=1), replace(KANA, ahoge=False)]
    return [picture(faulty), picture([KEI, KANA], 2), wide(picture([KANA]))]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory, opened: DetectorSet) -> list[Expectation]:
    folder = tmp_path_factory.mktemp("references")
    cast = []
    for name, figure, hair, clothes in (
        ("kei", KEI, "black", "sailor uniform"),
        ("kana", KANA, "blonde", "red blazer"),
    ):
        Pictures.fromarray(picture([figure])).save(folder / f"{name}.png")
        owned = Attributes(hair, None, name == "kana", "blue", clothes)
        cast.append(Character(name, name, owned, (str(folder / f"{name}.png"),)))
    changes = (Change("kei", "hair_color", "blonde"),)
    return [Expectation(tuple(cast), "standing", checks=tuple(opened.checks), changes=changes)] * 3


@pytest.fixture(scope="module")
def blank(opened: DetectorSet, asked: list[Expectation]) -> list[Context]:
    shapes = (((256, 256), 0), ((256, 256), 255), ((40, 90), 127), ((1, 1), 0))
    return opened.look([np.full((*size, 3), value, np.uint8) for size, value in shapes], [asked[0]] * len(shapes))


class TestCast(Contract):
    kind = Cast
    blank_verdict = Verdict.FAILS


class TestAhogeBleed(Contract):
    kind = AhogeBleed


class TestAhogeMissing(Contract):
    kind = AhogeMissing


class TestHair(Contract):
    kind = TaggedHairBleed


class TestEyes(Contract):
    kind = TaggedEyeBleed


class TestOutfit(Contract):
    kind = TaggedOutfitBleed


class TestFollowThrough(Contract):
    kind = TaggedFollowThrough


class TestIdentity(Contract):
    kind = CcipIdentity


class TestHands(Contract):
    kind = FoundHands


def test_every_check_has_a_contract(opened: DetectorSet) -> None:
    ours = {each.kind for each in Contract.__subclasses__() if each.__module__ == __name__}
    assert ours == {type(check) for check in opened.checks.values()}
