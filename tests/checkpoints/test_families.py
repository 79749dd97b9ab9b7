"""Flux, Qwen-Image and Z-Image: every key format of one adapter folds to what peft makes of it."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from service.checkpoints import Folder, check_fit, inspect_checkpoint, load_adapter
from service.checkpoints.dit_names import transformer_spellings
from service.checkpoints.naming import NameMap
from service.errors import UnmappedKeys, UnreadableCheckpoint
from tests.checkpoints.families import (
    ALPHA,
    CLASSES,
    FAMILIES,
    RANK,
    Pairs,
    every_format,
    linears,
    original_path,
    random_pairs,
    run,
    transformer,
    write,
)
from tests.checkpoints.tiny import tiny_components

KEY_FORMATS = {
    "kohya": "kohya",
    "kohya, diffusers' names": "kohya",
    "kohya, transformer prefix": "kohya",
    "lycoris": "kohya",
    "diffusers": "diffusers",
    "diffusers with alpha": "diffusers",
    "peft": "peft",
    "comfyui": "comfyui",
    "comfyui, down and up": "comfyui",
    "comfyui, diffusers' names": "comfyui",
    "original": "original",
}


def pefts(family: str, pairs: Pairs) -> torch.Tensor:
    """What the transformer answers with peft's adapter of these factors on it."""
    import peft

    model = transformer(family)
    model.add_adapter(peft.LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules=list(pairs), init_lora_weights=False))
    state = {f"{path}.lora_A.weight": down for path, (down, _) in pairs.items()}
    state |= {f"{path}.lora_B.weight": up for path, (_, up) in pairs.items()}
    loaded: Any = peft.set_peft_model_state_dict(model, state)
    assert not loaded.unexpected_keys
    return run(family, model)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_format_folds_to_what_peft_makes_of_it(tmp_path: Path, family: str) -> None:
    model = transformer(family)
    pairs = random_pairs(model)
    untouched = run(family, model)
    expected = pefts(family, pairs)
    assert (expected - untouched).abs().max() > 0.05
    folder = Folder({"transformer": model})
    for kind, path in every_format(tmp_path, family, pairs).items():
        check_fit(path, {"transformer": model})
        info = inspect_checkpoint(path)
        report = folder.fold([(load_adapter(path), 1.0)])
        assert (report.tensors, report.weights) == (info.tensors, len(pairs)), kind
        assert info.key_format == KEY_FORMATS[kind], kind
        difference = (run(family, model) - expected).abs().max() / expected.abs().max()
        assert difference < 1e-5, (kind, difference)
        folder.restore()
        assert torch.equal(run(family, model), untouched), kind


