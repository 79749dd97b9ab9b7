"""Each kind of adapter against peft's implementation of it, or against the definition where peft has none."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from safetensors.torch import save_file

from service.checkpoints import Folder, inspect_checkpoint, load_adapter
from tests.checkpoints.tiny import linears, run_transformer, tiny_components

TARGETS = [path for path in linears(tiny_components()["transformer"]) if ".attn" in path or ".ff." in path]


class Convolution(torch.nn.Module):
    """One 3x3 convolution, which Anima has not, but other bases have."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(6, 8, 3)


def fold_one(path: Path, weight: torch.Tensor, tensors: dict[str, torch.Tensor], scale: float = 1.0, **kwargs: Any):  # type: ignore[no-untyped-def]
    """The weight after folding a file with one module named ``transformer.layer``, and the file's facts."""
    convolution = weight.dim() == 4
    shape = weight.shape
    layer: torch.nn.Module = (
        torch.nn.Conv2d(shape[1], shape[0], tuple(shape[2:])) if convolution else torch.nn.Linear(shape[1], shape[0])
    )
    model = torch.nn.Module()
    model.layer = layer
    layer.weight = torch.nn.Parameter(weight.clone())
    save_file({f"transformer.layer.{part}": tensor for part, tensor in tensors.items()}, path, **kwargs)
    Folder({"transformer": model}).fold([(load_adapter(path), scale)])
    return layer.weight.detach(), inspect_checkpoint(path)


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)))


def peft_state(config: peft.PeftConfig) -> tuple[torch.nn.Module, dict[str, torch.Tensor], torch.nn.Module]:
    """A fresh transformer, peft's state of a random adapter on a copy of it, and that copy."""
    torch.manual_seed(11)
    base = tiny_components()["transformer"]
    adapted = peft.get_peft_model(copy.deepcopy(base), config)
    for name, parameter in adapted.named_parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter, std=0.3)
            if "magnitude" in name:
                parameter.data.abs_().add_(0.5)
    return base, peft.get_peft_model_state_dict(adapted), adapted


@pytest.mark.parametrize(
    ("config", "algorithms"),
    [
        (peft.LoHaConfig(r=4, alpha=3, target_modules=TARGETS, init_weights=True), ("loha",)),
        (peft.LoKrConfig(r=2, alpha=3, target_modules=TARGETS, init_weights=True), ("lokr",)),
        (peft.LoKrConfig(r=2, alpha=3, target_modules=TARGETS, decompose_both=True), ("lokr",)),
        (peft.LoraConfig(r=4, lora_alpha=3, target_modules=TARGETS, use_dora=True), ("dora", "lora")),
        (peft.LoraConfig(r=4, lora_alpha=3, target_modules=TARGETS), ("lora",)),
    ],
    ids=["loha", "lokr", "lokr both factored", "dora", "lora"],
)
def test_folding_equals_pefts_own_adapter(tmp_path: Path, config: peft.PeftConfig, algorithms: tuple[str, ...]) -> None:
    base, state, adapted = peft_state(config)
    roots = {key.rsplit(".lora_" if ".lora_" in key else ".", 1)[0] for key in state}
    alpha = getattr(config, "lora_alpha", None) or config.alpha  # type: ignore[attr-defined]
    tensors = dict(state)
    for root in roots:
        tensors[f"{root}.alpha"] = torch.tensor(float(alpha))
    path = tmp_path / "peft.safetensors"
    save_file(tensors, path)
    info = inspect_checkpoint(path)
    assert info.algorithms == algorithms
    assert info.modules == len(TARGETS)
    assert info.alpha == alpha

    untouched = run_transformer(base)
    report = Folder({"transformer": base}).fold([(load_adapter(path), 1.0)])
    assert report.tensors == len(tensors)
    expected = run_transformer(adapted)
    assert (expected - untouched).abs().max() > 0.05
    assert torch.allclose(run_transformer(base), expected, atol=1e-5)


