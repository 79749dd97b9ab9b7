"""Single files of Flux, Qwen-Image and Z-Image give the pictures of what they hold, or are refused by name."""

from __future__ import annotations

import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from service.errors import UnmappedKeys
from service.generation import GenerationSettings, ImageRequest, licence_notice, open_generator
from service.generation.bases import find_base
from service.generation.errors import BaseNotFound, UnusableBase
from service.generation.flow_matching import flow_matching_generator
from service.generation.opening import hurry_notice
from service.generation.original import FlowFiles
from service.generation.original.flow_configs import DENOISERS, scheduler_config
from service.generation.original.flow_loading import load_components, load_denoiser, outline
from service.storage.fitting import check_fits
from tests.checkpoints.families import FAMILIES, every_format, random_pairs

from ..flow_world import SCHEDULERS, family_named
from .flow_world import build_real, denoiser, denoiser_state, write_comfyui
from .world import save

SETTINGS = GenerationSettings(steps=2, width=64, height=48, guidance=1.0, sampler="euler", batch_size=2)
REQUESTS = [ImageRequest("1girl, keichan", 7), ImageRequest("2girls, keichan, kanachan, hug", 13)]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("comfyui")
    return {name: write_comfyui(root / name, name, build_real(name)) for name in FAMILIES}


@pytest.fixture
def comfyui(folders: dict[str, Path], tmp_path: Path) -> Any:
    return lambda name: Path(shutil.copytree(folders[name], tmp_path / name))


def files_of(base: str) -> FlowFiles:
    found = find_base(base)
    assert isinstance(found, FlowFiles)
    return found


@pytest.mark.parametrize("name", FAMILIES)
def test_a_comfyui_folder_gives_the_pictures_of_its_components(name: str, folders: dict[str, Path]) -> None:
    kind = flow_matching_generator(family_named(name))
    wanted = kind.from_components(build_real(name), SETTINGS, identity="real", device="cpu").generate(REQUESTS)
    made = open_generator(f"comfyui:{folders[name]}", SETTINGS, device="cpu").generate(REQUESTS)
    for ours, theirs in zip(made, wanted, strict=True):
        assert np.array_equal(ours.pixels, theirs.pixels)
    assert np.abs(made[0].pixels.astype(int) - made[1].pixels).max() > 1


@pytest.mark.parametrize("name", FAMILIES)
def test_every_weight_arrives(name: str, folders: dict[str, Path]) -> None:
    files = files_of(f"comfyui:{folders[name]}")
    loaded, real = load_components(files, torch.float32), build_real(name)
    for part in files.family.models:
        ours, theirs = loaded[part].state_dict(), real[part].state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs), part
    assert loaded["scheduler"].config.shift == SCHEDULERS[name]["shift"]


@pytest.mark.parametrize("prefix", ["model.diffusion_model.", "diffusion_model.", ""])
@pytest.mark.parametrize("name", ["qwen-image", "z-image"])
def test_every_prefix_gives_the_same_weights(name: str, prefix: str, comfyui: Any) -> None:
    files = files_of(f"comfyui:{comfyui(name)}")
    model = denoiser(name)
    save(denoiser_state(name, model, prefix), files.denoiser)
    loaded = load_denoiser(files, torch.float32).state_dict()
    assert all(torch.equal(loaded[key], tensor) for key, tensor in model.state_dict().items())


def test_the_original_names_of_flux_at_its_published_width(comfyui: Any) -> None:
    """diffusers' conversion knows no other width, so the tensors lie in the file as zeros that take no room."""
    from tests.checkpoints.test_recognising import write_sparse

    files = files_of(f"comfyui:{comfyui('flux')}")
    with torch.device("meta"):
        from diffusers import FluxTransformer2DModel

        real = FluxTransformer2DModel(num_layers=2, num_single_layers=3, guidance_embeds=True)
    shapes = {name: tuple(tensor.shape) for name, tensor in denoiser_state("flux", real).items()}
    write_sparse(files.denoiser, {f"model.diffusion_model.{name}": shape for name, shape in flux_names(shapes).items()})
    made = outline(files)["transformer"]
    assert {key: tensor.shape for key, tensor in made.state_dict().items()} == {
        key: tensor.shape for key, tensor in real.state_dict().items()
    }
    assert made.config.guidance_embeds
    shapes.pop("single_blocks.1.linear2.weight")
    write_sparse(files.denoiser, flux_names(shapes))
    with pytest.raises(UnusableBase, match=r"flux1-dev\.safetensors is incomplete.*single_blocks\.1\.linear2\.weight"):
        outline(files)


