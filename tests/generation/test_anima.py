"""The Anima generator on a tiny model of the real classes."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AnimaAutoBlocks, ClassifierFreeGuidance, FlowMatchEulerDiscreteScheduler

from benchmarks.miniature.architecture import build_components
from service.errors import Conflict, UnmappedKeys
from service.generation import GeneratedImage, GenerationSettings, ImageRequest, changes_nothing
from service.generation.anima import AnimaGenerator
from service.generation.er_sde import FlowMatchERSDEScheduler, simple_schedule
from service.generation.errors import PromptTooLong, UnusableBase, UnusableSettings
from service.generation.images import NOT_A_NUMBER
from service.generation.port import Foreseeing

from .conftest import SMALL, WriteLora

KEI = "1girl, kei, solo, standing"
KANA = "1girl, kana, sitting, park"
REQUESTS = [ImageRequest(KEI, 1), ImageRequest(KANA, 1), ImageRequest(KEI, 2), ImageRequest(KANA, 3)]


def pixels(images: list[GeneratedImage]) -> np.ndarray[Any, Any]:
    return np.stack([image.pixels for image in images]).astype(np.int16)


def open_with(settings: GenerationSettings, extra: list[tuple[Path, float]] | None = None) -> AnimaGenerator:
    components = build_components("nano", seed=1)
    return AnimaGenerator.from_components(components, settings, identity="nano", device="cpu", extra=extra or [])


def count_calls(module: torch.nn.Module) -> list[int]:
    calls: list[int] = []
    module.register_forward_hook(lambda *_: calls.append(1))
    return calls


def test_the_same_call_twice_is_equal_to_the_bit(generator: AnimaGenerator) -> None:
    first, second = pixels(generator.generate(REQUESTS)), pixels(generator.generate(REQUESTS))
    assert first.shape == (4, 48, 32, 3)
    assert np.array_equal(first, second)


def test_prompt_and_seed_decide_the_image(generator: AnimaGenerator) -> None:
    images = pixels(generator.generate(REQUESTS))
    for one in range(4):
        for other in range(one):
            assert np.abs(images[one] - images[other]).max() > 1


def test_an_image_does_not_depend_on_its_batch(generator: AnimaGenerator) -> None:
    together = pixels(generator.generate(REQUESTS))
    alone = pixels([generator.generate([request])[0] for request in REQUESTS])
    turned = pixels(generator.generate(REQUESTS[::-1]))[::-1]
    of_three = pixels(open_with(dataclasses.replace(SMALL, batch_size=3)).generate(REQUESTS))
    for other in (alone, turned, of_three):
        assert np.abs(other - together).max() <= 1


def reference(settings: GenerationSettings, seeds: list[int], prompt: str, **update: Any) -> np.ndarray[Any, Any]:
    """The same images from diffusers' whole Anima pipeline, called as its documentation says."""
    pipeline = AnimaAutoBlocks().init_pipeline()
    components = build_components("nano", seed=1)
    guider = ClassifierFreeGuidance(guidance_scale=settings.guidance)
    pipeline.update_components(**{**components, "guider": guider, **update})
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    if isinstance(update.get("scheduler"), FlowMatchERSDEScheduler):
        update["scheduler"].set_generators(generators)
    images = pipeline(
        prompt=[prompt] * len(seeds),
        negative_prompt=settings.negative_prompt,
        height=settings.height,
        width=settings.width,
        num_inference_steps=settings.steps,
        sigmas=simple_schedule(settings.steps),
        generator=generators,
        output_type="np",
        output="images",
    )
    return np.round(np.asarray(images) * 255).astype(np.int16)


def test_it_equals_the_whole_pipeline_with_our_scheduler(generator: AnimaGenerator) -> None:
    ours = pixels(generator.generate([ImageRequest(KEI, 7), ImageRequest(KEI, 8)]))
    theirs = reference(SMALL, [7, 8], KEI, scheduler=FlowMatchERSDEScheduler(shift=3.0))
    assert np.abs(ours - theirs).max() <= 1


def test_it_equals_the_whole_pipeline_with_its_own_scheduler_and_guidance() -> None:
    settings = dataclasses.replace(SMALL, sampler="euler", guidance=3.0, negative_prompt="bad hands")
    ours = pixels(open_with(settings).generate([ImageRequest(KEI, 7), ImageRequest(KEI, 8)]))
    theirs = reference(settings, [7, 8], KEI, scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0))
    assert np.abs(ours - theirs).max() <= 1
    unguided = pixels(open_with(dataclasses.replace(settings, guidance=1.0)).generate([ImageRequest(KEI, 7)]))
    assert np.abs(ours[:1] - unguided).max() > 1


