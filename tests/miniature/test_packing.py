"""Packing the base: small, exact where it says so, unpacked once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from benchmarks.miniature.architecture import MODELS, build_components, load_models, save_pipeline
from service.errors import MissingWeights
from service.generation.single_frame import restore_video_convolutions, use_single_frame
from service.miniature.packing import DamagedBaseError, base_folder, pack_base, pack_matrices, pack_vae, unpack_matrices


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    components = build_components("nano", seed=2)
    use_single_frame(components["vae"])  # leaves zeros in the earlier slices, as training does
    restore_video_convolutions(components["vae"])
    save_pipeline(components, tmp_path / "base", torch.float16)
    return tmp_path / "base"


def test_an_unpacked_base_is_the_packed_one_up_to_half_a_step(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLEEDCHECK_CACHE_DIR", str(tmp_path / "cache"))
    pack_base(folder, tmp_path / "packed")
    before, after = load_models(folder), load_models(base_folder(tmp_path / "packed"))
    for name in MODELS:
        left, right = before[name].state_dict(), after[name].state_dict()
        assert left.keys() == right.keys()
        for key, value in left.items():
            step = value.abs().amax(dim=-1, keepdim=True) / 127 if value.ndim == 2 else torch.zeros(())
            rounding = value.abs() / 1024 + 1e-6  # of the unpacked value and of the scale, in fp16
            assert ((value - right[key]).abs() <= 0.5 * step + rounding).all(), key
    assert all(torch.equal(v, after["vae"].state_dict()[k]) for k, v in before["vae"].state_dict().items())


def test_the_base_is_unpacked_once_and_again_when_it_changes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from diffusers import ModularPipeline

    cache = tmp_path / "cache"
    monkeypatch.setenv("BLEEDCHECK_CACHE_DIR", str(cache))
    pack_base(folder, tmp_path / "packed")
    first = base_folder(tmp_path / "packed")
    written = os.stat(first / "modular_model_index.json").st_mtime_ns
    assert base_folder(tmp_path / "packed") == first
    assert os.stat(first / "modular_model_index.json").st_mtime_ns == written
    assert [p.name for p in cache.iterdir()] == [first.name], "no temporary folder may stay"
    pipe = ModularPipeline.from_pretrained(str(first))
    pipe.load_components()
    assert pipe.transformer is not None
    (tmp_path / "packed" / "scheduler" / "note.txt").write_text("changed")
    assert base_folder(tmp_path / "packed") != first


def test_packing_twice_gives_the_same_weights(folder: Path, tmp_path: Path) -> None:
    pack_base(folder, tmp_path / "one")
    pack_base(folder, tmp_path / "two")
    for name in MODELS:
        assert (tmp_path / "one" / f"{name}.safetensors").read_bytes() == (
            tmp_path / "two" / f"{name}.safetensors"
        ).read_bytes()


def test_matrices_take_a_byte_a_weight() -> None:
    weight = torch.randn(256, 128) * torch.logspace(-6, 1, 256)[:, None]
    packed = pack_matrices({"layer.weight": weight, "norm.weight": torch.ones(4)})
    assert packed["layer.weight"].dtype == torch.int8
    assert packed["norm.weight"].dtype == torch.float16
    error = (unpack_matrices(packed)["layer.weight"].float() - weight).norm(dim=1) / weight.norm(dim=1)
    assert error[40:].max() < 0.03


def test_a_vae_that_knows_motion_is_refused() -> None:
    with pytest.raises(DamagedBaseError, match="earlier frames"):
        pack_vae({"conv.weight": torch.ones(2, 2, 3, 3, 3)})


def test_a_missing_base_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MissingWeights, match="train"):
        base_folder(tmp_path / "nothing")