def test_lokr_of_two_whole_matrices_has_no_rank_and_scale_one(tmp_path: Path) -> None:
    weight = random(12, 8)
    first, second = random(4, 2), random(3, 4)
    metadata = {"ss_network_dim": "32", "ss_network_alpha": "16.0", "ss_network_module": "lycoris.kohya",
                "ss_network_args": '{"algo": "lokr", "factor": 8}'}  # fmt: skip
    folded, info = fold_one(
        tmp_path / "a.safetensors", weight,
        {"lokr_w1": first, "lokr_w2": second, "alpha": torch.tensor(16.0)}, metadata=metadata,
    )  # fmt: skip
    assert torch.allclose(folded, weight + torch.kron(first, second), atol=1e-6)
    assert info.rank == 32
    assert any("LoKr without inner rank" in note for note in info.notes)


def test_locon_on_a_convolution(tmp_path: Path) -> None:
    weight, down, up = random(8, 6, 3, 3), random(4, 6, 3, 3), random(8, 4, 1, 1)
    folded, info = fold_one(
        tmp_path / "a.safetensors", weight,
        {"lora_down.weight": down, "lora_up.weight": up, "alpha": torch.tensor(2.0)}, scale=0.5,
    )  # fmt: skip
    image = random(1, 6, 9, 9)
    convolve = torch.nn.functional.conv2d
    expected = convolve(image, weight) + 0.5 * 2.0 / 4 * convolve(convolve(image, down), up)
    assert torch.allclose(convolve(image, folded), expected, atol=1e-4)
    assert info.algorithms == ("locon",)


def test_locon_with_a_tucker_core(tmp_path: Path) -> None:
    weight, down, mid, up = random(8, 6, 3, 3), random(4, 6, 1, 1), random(5, 4, 3, 3), random(8, 5, 1, 1)
    folded, info = fold_one(
        tmp_path / "a.safetensors", weight,
        {"lora_down.weight": down, "lora_mid.weight": mid, "lora_up.weight": up},
    )  # fmt: skip
    image = random(1, 6, 9, 9)
    convolve = torch.nn.functional.conv2d
    expected = convolve(image, weight) + convolve(convolve(convolve(image, down), mid), up)
    assert torch.allclose(convolve(image, folded), expected, atol=1e-3)
    assert info.algorithms == ("locon",)


def test_loha_with_tucker_cores(tmp_path: Path) -> None:
    weight = random(8, 6, 3, 3)
    parts = {
        "hada_w1_a": random(4, 8), "hada_w1_b": random(4, 6), "hada_t1": random(4, 4, 3, 3),
        "hada_w2_a": random(4, 8) + 1, "hada_w2_b": random(4, 6) - 1, "hada_t2": random(4, 4, 3, 3) * 2,
    }  # fmt: skip
    folded, _ = fold_one(tmp_path / "a.safetensors", weight, {**parts, "alpha": torch.tensor(1.0)})
    expected = torch.zeros_like(weight)
    for out in range(8):
        for into in range(6):
            sides = []
            for side in ("1", "2"):
                left, right = parts[f"hada_w{side}_a"][:, out], parts[f"hada_w{side}_b"][:, into]
                sides.append(
                    (parts[f"hada_t{side}"] * left[:, None, None, None] * right[None, :, None, None]).sum((0, 1))
                )
            expected[out, into] = sides[0] * sides[1]
    assert torch.allclose(folded, weight + expected / 4, atol=1e-4)


def test_lokr_on_a_convolution(tmp_path: Path) -> None:
    weight, first, second = random(8, 6, 3, 3), random(2, 3), random(4, 2, 3, 3)
    folded, _ = fold_one(tmp_path / "a.safetensors", weight, {"lokr_w1": first, "lokr_w2": second})
    assert torch.allclose(folded, weight + torch.kron(first[:, :, None, None], second), atol=1e-6)


