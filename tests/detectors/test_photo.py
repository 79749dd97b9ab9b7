"""The profile ``photo`` with ultralytics' and open_clip's own classes, small and with random weights."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pictures

from benchmarks.miniature.drawing import draw
from detectors import Attributes, Character, Expectation, Verdict, open_detectors
from detectors.errors import ChangedWeights, InvalidInput, MissingWeights, UnusableWeights
from detectors.profiles import Clip
from detectors.weights import manifest, sha256_of
from tests.detectors.cases import expectation, scene
from tests.detectors.public_models import GREEN, KANA, KEI, PERSON, picture, write_detector

TINY = {
    "embed_dim": 64,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "patch_size": 16, "head_width": 32},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLEEDCHECK_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Clip:
    """open_clip's own architecture, tiny, under a name of its own."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    folder = tmp_path_factory.mktemp("clip")
    (folder / "tiny-test.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(folder / "tiny-test.json")
    torch.manual_seed(0)
    model = open_clip.create_model("tiny-test", pretrained=None)
    save_file(
        {name: value.contiguous().clone() for name, value in model.state_dict().items()}, folder / "tiny.safetensors"
    )
    return Clip("tiny-test", folder / "tiny.safetensors")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "weights").mkdir()
    write_detector(tmp_path / "weights" / "yolo11m-seg.onnx", GREEN, PERSON, "person", True, names="{0: 'person'}")
    return tmp_path / "weights"


@pytest.fixture
def asked(tmp_path: Path) -> Expectation:
    paths = {}
    for name, figure in (("kei", KEI), ("kana", KANA)):
        paths[name] = str(tmp_path / f"{name}.png")
        Pictures.fromarray(picture([figure])).save(paths[name])
    cast = [
        Character(name, name, Attributes(hair_color=hair), (paths[name],))
        for name, hair in (("kei", "black"), ("kana", "blonde"))
    ]
    return Expectation(tuple(cast), "standing", checks=("cast", "identity", "hands", "ahoge_bleed"))


def test_persons_by_mask_and_identity_by_clip(folder: Path, clip: Clip, asked: Expectation) -> None:
    photo = open_detectors("photo", weights=folder, clip=clip)
    [context] = photo.look([picture([KEI, KANA])], [asked])
    for person in context.people:
        x0, y0, x1, y1 = person.box
        assert 0.1 < person.mask.sum() / ((x1 - x0) * (y1 - y0)) < 0.9, "a mask, not a box"
    found = {(one.check, one.character): one for one in photo.judge(context)}
    assert found["cast", None].verdict is Verdict.HOLDS
    assert {found["identity", name].verdict for name in ("kei", "kana")} == {Verdict.HOLDS}
    assert set(found["identity", "kei"].evidence["apart"]) == {"kei", "kana"}
    assert found["hands", None].verdict is Verdict.NOT_MEASURABLE
    assert found["ahoge_bleed", None].verdict is Verdict.NOT_MEASURABLE
    assert photo.spec()["clip"] == {"model": "tiny-test", "weights": sha256_of(clip.weights)}


def test_somebody_alone_cannot_be_compared(folder: Path, clip: Clip, asked: Expectation) -> None:
    alone = replace(asked, cast=asked.cast[:1])
    [findings] = open_detectors("photo", weights=folder, clip=clip).detect([picture([KEI])], [alone])
    finding = next(one for one in findings if one.check == "identity")
    assert finding.verdict is Verdict.NOT_MEASURABLE
    assert "nobody measured" in finding.reason


def test_nobody_there(folder: Path, clip: Clip, asked: Expectation) -> None:
    [findings] = open_detectors("photo", weights=folder, clip=clip).detect([np.zeros((1, 1, 3), np.uint8)], [asked])
    assert {one.verdict for one in findings} == {Verdict.FAILS, Verdict.NOT_MEASURABLE}


def test_a_pickle_is_read_only_with_the_published_hash(
    tmp_path: Path, clip: Clip, asked: Expectation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First a foreign pickle, which must not run; then ultralytics' own file with its hash in the manifest."""
    touched = tmp_path / "touched"
    path = tmp_path / "yolo11m-seg.pt"
    path.write_bytes(pickle.dumps(_Touches(str(touched))))
    with pytest.raises(ChangedWeights, match=r"not the published yolo11m-seg\.pt"):
        open_detectors("photo", weights=tmp_path, clip=clip)
    assert not touched.exists()

    import torch

    from detectors.yolo import segmentation_model

    torch.manual_seed(0)
    network = segmentation_model(80)
    network.names = {0: "person", **{number: f"thing {number}" for number in range(1, 80)}}
    torch.save({"model": network.half()}, path)
    listed = tuple(
        replace(item, sha256=sha256_of(path)) if item.name == "coco_people" else item for item in manifest.MANIFEST
    )
    monkeypatch.setattr(manifest, "MANIFEST", listed)
    [findings] = open_detectors("photo", weights=tmp_path, clip=clip).detect([picture([KEI])], [asked])
    assert {one.check for one in findings} == set(asked.checks)
    assert Verdict.HOLDS not in {one.verdict for one in findings}


class _Touches:
    """A pickle that leaves a trace when it is read."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        return open, (self.path, "w")


def test_clip_can_take_the_place_of_the_miniatures_own(clip: Clip) -> None:
    drawing = draw(scene("together"))
    miniature = open_detectors(clip=clip)
    [context] = miniature.look([drawing.image], [expectation(scene("together"))])
    assert {len(person.likeness) for person in context.people} == {TINY["embed_dim"]}
    assert context.assignment.matches
    assert miniature.spec()["clip"]["model"] == "tiny-test"


class TestClip:
    """What can be wrong with a CLIP model of one's own."""

    def opened(self, folder: Path, clip: Clip, asked: Expectation) -> None:
        open_detectors("photo", weights=folder, clip=clip).detect([picture([KEI])], [asked])

    def test_an_unknown_name(self, folder: Path, clip: Clip, asked: Expectation) -> None:
        with pytest.raises(InvalidInput, match="no model 'ViT-Z'"):
            self.opened(folder, Clip("ViT-Z", clip.weights), asked)

    def test_one_that_needs_a_hub(self, folder: Path, clip: Clip, asked: Expectation) -> None:
        with pytest.raises(InvalidInput, match="from a hub"):
            self.opened(folder, Clip("roberta-ViT-B-32", clip.weights), asked)

    def test_a_file_that_is_not_there(self, folder: Path, asked: Expectation, tmp_path: Path) -> None:
        with pytest.raises(MissingWeights, match=r"no\.safetensors"):
            self.opened(folder, Clip("ViT-B-32", tmp_path / "no.safetensors"), asked)

    def test_a_pickle(self, folder: Path, clip: Clip, asked: Expectation, tmp_path: Path) -> None:
        touched = tmp_path / "touched"
        (tmp_path / "weights.pt").write_bytes(pickle.dumps(_Touches(str(touched))))
        with pytest.raises(UnusableWeights, match="never read"):
            self.opened(folder, Clip(clip.model, tmp_path / "weights.pt"), asked)
        assert not touched.exists()

    def test_weights_of_another_model(self, folder: Path, clip: Clip, asked: Expectation, tmp_path: Path) -> None:
        import torch
        from safetensors.torch import save_file

        save_file({"logit_scale": torch.ones(())}, tmp_path / "other.safetensors")
        with pytest.raises(UnusableWeights, match="does not belong to tiny-test"):
            self.opened(folder, Clip(clip.model, tmp_path / "other.safetensors"), asked)
