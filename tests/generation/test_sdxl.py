"""The SDXL family through the same port, and its LoRA files with both text encoders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from service.checkpoints import Folder, check_fit, inspect_checkpoint, load_adapter
from service.errors import UnmappedKeys
from service.generation import GenerationSettings, ImageRequest, open_generator
from service.generation.errors import PromptTooLong, UnusableBase, UnusableSettings
from service.generation.sdxl import SDXLGenerator, scheduler_of
from service.storage.fitting import check_fits

from .sdxl_world import UNET, VAE, build_sdxl, kohya_lora, original_state, save_sdxl, text_config

SETTINGS = GenerationSettings(
    steps=2, width=64, height=64, guidance=4.0, sampler="euler", schedule="normal", batch_size=2
)
REQUESTS = [ImageRequest("1girl, keichan", 7), ImageRequest("2girls, hug", 13)]
MODELS = ("unet", "text_encoder", "text_encoder_2")


@pytest.fixture(scope="module")
def components() -> dict[str, Any]:
    return build_sdxl()


@pytest.fixture
def generator() -> SDXLGenerator:
    return SDXLGenerator.from_components(build_sdxl(), SETTINGS, identity="tiny", device="cpu")


def folded(path: Path) -> dict[str, Any]:
    parts = build_sdxl()
    Folder({name: parts[name] for name in MODELS}).fold([(load_adapter(path), 1.0)])
    return parts


def weights(parts: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {f"{part}.{name}": value for part in MODELS for name, value in parts[part].state_dict().items()}


def test_pictures_repeat_and_follow_prompt_and_seed(generator: SDXLGenerator) -> None:
    first, second = generator.generate(REQUESTS)
    assert first.pixels.shape == (64, 64, 3)
    assert np.array_equal(generator.generate(REQUESTS)[0].pixels, first.pixels)
    alone = generator.generate(REQUESTS[1:])[0]
    assert np.abs(alone.pixels.astype(int) - second.pixels).max() <= 1
    other = generator.generate([ImageRequest("1girl, keichan", 8)])[0]
    assert not np.array_equal(other.pixels, first.pixels)


def test_a_swap_leaves_no_trace_and_text_is_encoded_again(
    generator: SDXLGenerator, components: dict[str, Any], tmp_path: Path
) -> None:
    control = [image.pixels for image in generator.generate(REQUESTS)]
    text_only = kohya_lora(tmp_path / "te_epoch4.safetensors", components, parts=("text_encoder_2",))
    generator.use(text_only)
    changed = [image.pixels for image in generator.generate(REQUESTS)]
    assert not np.array_equal(changed[0], control[0])
    generator.use(text_only, 0.0)
    assert np.array_equal(generator.generate(REQUESTS)[0].pixels, control[0])
    generator.use(None)
    assert all(np.array_equal(a.pixels, b) for a, b in zip(generator.generate(REQUESTS), control, strict=True))


@pytest.mark.parametrize("names", ["original", "diffusers"])
def test_every_layer_is_w_plus_alpha_over_rank_ba(components: dict[str, Any], tmp_path: Path, names: str) -> None:
    path = kohya_lora(tmp_path / "kk_epoch4.safetensors", components, names=names, rank=4, alpha=2.0)
    info = inspect_checkpoint(path)
    assert set(info.components) == set(MODELS)
    before, after = weights(build_sdxl()), weights(folded(path))
    changed = [name for name in before if not torch.equal(before[name], after[name])]
    assert len(changed) == info.modules

    # The tensors in the file's order belong to the modules in the model's order.
    from safetensors.torch import load_file

    tensors = load_file(path)
    differences = {
        key.removesuffix(".lora_up.weight"): 0.5 * up @ tensors[key.replace("lora_up", "lora_down")]
        for key, up in tensors.items()
        if key.endswith("lora_up.weight")
    }
    total = sum(float(difference.sum()) for difference in differences.values())
    assert total == pytest.approx(sum(float((after[name] - before[name]).sum()) for name in changed), rel=1e-3)
    if names == "original":
        first = differences["lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q"]
        module = "unet.down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q.weight"
        assert torch.allclose(after[module] - before[module], first, atol=1e-5)
        last = differences["lora_unet_output_blocks_5_1_transformer_blocks_0_attn2_to_k"]
        module = "unet.up_blocks.1.attentions.2.transformer_blocks.0.attn2.to_k.weight"
        assert torch.allclose(after[module] - before[module], last, atol=1e-5)


def test_the_unet_is_folded_as_diffusers_own_loader_does(components: dict[str, Any], tmp_path: Path) -> None:
    """diffusers reads the numbered names too; peft then merges what it made of them."""
    from diffusers import StableDiffusionXLPipeline

    path = kohya_lora(tmp_path / "kk_epoch4.safetensors", components, parts=("unet",))
    pipeline: Any = StableDiffusionXLPipeline(**build_sdxl(), add_watermarker=False)
    pipeline.load_lora_weights(str(path))
    pipeline.fuse_lora()
    pipeline.unload_lora_weights()
    ours, theirs = folded(path)["unet"].state_dict(), pipeline.unet.state_dict()
    assert ours.keys() == theirs.keys()
    worst = max(float((ours[name] - theirs[name]).abs().max()) for name in ours)
    assert worst < 1e-5


def test_a_lora_of_another_model_is_refused(components: dict[str, Any], tmp_path: Path) -> None:
    from tests.evaluations.world import write_lora

    with pytest.raises(UnmappedKeys, match="lora_unet_blocks_0"):
        check_fit(write_lora(tmp_path / "anima.safetensors", seed=1), {name: components[name] for name in MODELS})


def test_a_folder_is_recognised_and_gives_the_same_pictures(generator: SDXLGenerator, tmp_path: Path) -> None:
    folder = save_sdxl(tmp_path / "sdxl", build_sdxl())
    opened = open_generator(str(folder), SETTINGS, device="cpu")
    assert isinstance(opened, SDXLGenerator)
    ours, theirs = opened.generate(REQUESTS), generator.generate(REQUESTS)
    assert np.array_equal(ours[0].pixels, theirs[0].pixels)
    assert opened.fingerprint()["base"].startswith("sdxl:")
    assert check_fits(kohya_lora(tmp_path / "kk.safetensors", build_sdxl()), str(folder))


def test_v_prediction_is_another_schedule_and_starts_in_noise() -> None:
    made = build_sdxl(v_prediction=True)
    scheduler = scheduler_of(made["scheduler"].config, SETTINGS)
    assert scheduler.config.prediction_type == "v_prediction"
    assert scheduler.config.timestep_spacing == "trailing"
    scheduler.set_timesteps(4)
    assert float(scheduler.timesteps[0]) == 999
    generator = SDXLGenerator.from_components(made, SETTINGS, identity="tiny", device="cpu")
    assert generator.fingerprint()["prediction"] == "v_prediction"
    plain = SDXLGenerator.from_components(build_sdxl(), SETTINGS, identity="tiny", device="cpu")
    assert not np.array_equal(generator.generate(REQUESTS)[0].pixels, plain.generate(REQUESTS)[0].pixels)


def test_ancestral_noise_is_the_images_own() -> None:
    from dataclasses import replace

    ancestral = replace(SETTINGS, sampler="euler_a", steps=3)
    generator = SDXLGenerator.from_components(build_sdxl(), ancestral, identity="tiny", device="cpu")
    together = generator.generate(REQUESTS)
    alone = generator.generate(REQUESTS[1:])
    assert np.abs(together[1].pixels.astype(int) - alone[0].pixels).max() <= 1


def test_what_sdxl_cannot_do_is_said(generator: SDXLGenerator) -> None:
    with pytest.raises(PromptTooLong, match="77"):
        generator.generate([ImageRequest("keichan, " * 60, 1)])
    with pytest.raises(UnusableSettings, match="sampler: euler"):
        SDXLGenerator.from_components(build_sdxl(), GenerationSettings(), identity="tiny", device="cpu")
    incomplete = {**build_sdxl(), "scheduler": None}
    with pytest.raises(UnusableBase, match="scheduler"):
        SDXLGenerator.from_components(incomplete, SETTINGS, identity="tiny", device="cpu")


def write_file(path: Path, state: dict[str, torch.Tensor]) -> Path:
    from safetensors.torch import save_file

    save_file({name: tensor.contiguous().clone() for name, tensor in state.items()}, path)
    return path


@pytest.fixture
def tiny_configs(monkeypatch: pytest.MonkeyPatch) -> None:
    """The configuration that comes with single files is SDXL's own; here it is the tiny model's."""
    from service.generation import sdxl_files

    small = {"unet": UNET, "vae": VAE, "text_encoder": text_config(), "text_encoder_2": text_config(10)}
    for part, content in small.items():
        monkeypatch.setitem(sdxl_files._CONFIGS, part, {**sdxl_files._CONFIGS[part], **content})


@pytest.mark.usefixtures("tiny_configs")
def test_a_single_file_gives_the_same_pictures_without_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    state = original_state(build_sdxl(second_layers=10))
    path = write_file(tmp_path / "illustrious.safetensors", state)
    opened = open_generator(str(path), SETTINGS, device="cpu")
    assert isinstance(opened, SDXLGenerator)
    expected = SDXLGenerator.from_components(build_sdxl(second_layers=10), SETTINGS, identity="tiny", device="cpu")
    for ours, theirs in zip(opened.generate(REQUESTS), expected.generate(REQUESTS), strict=True):
        assert np.abs(ours.pixels.astype(int) - theirs.pixels).max() <= 1
        assert ours.pixels.std() > 1
    assert opened.fingerprint()["prediction"] == "epsilon"
    assert check_fits(kohya_lora(tmp_path / "kk.safetensors", build_sdxl(second_layers=10)), str(path))


@pytest.mark.usefixtures("tiny_configs")
@pytest.mark.parametrize("mark", ["v_pred", "ztsnr", None])
def test_a_file_that_predicts_velocity_says_so_or_is_told_so(tmp_path: Path, mark: str | None) -> None:
    state = original_state(build_sdxl(second_layers=10))
    if mark is not None:
        state[mark] = torch.tensor([])
    path = write_file(tmp_path / "noob.safetensors", state)
    opened = open_generator(str(path) if mark else f"{path};v_prediction", SETTINGS, device="cpu")
    assert opened.fingerprint()["prediction"] == "v_prediction"
    assert opened.fingerprint()["base"].endswith(" v")


@pytest.mark.usefixtures("tiny_configs")
def test_a_file_with_a_tensor_too_few_or_too_many_is_refused_by_name(tmp_path: Path) -> None:
    state = original_state(build_sdxl(second_layers=10))
    lost = state.pop("conditioner.embedders.1.model.ln_final.bias")
    with pytest.raises(UnusableBase, match=r"1 tensors are missing: 'conditioner\.embedders\.1\.model\.ln_final\.bias"):
        open_generator(str(write_file(tmp_path / "few.safetensors", state)), SETTINGS, device="cpu")
    state |= {"conditioner.embedders.1.model.ln_final.bias": lost, "model.diffusion_model.extra.weight": lost}
    with pytest.raises(UnusableBase, match=r"have no place: 'model\.diffusion_model\.extra\.weight"):
        open_generator(str(write_file(tmp_path / "many.safetensors", state)), SETTINGS, device="cpu")


def test_the_real_shapes_are_sdxls() -> None:
    from service.generation.sdxl_files import SDXLBase, outline

    models = outline(SDXLBase(Path("x.safetensors"), is_file=True))
    sizes = {name: sum(each.numel() for each in model.parameters()) / 1e6 for name, model in models.items()}
    assert sizes["unet"] == pytest.approx(2567, abs=1)
    assert sizes["text_encoder"] == pytest.approx(123, abs=1)
    assert sizes["text_encoder_2"] == pytest.approx(695, abs=1)