def test_full_difference_of_weight_and_bias(tmp_path: Path) -> None:
    model = torch.nn.Module()
    model.layer = torch.nn.Linear(5, 7)
    model.norm = torch.nn.LayerNorm(5)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    changes = {
        "layer.diff": random(7, 5), "layer.diff_b": random(7), "norm.w_norm": random(5), "norm.b_norm": random(5) + 1,
    }  # fmt: skip
    path = tmp_path / "diff.safetensors"
    save_file({f"transformer.{name}": change for name, change in changes.items()}, path)
    folder = Folder({"transformer": model})
    assert folder.fold([(load_adapter(path), 0.5)]).weights == 4
    after = model.state_dict()
    for name, change in zip(("layer.weight", "layer.bias", "norm.weight", "norm.bias"), changes.values(), strict=True):
        assert torch.allclose(after[name], before[name] + 0.5 * change, atol=1e-6), name
    folder.restore()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize(("magnitude_shape", "axis"), [((8, 1), 0), ((8,), 0), ((1, 6), 1)])
@pytest.mark.parametrize("scale", [1.0, 0.3])
def test_dora_gives_each_row_or_column_its_magnitude(
    tmp_path: Path, magnitude_shape: tuple[int, ...], axis: int, scale: float
) -> None:
    weight, down, up = random(8, 6), random(3, 6), random(8, 3)
    magnitude = random(*magnitude_shape).abs() + 0.5
    folded, info = fold_one(
        tmp_path / "a.safetensors", weight,
        {"lora_down.weight": down, "lora_up.weight": up, "dora_scale": magnitude}, scale=scale,
    )  # fmt: skip
    whole = (folded - weight) / scale + weight
    assert torch.allclose(whole.norm(dim=1 - axis), magnitude.flatten(), atol=1e-4)
    direction = torch.nn.functional.normalize(weight + up @ down, dim=1 - axis)
    assert torch.allclose(torch.nn.functional.normalize(whole, dim=1 - axis), direction, atol=1e-4)
    assert info.algorithms == ("dora", "lora")


def test_dora_prepared_for_comfyui_divides_by_the_base(tmp_path: Path) -> None:
    weight, down, up, magnitude = random(8, 6), random(3, 6), random(8, 3), random(8, 1).abs() + 0.5
    parts = {"lora_down.weight": down, "lora_up.weight": up, "dora_scale": magnitude}
    folded, _ = fold_one(
        tmp_path / "a.safetensors", weight, parts, metadata={"ss_dora_scale_format": "comfy_weight_norm"}
    )
    expected = (weight + up @ down) * magnitude / weight.norm(dim=1, keepdim=True)
    assert torch.allclose(folded, expected, atol=1e-5)


def test_dora_on_a_convolution_measures_each_filter(tmp_path: Path) -> None:
    weight, down, up = random(8, 6, 3, 3), random(4, 6, 3, 3), random(8, 4, 1, 1)
    magnitude = random(8, 1, 1, 1).abs() + 0.5
    folded, _ = fold_one(
        tmp_path / "a.safetensors", weight,
        {"lora_down.weight": down, "lora_up.weight": up, "dora_scale": magnitude},
    )  # fmt: skip
    assert torch.allclose(folded.flatten(1).norm(dim=1), magnitude.flatten(), atol=1e-4)


def test_rslora_scale_from_diffusers_metadata(tmp_path: Path) -> None:
    weight, down, up = random(8, 6), random(4, 6), random(8, 4)
    config = '{"transformer.lora_alpha": 6, "transformer.use_rslora": true, "transformer.r": 4}'
    folded, _ = fold_one(
        tmp_path / "a.safetensors", weight, {"lora_A.weight": down, "lora_B.weight": up},
        metadata={"lora_adapter_metadata": config},
    )  # fmt: skip
    assert torch.allclose(folded, weight + 6 / 4**0.5 * (up @ down), atol=1e-5)


def test_alpha_pattern_from_diffusers_metadata(tmp_path: Path) -> None:
    weight, down, up = random(8, 6), random(4, 6), random(8, 4)
    config = '{"transformer.lora_alpha": 6, "transformer.alpha_pattern": {"layer": 8, "er": 1}}'
    folded, _ = fold_one(
        tmp_path / "a.safetensors", weight, {"lora_A.weight": down, "lora_B.weight": up},
        metadata={"lora_adapter_metadata": config},
    )  # fmt: skip
    assert torch.allclose(folded, weight + 8 / 4 * (up @ down), atol=1e-5)
