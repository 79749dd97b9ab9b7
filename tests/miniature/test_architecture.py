"""The tiny Anima is exactly Anima's classes and loads the way the real one does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.miniature.architecture import MODELS, build_components, load_models, save_pipeline, start_from_zero
from benchmarks.miniature.tokenizing import CONDITIONER_LENGTH, encode_captions, load_tokenizers


def test_a_saved_folder_loads_as_the_anima_pipeline_and_draws(tmp_path: Path) -> None:
    from diffusers import ClassifierFreeGuidance, ModularPipeline

    save_pipeline(build_components("nano"), tmp_path)
    pipe = ModularPipeline.from_pretrained(str(tmp_path))
    pipe.load_components(dtype=torch.float32)
    pipe.update_components(guider=ClassifierFreeGuidance(guidance_scale=1.0))
    assert type(pipe).__name__ == "AnimaModularPipeline"
    assert pipe.vae_scale_factor == 8
    images = pipe(
        prompt=["keichan, hug", ""],
        height=64,
        width=64,
        num_inference_steps=2,
        generator=torch.Generator().manual_seed(0),
        output_type="np",
    ).images
    assert images.shape == (2, 64, 64, 3)
    assert np.isfinite(images).all(), "an empty caption in the batch must not poison it"


def test_saving_keeps_every_weight(tmp_path: Path) -> None:
    components = build_components("nano", seed=3)
    save_pipeline(components, tmp_path)
    loaded = load_models(tmp_path)
    for name in MODELS:
        before, after = components[name].state_dict(), loaded[name].state_dict()
        assert before.keys() == after.keys()
        assert all(torch.equal(before[key], after[key]) for key in before), name


def test_shipped_size_is_small_enough_and_deterministic() -> None:
    components = build_components("shipped", seed=1)
    vae = sum((p[:, :, -1] if p.ndim == 5 else p).numel() for p in components["vae"].parameters())
    rest = sum(p.numel() for name in MODELS if name != "vae" for p in components[name].parameters())
    assert 2 * vae + rest < 24.5e6, "two bytes a VAE weight and one a matrix weight have to stay near 24 MB"
    again = build_components("shipped", seed=1)["transformer"].state_dict()
    assert all(torch.equal(again[key], value) for key, value in components["transformer"].state_dict().items())


def test_training_starts_from_a_zero_prediction() -> None:
    components = build_components("nano")
    start_from_zero(components)
    with torch.no_grad():
        out = components["transformer"](
            hidden_states=torch.randn(1, 16, 1, 8, 8),
            timestep=torch.tensor([0.5]),
            encoder_hidden_states=torch.randn(1, CONDITIONER_LENGTH, 32),
            padding_mask=torch.zeros(1, 1, 64, 64),
        ).sample
    assert torch.count_nonzero(out) == 0


def test_training_ids_equal_the_pipelines_tokenizers() -> None:
    captions = ["2girls, keichan and kanachan, hug, red blazer", "A girl with long blonde hair.", ""]
    ids, tokenizers = encode_captions(captions), load_tokenizers()
    for key, name in (("qwen", "tokenizer"), ("t5", "t5_tokenizer")):
        for row, text in zip(ids[key], captions, strict=True):
            assert row[row >= 0].tolist() == list(tokenizers[name](text).input_ids)


@pytest.mark.parametrize("trigger", ["keichan", "kanachan"])
def test_trigger_words_are_made_of_pieces(trigger: str) -> None:
    for tokenizer in load_tokenizers().values():
        assert len(tokenizer.tokenize(f"1girl, {trigger}")) - len(tokenizer.tokenize("1girl,")) >= 2