def test_what_is_begun_ahead_is_the_same_whenever_and_wherever_it_is_fetched(
    generator: AnimaGenerator, write_lora: WriteLora
) -> None:
    one, two = write_lora("one", seed=1), write_lora("two", seed=2)
    expected = []
    for lora in (one, two, None):
        generator.use(lora)
        expected.append(pixels(generator.generate(REQUESTS)))
    begun = []
    for lora in (one, two, None):
        generator.use(lora)
        begun.append(generator.launch(REQUESTS))
    with ThreadPoolExecutor(1) as pool:
        found = [pool.submit(fetch).result() for fetch in reversed(begun)]
    assert all(np.array_equal(pixels(a), b) for a, b in zip(reversed(found), expected, strict=True))
    assert not np.array_equal(expected[0], expected[1])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_nothing_waits_for_the_card_where_a_batch_begins(write_lora: WriteLora) -> None:
    lora = write_lora()
    for sampler in ("er_sde", "euler"):
        settings = dataclasses.replace(SMALL, sampler=sampler)
        components = build_components("nano", seed=1)
        generator = AnimaGenerator.from_components(components, settings, identity="nano", device="cuda")
        generator.use(lora)
        expected = pixels(generator.generate(REQUESTS))
        torch.cuda.set_sync_debug_mode("error")
        try:
            fetch = generator.launch(REQUESTS)
        finally:
            torch.cuda.set_sync_debug_mode("default")
        assert np.array_equal(pixels(fetch()), expected)


def test_a_checkpoint_changes_the_image_and_leaves_no_trace(generator: AnimaGenerator, write_lora: WriteLora) -> None:
    control = pixels(generator.generate(REQUESTS))
    generator.use(write_lora())
    folded = pixels(generator.generate(REQUESTS))
    assert all(
        not changes_nothing(one.astype(np.uint8), two.astype(np.uint8))
        for one, two in zip(folded, control, strict=True)
    )
    generator.use(write_lora("other", seed=1))
    generator.use(None)
    assert np.array_equal(pixels(generator.generate(REQUESTS)), control)


def test_scale_is_respected_and_zero_is_the_control(generator: AnimaGenerator, write_lora: WriteLora) -> None:
    path = write_lora(parts=("transformer", "text_conditioner"))
    control = pixels(generator.generate(REQUESTS))
    generator.use(path, 0.0)
    assert np.array_equal(pixels(generator.generate(REQUESTS)), control)
    generator.use(path, 0.5)
    half = pixels(generator.generate(REQUESTS))
    generator.use(path, 1.0)
    assert np.abs(half - control).max() > 1
    assert np.abs(half - pixels(generator.generate(REQUESTS))).max() > 1


def test_extra_loras_stay_under_the_control_and_every_checkpoint(write_lora: WriteLora) -> None:
    turbo, swept = write_lora("turbo", seed=5), write_lora("swept", seed=6)
    plain, extended = open_with(SMALL), open_with(SMALL, [(turbo, 0.7)])
    control = pixels(extended.generate(REQUESTS))
    plain.use(turbo, 0.7)
    assert np.array_equal(control, pixels(plain.generate(REQUESTS)))
    extended.use(swept)
    both = pixels(extended.generate(REQUESTS))
    plain.use(swept)
    assert np.abs(both - pixels(plain.generate(REQUESTS))).max() > 1
    extended.use(None)
    assert np.array_equal(control, pixels(extended.generate(REQUESTS)))
    assert extended.fingerprint() != plain.fingerprint()
    assert extended.fingerprint()["extra"][0]["scale"] == 0.7


def test_text_is_encoded_once_per_prompt(components: dict[str, Any], write_lora: WriteLora) -> None:
    generator = AnimaGenerator.from_components(components, SMALL, identity="nano", device="cpu")
    encoder, conditioner = count_calls(components["text_encoder"]), count_calls(components["text_conditioner"])
    generator.generate(REQUESTS)
    generator.generate(REQUESTS)
    generator.use(write_lora("plain"))
    generator.generate(REQUESTS)
    assert (len(encoder), len(conditioner)) == (2, 2)
    for parts in (("text_conditioner",), ("text_encoder",)):
        before = len(encoder)
        generator.use(write_lora("text", parts=parts))
        generator.generate(REQUESTS)
        generator.generate(REQUESTS)
        assert len(encoder) == before + 2
    generator.use(None)
    before = len(encoder)
    generator.generate(REQUESTS)
    assert len(encoder) == before


def test_a_trained_text_part_changes_the_image(generator: AnimaGenerator, write_lora: WriteLora) -> None:
    control = pixels(generator.generate(REQUESTS))
    for parts in (("text_conditioner",), ("text_encoder",)):
        generator.use(write_lora(parts=parts, size=2.0))
        assert np.abs(pixels(generator.generate(REQUESTS)) - control).max() > 1


def test_the_negative_pass_is_skipped_without_guidance(components: dict[str, Any]) -> None:
    generator = AnimaGenerator.from_components(components, SMALL, identity="nano", device="cpu")
    calls = count_calls(components["transformer"])
    generator.generate(REQUESTS)
    assert len(calls) == SMALL.steps


