"""ComfyUI's single files give the very pictures of the components they hold; everything else is refused by name."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from service.checkpoints.header import read_header
from service.errors import UnmappedKeys, UnreadableCheckpoint
from service.generation import GenerationSettings, ImageRequest, open_generator
from service.generation.anima import AnimaGenerator
from service.generation.bases import find_base
from service.generation.errors import BaseNotFound, UnusableBase
from service.generation.original import AnimaFiles, whole_paths
from service.generation.original.configs import transformer_config
from service.generation.original.loading import load_component, original_vae_name
from service.generation.original.parts import read_contents, shapes_of
from service.storage.fitting import check_fits

from ..conftest import WriteLora
from .world import build_real, diffusion_state, save, text_state, vae_state, write_comfyui

SETTINGS = GenerationSettings(steps=2, width=32, height=48, batch_size=2)
REQUESTS = [ImageRequest("1girl, keichan", 7), ImageRequest("2girls, keichan, kanachan, hug", 13)]
PREFIXES = ["net.", "model.diffusion_model.", "diffusion_model.", "model.", ""]


@pytest.fixture(scope="module")
def real() -> dict[str, Any]:
    return build_real()


@pytest.fixture(scope="module")
def expected(real: dict[str, Any]) -> list[Any]:
    # The generator converts the VAE in place, so it gets a pipeline of its own.
    generator = AnimaGenerator.from_components(build_real(), SETTINGS, identity="real", device="cpu")
    return [image.pixels for image in generator.generate(REQUESTS)]


@pytest.fixture
def comfyui(tmp_path: Path, real: dict[str, Any]) -> Path:
    return write_comfyui(tmp_path / "ComfyUI", real)


def diffusion_file(root: Path) -> Path:
    return root / "models" / "diffusion_models" / "anima-base-v1.0.safetensors"


def assert_same(base: str, expected: list[Any]) -> None:
    made = open_generator(base, SETTINGS, device="cpu").generate(REQUESTS)
    for image, pixels in zip(made, expected, strict=True):
        assert np.array_equal(image.pixels, pixels)
    assert expected[0].std() > 1


def test_a_comfyui_folder_gives_the_same_pictures(comfyui: Path, expected: list[Any]) -> None:
    assert_same(f"comfyui:{comfyui}", expected)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_every_prefix_gives_the_same_weights(tmp_path: Path, real: dict[str, Any], prefix: str) -> None:
    path = save(diffusion_state(real, prefix), tmp_path / "anima.safetensors")
    for name in ("transformer", "text_conditioner"):
        loaded = load_component(name, path, torch.float32).state_dict()
        wanted = real[name].state_dict()
        assert loaded.keys() == wanted.keys()
        assert all(torch.equal(loaded[key], wanted[key]) for key in wanted)


def test_a_merged_file_holds_everything(
    tmp_path: Path, comfyui: Path, real: dict[str, Any], expected: list[Any]
) -> None:
    state = {
        **diffusion_state(real, "model.diffusion_model."),
        **text_state(real["text_encoder"], "text_encoders.qwen3_06b.transformer.model."),
        **vae_state(real["vae"], "vae."),
    }
    merged = save(state, tmp_path / "merged.safetensors")
    assert_same(f"{merged};tokenizers={comfyui / 'comfy' / 'text_encoders'}", expected)


def test_named_files_are_taken_from_anywhere(tmp_path: Path, comfyui: Path, expected: list[Any]) -> None:
    models = comfyui / "models"
    moved = {
        "diffusion": diffusion_file(comfyui).rename(tmp_path / "a.safetensors"),
        "text_encoder": (models / "text_encoders" / "qwen_3_06b_base.safetensors").rename(tmp_path / "t.safetensors"),
        "vae": (models / "vae" / "qwen_image_vae.safetensors").rename(tmp_path / "v.safetensors"),
    }
    tokenizers = comfyui / "comfy" / "text_encoders"
    base = f"{moved['diffusion']};text_encoder={moved['text_encoder']};vae={moved['vae']};tokenizers={tokenizers}"
    assert_same(base, expected)
    assert whole_paths(base) == base


def test_the_identity_follows_the_bytes_and_not_the_place(comfyui: Path) -> None:
    identity = find_base(f"comfyui:{comfyui}").identity()
    moved = comfyui.rename(comfyui.with_name("elsewhere"))
    assert find_base(f"comfyui:{moved}").identity() == identity
    content = bytearray(diffusion_file(moved).read_bytes())
    content[-1] ^= 1
    diffusion_file(moved).write_bytes(content)
    assert find_base(f"comfyui:{moved}").identity() != identity


def test_a_checkpoint_is_checked_against_the_headers(comfyui: Path, write_lora: WriteLora) -> None:
    assert check_fits(write_lora(parts=("transformer", "text_encoder")), f"comfyui:{comfyui}")


def test_missing_files_say_what_to_put_where(comfyui: Path) -> None:
    (comfyui / "models" / "vae" / "qwen_image_vae.safetensors").unlink()
    with pytest.raises(BaseNotFound, match=r"qwen_image_vae\.safetensors there, or name it with --vae"):
        find_base(f"comfyui:{comfyui}")
    with pytest.raises(BaseNotFound, match="no file or folder"):
        find_base("comfyui:/nowhere")
    with pytest.raises(BaseNotFound, match="there is no vae"):
        find_base(f"comfyui:{comfyui};vae=/nowhere.safetensors")
    with pytest.raises(UnusableBase, match="no part of a base"):
        find_base(f"comfyui:{comfyui};sampler=x")


def test_missing_tokenizers_say_which_files(comfyui: Path) -> None:
    for path in (comfyui / "comfy" / "text_encoders" / "t5_tokenizer").iterdir():
        path.unlink()
    with pytest.raises(BaseNotFound, match=r"t5_tokenizer \(tokenizer\.json"):
        find_base(f"comfyui:{comfyui}")


def test_several_models_are_not_guessed_between(comfyui: Path, real: dict[str, Any], expected: list[Any]) -> None:
    other = save(diffusion_state(real), diffusion_file(comfyui).with_name("anima-turbo.safetensors"))
    with pytest.raises(UnusableBase, match=r"say which, as in comfyui:"):
        find_base(f"comfyui:{comfyui}")
    found = find_base(f"comfyui:{other}")
    assert isinstance(found, AnimaFiles)
    assert (found.diffusion, found.vae.name) == (other, "qwen_image_vae.safetensors")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("net.blocks.1.mlp.layer2.weight"), r"1 tensors are missing: 'blocks\.1\.mlp\.layer2"),
        (lambda state: state.update({"net.blocks.1.extra.weight": torch.ones(2)}), r"have no place: 'blocks\.1\.extra"),
        (
            lambda state: state.update({"down_blocks.0.weight": torch.ones(2)}),
            r"is the diffusion model of Anima by its names, but 1 of .*down_blocks",
        ),
        (
            lambda state: state.update({"net.blocks.0.mlp.layer2.scale_weight": torch.ones(1)}),
            r"quantised \(fp8 with sc.*bf16",
        ),
        (lambda state: state.update({"net.blocks.0.mlp.layer2.weight": torch.ones(2, 2)}), "another shape"),
        (lambda state: state.update({"blocks.0.mlp.layer2.weight": torch.ones(2)}), "the same weight"),
        (lambda state: state.update({"net.blocks.5.mlp.layer2.weight": torch.ones(2)}), "some are missing"),
    ],
)
def test_foreign_and_broken_files_are_refused_by_name(
    comfyui: Path, real: dict[str, Any], change: Any, words: str
) -> None:
    state = diffusion_state(real)
    change(state)
    save(state, diffusion_file(comfyui))
    with pytest.raises(UnusableBase, match=words):
        open_generator(f"comfyui:{comfyui}", SETTINGS, device="cpu")


def test_a_plain_cosmos_model_is_no_anima(comfyui: Path, real: dict[str, Any]) -> None:
    state = {name: tensor for name, tensor in diffusion_state(real).items() if "llm_adapter" not in name}
    save(state, diffusion_file(comfyui))
    with pytest.raises(UnusableBase, match=r"anima-base-v1\.0\.safetensors is .*Cosmos-Predict2"):
        find_base(f"comfyui:{diffusion_file(comfyui)}")


def test_a_comfyui_folder_without_a_base_says_what_lies_there(comfyui: Path) -> None:
    text = comfyui / "models" / "text_encoders" / "qwen_3_06b_base.safetensors"
    shutil.copy(text, diffusion_file(comfyui))
    (comfyui / "models" / "unet").mkdir()
    (comfyui / "models" / "unet" / "cut.safetensors").write_bytes(text.read_bytes()[:-100])
    with pytest.raises(
        BaseNotFound, match=r"lies there: anima-base-v1\.0\.safetensors is a Qwen3 .*cut\.safetensors ca"
    ):
        find_base(f"comfyui:{comfyui}")


def test_packed_files_of_another_format_in_a_folder_are_named(comfyui: Path) -> None:
    text = comfyui / "models" / "text_encoders" / "qwen_3_06b_base.safetensors"
    text.unlink()
    text.with_name("qwen3-0.6b-Q8_0.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(BaseNotFound, match=r"cannot be used: qwen3-0\.6b-Q8_0\.gguf is a GGUF file"):
        find_base(f"comfyui:{comfyui}")
    diffusion_file(comfyui).unlink()
    diffusion_file(comfyui).with_name("anima-Q8_0.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(BaseNotFound, match=r"What lies there: anima-Q8_0\.gguf is a GGUF file.*bf16 or fp16"):
        find_base(f"comfyui:{comfyui}")


def test_a_wrong_file_for_a_part_is_named_for_what_it_is(comfyui: Path, real: dict[str, Any], tmp_path: Path) -> None:
    models = comfyui / "models"
    vae, text = models / "vae" / "qwen_image_vae.safetensors", models / "text_encoders" / "qwen_3_06b_base.safetensors"
    wide = save(
        {"embed_tokens.weight": torch.ones(50, 2560), "layers.0.self_attn.q_norm.weight": torch.ones(128)},
        tmp_path / "qwen_3_4b.safetensors",
    )
    for base, words in {
        f"{vae};vae={vae}": r"qwen_image_vae\.safetensors is the VAE of Qwen-Image.*belongs here is the diffusion",
        f"{text}": r"qwen_3_06b_base\.safetensors is a Qwen3 text encoder; what belongs here is the diff",
        f"comfyui:{comfyui};vae={text}": r"is a Qwen3 text encoder; what belongs here is Anima's VAE, such as qwen",
        f"comfyui:{comfyui};text_encoder={vae}": r"is the VAE of .*; what belongs here is Anima's text encoder",
        f"comfyui:{comfyui};text_encoder={wide}": r"4B, Z-Image's\) with vectors of 2560 numbers, and Anima's text enc",
    }.items():
        with pytest.raises(UnusableBase, match=words):
            find_base(base)
    moved = text.rename(text.with_name("my-text.safetensors"))
    shutil.copy(wide, text.parent / "qwen_3_4b.safetensors")
    found = find_base(f"comfyui:{comfyui}")
    assert isinstance(found, AnimaFiles)
    assert found.text_encoder == moved  # by what it is, whatever it is called
    shutil.copy(moved, moved.with_name("other.safetensors"))
    with pytest.raises(UnusableBase, match=r"several files for Anima's text encoder .*say which with --text-encoder"):
        find_base(f"comfyui:{comfyui}")


@pytest.mark.parametrize("name", ["model.gguf", "model.safetensors", "model.ckpt"])
def test_formats_that_are_not_read_are_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(UnreadableCheckpoint, match="is a pickle" if name.endswith("ckpt") else "is a GGUF file"):
        find_base(str(path))


def test_the_deeper_variant_is_counted_and_takes_no_lora_of_the_usual_one(
    tmp_path: Path, write_lora: WriteLora
) -> None:
    deep = build_real(blocks=40)
    path = save(diffusion_state(deep), tmp_path / "anima-deep.safetensors")
    header = read_header(path)
    shapes = shapes_of(header, read_contents(path, header).transformer)
    assert transformer_config(shapes)["num_layers"] == 40
    assert len(load_component("transformer", path, torch.float32).transformer_blocks) == 40

    from service.checkpoints import check_fit, write_anima_toolkit

    def lora(blocks: int) -> Path:
        names = [f"transformer_blocks.{block}.attn1.to_q" for block in range(blocks)]
        target = tmp_path / f"{blocks}.safetensors"
        write_anima_toolkit(target, {name: (torch.ones(2, 32), torch.ones(32, 2)) for name in names}, 2, 2.0)
        return target

    with pytest.raises(UnmappedKeys, match="28 blocks, and this one has 40"):
        check_fit(lora(28), {"transformer": deep["transformer"]})
    check_fit(lora(40), {"transformer": deep["transformer"]})
    check_fit(lora(3), {"transformer": deep["transformer"]})


def test_the_real_vae_has_its_real_names() -> None:
    config = {"num_res_blocks": 2}
    names = {
        "encoder.down_blocks.5.time_conv.weight": "encoder.downsamples.5.time_conv.weight",
        "encoder.down_blocks.10.conv2.bias": "encoder.downsamples.10.residual.6.bias",
        "decoder.up_blocks.0.upsamplers.0.time_conv.weight": "decoder.upsamples.3.time_conv.weight",
        "decoder.up_blocks.1.resnets.0.conv_shortcut.weight": "decoder.upsamples.4.shortcut.weight",
        "decoder.up_blocks.3.resnets.2.norm2.gamma": "decoder.upsamples.14.residual.3.gamma",
        "decoder.mid_block.resnets.1.conv1.weight": "decoder.middle.2.residual.2.weight",
        "encoder.mid_block.attentions.0.to_qkv.bias": "encoder.middle.1.to_qkv.bias",
        "decoder.norm_out.gamma": "decoder.head.0.gamma",
        "post_quant_conv.weight": "conv2.weight",
    }
    assert {ours: original_vae_name(ours, config) for ours in names} == names


def test_few_steps_without_a_speed_lora_are_called_out(
    comfyui: Path, write_lora: WriteLora, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="service.generation.opening"):
        open_generator(f"comfyui:{comfyui}", SETTINGS, device="cpu")
    assert "without a speed LoRA" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="service.generation.opening"):
        open_generator(f"comfyui:{comfyui}", SETTINGS, device="cpu", extra=[(write_lora(), 1.0)])
    assert "without a speed LoRA" not in caplog.text
