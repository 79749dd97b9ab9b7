from __future__ import annotations

import doctest

import pytest

from service.checkpoints import naming
from service.checkpoints.naming import (
    ModuleName,
    NameMap,
    component_of,
    diffusers_name,
    kohya_name,
    original_name,
)
from tests.checkpoints.tiny import tiny_components, weighted_modules

COMPONENTS = tiny_components()
MODULES = weighted_modules(COMPONENTS)
NAMES = NameMap(MODULES)
EVERY_MODULE = [ModuleName(component, path) for component, paths in MODULES.items() for path in paths]


def test_the_examples_in_the_docstrings() -> None:
    result = doctest.testmod(naming)
    assert result.attempted >= 8
    assert result.failed == 0


def test_every_module_of_the_real_classes_goes_to_the_original_name_and_back() -> None:
    for name in EVERY_MODULE:
        if name.component != "text_encoder":
            assert diffusers_name(original_name(name.component, name.path)) == name


def test_every_spelling_of_every_module_is_understood() -> None:
    for name in EVERY_MODULE:
        original = original_name(name.component, name.path)
        if name.component == "text_encoder":
            spellings = [
                f"text_encoders.qwen3_06b.transformer.model.{name.path}",
                f"text_encoder.{name.path}",
                f"lora_te_{name.path.replace('.', '_')}",
                f"lora_te1_{name.path.replace('.', '_')}",
            ]
        else:
            spellings = [
                f"diffusion_model.{original}",
                f"transformer.{original}",
                f"base_model.model.{original}",
                f"{name.component}.{name.path}",
                kohya_name(name.component, name.path),
                f"lycoris_{original.replace('.', '_')}",
            ]
        for spelling in spellings:
            assert NAMES.resolve(spelling) == name, spelling
            assert component_of(spelling) == name.component, spelling


def test_names_of_other_models_resolve_to_nothing() -> None:
    for key in (
        "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q",
        "lora_unet_blocks_99_self_attn_q_proj",
        "diffusion_model.double_blocks.0.img_attn.qkv",
        "lora_te_text_model_encoder_layers_0_mlp_fc1",
        "",
    ):
        assert NAMES.resolve(key) is None


def test_a_name_that_two_modules_share_resolves_to_neither() -> None:
    names = NameMap({"transformer": ["a.b_c", "a_b.c"]})
    assert names.resolve("lora_unet_a_b_c") is None
    assert names.resolve("transformer.a.b_c") == ModuleName("transformer", "a.b_c")


@pytest.mark.parametrize(
    ("path", "original"),
    [
        (
            "transformer_blocks.27.norm2.linear_2",
            "blocks.27.adaln_modulation_cross_attn.2",
        ),
        ("transformer_blocks.0.attn2.to_out.0", "blocks.0.cross_attn.output_proj"),
        ("transformer_blocks.0.ff.net.2", "blocks.0.mlp.layer2"),
        ("patch_embed.proj", "x_embedder.proj.1"),
        ("norm_out.linear_1", "final_layer.adaln_modulation.1"),
    ],
)
def test_names_published_by_the_trainers(path: str, original: str) -> None:
    assert original_name("transformer", path) == original
