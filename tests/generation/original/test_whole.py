"""A Flux in one file, as ComfyUI saves a checkpoint, gives the pictures of what it holds."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from service.checkpoints.recognising import recognise_file
from service.generation import GenerationSettings, ImageRequest, open_generator
from service.generation.bases import find_base
from service.generation.demands import demand_of
from service.generation.errors import BaseNotFound, UnusableBase
from service.generation.flow_matching import flow_matching_generator
from service.generation.original import FlowFiles
from service.generation.original.flow_loading import load_components, outline
from service.storage.fitting import check_fits
from tests.checkpoints.families import every_format, random_pairs
from tests.checkpoints.test_recognising import write_sparse

from ..flow_world import family_named
from .flow_world import build_real, denoiser, denoiser_state, flux_vae_state, write_comfyui
from .test_flow_files import flux_names
from .world import save

SETTINGS = GenerationSettings(steps=2, width=64, height=48, guidance=1.0, sampler="euler", batch_size=2)
REQUESTS = [ImageRequest("1girl, keichan", 7), ImageRequest("2girls, keichan, kanachan, hug", 13)]
PREFIXES = {
    "models/diffusion_models/flux1-dev.safetensors": "model.diffusion_model.",
    "models/text_encoders/clip_l.safetensors": "text_encoders.clip_l.transformer.",
    "models/text_encoders/t5xxl_fp16.safetensors": "text_encoders.t5xxl.transformer.",
    "models/vae/ae.safetensors": "vae.",
}


def whole_state(folder: Path) -> dict[str, torch.Tensor]:
    """The files of a ComfyUI folder under the names that they have in one."""
    state = {
        f"{prefix}{name}": tensor
        for file, prefix in PREFIXES.items()
        for name, tensor in load_file(folder / file).items()
    }
    state["text_encoders.clip_l.logit_scale"] = state.pop("text_encoders.clip_l.transformer.logit_scale")
    return state | {"text_encoders.t5xxl.logit_scale": torch.ones(1)}


@pytest.fixture(scope="module")
def separate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_comfyui(tmp_path_factory.mktemp("separate") / "ComfyUI", "flux", build_real("flux"))


@pytest.fixture
def comfyui(separate: Path, tmp_path: Path) -> Path:
    """A ComfyUI folder with one file and the tokenizer."""
    root = tmp_path / "ComfyUI"
    shutil.copytree(separate / "comfy", root / "comfy")
    save(whole_state(separate), root / "models" / "checkpoints" / "flux1-dev-whole.safetensors")
    return root


def files_of(base: str) -> FlowFiles:
    found = find_base(base)
    assert isinstance(found, FlowFiles)
    return found


def test_one_file_gives_the_pictures_of_its_parts(comfyui: Path, separate: Path, tmp_path: Path) -> None:
    kind = flow_matching_generator(family_named("flux"))
    wanted = kind.from_components(build_real("flux"), SETTINGS, identity="real", device="cpu").generate(REQUESTS)
    made = open_generator(f"comfyui:{comfyui}", SETTINGS, device="cpu").generate(REQUESTS)
    assert all(np.array_equal(ours.pixels, theirs.pixels) for ours, theirs in zip(made, wanted, strict=True))
    one, several = files_of(f"comfyui:{comfyui}"), files_of(f"comfyui:{separate}")
    assert one.files()[0].name == "flux1-dev-whole.safetensors"
    assert demand_of(one, (1024, 1024), 1.0, "auto").denoiser == demand_of(several, (1024, 1024), 1.0, "auto").denoiser
    assert check_fits(every_format(tmp_path, "flux", random_pairs(denoiser("flux")))["kohya"], f"comfyui:{comfyui}")


def test_every_weight_arrives(comfyui: Path) -> None:
    files, real = files_of(f"comfyui:{comfyui}"), build_real("flux")
    loaded = load_components(files, torch.float32)
    for part in files.family.models:
        ours, theirs = loaded[part].state_dict(), real[part].state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs), part


def test_a_part_that_is_named_counts_instead_of_the_one_inside(comfyui: Path, tmp_path: Path) -> None:
    state = {name: tensor + 1 for name, tensor in flux_vae_state(build_real("flux")["vae"]).items()}
    other = save(state, tmp_path / "other_ae.safetensors")
    files = files_of(f"comfyui:{comfyui};vae={other}")
    assert files.vae == other
    loaded = load_components(files, torch.float32)["vae"].state_dict()
    assert torch.equal(
        loaded["decoder.conv_in.bias"], build_real("flux")["vae"].state_dict()["decoder.conv_in.bias"] + 1
    )


def test_what_belongs_to_no_part_or_is_missing_is_named(comfyui: Path, separate: Path) -> None:
    path = comfyui / "models" / "checkpoints" / "flux1-dev-whole.safetensors"
    state = whole_state(separate)
    save({**state, "model_ema.decay": torch.ones(1)}, path)
    with pytest.raises(UnusableBase, match=r"1 tensors belong to no part of a whole model: 'model_ema\.decay'"):
        find_base(f"comfyui:{comfyui}")
    key = "text_encoders.clip_l.transformer.text_model.final_layer_norm.bias"
    save({name: tensor for name, tensor in state.items() if name != key}, path)
    with pytest.raises(UnusableBase, match=r"does not fit the text encoder: 1 tensors are missing: 'text_model\.final"):
        load_components(files_of(str(path)), torch.float32)
    shutil.copytree(separate / "models", comfyui / "models", dirs_exist_ok=True)
    with pytest.raises(UnusableBase, match="several models"):
        find_base(f"comfyui:{comfyui}")


def test_plain_fp8_is_rounded_and_scaled_fp8_refused(comfyui: Path, separate: Path) -> None:
    path = comfyui / "models" / "checkpoints" / "flux1-dev-whole.safetensors"
    state = {name: tensor.to(torch.float8_e4m3fn) for name, tensor in whole_state(separate).items()}
    save(state, path)
    assert recognise_file(path).is_rounded
    loaded = load_components(files_of(str(path)), torch.float32)
    rounded = build_real("flux")["transformer"].state_dict()["x_embedder.weight"].to(torch.float8_e4m3fn).float()
    assert torch.equal(loaded["transformer"].state_dict()["x_embedder.weight"], rounded)
    save({**state, "model.diffusion_model.scaled_fp8": torch.ones(1)}, path)
    with pytest.raises(UnusableBase, match=r"a whole Flux model, quantised \(fp8 with scales\)"):
        find_base(str(path))


def test_the_published_names_and_shapes(comfyui: Path) -> None:
    """As zeros that take no room: the diffusion model in its original names, CLIP-L and T5-XXL in their own sizes."""
    from diffusers import FluxTransformer2DModel
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    sizes: dict[str, Any] = {"d_ff": 10240, "num_layers": 24, "num_heads": 64, "feed_forward_proj": "gated-gelu"}
    clip_sizes: dict[str, Any] = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12}
    with torch.device("meta"):
        model = FluxTransformer2DModel(num_layers=1, num_single_layers=1, guidance_embeds=True)
        clip = CLIPTextModel(CLIPTextConfig(vocab_size=49408, **clip_sizes))
        t5 = T5EncoderModel(T5Config(vocab_size=32128, d_model=4096, d_kv=64, **sizes))
    names = flux_names({key: tuple(tensor.shape) for key, tensor in denoiser_state("flux", model).items()})
    shapes = {f"model.diffusion_model.{name}": shape for name, shape in names.items()}
    for key, tensor in clip.state_dict().items():
        shapes[f"text_encoders.clip_l.transformer.text_model.{key.removeprefix('text_model.')}"] = tuple(tensor.shape)
    for key, tensor in t5.state_dict().items():
        if "embed_tokens" not in key:
            shapes[f"text_encoders.t5xxl.transformer.{key}"] = tuple(tensor.shape)
    for key, tensor in flux_vae_state(build_real("flux")["vae"]).items():
        shapes[f"vae.{key}"] = tuple(tensor.shape)
    path = comfyui / "models" / "checkpoints" / "flux1-dev-whole.safetensors"
    write_sparse(path, shapes)
    made = outline(files_of(str(path)))
    for name, real in {"transformer": model, "text_encoder": clip, "text_encoder_2": t5}.items():
        assert {key: tensor.shape for key, tensor in made[name].state_dict().items()} == {
            key: tensor.shape for key, tensor in real.state_dict().items()
        }, name


def test_other_whole_models_say_what_to_give_instead(tmp_path: Path) -> None:
    names = ("model.diffusion_model.noise_refiner.0.attention.qkv.weight", "vae.decoder.up.0.block.0.conv1.weight")
    table = {
        name: {"dtype": "BF16", "shape": [1], "data_offsets": [2 * at, 2 * at + 2]} for at, name in enumerate(names)
    }
    text = "text_encoders.qwen3_4b.transformer.model.layers.0.self_attn.q_norm.weight"
    table[text] = {"dtype": "BF16", "shape": [1], "data_offsets": [4, 6]}
    header = json.dumps(table).encode()
    path = tmp_path / "z_image_whole.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(6))
    with pytest.raises(UnusableBase, match=r"is a whole Z-Image model; .*Give its diffusion model, and its text encod"):
        find_base(str(path))
    with pytest.raises(BaseNotFound):
        find_base(str(tmp_path / "none.safetensors"))
