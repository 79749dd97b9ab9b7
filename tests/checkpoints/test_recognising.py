"""What a file is, told by its header: files of the real classes, and headers as people's other files have them."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from service.checkpoints import inspect_checkpoint
from service.checkpoints.adapter_families import adapter_family
from service.checkpoints.header import Header, TensorEntry, read_header
from service.checkpoints.layout import KINDS
from service.checkpoints.recognising import Role, listed, recognise, recognise_file
from service.errors import UnreadableCheckpoint
from tests.checkpoints.families import FAMILIES, every_format, random_pairs, transformer
from tests.generation import flow_world, sdxl_world
from tests.generation.original import world

Named = dict[str, tuple[int, ...]]


def header(shapes: Named, dtype: str = "BF16", metadata: dict[str, str] | None = None, **dtypes: str) -> Header:
    tensors = tuple(TensorEntry(name, dtypes.get(name, dtype), shape, 0, 0) for name, shape in shapes.items())
    return Header(tensors, metadata or {}, 0, "file.safetensors")


def shapes_of(model: torch.nn.Module, prefix: str = "") -> Named:
    return {f"{prefix}{name}": tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def state_shapes(state: dict[str, torch.Tensor]) -> Named:
    return {name: tuple(tensor.shape) for name, tensor in state.items()}


def write_sparse(path: Path, shapes: Named) -> Path:
    """A file of bf16 tensors that takes no room on the disk, whatever their size."""
    entries: dict[str, Any] = {}
    position = 0
    for name, shape in shapes.items():
        end = position + 2 * math.prod(shape)
        entries[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [position, end]}
        position = end
    raw = json.dumps(entries).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        file.truncate(8 + len(raw) + position)
    return path


@pytest.fixture(scope="module")
def anima() -> dict[str, Any]:
    return world.build_real()


def test_animas_files(anima: dict[str, Any]) -> None:
    diffusion = recognise(header(state_shapes(world.diffusion_state(anima))))
    assert (diffusion.role, diffusion.model, diffusion.title) == (
        Role.DIFFUSION, "anima", "the diffusion model of Anima"
    )  # fmt: skip
    plain = {name: tensor for name, tensor in world.diffusion_state(anima).items() if "llm_adapter" not in name}
    assert recognise(header(state_shapes(plain))).model == "cosmos"
    assert recognise(header(state_shapes(world.vae_state(anima["vae"])))).title.startswith(
        "the VAE of Qwen-Image and A"
    )
    for prefix in ("model.", ""):
        text = recognise(header(state_shapes(world.text_state(anima["text_encoder"], prefix))))
        assert (text.role, text.model) == (Role.TEXT_ENCODER, "qwen3")
    merged = {
        **world.diffusion_state(anima, "model.diffusion_model."),
        **world.text_state(anima["text_encoder"], "text_encoders.qwen3_06b.transformer.model."),
        **world.vae_state(anima["vae"], "vae."),
    }
    assert str(recognise(header(state_shapes(merged)))) == "a whole Anima model"
    assert recognise(header(shapes_of(anima["text_conditioner"]))).title == "Anima's text conditioner alone"
    assert recognise(header(shapes_of(anima["transformer"]))).in_diffusers_names


def test_sdxls_file_and_its_parts() -> None:
    parts = sdxl_world.build_sdxl()
    assert recognise(header(state_shapes(sdxl_world.original_state(parts)))).title == "a whole SDXL model"
    assert recognise(header(shapes_of(parts["unet"]))).title == "the diffusion model of SDXL in diffusers' names"
    assert recognise(header(shapes_of(parts["vae"]))).title == "the VAE of SDXL or Stable Diffusion 1.5"
    clip = shapes_of(parts["text_encoder"]) | {"text_model.embeddings.token_embedding.weight": (49408, 768)}
    assert recognise(header(clip)).role is Role.TEXT_ENCODER


@pytest.mark.parametrize("name", FAMILIES)
def test_the_parts_of_flow_matching_models(name: str) -> None:
    parts = flow_world.build(name)
    kind = recognise(header(shapes_of(parts["transformer"])))
    assert (kind.role, kind.model) == (Role.DIFFUSION, name)
    texts = {"flux": ["clip-l", "t5"], "qwen-image": ["qwen2.5-vl"], "z-image": ["qwen3"]}[name]
    for part, model in zip(flow_world.family_named(name).text_models, texts, strict=True):
        kind = recognise(header(shapes_of(parts[part])))
        assert (kind.role, kind.model) == (Role.TEXT_ENCODER, model)


@pytest.mark.parametrize("name", FAMILIES)
def test_an_adapter_of_every_format_says_its_model(name: str, tmp_path: Path) -> None:
    for written, path in every_format(tmp_path, name, random_pairs(transformer(name))).items():
        kind = recognise_file(path)
        assert (kind.role, kind.model) == (Role.ADAPTER, name), written


UNET = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn2_to_k"
ADAPTERS: dict[str, tuple[str, Named]] = {
    "anima": ("anima", {"lora_unet_blocks_3_self_attn_q_proj.lora_down.weight": (16, 2048)}),
    "anima, dots": ("anima", {"diffusion_model.blocks.3.mlp.layer1.lora_A.weight": (16, 2048)}),
    "anima, diffusers": ("anima", {"transformer.transformer_blocks.0.attn1.to_q.lora_A.weight": (16, 2048)}),
    "anima's conditioner": ("anima", {"lora_unet_llm_adapter_blocks_0_mlp_0.lora_down.weight": (16, 1024)}),
    "a text encoder alone": ("", {"lora_te_layers_0_mlp_up_proj.lora_down.weight": (16, 1024)}),
    "sdxl by its text": ("sdxl", {f"{UNET}.lora_down.weight": (16, 2048)}),
    "sd 1.5 by its text": ("sd1", {f"{UNET}.lora_down.weight": (16, 768)}),
    "sdxl by its depth": (
        "sdxl", {"unet.mid_block.attentions.0.transformer_blocks.9.attn1.to_q.lora_A.weight": (16, 1280)}
    ),
    "sd 1.5 by its places": (
        "sd1", {"lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight": (16, 320, 1, 1)}
    ),
    "a lokr of sdxl": (
        "sdxl", {"lycoris_input_blocks_4_1_proj_in.lokr_w1": (4, 4), "lora_te2_x.lokr_w1": (4, 4)}
    ),
    "flux, single blocks alone": ("flux", {"lora_unet_single_blocks_7_linear1.lora_down.weight": (16, 3072)}),
    "wan": ("wan", {"lora_unet_blocks_0_self_attn_q.lora_down.weight": (16, 1536)}),
    "wan, feed-forward": ("wan", {"diffusion_model.blocks.0.ffn.0.lora_A.weight": (16, 1536)}),
    "hunyuan": ("hunyuan-video", {"diffusion_model.double_blocks.0.img_mlp.fc1.lora_A.weight": (16, 3072)}),
    "sd 3": ("sd3", {"lora_unet_joint_blocks_0_x_block_attn_qkv.lora_down.weight": (16, 1536)}),
    "qwen-image, attention alone": (
        "qwen-image", {f"transformer.transformer_blocks.{n}.attn.to_q.lora_A.weight": (16, 3072) for n in range(60)}
    ),
    "z-image": ("z-image", {"diffusion_model.layers.0.attention.to_q.lora_A.weight": (16, 3840)}),
    "nothing told": ("", {"transformer.transformer_blocks.1.attn.to_q.lora_A.weight": (16, 1536)}),
}  # fmt: skip


@pytest.mark.parametrize("case", ADAPTERS)
def test_an_adapters_model_by_its_modules(case: str) -> None:
    model, shapes = ADAPTERS[case]
    assert adapter_family(shapes) == model
    assert recognise(header(shapes)).role is Role.ADAPTER


def test_metadata_is_asked_only_where_no_name_tells() -> None:
    silent = ADAPTERS["nothing told"][1]
    assert adapter_family(silent, {"modelspec.architecture": "Flux.1-dev/lora"}) == "flux"
    assert adapter_family(silent, {"ss_base_model_version": "sdxl_base_v1-0"}) == "sdxl"
    assert adapter_family(ADAPTERS["anima"][1], {"ss_base_model_version": "sdxl_base_v1-0"}) == "anima"


FLUX = {"double_blocks.0.img_attn.qkv.weight": (9216, 3072), "single_blocks.0.linear1.weight": (21504, 3072)}
OTHERS: dict[str, tuple[str, Named]] = {
    "flux": ("the diffusion model of Flux", FLUX),
    "chroma": ("the diffusion model of Chroma", FLUX | {"distilled_guidance_layer.in_proj.weight": (5120, 64)}),
    "hunyuan": ("the diffusion model of HunyuanVideo", {"double_blocks.0.img_attn_qkv.weight": (9216, 3072)}),
    "wan": ("the diffusion model of Wan", {"blocks.0.self_attn.q.weight": (1536, 1536)}),
    "sd 3": ("the diffusion model of Stable Diffusion 3", {"joint_blocks.0.x_block.attn.qkv.weight": (4608, 1536)}),
    "z-image": ("the diffusion model of Z-Image", {
        "noise_refiner.0.attention.qkv.weight": (11520, 3840), "layers.0.attention.qkv.weight": (11520, 3840)}),
    "lumina 2": ("the diffusion model of Lumina 2", {
        "noise_refiner.0.attention.qkv.weight": (3840, 2304), "layers.0.attention.qkv.weight": (3840, 2304)}),
    "sd 1.5": ("a whole Stable Diffusion 1.5 model", {
        "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768),
        "first_stage_model.decoder.up.0.block.0.conv1.weight": (128, 128, 3, 3),
        "cond_stage_model.transformer.text_model.encoder.layers.0.mlp.fc1.weight": (3072, 768)}),
    "flux's vae": ("the VAE of Flux, Z-Image or Stable Diffusion 3", {
        "decoder.conv_in.weight": (512, 16, 3, 3), "decoder.up.0.block.0.conv1.weight": (128, 128, 3, 3)}),
    "wan 2.2's vae": ("the VAE of Wan 2.2", {"decoder.upsamples.0.upsamples.0.residual.0.gamma": (1024, 1, 1, 1)}),
    "t5": ("T5, a text encoder of Flux", {
        "shared.weight": (32128, 4096), "encoder.block.0.layer.0.SelfAttention.q.weight": (4096, 4096)}),
    "clip-l": ("CLIP-L, a text encoder of SDXL and Flux", {
        "text_model.embeddings.token_embedding.weight": (49408, 768),
        "text_model.encoder.layers.0.self_attn.out_proj.weight": (768, 768)}),
    "clip-g": ("CLIP-G, a text encoder of SDXL", {
        "text_model.embeddings.token_embedding.weight": (49408, 1280),
        "text_model.encoder.layers.0.self_attn.out_proj.weight": (1280, 1280)}),
    "clip vision": ("a CLIP for pictures", {
        "vision_model.encoder.layers.0.mlp.fc1.weight": (4096, 1024)}),
    "qwen3 4b": ("a Qwen3 text encoder (4B, Z-Image's)", {
        "model.embed_tokens.weight": (151936, 2560), "model.layers.0.self_attn.q_norm.weight": (128,)}),
    "qwen2.5-vl": ("Qwen2.5-VL, Qwen-Image's text encoder", {
        "visual.blocks.0.attn.qkv.weight": (3840, 1280), "model.layers.0.self_attn.q_proj.bias": (3584,)}),
    "another language model": ("a language model", {"model.layers.0.self_attn.q_proj.weight": (2048, 2048)}),
    "embedding": ("an embedding (textual inversion)", {"clip_l": (8, 768), "clip_g": (8, 1280)}),
    "old embedding": ("an embedding (textual inversion)", {"emb_params": (8, 768)}),
    "controlnet": ("a ControlNet", {"control_model.input_blocks.0.0.weight": (320, 4, 3, 3)}),
    "ip-adapter": ("an IP-Adapter", {"image_proj.proj.weight": (8192, 1024), "ip_adapter.1.k.weight": (640, 2048)}),
    "xlabs": ("a file in XLabs' own format for Flux, which is not understood", {
        "double_blocks.0.processor.qkv_lora1.down.weight": (16, 3072)}),
    "oft": ("an adapter of a kind that is not understood", {"lora_unet_blocks_0_mlp_layer1.oft_blocks": (4, 8, 8)}),
    "upscaler": ("an upscaler", {"model.0.weight": (64, 3, 3, 3), "model.1.sub.0.RDB1.conv1.0.weight": (32, 64, 3, 3)}),
    "anything": ("a file of a kind that is not known (1 tensors: 'a.weight' …)", {"a.weight": (2, 2)}),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERS)
def test_other_peoples_files_are_named(case: str, tmp_path: Path) -> None:
    title, shapes = OTHERS[case]
    assert str(recognise(header(shapes))) == title


QUANTISED: dict[str, Callable[[], tuple[str, Header]]] = {
    "nf4": lambda: (
        "nf4 of bitsandbytes",
        header(FLUX | {"double_blocks.0.img_attn.qkv.weight.quant_state.bitsandbytes__nf4": (80,)}, "U8"),
    ),
    "fp8 with scales": lambda: (
        "fp8 with scales",
        header(FLUX | {"double_blocks.0.img_attn.qkv.scale_weight": ()}, "F8_E4M3"),
    ),
    "int8 with scales": lambda: ("int8 with scales", header(FLUX | {"double_blocks.0.x.weight_scale": ()}, "I8")),
    "nvfp4": lambda: ("nvfp4", header(FLUX | {"double_blocks.0.x.weight_scale_2": ()}, "U8")),
    "nunchaku": lambda: ("SVDQuant of Nunchaku", header(FLUX | {"double_blocks.0.x.wscales": (48, 3072)}, "I8")),
    "gptq": lambda: ("GPTQ or AWQ", header(FLUX | {"double_blocks.0.x.qweight": (384, 3072)}, "I32")),
    "bytes": lambda: ("8-bit integers", header(FLUX, "I8")),
}


@pytest.mark.parametrize("case", QUANTISED)
def test_how_weights_are_packed_is_named(case: str) -> None:
    words, packed = QUANTISED[case]()
    kind = recognise(packed)
    assert (kind.quantised, kind.model) == (words, "flux")
    assert str(kind) == f"the diffusion model of Flux, quantised ({words})"


def test_plain_fp8_and_a_tokenizer_of_bytes_are_no_packing() -> None:
    assert recognise(header(FLUX, "F8_E4M3")).is_rounded
    assert not recognise(header(FLUX, "F8_E4M3")).quantised
    text = {**OTHERS["t5"][1], "spiece_model": (791656,)}
    kind = recognise(header(text, spiece_model="U8"))
    assert (kind.quantised, kind.is_rounded, kind.model) == ("", False, "t5")


def test_a_name_of_several_lines_confuses_nothing() -> None:
    hostile = {"x\ndecoder.conv_in.weight": (512, 16, 3, 3), "decoder.up.0.block.0.conv1.weight": (128, 128, 3, 3)}
    assert recognise(header(hostile)).title == "a VAE of another model"


def test_a_gguf_file_is_named_before_anything_is_read(tmp_path: Path) -> None:
    path = tmp_path / "flux1-dev-Q4_K_S.safetensors"
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 780, 20) + b"0" * 200)
    with pytest.raises(UnreadableCheckpoint, match=r"Q4_K_S\.safetensors is a GGUF file.*bf16 or fp16"):
        read_header(path)


@pytest.mark.parametrize("case", [case for case in OTHERS if case != "anything"])
def test_what_comes_instead_of_a_lora_is_named(case: str, tmp_path: Path) -> None:
    title, shapes = OTHERS[case]
    path = write_sparse(tmp_path / "keikana_epoch148.safetensors", shapes)
    with pytest.raises(UnreadableCheckpoint) as refused:
        inspect_checkpoint(path)
    assert str(refused.value) == f"{path.name} is {title}; what belongs here is a LoRA file ({KINDS})."


def test_a_lora_in_eight_bit_integers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "small.safetensors"
    key = "lora_unet_blocks_0_mlp_layer1"
    save_file(
        {
            f"{key}.lora_down.weight": torch.ones(4, 8, dtype=torch.int8),
            f"{key}.lora_up.weight": torch.ones(16, 4, dtype=torch.int8),
        },
        path,
    )
    with pytest.raises(UnreadableCheckpoint, match=r"a LoRA for Anima whose factors are 8-bit integers.*bf16, fp16"):
        inspect_checkpoint(path)


def test_words_are_joined_for_a_sentence() -> None:
    assert listed(["Anima"]) == "Anima"
    assert listed(["Anima", "SDXL", "Flux"]) == "Anima, SDXL or Flux"
