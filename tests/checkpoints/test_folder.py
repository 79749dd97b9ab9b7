from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from service.checkpoints import Folder, check_fit, inspect_checkpoint, load_adapter, write_anima_toolkit
from service.checkpoints.differences import AdapterModule, exact_product
from service.checkpoints.naming import kohya_name
from service.errors import InvalidInput, UnmappedKeys
from tests.checkpoints.adapters import ALPHA, RANK, comfyui_name, every_format, random_factors, write
from tests.checkpoints.tiny import linears, run_transformer, tiny_components

KEY_FORMATS = {
    "kohya": "kohya",
    "kohya flat diffusers names": "kohya",
    "kohya without alpha": "kohya",
    "comfyui": "comfyui",
    "comfyui with alpha": "comfyui",
    "comfyui down and up": "comfyui",
    "diffusers": "diffusers",
    "diffusers with alpha": "diffusers",
    "diffusers with alpha in the metadata": "diffusers",
    "peft": "peft",
}


def weights(components: dict[str, torch.nn.Module]) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": value.clone()
        for name, component in components.items()
        for key, value in component.state_dict().items()
    }


def equal_to_the_bit(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(
        torch.equal(a.contiguous().view(torch.uint8), right[key].contiguous().view(torch.uint8))
        for key, a in left.items()
    )


@pytest.fixture
def components() -> dict[str, torch.nn.Module]:
    return tiny_components()


@pytest.fixture
def toolkit_file(tmp_path: Path, components: dict[str, torch.nn.Module]) -> Path:
    """All linear layers that AnimaLoraToolkit trains, in its own format."""
    factors = random_factors(components, lambda name: name.component != "text_encoder")
    path = tmp_path / "kei_epoch4.safetensors"
    write_anima_toolkit(path, {f"{n.component}.{n.path}": pair for n, pair in factors.items()}, RANK, ALPHA)
    return path


@pytest.fixture
def sixteen_bit_file(tmp_path: Path, components: dict[str, torch.nn.Module]) -> Path:
    """The same in bf16, as trainers save it."""
    factors = random_factors(components, lambda name: name.component != "text_encoder")
    path = tmp_path / "kei_epoch8.safetensors"
    halves = {f"{n.component}.{n.path}": (down.bfloat16(), up.bfloat16()) for n, (down, up) in factors.items()}
    write_anima_toolkit(path, halves, RANK, ALPHA)
    return path


def test_every_key_format_of_one_adapter_folds_to_the_same_weights(
    tmp_path: Path, components: dict[str, torch.nn.Module]
) -> None:
    factors = random_factors(components, lambda name: True)
    before = weights(components)
    folder = Folder(components)
    for kind, path in every_format(tmp_path, factors).items():
        report = folder.fold([(load_adapter(path), 1.0)])
        info = inspect_checkpoint(path)
        assert report.tensors == info.tensors, kind
        assert report.weights == info.modules == len(factors), kind
        assert info.key_format == KEY_FORMATS[kind], kind
        assert info.rank == RANK, kind
        after = weights(components)
        for name, (down, up) in factors.items():
            key = f"{name.component}.{name.path}.weight"
            expected = before[key] + ALPHA / RANK * (up @ down)
            assert torch.allclose(after[key], expected, atol=1e-6), (kind, key)
            assert not torch.allclose(after[key], before[key], atol=1e-2), (kind, key)


def test_folding_equals_peft_on_the_real_transformer(tmp_path: Path, components: dict[str, torch.nn.Module]) -> None:
    import peft

    transformer = components["transformer"]
    targets = list(linears(transformer))
    with_peft = copy.deepcopy(transformer)
    config = peft.LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=targets, init_lora_weights=False)
    torch.manual_seed(3)
    with_peft.add_adapter(config)
    state = peft.get_peft_model_state_dict(with_peft)
    pairs = {path: (state[f"{path}.lora_A.weight"], state[f"{path}.lora_B.weight"]) for path in targets}
    assert len(state) == 2 * len(pairs)
    path = tmp_path / "peft.safetensors"
    write_anima_toolkit(path, pairs, RANK, ALPHA)

    untouched = run_transformer(transformer)
    Folder(components).fold([(load_adapter(path), 1.0)])
    expected = run_transformer(with_peft)
    assert (expected - untouched).abs().max() > 0.05
    assert torch.allclose(run_transformer(transformer), expected, atol=1e-5)
    for name, linear in linears(transformer).items():
        wrapped = with_peft.get_submodule(name)
        merged = wrapped.base_layer.weight + wrapped.get_delta_weight("default")  # type: ignore[union-attr,operator]
        assert torch.allclose(linear.weight, merged, atol=1e-6), name