def test_a_file_of_another_base_is_refused_and_nothing_is_made_of_it(generator: AnimaGenerator, tmp_path: Path) -> None:
    from service.checkpoints import write_anima_toolkit

    foreign = tmp_path / "foreign.safetensors"
    write_anima_toolkit(
        foreign, {"transformer_blocks.9.attn1.to_q": (torch.ones(4, 32), torch.ones(32, 4))}, rank=4, alpha=4.0
    )
    control = pixels(generator.generate(REQUESTS))
    with pytest.raises(UnmappedKeys, match=r"blocks_9_self_attn_q_proj"):
        generator.use(foreign)
    with pytest.raises(Conflict, match="use"):
        generator.generate(REQUESTS)
    generator.use(None)
    assert np.array_equal(pixels(generator.generate(REQUESTS)), control)


def test_a_prompt_longer_than_the_conditioner_pads_to_is_refused(generator: AnimaGenerator) -> None:
    with pytest.raises(PromptTooLong, match="80 tokens"):
        generator.generate([REQUESTS[0], ImageRequest("1girl, " * 90, 1)])


def test_prompts_read_ahead_are_not_read_again_and_one_that_is_too_long_is_told_when_it_is_asked_for(
    generator: AnimaGenerator, write_lora: WriteLora
) -> None:
    expected = pixels(generator.generate(REQUESTS))
    generator._control_texts.clear()
    encoded: list[str] = []
    encode = generator._encode
    generator._encode = lambda prompt: encoded.append(prompt) or encode(prompt)  # type: ignore[method-assign,func-returns-value]
    prompts = list(dict.fromkeys(request.prompt for request in REQUESTS))
    assert isinstance(generator, Foreseeing)
    generator.foresee([prompts[0], "1girl, " * 90, *prompts[1:]])
    assert encoded == [prompts[0], "1girl, " * 90, *prompts[1:]]
    assert np.array_equal(pixels(generator.generate(REQUESTS)), expected)
    assert len(encoded) == len(prompts) + 1
    with pytest.raises(PromptTooLong):
        generator.generate([ImageRequest("1girl, " * 90, 1)])
    # Of no use for the next one.
    generator.use(write_lora(parts=("text_encoder",)))
    generator.foresee(["something else"])
    assert "something else" not in encoded


def test_broken_weights_give_an_invalid_image(components: dict[str, Any]) -> None:
    with torch.no_grad():
        components["transformer"].proj_out.weight[0, 0] = float("nan")
    generator = AnimaGenerator.from_components(components, SMALL, identity="broken", device="cpu")
    images = generator.generate(REQUESTS)
    assert [image.invalid for image in images] == [NOT_A_NUMBER] * 4
    assert images[0].pixels.shape == (48, 32, 3)


def test_an_exploding_checkpoint_gives_an_invalid_image(generator: AnimaGenerator, write_lora: WriteLora) -> None:
    generator.use(write_lora(size=1e30))
    assert {image.invalid for image in generator.generate(REQUESTS)} == {NOT_A_NUMBER}
    generator.use(None)
    assert {image.invalid for image in generator.generate(REQUESTS)} == {None}


def test_it_is_silent(generator: AnimaGenerator, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    generator.generate(REQUESTS)
    assert capfd.readouterr() == ("", "")


def test_the_fingerprint_is_json_and_names_what_decides_the_pixels(generator: AnimaGenerator) -> None:
    one = generator.fingerprint()
    assert json.loads(json.dumps(one)) == one
    assert (one["base"], one["dtype"], one["device"]) == ("nano", "float32", "cpu")
    assert "batch_size" not in one["settings"]
    assert open_with(dataclasses.replace(SMALL, batch_size=1)).fingerprint() == one
    assert open_with(dataclasses.replace(SMALL, steps=4)).fingerprint() != one


def test_a_pipeline_without_a_component_is_refused(components: dict[str, Any]) -> None:
    with pytest.raises(UnusableBase, match="vae"):
        AnimaGenerator({**components, "vae": None}, SMALL, identity="nano")


@pytest.mark.parametrize(("device", "dtype"), [("cuda:99", "auto"), ("abacus", "auto"), ("cpu", "float7")])
def test_an_impossible_device_or_dtype_is_refused(components: dict[str, Any], device: str, dtype: str) -> None:
    with pytest.raises(UnusableSettings):
        AnimaGenerator.from_components(components, SMALL, identity="nano", device=device, dtype=dtype)


def test_bfloat16_works(components: dict[str, Any], write_lora: WriteLora) -> None:
    generator = AnimaGenerator.from_components(components, SMALL, identity="nano", device="cpu", dtype="bfloat16")
    control = pixels(generator.generate(REQUESTS[:2]))
    generator.use(write_lora())
    assert np.abs(pixels(generator.generate(REQUESTS[:2])) - control).max() > 1
    assert generator.fingerprint()["dtype"] == "bfloat16"
