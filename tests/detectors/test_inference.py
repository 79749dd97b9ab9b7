"""Prepared networks answer what they answered before."""

from __future__ import annotations

import torch

from detectors.inference import prepared
from detectors.networks import UNet, load_unet
from detectors.weights import shipped_folder


def test_answers_stay_the_same() -> None:
    path = shipped_folder() / "heads.safetensors"
    plain, quick = load_unet(path, "cpu")[0], load_unet(path, "cpu")[0]
    assert isinstance(quick, UNet)
    prepared(quick)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in quick.modules())
    inputs = torch.randn(3, plain.config["inputs"], 128, 128, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        painted, answers = plain(inputs)
        quickly, same = quick(inputs)
    assert torch.allclose(painted, quickly, atol=2e-3)
    for name, logits in answers.items():
        assert torch.allclose(logits.softmax(1), same[name].softmax(1), atol=1e-4)
