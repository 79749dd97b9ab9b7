"""Flux, Qwen-Image and Z-Image through the same port as Anima and SDXL."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from service.checkpoints import Folder
from service.errors import UnmappedKeys
from service.generation import GenerationSettings, ImageRequest, licence_notice, open_generator
from service.generation.bases import find_base
from service.generation.cards import Card
from service.generation.errors import PromptTooLong, UnusableBase, UnusableSettings
from service.generation.flow_matching import FlowMatchingGenerator, flow_matching_generator, sampler_of
from service.generation.folders import FolderBase
from service.generation.opening import hurry_notice
from service.storage.fitting import check_fits
from tests.checkpoints.families import FAMILIES, every_format, random_pairs, transformer

from .flow_world import SCHEDULERS, build, family_named, save

SETTINGS = GenerationSettings(steps=3, width=64, height=48, guidance=1.0, sampler="euler", batch_size=3)
REQUESTS = [
    ImageRequest("1girl, solo, keichan, standing", 7),
    ImageRequest(
        "2girls, side by side, holding hands, looking at viewer, full body, cowboy shot, smile, on a bench", 13
    ),
    ImageRequest("1girl", 7),
]


def opened(name: str, settings: GenerationSettings = SETTINGS, **changes: Any) -> FlowMatchingGenerator:
    kind = flow_matching_generator(family_named(name))
    return kind.from_components(build(name, **changes), settings, identity="tiny", device="cpu")


def pixels(generator: FlowMatchingGenerator, requests: list[ImageRequest] = REQUESTS) -> list[Any]:
    made = generator.generate(requests)
    assert all(image.invalid is None for image in made)
    return [image.pixels for image in made]


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("sampler", ["euler", "er_sde"])
@pytest.mark.parametrize("guidance", [1.0, 3.5])
def test_a_cell_is_the_same_alone_and_in_a_batch(name: str, sampler: str, guidance: float) -> None:
    generator = opened(name, replace(SETTINGS, sampler=sampler, guidance=guidance, negative_prompt="bad quality"))
    together = pixels(generator)
    assert together[0].shape == (48, 64, 3)
    assert all(np.array_equal(a, b) for a, b in zip(together, pixels(generator), strict=True))
    for request, expected in zip(REQUESTS, together, strict=True):
        (alone,) = pixels(generator, [request])
        assert np.abs(alone.astype(int) - expected).max() <= 1
    assert np.abs(together[0].astype(int) - together[2]).max() > 1, "the prompt changes nothing"
    (other,) = pixels(generator, [replace(REQUESTS[0], seed=8)])
    assert np.abs(other.astype(int) - together[0]).max() > 1


def plainly(name: str, guidance: float) -> Any:
    """What diffusers' own pipeline draws when it is called as documented."""
    import diffusers

    pipeline = getattr(diffusers, family_named(name).pipeline)(**build(name))
    pipeline.set_progress_bar_config(disable=True)
    arguments: Any = {
        "flux": {"guidance_scale": guidance},
        "qwen-image": {"true_cfg_scale": guidance, "negative_prompt": "bad quality"},
        "z-image": {"guidance_scale": guidance - 1.0, "negative_prompt": "bad quality"},
    }[name]
    made = pipeline(
        prompt=REQUESTS[0].prompt,
        height=48,
        width=64,
        num_inference_steps=3,
        generator=torch.Generator().manual_seed(7),
        output_type="pt",
        **arguments,
    )
    return (made.images[0].permute(1, 2, 0) * 255).round().numpy().astype(int)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("guidance", [1.0, 3.5])
def test_the_picture_is_that_of_diffusers_own_pipeline(name: str, guidance: float) -> None:
    ours = pixels(opened(name, replace(SETTINGS, guidance=guidance, negative_prompt="bad quality")), REQUESTS[:1])[0]
    assert np.abs(ours.astype(int) - plainly(name, guidance)).max() <= 1


def test_guidance_changes_the_picture_in_the_way_of_each_model(caplog: pytest.LogCaptureFixture) -> None:
    for name in FAMILIES:
        weak, strong = (pixels(opened(name, replace(SETTINGS, guidance=g)), REQUESTS[:1])[0] for g in (1.0, 4.0))
        assert np.abs(weak.astype(int) - strong).max() > 1, name
    with caplog.at_level(logging.WARNING, logger="service.generation.flow_matching"):
        opened("flux", replace(SETTINGS, negative_prompt="bad quality"))
    assert "negative prompt is not used" in caplog.text
    # A Flux without guidance as an input is guided by a second pass, which sees the negative prompt.
    made = [
        pixels(
            opened("flux", replace(SETTINGS, guidance=4.0, negative_prompt=text), guidance_embeds=False), REQUESTS[:1]
        )
        for text in ("", "bad quality, missing hands")
    ]
    assert np.abs(made[0][0].astype(int) - made[1][0]).max() > 1


