"""Named settings for cards, and what of them can be shown without one."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from service.checkpoints import Folder, load_adapter
from service.generation import ImageRequest
from service.generation.anima import AnimaGenerator
from service.generation.cards import (
    CARDS,
    CPU,
    Card,
    Memory,
    card_of,
    choose_batch_size,
    choose_card,
    explained,
    memory_of,
)
from service.generation.errors import UnusableSettings
from service.generation.families import ANIMA
from service.generation.placing import compile_blocks, placing_marks, read_ahead, visiting
from service.generation.port import Prefetching
from service.generation.sending import Staging

from .conftest import SMALL, WriteLora

REQUESTS = [ImageRequest("1girl, kei", 1), ImageRequest("2girls, kei, kana", 2)]
NO_CARD = pytest.mark.skipif(torch.cuda.is_available(), reason="speaks of a machine without a GPU")


@pytest.mark.parametrize(
    ("gib", "name"), [(141, "large"), (80, "large"), (24, "24gb"), (12, "12gb"), (8, "8gb"), (6, "6gb")]
)
def test_the_setting_follows_the_memory(gib: int, name: str) -> None:
    # Cards report somewhat less than what is printed on them.
    assert card_of(Memory.empty(int(gib * 0.975 * 2**30))).name == name


@pytest.mark.parametrize(
    ("total", "taken", "name"),
    [
        # A desktop changes nothing, whatever it opens and closes.
        (80, 2.0, "large"), (24, 0.0, "24gb"), (24, 1.9, "24gb"), (12, 1.9, "12gb"), (8, 1.9, "8gb"), (6, 1.9, "6gb"),
        # A ComfyUI that holds its model does.
        (24, 8.0, "24gb"), (24, 10.0, "12gb"), (24, 15.0, "8gb"), (24, 18.0, "6gb"),
        (16, 6.0, "12gb"), (12, 3.5, "8gb"), (12, 6.0, "6gb"), (8, 3.0, "6gb"),
        # What a large card has left may be more than a small one has; a small one never becomes large.
        (80, 50.0, "large"), (80, 60.0, "large"), (80, 66.0, "12gb"), (32, 3.0, "24gb"),
    ],
)  # fmt: skip
def test_the_setting_fits_into_what_others_leave(total: int, taken: float, name: str) -> None:
    whole = int(total * 0.98 * 2**30)
    assert card_of(Memory(whole, whole - int(taken * 2**30))).name == name


def test_less_free_memory_never_gives_a_larger_setting() -> None:
    order = [card.name for card in CARDS]
    for total in (6, 8, 12, 16, 24, 32, 48, 80):
        places = [order.index(card_of(Memory(total * 2**30, free * 2**28)).name) for free in range(4 * total, -1, -1)]
        assert places == sorted(places)


def test_what_this_process_holds_is_free_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    gib = 2**30
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda place: (10 * gib, 24 * gib))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda place: 13 * gib)
    assert memory_of("cuda") == Memory(24 * gib, 23 * gib)
    assert card_of(memory_of("auto")).name == "24gb"


def test_a_card_without_room_for_a_question_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(place: torch.device) -> tuple[int, int]:
        raise RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported elsewhere")

    monkeypatch.setattr(torch.cuda, "mem_get_info", full)
    with pytest.raises(UnusableSettings, match=r"cuda:1 cannot be used now \(CUDA error: out of memory\): close"):
        memory_of("cuda:1")


def test_the_choice_is_explained() -> None:
    gib = 2**30
    shared = Memory(24 * gib, 13 * gib)
    assert explained("auto", card_of(shared), shared) == (
        "12gb by what is free: 13.0 of 24.0 GiB are free, others hold 11.0 GiB; 2 pictures of 1024 x 1024 at once, "
        "costs 3.3 GiB cross the bus for each checkpoint, and 1.4 GiB to read the prompts"
    )
    assert explained("8gb", CARDS[3], shared).startswith("8gb as --card says; 13.0 of 24.0 GiB are free; 1 picture of")


def test_a_placing_that_shows_in_the_pixels_is_told() -> None:
    cuda, reading = torch.device("cuda"), dataclasses.replace(CARDS[2], reads_on_cpu=True)
    assert placing_marks(CARDS[0], cuda, True) == placing_marks(CARDS[3], cuda, True) == {"compiled": True}
    assert placing_marks(CARDS[-1], cuda, False) == {"streamed": True}
    assert placing_marks(reading, cuda, True) == {"compiled": True, "texts_read_by_cpu": True}
    assert placing_marks(CARDS[-1], torch.device("cpu"), False) == {}


def test_smaller_settings_give_up_more_and_say_what_it_costs() -> None:
    for larger, smaller in itertools.pairwise(CARDS):
        assert smaller.megapixels <= larger.megapixels
        assert (smaller.keeps_base, smaller.keeps_text) <= (larger.keeps_base, larger.keeps_text)
        assert smaller.cost != "nothing"
        assert smaller.least_gib < larger.least_gib
        assert smaller.needs_gib < larger.needs_gib


def test_batches_follow_the_size_of_the_images() -> None:
    large = CARDS[0]
    assert [large.batch_size(side, side) for side in (256, 512, 1024, 2048, 4096)] == [16, 16, 8, 2, 1]
    assert choose_batch_size(1024, 1024, CPU) == 4


@NO_CARD
def test_without_a_card_everything_is_on_the_cpu() -> None:
    assert choose_card("auto") is CPU
    assert choose_card("8gb") is CPU
    with pytest.raises(UnusableSettings, match="24gb"):
        choose_card("9gb")


@pytest.mark.parametrize(
    "card", [Card("a", 0, 0, 1, keeps_base=False, keeps_text=False), *CARDS], ids=lambda card: card.name
)
def test_every_setting_gives_the_same_pictures(
    components: dict[str, Any], generator: AnimaGenerator, write_lora: WriteLora, card: Card
) -> None:
    from benchmarks.miniature.architecture import build_components

    placed = AnimaGenerator.from_components(
        build_components("nano", 1), SMALL, identity="nano", device="cpu", card=card
    )
    lora = write_lora(parts=("transformer", "text_encoder", "text_conditioner"))
    for each in (generator, placed):
        each.use(lora)
    ours, theirs = placed.generate(REQUESTS), generator.generate(REQUESTS)
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(ours, theirs, strict=True))
    placed.use(None)
    generator.use(None)
    assert np.array_equal(placed.generate(REQUESTS)[0].pixels, generator.generate(REQUESTS)[0].pixels)


def test_text_models_visit_once_to_read_all_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.miniature.architecture import build_components

    visits: list[int] = []

    def counted(models: Sequence[torch.nn.Module], device: torch.device) -> Any:
        visits.append(len(models))
        return visiting(models, device)

    monkeypatch.setattr("service.generation.diffusing.visiting", counted)
    small = next(card for card in CARDS if card.name == "12gb")
    placed = AnimaGenerator.from_components(
        build_components("nano", 1), SMALL, identity="nano", device="cpu", card=small
    )
    placed.foresee([request.prompt for request in REQUESTS])
    placed.foresee([request.prompt for request in REQUESTS])
    placed.generate(REQUESTS)
    assert visits == [2]


def test_swapping_checkpoints_compiles_nothing_again(components: dict[str, Any], write_lora: WriteLora) -> None:
    compiled: list[Any] = []

    def backend(graph: Any, inputs: Any) -> Any:
        compiled.append(graph)
        return graph.forward

    torch._dynamo.reset()
    generator = AnimaGenerator.from_components(components, SMALL, identity="nano", device="cpu")
    plain = [image.pixels for image in generator.generate(REQUESTS)]
    compile_blocks(components["transformer"], ANIMA.blocks, backend=backend, fullgraph=True)
    first = [image.pixels for image in generator.generate(REQUESTS)]
    once = len(compiled)
    assert once >= 1
    assert np.abs(first[0].astype(int) - plain[0]).max() <= 1
    for seed in (1, 2):
        generator.use(write_lora(f"run_epoch{seed}", seed=seed))
        changed = generator.generate(REQUESTS)
    generator.use(None)
    again = generator.generate(REQUESTS)
    assert len(compiled) == once
    assert not np.array_equal(changed[0].pixels, first[0])
    assert np.array_equal(again[0].pixels, first[0])
    torch._dynamo.reset()


def test_a_checkpoint_read_ahead_is_the_same_and_errors_show_when_it_is_used(
    generator: AnimaGenerator, write_lora: WriteLora, tmp_path: Path
) -> None:
    assert isinstance(generator, Prefetching)
    one, two = write_lora("one", seed=1), write_lora("two", seed=2)
    generator.use(two)
    expected = generator.generate(REQUESTS)
    generator.prefetch(two)
    generator.use(one)
    assert not np.array_equal(generator.generate(REQUESTS)[0].pixels, expected[0].pixels)
    generator.prefetch(two)
    generator.use(two)
    assert np.array_equal(generator.generate(REQUESTS)[0].pixels, expected[0].pixels)
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(b"nothing")
    generator.prefetch(broken)
    from service.errors import UnreadableCheckpoint

    with pytest.raises(UnreadableCheckpoint):
        generator.use(broken)
    assert read_ahead(one).tensors == load_adapter(one).tensors


def test_a_card_too_full_to_read_ahead_loses_nothing(
    generator: AnimaGenerator, write_lora: WriteLora, monkeypatch: pytest.MonkeyPatch
) -> None:
    lora = write_lora("one", seed=1)
    generator.use(lora)
    expected = generator.generate(REQUESTS)[0].pixels
    generator.use(None)

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("full")

    with monkeypatch.context() as patch:
        patch.setattr("service.generation.diffusing.read_ahead", full)
        patch.setattr(generator, "_encode", full)
        generator.prefetch(lora)
        generator.foresee(["a prompt that nobody has read"])
        generator.use(lora)
    assert np.array_equal(generator.generate(REQUESTS)[0].pixels, expected)


def test_a_checkpoint_that_was_sent_makes_the_same_pictures(generator: AnimaGenerator, write_lora: WriteLora) -> None:
    lora = write_lora("one", seed=1)
    generator.use(lora)
    expected = generator.generate(REQUESTS)
    sent = read_ahead(lora, Staging(None, 1 << 12))
    assert (sent.path, sent.tensors, sent.likeness) == (lora, load_adapter(lora).tensors, load_adapter(lora).likeness)
    generator.use(None)
    generator.use_adapter(sent)
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(generator.generate(REQUESTS), expected, strict=True))


def test_images_decoded_one_by_one_are_the_same(components: dict[str, Any], generator: AnimaGenerator) -> None:
    together = [image.pixels for image in generator.generate(REQUESTS)]
    components["vae"].enable_slicing()  # as it is on a GPU
    apart = [image.pixels for image in generator.generate(REQUESTS)]
    assert max(np.abs(a.astype(int) - b).max() for a, b in zip(together, apart, strict=True)) <= 1


def test_files_of_one_run_are_looked_up_once(components: dict[str, Any], write_lora: WriteLora) -> None:
    folder = Folder({"transformer": components["transformer"]})
    for seed in (1, 2, 3):
        folder.fold([(load_adapter(write_lora(f"epoch{seed}", seed=seed)), 1.0)])
    assert len(folder._known) == 1
