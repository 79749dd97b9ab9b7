"""What bases of other families need of a card: reckoned from their real shapes, and halved where it does not fit."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from service.generation import GenerationSettings, ImageRequest, fitting_batch
from service.generation.anima import AnimaGenerator
from service.generation.cards import CARDS, Card, Demand, Memory, card_for, choose_card
from service.generation.demands import Shapes, demand_of, hidden_width, memory_notice, streamed_numbers
from service.generation.errors import CardTooSmall
from service.generation.families import SDXL, Family
from service.generation.folders import FolderBase
from service.generation.opening import place_base
from service.generation.port import Halving
from service.generation.sdxl_files import SDXLBase, empty_models

from .conftest import WriteLora
from .flow_world import build, family_named, save

GIB = 2**30
SQUARE = (1024, 1024)
REQUESTS = [ImageRequest("1girl, kei", seed) for seed in range(5)]


@dataclass(frozen=True)
class RealShapes:
    """A base of the published shapes, without weights."""

    family: Family
    denoiser: Any
    texts: int

    def denoiser_shapes(self) -> Shapes:
        return {name: tuple(weight.shape) for name, weight in self.denoiser.state_dict().items()}

    def text_shapes(self) -> Shapes:
        return {"all": (self.texts,)}


@cache
def real(name: str) -> RealShapes:
    """Sizes of the text models: T5-XXL's encoder and CLIP-L, Qwen2.5-VL-7B, Qwen3-4B."""
    import diffusers

    texts = {"flux": 4_890_000_000, "qwen-image": 8_290_000_000, "z-image": 4_020_000_000}
    family = family_named(name)
    options: dict[str, Any] = {"guidance_embeds": True} if name == "flux" else {}
    with torch.device("meta"):
        denoiser = getattr(diffusers, family.classes["transformer"])(**options)
    return RealShapes(family, denoiser, texts[name])


def setting(name: str, gib: float, side: tuple[int, int] = SQUARE, guidance: float = 1.0) -> Card:
    return card_for(Memory.empty(int(gib * 0.975 * GIB)), demand_of(real(name), side, guidance, "auto"))


@pytest.mark.parametrize(
    ("name", "billions", "width"), [("flux", 11.9, 3072), ("qwen-image", 20.4, 3072), ("z-image", 6.15, 3840)]
)
def test_the_real_shapes_are_weighed(name: str, billions: float, width: int) -> None:
    shapes = real(name).denoiser_shapes()
    demand = demand_of(real(name), SQUARE, 1.0, "auto")
    assert demand.denoiser == pytest.approx(2e9 * billions, rel=0.01)
    assert demand_of(real(name), SQUARE, 1.0, "float32").denoiser == 2 * demand.denoiser
    assert hidden_width(shapes) == width
    # Two of the largest blocks and what is no block.
    assert demand.denoiser / 60 < demand.streamed < demand.denoiser / 6
    assert streamed_numbers(shapes) * 2 == demand.streamed


@pytest.mark.parametrize(
    ("name", "gib", "chosen", "on_cpu"),
    [
        ("flux", 80, "large", False),
        ("flux", 48, "12gb", False),
        ("flux", 32, "12gb", True),
        ("flux", 24, "6gb", False),
        ("flux", 8, "6gb", True),
        ("qwen-image", 141, "large", False),
        ("qwen-image", 80, "12gb", False),
        ("qwen-image", 48, "12gb", True),
        ("qwen-image", 24, "6gb", False),
        ("qwen-image", 12, "6gb", True),
        ("z-image", 80, "large", False),
        ("z-image", 24, "12gb", False),
        ("z-image", 16, "6gb", False),
    ],
)
def test_a_large_base_gets_the_setting_it_fits_in(name: str, gib: float, chosen: str, on_cpu: bool) -> None:
    card = setting(name, gib)
    assert (card.name, card.reads_on_cpu) == (chosen, on_cpu)
    demand, room = demand_of(real(name), SQUARE, 1.0, "auto"), gib * 0.975 * GIB
    there = demand.streamed if card.streams else demand.denoiser * (2 if card.keeps_base else 1)
    assert card.images is not None
    pictures = max(card.images * demand.image, demand.decoding)
    assert there + (demand.texts if card.keeps_text else 0) + pictures < room
    if not card.reads_on_cpu:
        assert there + demand.texts < room
    assert card.batch_size(*SQUARE) == card.images
    assert card.images <= 8
    assert card.name == "large" or "GiB cross the bus" in card.cost