@pytest.mark.parametrize("scale", [0.4, 1.0])
def test_scale_is_pefts_scale(tmp_path: Path, components: dict[str, torch.nn.Module], scale: float) -> None:
    factors = random_factors(components, lambda name: name.component == "transformer")
    path = write(tmp_path / "a.safetensors", factors, comfyui_name)
    before = weights(components)
    Folder(components).fold([(load_adapter(path), scale)])
    name, (down, up) = next(iter(factors.items()))
    changed = weights(components)[f"transformer.{name.path}.weight"] - before[f"transformer.{name.path}.weight"]
    assert torch.allclose(changed, scale * ALPHA / RANK * (up @ down), atol=1e-6)


def test_ours_changes_the_image_where_diffusers_ignores_the_file(
    components: dict[str, torch.nn.Module], toolkit_file: Path
) -> None:
    from diffusers import AnimaAutoBlocks

    pipeline = AnimaAutoBlocks().init_pipeline()
    pipeline.update_components(transformer=components["transformer"], text_conditioner=components["text_conditioner"])
    untouched = run_transformer(components["transformer"])

    pipeline.load_lora_weights(str(toolkit_file))  # no error, and that is the trouble
    assert torch.equal(run_transformer(components["transformer"]), untouched)
    assert not getattr(components["transformer"], "peft_config", None)

    report = Folder(components).fold([(load_adapter(toolkit_file), 1.0)])
    assert report.tensors == len(load_file(toolkit_file))
    assert (run_transformer(components["transformer"]) - untouched).abs().max() > 0.05


