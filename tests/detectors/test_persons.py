"""The networks that judge bodies and faces, and the crops they are trained on."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmarks.detectors import bodies, faces
from benchmarks.detectors.persons import sample, turned
from benchmarks.detectors.store import PERSON_FIELDS, Drawings
from detectors.crops import BODY_SIZE, FACE_SIZE, cut
from detectors.networks import load_reader


def test_without_a_turn_a_crop_is_the_one_that_is_judged() -> None:
    pictures = torch.rand(2, 3, 64, 64)
    index, windows = torch.tensor([0, 1]), torch.tensor([[30.0, 32.0, 40.0], [20.0, 20.0, 30.0]])
    still, plain = torch.zeros(2), torch.ones(2)
    same = turned(pictures, index, windows, 24, "bilinear", still, plain)
    assert torch.allclose(same, cut(pictures, index, windows, 24), atol=1e-5)
    mirrored = turned(pictures, index, windows, 24, "bilinear", still, -plain)
    assert torch.allclose(mirrored.flip(3), same, atol=1e-4)


@pytest.mark.parametrize(("module", "size"), [(bodies, BODY_SIZE), (faces, FACE_SIZE)])
def test_training_makes_a_file_that_the_detectors_read(
    module: object, size: int, drawings: Drawings, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    network = module.build("nano")  # type: ignore[attr-defined]
    losses = module.Objective(drawings, 8)(network)  # type: ignore[attr-defined]
    assert all(torch.isfinite(value) and value > 0 for value in losses.values())
    sum(losses.values()).backward()
    path = tmp_path / "network.safetensors"
    module.save(path, network, {})  # type: ignore[attr-defined]
    answers = load_reader(path, "cpu")(torch.rand(2, 4, size, size))
    assert {name: tuple(value.shape) for name, value in answers.items()} == {
        name: (2, layer.out_features) for name, layer in network.answer.items()
    }


def test_crops_show_the_person_whose_mask_comes_along(drawings: Drawings) -> None:
    crops = sample(drawings, 12, BODY_SIZE, torch.Generator().manual_seed(1), faces=False)
    assert crops.inputs.shape[1:] == (4, BODY_SIZE, BODY_SIZE)
    shares = crops.inputs[:, 3].mean((1, 2))
    assert shares.min() > 0.02
    assert shares.max() < 0.7
    assert PERSON_FIELDS[-4:] == ("x0", "y0", "x1", "y1")