def flux_names(shapes: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """The norms of queries and keys, which the table of linear layers lacks."""
    words = {"norm_q.weight": "query_norm.scale", "norm_k.weight": "key_norm.scale"}
    words |= {"norm_added_q.weight": "query_norm.scale", "norm_added_k.weight": "key_norm.scale"}
    made = {}
    for name, shape in shapes.items():
        head, _, end = name.rpartition(".attn.")
        if head and end in words:
            single = head.startswith("single_transformer_blocks")
            number = head.rpartition(".")[2]
            side = "txt" if "added" in end else "img"
            name = (
                f"single_blocks.{number}.norm.{words[end]}"
                if single
                else f"double_blocks.{number}.{side}_attn.norm.{words[end]}"
            )
        made[name] = shape
    return made


def test_a_flux_of_another_width_in_its_original_names_is_refused(comfyui: Any) -> None:
    files = files_of(f"comfyui:{comfyui('flux')}")
    save(denoiser_state("flux", denoiser("flux")), files.denoiser)
    with pytest.raises(UnusableBase, match=r"width 128; only the published width 3072"):
        outline(files)


def test_what_shapes_tell_of_the_published_models() -> None:
    import diffusers

    for name in FAMILIES:
        kind = getattr(diffusers, family_named(name).classes["transformer"])
        with torch.device("meta"):
            published = kind()
        shapes = {key: tuple(tensor.shape) for key, tensor in published.state_dict().items()}
        config = DENOISERS[name](shapes)
        with torch.device("meta"):
            ours = kind(**config)
        assert {key: tuple(tensor.shape) for key, tensor in ours.state_dict().items()} == shapes
        for key, value in config.items():
            if key != "axes_lens":  # longer in the published file than in diffusers' default
                assert published.config[key] in (value, None) or list(published.config[key]) == list(value), key


@pytest.mark.parametrize("name", FAMILIES)
def test_a_checkpoint_is_checked_against_the_headers(name: str, folders: dict[str, Path], tmp_path: Path) -> None:
    base = f"comfyui:{folders[name]}"
    assert check_fits(every_format(tmp_path, name, random_pairs(denoiser(name)))["kohya"], base)
    other = next(family for family in FAMILIES if family != name)
    foreign = every_format(tmp_path, other, random_pairs(denoiser(other)))["kohya"]
    title = family_named(other).title
    with pytest.raises(UnmappedKeys, match=rf"is a LoRA for {title} by its names and does not fit"):
        check_fits(foreign, base)


def test_wrong_parts_are_named_for_what_they_are(comfyui: Any) -> None:
    flux = comfyui("flux")
    texts = flux / "models" / "text_encoders"
    t5, clip, vae = texts / "t5xxl_fp16.safetensors", texts / "clip_l.safetensors", flux / "models/vae/ae.safetensors"
    for option, words in {
        f"text_encoder={t5}": r"t5xxl_fp16\.safetensors is T5.*belongs here is Flux's first text encoder \(CLIP-L\)",
        f"text_encoder_2={clip}": r"clip_l\.safetensors is .*CLIP.*belongs here is Flux's second text encoder \(T5-XXL",
        f"vae={clip}": r"belongs here is Flux's VAE, such as ae\.safetensors",
        "v_prediction": r"only of SDXL can be said ;v_prediction",
    }.items():
        with pytest.raises(UnusableBase, match=words):
            find_base(f"comfyui:{flux};{option}")
    with pytest.raises(
        UnusableBase, match=r"ae\.safetensors is the VAE of Flux.*belongs here is the diffusion model of A"
    ):
        find_base(str(vae))
    t5.unlink()
    with pytest.raises(BaseNotFound, match=r"needs Flux's second text encoder.*Put t5xxl_fp16.*--text-encoder-2"):
        find_base(f"comfyui:{flux}")


def test_packed_parts_are_refused_and_plain_fp8_is_rounded(comfyui: Any) -> None:
    folder = comfyui("z-image")
    files = files_of(f"comfyui:{folder}")
    model = denoiser("z-image")
    state = {key: tensor.to(torch.float8_e4m3fn) for key, tensor in denoiser_state("z-image", model).items()}
    save(state, files.denoiser)
    loaded = load_denoiser(files, torch.float32).state_dict()
    rounded = model.state_dict()["layers.0.attention.to_q.weight"].to(torch.float8_e4m3fn).float()
    assert torch.equal(loaded["layers.0.attention.to_q.weight"], rounded)
    save({**state, "layers.0.attention.qkv.scale_weight": torch.ones(1)}, files.denoiser)
    with pytest.raises(
        UnusableBase, match=r"the diffusion model of Z-Image, quantised \(fp8 with scales\).*bf16 or fp16"
    ):
        find_base(f"comfyui:{folder}")


def test_a_turbo_model_in_a_folder_is_known_by_its_files_name(folders: dict[str, Path]) -> None:
    few = GenerationSettings(steps=8, width=64, height=48, guidance=1.0, sampler="euler")
    found = files_of(f"comfyui:{folders['z-image']}")
    assert found.denoiser.name == "z_image_turbo_bf16.safetensors"
    assert hurry_notice("comfyui:x", few, (), found) is None
    other = replace(found, denoiser=found.denoiser.with_name("z_image_bf16.safetensors"))
    assert "not Turbo" in str(hurry_notice("comfyui:x", few, (), other))


def test_weights_of_eight_bits_are_called_out(comfyui: Any, caplog: pytest.LogCaptureFixture) -> None:
    folder = comfyui("z-image")
    with caplog.at_level(logging.WARNING, logger="service.generation.opening"):
        open_generator(f"comfyui:{folder}", SETTINGS, device="cpu")
    assert "8 bits" not in caplog.text
    text = folder / "models" / "text_encoders" / "qwen_3_4b.safetensors"
    save({key: tensor.to(torch.float8_e4m3fn) for key, tensor in load_file(text).items()}, text)
    with caplog.at_level(logging.WARNING, logger="service.generation.opening"):
        open_generator(f"comfyui:{folder}", SETTINGS, device="cpu")
    assert "qwen_3_4b.safetensors holds its weights in 8 bits (fp8)" in caplog.text


def test_the_identity_follows_the_bytes_and_not_the_place(comfyui: Any) -> None:
    folder = comfyui("z-image")
    identity = files_of(f"comfyui:{folder}").identity()
    assert identity.startswith("z-image:files:")
    moved = folder.rename(folder.with_name("elsewhere"))
    assert files_of(f"comfyui:{moved}").identity() == identity
    text = moved / "models" / "text_encoders" / "qwen_3_4b.safetensors"
    content = bytearray(text.read_bytes())
    content[-1] ^= 1
    text.write_bytes(content)
    assert files_of(f"comfyui:{moved}").identity() != identity


def test_a_file_says_its_licence_and_what_it_needs(comfyui: Any) -> None:
    dev = f"comfyui:{comfyui('flux')}"
    found = files_of(dev)
    assert "This file is built like [dev]" in str(licence_notice(dev, found))
    few = GenerationSettings(steps=4, width=64, height=48, guidance=1.0, sampler="euler")
    assert "FLUX.1 [dev] is used with" in str(hurry_notice("comfyui:x", few, (), found))
    save(denoiser("flux", guidance_embeds=False).state_dict(), found.denoiser)
    fast = files_of(dev)
    assert "built like [schnell]" in str(licence_notice(dev, fast))
    assert hurry_notice("comfyui:x", few, (), fast) is None
    assert load_components(fast, torch.float32)["scheduler"].config.shift == 1.0
    assert scheduler_config("flux", takes_guidance=True)["use_dynamic_shifting"]