def test_larger_pictures_and_doubled_passes_make_smaller_batches() -> None:
    assert setting("flux", 48).batch_size(*SQUARE) > setting("flux", 48, (2048, 2048)).batch_size(2048, 2048) >= 1
    plain, guided = (demand_of(real("z-image"), SQUARE, guidance, "auto").image for guidance in (1.0, 4.0))
    assert guided == 2 * plain
    assert demand_of(real("flux"), SQUARE, 4.0, "auto") == demand_of(real("flux"), SQUARE, 1.0, "auto")


def test_beside_others_batches_come_in_steps_that_fit() -> None:
    demand = demand_of(real("z-image"), SQUARE, 1.0, "auto")
    chosen = [card_for(Memory(24 * GIB, int(free * GIB)), demand) for free in (21.9, 19, 18, 17.9, 16, 12, 8)]
    assert [card.images for card in chosen if card.images not in (1, 2, 4, 8, 16)] == []
    assert chosen[2] == chosen[3]
    assert [card.megapixels for card in chosen] == sorted((card.megapixels for card in chosen), reverse=True)
    for card, free in zip(chosen, (21.9, 19, 18, 17.9, 16, 12, 8), strict=True):
        there = demand.streamed if card.streams else demand.denoiser
        assert there + (card.images or 0) * demand.image < free * GIB