@pytest.mark.parametrize("name", FAMILIES)
def test_er_sde_follows_the_bases_own_shift(name: str) -> None:
    """At the same times before the shift both samplers have the same sigmas, by size and to the base's own end."""
    from diffusers import FlowMatchEulerDiscreteScheduler

    settings = replace(SETTINGS, width=1024, height=768)
    own = FlowMatchEulerDiscreteScheduler(**SCHEDULERS[name])
    ours = sampler_of(own, replace(settings, sampler="er_sde"))
    assert sampler_of(own, settings) is own
    times = [0.9, 0.6, 0.3, 0.1]
    low, high = SCHEDULERS[name].get("base_shift", 0.5), SCHEDULERS[name].get("max_shift", 1.15)
    most = SCHEDULERS[name].get("max_image_seq_len", 4096)
    mu = low + (high - low) * (64 * 48 - 256) / (most - 256)
    own.set_timesteps(sigmas=times, mu=mu)
    ours.set_timesteps(sigmas=times, mu=mu)
    assert torch.allclose(own.sigmas, ours.sigmas, atol=1e-6)
    assert torch.allclose(own.timesteps, ours.timesteps, atol=1e-3)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_checkpoint_changes_the_picture_and_leaves_no_trace(name: str, tmp_path: Path) -> None:
    generator = opened(name)
    control = pixels(generator)
    files = every_format(tmp_path, name, random_pairs(transformer(name)))
    drawn = []
    for kind in ("kohya", "diffusers", "comfyui"):
        generator.use(files[kind])
        drawn.append(pixels(generator, REQUESTS[:1])[0])
    assert np.abs(drawn[0].astype(int) - control[0]).max() > 1
    assert all(np.abs(each.astype(int) - drawn[0]).max() <= 1 for each in drawn)
    generator.use(files["kohya"], 0.0)
    assert all(np.array_equal(a, b) for a, b in zip(pixels(generator), control, strict=True))
    generator.use(None)
    assert all(np.array_equal(a, b) for a, b in zip(pixels(generator), control, strict=True))