@pytest.mark.parametrize("kind", ["lora", "loha", "loha tucker", "lokr", "diff", "dora"])
def test_every_algorithm_on_a_joined_layer_is_cut_by_rows(tmp_path: Path, kind: str) -> None:
    """Queries, keys and values of Flux's single blocks and the feed-forward's first layer lie in ``linear1``."""
    model = transformer("flux")
    names = [f"single_transformer_blocks.1.{name}" for name in ("attn.to_q", "attn.to_k", "attn.to_v", "proj_mlp")]
    before = torch.cat([linears(model)[name].weight.clone() for name in names])
    rows, columns = before.shape
    noise = torch.Generator().manual_seed(1)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=noise) * 0.3

    made: dict[str, torch.Tensor]
    if kind in ("lora", "dora"):
        made = {"lora_down.weight": draw(3, columns), "lora_up.weight": draw(rows, 3)}
        expected = made["lora_up.weight"] @ made["lora_down.weight"]
        if kind == "dora":
            made["dora_scale"] = draw(rows, 1).abs() + 1
            changed = before + expected
            expected = made["dora_scale"] * changed / changed.norm(dim=1, keepdim=True) - before
    elif kind.startswith("loha"):
        outer = (3, rows) if kind.endswith("tucker") else (rows, 3)
        made = {f"hada_w{i}_a": draw(*outer) for i in (1, 2)} | {f"hada_w{i}_b": draw(3, columns) for i in (1, 2)}
        if kind.endswith("tucker"):
            made |= {f"hada_t{i}": draw(3, 3, 1, 1) for i in (1, 2)}
            sides = [
                torch.einsum("mn,mo,ni->oi", made[f"hada_t{i}"][..., 0, 0], made[f"hada_w{i}_a"], made[f"hada_w{i}_b"])
                for i in (1, 2)
            ]
        else:
            sides = [made[f"hada_w{i}_a"] @ made[f"hada_w{i}_b"] for i in (1, 2)]
        expected = sides[0] * sides[1]
    elif kind == "lokr":
        made = {"lokr_w1": draw(7, 4), "lokr_w2_a": draw(rows // 7, 2), "lokr_w2_b": draw(2, columns // 4)}
        expected = torch.kron(made["lokr_w1"], made["lokr_w2_a"] @ made["lokr_w2_b"])
    else:
        made = {"diff": draw(rows, columns), "diff_b": draw(rows)}
        expected = made["diff"]
    biases = torch.cat([linears(model)[name].bias for name in names]).clone()
    path = tmp_path / "joined.safetensors"
    save_file({f"lora_unet_single_blocks_1_linear1.{role}": tensor for role, tensor in made.items()}, path)

    check_fit(path, {"transformer": model})
    report = Folder({"transformer": model}).fold([(load_adapter(path), 0.5)])
    assert report.weights == (8 if kind == "diff" else 4)
    after = torch.cat([linears(model)[name].weight for name in names])
    assert torch.allclose(after - before, 0.5 * expected, atol=1e-5)
    after_biases = torch.cat([linears(model)[name].bias for name in names])
    assert torch.allclose(after_biases - biases, 0.5 * made.get("diff_b", torch.zeros(rows)), atol=1e-6)


def test_names_at_full_size_are_those_of_diffusers_converter() -> None:
    """sd-scripts' names of Flux in its real shapes, against diffusers' own converter, factor by factor."""
    from diffusers import FluxTransformer2DModel
    from diffusers.loaders.lora_conversion_utils import _convert_kohya_flux_lora_to_diffusers

    with torch.device("meta"):
        model: Any = FluxTransformer2DModel(guidance_embeds=True)
    paths = {path: module for path, module in model.named_modules() if hasattr(module, "weight")}
    spellings = transformer_spellings(paths)
    assert spellings is not None
    layers = {
        name: (paths[path].in_features, paths[path].out_features)
        for path, name in spellings.single.items()
        if isinstance(paths[path], torch.nn.Linear) and name != path
    }
    for name, joined in spellings.joined.items():
        rows = sum(paths[path].out_features for path in joined.paths)
        layers[name] = (paths[joined.paths[0]].in_features, rows)
    noise = torch.Generator().manual_seed(0)
    kohya: dict[str, torch.Tensor] = {}
    for name, (columns, rows) in layers.items():
        key = f"lora_unet_{name.replace('.', '_')}"
        kohya[f"{key}.lora_down.weight"] = torch.randn(1, columns, generator=noise)
        kohya[f"{key}.lora_up.weight"] = torch.randn(rows, 1, generator=noise)
    theirs = _convert_kohya_flux_lora_to_diffusers(dict(kohya))
    theirs = {key.removeprefix("transformer."): tensor for key, tensor in theirs.items()}

    names = NameMap({"transformer": paths})
    seen = set()
    for key in {key.split(".")[0] for key in kohya}:
        down, up = kohya[f"{key}.lora_down.weight"], kohya[f"{key}.lora_up.weight"]
        found = names.joined(key)
        single = names.resolve(key)
        assert (found is None) != (single is None), key
        modules = found.modules if found is not None else (single,)
        start = 0
        for module in modules:
            assert module is not None
            count = paths[module.path].out_features
            part = up[start : start + count]
            if found is not None and found.swapped:
                part = torch.cat(part.chunk(2)[::-1])
            assert torch.equal(theirs[f"{module.path}.lora_A.weight"], down), module
            assert torch.equal(theirs[f"{module.path}.lora_B.weight"], part), module
            seen.add(module.path)
            start += count
        assert start == len(up)
    assert seen == {path for path, module in paths.items() if isinstance(module, torch.nn.Linear)}
    assert len(theirs) == 2 * len(seen)


@pytest.mark.parametrize("family", FAMILIES)
def test_every_layer_of_the_real_shapes_is_found_by_both_of_its_names(family: str) -> None:
    import diffusers

    with torch.device("meta"):
        model: Any = getattr(diffusers, CLASSES[family])()
    paths = linears(model)
    names = NameMap({"transformer": paths})
    assert len(paths) > 200
    for path in paths:
        original = original_path(family, path)
        for key in (f"lora_unet_{path.replace('.', '_')}", f"diffusion_model.{path}", f"transformer.{path}"):
            found = names.resolve(key)
            assert found is not None, key
            assert found.path == path
        for key in (f"lora_unet_{original.replace('.', '_')}", f"diffusion_model.{original}"):
            joined, found = names.joined(key), names.resolve(key)
            reached = {module.path for module in joined.modules} if joined else {found.path if found else ""}
            assert path in reached, key


@pytest.mark.parametrize("family", ["flux", "z-image"])
def test_ours_equals_diffusers_loader(tmp_path: Path, family: str) -> None:
    """The dense form of a joined layer, one inner factor for all its pieces, through diffusers' own loader."""
    from diffusers import FluxPipeline, ZImagePipeline

    columns = 32 if family == "flux" else 48
    down, up = torch.randn(4, columns) * 0.3, torch.randn(3 * columns, 4) * 0.3
    key = "lora_unet_double_blocks_1_txt_attn_qkv" if family == "flux" else "lora_unet_layers_1_attention_qkv"
    path = tmp_path / "dense.safetensors"
    save_file({f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up, f"{key}.alpha": torch.tensor(2.0)}, path)
    theirs = transformer(family)
    nothing: Any = dict.fromkeys(("text_encoder", "tokenizer", "vae", "scheduler"))
    kind: Any = ZImagePipeline if family == "z-image" else FluxPipeline
    extra = {"text_encoder_2": None, "tokenizer_2": None} if family == "flux" else {}
    kind(transformer=theirs, **nothing, **extra).load_lora_weights(str(path))
    ours = transformer(family)
    untouched = run(family, ours)
    Folder({"transformer": ours}).fold([(load_adapter(path), 1.0)])
    assert (run(family, ours) - untouched).abs().max() > 1e-3
    assert torch.allclose(run(family, ours), run(family, theirs), atol=1e-5)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_file_of_another_family_is_refused(tmp_path: Path, family: str) -> None:
    base = {"transformer": transformer(family)}
    for other in set(FAMILIES) - {family}:
        for kind, path in every_format(tmp_path, other, random_pairs(transformer(other))).items():
            with pytest.raises(UnmappedKeys, match="Choose the base it was trained on"):
                check_fit(path, base)
            with pytest.raises(UnmappedKeys):
                Folder(base).fold([(load_adapter(path), 1.0)])
            with pytest.raises(UnmappedKeys):
                check_fit(path, dict(tiny_components())), kind


def test_attention_of_flux_alone_is_not_taken_for_qwen_image(tmp_path: Path) -> None:
    """Flux's double blocks have the names, and at full size the shapes, of Qwen-Image's attention."""
    flux = transformer("flux", num_layers=19, num_single_layers=1)
    attention = random_pairs(flux, lambda path: path.startswith("transformer_blocks.") and ".attn.to_" in path)
    path = write(tmp_path / "flux.safetensors", attention, lambda name: f"transformer.{name}")
    with pytest.raises(UnmappedKeys, match="trained on Flux"):
        check_fit(path, {"transformer": transformer("qwen-image", num_layers=60)})
    check_fit(path, {"transformer": flux})


def test_a_joined_layer_of_another_size_is_refused_by_name(tmp_path: Path) -> None:
    base = {"transformer": transformer("flux")}
    path = tmp_path / "wide.safetensors"
    key = "lora_unet_double_blocks_0_img_attn_qkv"
    save_file({f"{key}.lora_down.weight": torch.zeros(2, 32), f"{key}.lora_up.weight": torch.zeros(99, 2)}, path)
    with pytest.raises(UnmappedKeys, match=r"double_blocks_0_img_attn_qkv: difference \[99, 32\] on 96 outputs"):
        check_fit(path, base)
    tensors = {
        f"{key}.lora_down.weight": torch.zeros(2, 32),
        f"{key}.lora_up.weight": torch.zeros(96, 2),
        f"{key}.dora_scale": torch.zeros(1, 32),
    }
    save_file(tensors, path)
    with pytest.raises(UnmappedKeys, match=r"DoRA magnitude \[1, 32\], which cannot be cut"):
        check_fit(path, base)


def test_xlabs_own_format_is_refused(tmp_path: Path) -> None:
    key = "double_blocks.0.processor.qkv_lora1"
    path = tmp_path / "xlabs.safetensors"
    save_file({f"{key}.down.weight": torch.zeros(2, 32), f"{key}.up.weight": torch.zeros(96, 2)}, path)
    with pytest.raises(UnreadableCheckpoint, match=r"xlabs\.safetensors is a file in XLabs' own format"):
        check_fit(path, {"transformer": transformer("flux")})


def test_a_layer_named_whole_and_in_pieces_is_refused(tmp_path: Path) -> None:
    key = "diffusion_model.layers.0.attention"
    tensors = {}
    for name, rows in (("qkv", 144), ("to_q", 48)):
        tensors[f"{key}.{name}.lora_A.weight"] = torch.zeros(2, 48)
        tensors[f"{key}.{name}.lora_B.weight"] = torch.zeros(rows, 2)
    path = tmp_path / "twice.safetensors"
    save_file(tensors, path)
    with pytest.raises(UnmappedKeys, match="too"):
        check_fit(path, {"transformer": transformer("z-image")})


def test_text_encoders_of_flux_by_the_names_of_each_program(tmp_path: Path) -> None:
    from transformers import CLIPTextConfig, CLIPTextModel, T5Config, T5EncoderModel

    clip = CLIPTextConfig(vocab_size=9, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
    t5 = T5Config(vocab_size=9, d_model=8, d_kv=8, d_ff=8, num_layers=1, num_heads=1)
    texts = {"text_encoder": CLIPTextModel(clip), "text_encoder_2": T5EncoderModel(t5)}
    base = {"transformer": transformer("flux"), **texts}
    names = {
        "lora_te1_text_model_encoder_layers_0_self_attn_q_proj": "text_encoder",
        "lora_te3_encoder_block_0_layer_0_SelfAttention_q": "text_encoder_2",
        "text_encoders.clip_l.transformer.text_model.encoder.layers.0.mlp.fc1": "text_encoder",
        "text_encoders.t5xxl.transformer.encoder.block.0.layer.0.SelfAttention.k": "text_encoder_2",
        "text_encoder.text_model.encoder.layers.0.mlp.fc2": "text_encoder",
    }
    tensors = {}
    for name in names:
        tensors |= {f"{name}.lora_down.weight": torch.ones(2, 8), f"{name}.lora_up.weight": torch.ones(8, 2)}
    path = tmp_path / "texts.safetensors"
    save_file(tensors, path)
    info = inspect_checkpoint(path)
    assert dict(info.components) == {"text_encoder": 3, "text_encoder_2": 2}
    assert Folder(base).fold([(load_adapter(path), 1.0)]).weights == len(names)


def test_folding_keeps_no_file_alive(tmp_path: Path) -> None:
    model = transformer("flux")
    folder = Folder({"transformer": model})
    for path in every_format(tmp_path, "flux", random_pairs(model)).values():
        adapter = load_adapter(path)
        folder.fold([(adapter, 1.0)])
        gone = weakref.ref(adapter)
        folder.fold([])
        del adapter
        gc.collect()
        assert gone() is None, path.name