def test_sdxl_is_weighed_from_a_folder_and_from_a_file(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    names = {"model.diffusion_model.a.weight": (3, 4), "conditioner.embedders.0.b": (5,), "first_stage_model.c": (7,)}
    save_file({name: torch.zeros(shape) for name, shape in names.items()}, tmp_path / "xl.safetensors")
    file = SDXLBase(tmp_path / "xl.safetensors", is_file=True)
    assert (file.denoiser_shapes(), file.text_shapes()) == (
        {"model.diffusion_model.a.weight": (3, 4)},
        {"conditioner.embedders.0.b": (5,)},
    )
    models = empty_models(file)
    whole = RealShapes(SDXL, models["unet"], 817_000_000)
    demand = demand_of(whole, SQUARE, 5.0, "auto")
    assert demand.denoiser == pytest.approx(5.14e9, rel=0.01)
    names_of = {gib: card_for(Memory.empty(int(gib * 0.975 * GIB)), demand) for gib in (80, 24, 12, 8, 6)}
    assert [card.name for card in names_of.values()] == ["large", "large", "12gb", "6gb", "6gb"]
    assert [card.images for card in names_of.values()][:3] == [8, 4, 2]


@pytest.mark.parametrize("name", ["flux", "qwen-image", "z-image"])
def test_a_folder_is_weighed_by_its_headers(name: str, tmp_path: Path) -> None:
    parts = build(name)
    found = FolderBase(save(tmp_path / name, name, parts), family_named(name))
    demand = demand_of(found, (64, 64), 1.0, "auto")
    texts = [parts[model] for model in found.family.text_models]
    assert demand.denoiser == 2 * sum(weight.numel() for weight in parts["transformer"].state_dict().values())
    counted = sum(weight.numel() for model in texts for weight in dict(model.named_parameters()).values())
    assert demand.texts == pytest.approx(2 * counted, rel=0.05)
    assert hidden_width(found.denoiser_shapes()) == parts["transformer"].config.get("dim", 32)


def test_a_named_card_means_its_memory_for_a_large_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("service.generation.cards.has_gpu", lambda device: True)
    monkeypatch.setattr("service.generation.opening.has_gpu", lambda device: True)
    memory = Memory.empty(80 * GIB)
    for module in ("cards", "opening"):
        monkeypatch.setattr(f"service.generation.{module}.memory_of", lambda device: memory)

    def needed() -> Demand:
        return demand_of(real("flux"), SQUARE, 1.0, "auto")

    assert [choose_card(name, "cuda", needed).name for name in ("auto", "24gb", "large")] == ["large", "6gb", "large"]
    assert choose_card("24gb", "cuda") is CARDS[1]
    # What others hold counts where nothing was named.
    memory = Memory(80 * GIB, 30 * GIB)
    assert [choose_card(name, "cuda", needed).name for name in ("auto", "24gb", "large")] == ["12gb", "6gb", "large"]
    assert [choose_card(name, "cuda").name for name in ("auto", "24gb")] == ["large", "24gb"]
    memory = Memory.empty(80 * GIB)
    folder = save(tmp_path / "flux", "flux", build("flux"))
    settings = GenerationSettings(width=1024, height=1024)
    arguments = {"card": "auto", "device": "cuda", "dtype": "auto"}
    assert fitting_batch(str(folder), settings, **arguments) == 8
    assert place_base(FolderBase(folder, family_named("flux")), settings, **arguments).name == "large"
    assert fitting_batch("miniature", settings, **arguments) == 8
    memory = Memory(24 * GIB, 13 * GIB)
    with caplog.at_level(logging.WARNING, logger="service.generation.opening"):
        assert fitting_batch("miniature", settings, **arguments) == 2
    assert "12gb by what is free: 13.0 of 24.0 GiB are free, others hold 11.0 GiB" in caplog.text


def test_too_little_memory_of_the_computer_is_said() -> None:
    demand = demand_of(real("qwen-image"), SQUARE, 1.0, "auto")
    card = setting("qwen-image", 24)
    assert demand.ram(card) == 2 * demand.denoiser + demand.texts
    assert demand.ram(CARDS[0]) == 0
    assert "keeps 92 GiB in the computer's memory" in str(memory_notice(demand.ram(card), 64 * GIB))
    assert memory_notice(demand.ram(card), 128 * GIB) is None
    assert memory_notice(demand.ram(card), None) is None


class Short:
    """A card on which only so many images fit."""

    def __init__(self, generator: AnimaGenerator, fit: int) -> None:
        self.tried: list[int] = []
        make = generator._make

        def made(texts: Sequence[torch.Tensor], generators: list[torch.Generator]) -> Any:
            self.tried.append(len(texts))
            if len(texts) > fit:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB\nand more")
            return make(texts, generators)

        generator._make = made  # type: ignore[method-assign]


def test_a_batch_that_does_not_fit_is_made_in_halves_and_said(
    generator: AnimaGenerator, caplog: pytest.LogCaptureFixture
) -> None:
    expected = generator.generate(REQUESTS)
    assert isinstance(generator, Halving)
    assert (generator.at_once, generator.halved) == (4, None)
    short = Short(generator, 1)
    with caplog.at_level(logging.WARNING, logger="service.generation.diffusing"):
        made = generator.generate(REQUESTS)
    assert short.tried == [4, 2, 1, 1, 1, 1, 1]
    assert all(np.abs(a.pixels.astype(int) - b.pixels).max() <= 1 for a, b in zip(made, expected, strict=True))
    assert "1 images are made at once from now on" in caplog.text
    assert generator.at_once == 1
    assert "did not suffice for 4 images at once: 1 were" in str(generator.halved)
    generator.generate(REQUESTS[:2])
    assert short.tried[-2:] == [1, 1]


def test_not_even_one_says_what_to_do_and_leaves_the_generator_usable(
    generator: AnimaGenerator, write_lora: WriteLora
) -> None:
    short = Short(generator, 0)
    with pytest.raises(CardTooSmall, match=r"no room for one picture of 32 x 48 \(CUDA out of memory\. Tried.*GiB\)"):
        generator.generate(REQUESTS)
    assert short.tried == [4, 2, 1]
    generator.use(write_lora())