def test_ours_equals_diffusers_where_diffusers_loads_the_file(
    tmp_path: Path, components: dict[str, torch.nn.Module]
) -> None:
    from diffusers import AnimaAutoBlocks

    factors = random_factors(components, lambda name: name.component == "transformer" and "attn" in name.path)
    path = write(tmp_path / "c.safetensors", factors, comfyui_name, ("lora_A.weight", "lora_B.weight"), False)
    other = tiny_components()
    pipeline = AnimaAutoBlocks().init_pipeline()
    pipeline.update_components(transformer=other["transformer"], text_conditioner=other["text_conditioner"])
    pipeline.load_lora_weights(str(path))
    Folder(components).fold([(load_adapter(path), 1.0)])
    assert torch.allclose(run_transformer(components["transformer"]), run_transformer(other["transformer"]), atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_restore_leaves_no_trace(tmp_path: Path, toolkit_file: Path, dtype: torch.dtype) -> None:
    components = {name: component.to(dtype) for name, component in tiny_components().items()}
    before = weights(components)
    encoder_only = write(
        tmp_path / "encoder.safetensors",
        random_factors(components, lambda name: name.component == "text_encoder"),
        comfyui_name,
    )
    folder = Folder(components)
    folder.fold([(load_adapter(toolkit_file), 1.0), (load_adapter(encoder_only), 0.7)])
    first = weights(components)
    assert not equal_to_the_bit(before, first)
    folder.fold([(load_adapter(encoder_only), 0.7)])
    folder.restore()
    assert equal_to_the_bit(before, weights(components))
    folder.fold([(load_adapter(toolkit_file), 1.0), (load_adapter(encoder_only), 0.7)])
    assert equal_to_the_bit(first, weights(components))
    folder.fold([])
    assert equal_to_the_bit(before, weights(components))


def test_a_swap_equals_a_fold_on_a_fresh_model(tmp_path: Path, toolkit_file: Path) -> None:
    """The second checkpoint touches other modules than the first, which must go back to the base."""
    swapped, fresh = tiny_components(), tiny_components()
    second = write(
        tmp_path / "second.safetensors", random_factors(swapped, lambda name: "attn1" in name.path), comfyui_name
    )
    folder = Folder(swapped)
    folder.fold([(load_adapter(toolkit_file), 1.0)])
    folder.fold([(load_adapter(second), 1.0)])
    Folder(fresh).fold([(load_adapter(second), 1.0)])
    assert equal_to_the_bit(weights(swapped), weights(fresh))


@pytest.mark.parametrize("scale", [0.0, -0.0])
def test_scale_zero_is_really_zero(components: dict[str, torch.nn.Module], toolkit_file: Path, scale: float) -> None:
    before = weights(components)
    folder = Folder(components)
    folder.fold([(load_adapter(toolkit_file), 1.0)])
    report = folder.fold([(load_adapter(toolkit_file), scale)])
    assert report.weights == 0
    assert equal_to_the_bit(before, weights(components))


def test_fixed_extra_adapters_lie_under_the_swept_one(tmp_path: Path, toolkit_file: Path) -> None:
    components = tiny_components()
    turbo_factors = random_factors(components, lambda name: name.component == "transformer")
    turbo = load_adapter(write(tmp_path / "turbo.safetensors", turbo_factors, comfyui_name))
    swept = load_adapter(toolkit_file)
    before = weights(components)
    folder = Folder(components)
    folder.fold([(turbo, 0.5)])
    turbo_change = {key: value - before[key] for key, value in weights(components).items()}
    folder.fold([(swept, 1.0)])
    swept_change = {key: value - before[key] for key, value in weights(components).items()}
    folder.fold([(turbo, 0.5), (swept, 1.0)])
    for key, value in weights(components).items():
        assert torch.allclose(value, before[key] + turbo_change[key] + swept_change[key], atol=1e-6), key


def test_a_file_for_another_base_is_refused_with_its_keys(
    tmp_path: Path, components: dict[str, torch.nn.Module]
) -> None:
    tensors = {}
    for index in range(12):
        key = f"lora_unet_input_blocks_{index}_1_transformer_blocks_0_attn1_to_q"
        tensors[f"{key}.lora_down.weight"] = torch.ones(4, 32)
        tensors[f"{key}.lora_up.weight"] = torch.ones(32, 4)
    path = tmp_path / "sdxl.safetensors"
    save_file(tensors, path)
    before = weights(components)
    with pytest.raises(UnmappedKeys) as refusal:
        Folder(components).fold([(load_adapter(path), 1.0)])
    message = str(refusal.value)
    assert "24 of 24 tensors have no place" in message
    assert message.count("lora_unet_input_blocks_") == 10
    assert "lora_unet_input_blocks_0_1_transformer_blocks_0_attn1_to_q.lora_down.weight" in message
    assert equal_to_the_bit(before, weights(components))
    with pytest.raises(UnmappedKeys, match="24 of 24"):
        check_fit(path, components)


def test_one_stray_module_refuses_the_whole_file(components: dict[str, torch.nn.Module], toolkit_file: Path) -> None:
    tensors = load_file(toolkit_file)
    tensors["lora_unet_blocks_99_mlp_layer1.lora_down.weight"] = torch.ones(RANK, 32)
    tensors["lora_unet_blocks_99_mlp_layer1.lora_up.weight"] = torch.ones(64, RANK)
    save_file(tensors, toolkit_file)
    with pytest.raises(UnmappedKeys, match=r"2 of \d+ tensors .*lora_unet_blocks_99_mlp_layer1"):
        Folder(components).fold([(load_adapter(toolkit_file), 1.0)])


def test_a_wider_model_of_the_same_family_is_refused_by_shape(
    tmp_path: Path, components: dict[str, torch.nn.Module]
) -> None:
    key = kohya_name("transformer", "transformer_blocks.0.attn1.to_q")
    path = tmp_path / "wide.safetensors"
    save_file({f"{key}.lora_down.weight": torch.ones(4, 64), f"{key}.lora_up.weight": torch.ones(64, 4)}, path)
    with pytest.raises(UnmappedKeys, match=r"difference \[64, 64\] on weight \[32, 32\]"):
        check_fit(path, components)
    with pytest.raises(UnmappedKeys, match="1 modules do not fit"):
        Folder(components).fold([(load_adapter(path), 1.0)])


def test_two_names_for_one_module_are_refused(tmp_path: Path, components: dict[str, torch.nn.Module]) -> None:
    pair = {"lora_A.weight": torch.ones(4, 32), "lora_B.weight": torch.ones(32, 4)}
    keys = ("diffusion_model.blocks.0.self_attn.q_proj", "transformer.transformer_blocks.0.attn1.to_q")
    path = tmp_path / "twice.safetensors"
    save_file({f"{key}.{part}": tensor.clone() for key in keys for part, tensor in pair.items()}, path)
    assert inspect_checkpoint(path).key_format == "mixed"
    with pytest.raises(UnmappedKeys, match="names too"):
        Folder(components).fold([(load_adapter(path), 1.0)])


def test_check_fit_needs_only_shapes(toolkit_file: Path) -> None:
    on_meta = {name: component.to("meta") for name, component in tiny_components().items()}
    check_fit(toolkit_file, on_meta)
    with pytest.raises(InvalidInput, match="in memory"):
        Folder(on_meta).fold([(load_adapter(toolkit_file), 1.0)])


def test_only_touched_weights_are_kept(components: dict[str, torch.nn.Module], tmp_path: Path) -> None:
    factors = random_factors(components, lambda name: name.path.endswith("attn2.to_v"))
    folder = Folder(components)
    folder.fold([(load_adapter(write(tmp_path / "a.safetensors", factors, comfyui_name)), 1.0)])
    kept = sum(weight.numel() for weight in folder._base.values())
    assert kept == sum(up.shape[0] * down.shape[1] for down, up in factors.values())


def test_weights_shared_by_two_modules_are_folded_once(tmp_path: Path) -> None:
    class Tied(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = torch.nn.Linear(6, 6, bias=False), torch.nn.Linear(6, 6, bias=False)
            self.second.weight = self.first.weight

    model = Tied()
    before = model.first.weight.detach().clone()
    path = tmp_path / "tied.safetensors"
    down, up = torch.randn(2, 6), torch.randn(6, 2)
    save_file({"transformer.second.lora_A.weight": down, "transformer.second.lora_B.weight": up}, path)
    folder = Folder({"transformer": model})
    folder.fold([(load_adapter(path), 1.0)])
    assert torch.allclose(model.first.weight, before + up @ down, atol=1e-6)
    folder.restore()
    assert torch.equal(model.first.weight, before)


def _products_on_any_device(module: AdapterModule) -> torch.Tensor | None:
    """What tensor cores give on a GPU: products of 16-bit factors, summed in fp32."""
    up, down = module.factors["up"], module.factors["down"]
    return up.float() @ down.float() if up.dtype.itemsize == 2 else None


def test_products_on_a_gpu_are_rounded_once_like_all_others(
    sixteen_bit_file: Path, components: dict[str, torch.nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [(load_adapter(sixteen_bit_file), 0.8), (load_adapter(sixteen_bit_file), -0.3)]
    for adapters in (both[:1], both):
        for one in components.values():
            one.to(torch.bfloat16)
        other = copy.deepcopy(components)
        usual, products = Folder(components), Folder(other)
        usual.fold(adapters)
        with monkeypatch.context() as patch:
            patch.setattr("service.checkpoints.folder.exact_product", _products_on_any_device)
            products.fold(adapters)
        expected, found = weights(components), weights(other)
        changed = sum(int((expected[name] != found[name]).sum()) for name in expected)
        assert changed / sum(value.numel() for value in expected.values()) < 2e-3  # the order of fp32 sums alone
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value)
        usual.restore()
        products.restore()
        assert equal_to_the_bit(weights(components), weights(other))


def test_what_is_no_plain_lora_of_16_bits_on_a_gpu_takes_the_usual_way(
    toolkit_file: Path, sixteen_bit_file: Path
) -> None:
    for path in (toolkit_file, sixteen_bit_file):  # on a CPU, both
        assert all(exact_product(module) is None for module in load_adapter(path).modules)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_products_on_a_gpu_are_the_exact_sums_rounded_once(sixteen_bit_file: Path) -> None:
    module = load_adapter(sixteen_bit_file).to(torch.device("cuda")).modules[0]
    product = exact_product(module)
    assert product is not None
    up, down = module.factors["up"].double(), module.factors["down"].double()
    torch.testing.assert_close(product.double(), up @ down)
