"""Bases by name: the miniature, a folder, the hub; and clear refusals."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.miniature.architecture import save_pipeline
from service.generation import ImageRequest, licence_notice, open_generator
from service.generation.anima import AnimaGenerator
from service.generation.bases import Base, find_base
from service.generation.errors import BaseNotFound, UnusableBase

from .conftest import SMALL

REQUESTS = [ImageRequest("1girl, kei", 1)]


@pytest.fixture
def folder(components: dict[str, Any], tmp_path: Path) -> Path:
    save_pipeline(components, tmp_path / "base")
    return tmp_path / "base"


def test_a_folder_gives_the_images_of_its_components(folder: Path, generator: AnimaGenerator) -> None:
    opened = open_generator(str(folder), SMALL, device="cpu")
    (ours,), (theirs,) = opened.generate(REQUESTS), generator.generate(REQUESTS)
    assert np.abs(ours.pixels.astype(int) - theirs.pixels).max() <= 1
    assert ours.pixels.std() > 1
    assert opened.fingerprint()["base"].startswith("sha256:")


def test_the_identity_follows_the_weights_and_not_the_place(folder: Path) -> None:
    identity = find_base(str(folder)).identity()
    moved = folder.rename(folder.with_name("elsewhere"))
    assert Base(str(moved)).identity() == identity
    weights = moved / "vae" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert Base(str(moved)).identity() != identity


def test_a_moved_folder_still_loads(folder: Path) -> None:
    moved = folder.rename(folder.with_name("moved"))
    assert open_generator(str(moved), SMALL, device="cpu").generate(REQUESTS)[0].invalid is None


def test_a_folder_without_one_component_is_refused(folder: Path) -> None:
    shutil.rmtree(folder / "vae")
    with pytest.raises(UnusableBase, match="vae"):
        open_generator(str(folder), SMALL, device="cpu")


def test_a_folder_that_is_no_pipeline_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableBase, match=r"modular_model_index\.json"):
        open_generator(str(tmp_path), SMALL)


@pytest.mark.parametrize("name", ["./nowhere", "/nowhere/at/all", "nonsense"])
def test_a_missing_base_says_what_to_give(name: str) -> None:
    with pytest.raises(BaseNotFound, match="hub name"):
        open_generator(name, SMALL)


def test_the_hub_out_of_reach_says_what_to_put_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(BaseNotFound, match="hf download somebody/anima-that-is-nowhere"):
        open_generator("somebody/anima-that-is-nowhere", SMALL)


def test_the_licence_is_named_for_a_real_base_only(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert licence_notice("miniature") is None
    with caplog.at_level(logging.WARNING, logger="service.generation.opening"):
        open_generator(str(folder), SMALL, device="cpu")
    assert "non-commercial" in caplog.text


def test_importing_the_package_does_not_import_torch() -> None:
    code = "import sys, service.generation; sys.exit('torch' in sys.modules or 'diffusers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