def test_text_is_encoded_once_a_prompt_and_again_if_a_checkpoint_trains_it(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    generator = opened("flux")
    encoded: list[str] = []
    encode = generator._encode
    generator._encode = lambda prompt: encoded.append(prompt) or encode(prompt)  # type: ignore[method-assign,func-returns-value]
    control = pixels(generator)
    pixels(generator)
    assert encoded == [request.prompt for request in REQUESTS]
    key = "lora_te1_text_model_encoder_layers_1_mlp_fc1"
    path = tmp_path / "clip.safetensors"
    save_file({f"{key}.lora_down.weight": torch.randn(2, 32), f"{key}.lora_up.weight": torch.randn(48, 2)}, path)
    generator.use(path)
    assert np.abs(pixels(generator)[0].astype(int) - control[0]).max() > 0
    assert len(encoded) == 2 * len(REQUESTS)
    generator.use(None)
    assert np.array_equal(pixels(generator)[0], control[0])
    assert len(encoded) == 2 * len(REQUESTS)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_folder_is_recognised_and_its_licence_named(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = save(tmp_path / name, name, build(name))
    found = find_base(str(folder))
    assert isinstance(found, FolderBase)
    assert found.family.name == name
    with caplog.at_level(logging.WARNING, logger="service.generation.opening"):
        generator = open_generator(str(folder), SETTINGS, device="cpu")
    assert isinstance(generator, FlowMatchingGenerator)
    licence = {"flux": "Non-Commercial License", "qwen-image": "Apache-2.0", "z-image": "Apache-2.0"}[name]
    assert licence in caplog.text
    assert all(np.array_equal(a, b) for a, b in zip(pixels(generator), pixels(opened(name)), strict=True))
    identity = generator.fingerprint()["base"]
    assert identity.startswith(f"{name}:")
    files = every_format(tmp_path, name, random_pairs(transformer(name)))
    assert check_fits(files["kohya"], str(folder))
    other = next(family for family in FAMILIES if family != name)
    foreign = every_format(tmp_path, other, random_pairs(transformer(other)))["kohya"]
    with pytest.raises(UnmappedKeys):
        check_fits(foreign, str(folder))
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    assert find_base(str(folder)).identity() != identity


def test_the_licence_says_which_flux_a_folder_is_built_like(tmp_path: Path) -> None:
    for marks, words in (
        ({"guidance_embeds": True}, "like [dev]"),
        ({"guidance_embeds": False}, "like [schnell]"),
    ):
        folder = tmp_path / words
        for part, content in (
            ("transformer/config.json", marks),
            ("model_index.json", {"_class_name": "FluxPipeline"}),
        ):
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            (folder / part).write_text(json.dumps(content), encoding="utf-8")
        notice = licence_notice(str(folder), find_base(str(folder)))
        assert words in str(notice)


def test_few_steps_are_warned_of_in_the_words_of_the_family(tmp_path: Path) -> None:
    hasty = replace(SETTINGS, steps=8)
    for name in FAMILIES:
        found = FolderBase(tmp_path, family_named(name))
        fast = name == "flux"  # without a configuration it takes no guidance and shifts no times: [schnell]
        assert (hurry_notice("folder", hasty, (), found) is None) == fast
        assert hurry_notice(f"{name}-turbo", hasty, (), found) is None
        assert hurry_notice("folder", replace(hasty, guidance=4.0), (), found) is None
    assert "50 steps at guidance 4" in str(
        hurry_notice("folder", hasty, (), FolderBase(tmp_path, family_named("qwen-image")))
    )


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("on_cpu", [False, True])
def test_models_that_wait_elsewhere_give_the_same_pictures(name: str, on_cpu: bool) -> None:
    waiting = Card("tight", 0.0, 0.0, 1, keeps_base=False, keeps_text=False, reads_on_cpu=on_cpu)
    kind = flow_matching_generator(family_named(name))
    generator = kind.from_components(build(name), SETTINGS, identity="tiny", device="cpu", card=waiting)
    assert all(np.array_equal(a, b) for a, b in zip(pixels(generator), pixels(opened(name)), strict=True))


def test_another_pipeline_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxKontextPipeline"}', encoding="utf-8")
    with pytest.raises(UnusableBase, match=r"is a FluxKontextPipeline; pictures are made with .*FluxPipeline"):
        find_base(str(tmp_path))


@pytest.mark.parametrize("name", FAMILIES)
def test_what_a_family_cannot_do_is_said(name: str, tmp_path: Path) -> None:
    title = family_named(name).title
    with pytest.raises(UnusableSettings, match=rf"{title} is generated with the sampler euler or er_sde.*generation: "):
        opened(name, replace(SETTINGS, sampler="euler_a"))
    with pytest.raises(UnusableSettings, match="guidance of 1 or more"):
        opened(name, replace(SETTINGS, guidance=0.5))
    generator = opened(name)
    with pytest.raises(PromptTooLong, match=f"{title} takes"):
        generator.generate([ImageRequest("keichan, standing, " * 300, 1)])
    kind = flow_matching_generator(family_named(name))
    with pytest.raises(UnusableBase, match="lacks scheduler"):
        kind.from_components({**build(name), "scheduler": None}, SETTINGS, identity="tiny", device="cpu")
    folder = save(tmp_path / "cut", name, build(name))
    (folder / "vae" / "config.json").unlink()
    with pytest.raises(UnusableBase, match=f"could not be loaded as {title}"):
        open_generator(str(folder), SETTINGS, device="cpu")


def test_a_scheduler_of_another_kind_is_refused() -> None:
    from diffusers import EulerDiscreteScheduler, FlowMatchEulerDiscreteScheduler

    with pytest.raises(UnusableBase, match="EulerDiscreteScheduler"):
        sampler_of(EulerDiscreteScheduler(), SETTINGS)
    with pytest.raises(UnusableBase, match="er_sde"):
        sampler_of(FlowMatchEulerDiscreteScheduler(stochastic_sampling=True), SETTINGS)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_lora_of_every_layer_finds_its_weights_in_the_outline(name: str, tmp_path: Path) -> None:
    """The outline that refuses files without loading weights has the modules that are folded into."""
    from service.generation.folders import outline

    folder = save(tmp_path / name, name, build(name))
    made = outline(FolderBase(folder, family_named(name)))
    parts = build(name)
    for part in made:
        ours = {path: tuple(weight.shape) for path, weight in made[part].state_dict().items()}
        assert ours == {path: tuple(weight.shape) for path, weight in parts[part].state_dict().items()}
    assert Folder({part: parts[part] for part in made}) is not None
