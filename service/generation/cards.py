"""What a graphics card has room for: named settings, chosen from its memory. No torch here until a card is asked.

Full-size Anima in 16 bits: transformer 3.7 GiB, text models 1.4, VAE 0.2, and 3.3 for the kept copy of the weights that
a usual LoRA changes. Each smaller setting gives one of these up, and says what that costs.

A setting goes by all the memory that a card has, as long as others hold no more of it than a desktop does: what is free
changes from minute to minute, and the same machine should do the same. Where a ComfyUI or a game holds more, what is
free decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from service.generation.errors import UnusableSettings

_GIB = 2**30
_MEGAPIXEL = 1024 * 1024
_RESERVED_GIB = 2.0
"""For CUDA itself, the detectors and gaps between allocations, where a base's needs are reckoned."""
_ENCODING_GIB = 0.5
"""For what the text models compute with while they read a prompt."""
_DESKTOP_GIB = 2.0
"""That a desktop with a browser holds of a card, CUDA itself included, for which the settings leave room."""
MOST_IMAGES = 16
CPU_BATCH = 4


@dataclass(frozen=True)
class Card:
    """How models are placed on a card.

    Attributes:
        name: of the setting.
        least_gib: memory that a card must have for it to be chosen.
        needs_gib: memory that must be free where others hold more of the card than a desktop does: the measured peak
            (11.1, 11.2, 7.1, 7.2 and 3.6 at 1024 x 1024) and some for detectors.
        megapixels: of one batch.
        keeps_base: whether the kept base weights stay on the card; otherwise in the computer's memory.
        keeps_text: whether the text models stay on the card; otherwise they visit it to read prompts.
        streams: whether the denoiser's blocks come from the computer's memory one after the other, at every step.
        compiles: whether the denoiser's blocks are compiled.
        cost: what it costs, in words.
        reads_on_cpu: whether text models that the card has no room for read prompts on the processor.
        images: of one batch at the size that was reckoned with, where that was done for this base.
    """

    name: str
    least_gib: float
    needs_gib: float
    megapixels: int
    keeps_base: bool = True
    keeps_text: bool = True
    streams: bool = False
    compiles: bool = True
    cost: str = "nothing"
    reads_on_cpu: bool = False
    images: int | None = None

    def batch_size(self, width: int, height: int) -> int:
        """Images that are generated together, 1 to 16."""
        if self.images is not None:
            return self.images
        return max(1, min(MOST_IMAGES, self.megapixels * _MEGAPIXEL // (width * height)))


CARDS = (
    Card("large", 36.0, 16.0, 8),
    Card("24gb", 18.0, 14.0, 4, cost="batches of half the size"),
    Card(
        "12gb",
        10.0,
        9.0,
        2,
        keeps_base=False,
        keeps_text=False,
        cost="3.3 GiB cross the bus for each checkpoint, and 1.4 GiB to read the prompts",
    ),
    Card(
        "8gb",
        6.5,
        7.5,
        1,
        keeps_base=False,
        keeps_text=False,
        cost="as for 12 GB, and one image of 1024 x 1024 at a time",
    ),
    Card(
        "6gb",
        0.0,
        0.0,
        1,
        keeps_base=False,
        keeps_text=False,
        streams=True,
        compiles=False,
        cost="3.7 GiB cross the bus at every step, and checkpoints are folded by the CPU",
    ),
)
"""From the largest to the smallest."""
_NAMED = {card.name: card for card in CARDS}
_NOMINAL_GIB = {"24gb": 23.4, "12gb": 11.7, "8gb": 7.8, "6gb": 5.85}
"""What a card of that name has left beside a desktop."""
_SHARED_MEGAPIXELS = 8
"""Of a batch whose denoiser is streamed: the more pictures share a pass over the bus, the better."""
CPU = Card("cpu", 0.0, 0.0, 1, compiles=False)
NAMES = ("auto", *(card.name for card in CARDS))


@dataclass(frozen=True)
class Memory:
    """A card's memory, in bytes.

    Attributes:
        total: all of it.
        free: what nobody holds, and what this process holds and may use again.
    """

    total: int
    free: int

    @classmethod
    def empty(cls, total: int) -> Memory:
        """Of a card that nobody else uses."""
        return cls(total, total)

    @property
    def is_taken(self) -> bool:
        """Whether others hold more of it than a desktop does, so that what is free decides."""
        return self.total - self.free > _DESKTOP_GIB * _GIB

    @property
    def usable(self) -> int:
        """What settings are reckoned with: all of the card, as its settings were measured, unless others hold much."""
        return self.free if self.is_taken else self.total


def card_of(memory: Memory) -> Card:
    """The setting for a card with so much memory.

    >>> [card_of(Memory.empty(gib * 2**30)).name for gib in (80, 24, 16, 12, 8, 6)]
    ['large', '24gb', '12gb', '12gb', '8gb', '6gb']
    >>> [card_of(Memory(24 * 2**30, gib * 2**30)).name for gib in (22, 14, 13, 8, 5)]
    ['24gb', '24gb', '12gb', '8gb', '6gb']
    """
    total, free = memory.total / _GIB, memory.free / _GIB
    return next(card for card in CARDS if total >= card.least_gib and (free >= card.needs_gib or not memory.is_taken))


@dataclass(frozen=True)
class Demand:
    """What a base of another size than Anima needs of a card, in bytes, for pictures of one size.

    Attributes:
        denoiser: its weights.
        texts: weights of the text models.
        streamed: what of the denoiser is on the card at a time where its blocks are streamed.
        image: what the denoiser computes with, for each image of a batch.
        decoding: what the VAE needs for one picture, itself included; pictures are decoded one by one.
        megapixels: of one picture.
    """

    denoiser: int
    texts: int
    streamed: int
    image: int
    decoding: int
    megapixels: float

    def images(self, room: int) -> int:
        """How many images fit at once into so many bytes; 0 if not even one does."""
        return 0 if room < self.decoding else room // self.image

    def ram(self, card: Card) -> int:
        """Bytes of the computer's memory that a setting takes, beside what everything takes."""
        copy = 0 if card.keeps_base else self.denoiser
        return copy + (self.denoiser if card.streams else 0) + (0 if card.keeps_text else self.texts)


def card_for(memory: Memory, demand: Demand) -> Card:
    """The setting for a base of another size than Anima, by what its parts take on a card with so much memory.

    The text models visit while no picture is made, so that the larger of both has to fit beside the denoiser. Where
    they do not, the CPU reads the prompts, once each, which costs less than a denoiser that crosses the bus every step.
    Where others hold much of the card, batches come in steps (1, 2, 4, 8, 16), so that a little more or less of it
    makes no other ones.

    >>> def named(gib: int) -> str:
    ...     card = card_for(Memory.empty(gib * 2**30), Demand(22 * 2**30, 9 * 2**30, 3 * 2**30, 2**30, 3 * 2**30, 1.0))
    ...     return f"{card.name}, {card.images} images"
    >>> [named(gib) for gib in (80, 48, 24, 8)]
    ['large, 8 images', '12gb, 8 images', '6gb, 8 images', '6gb, 3 images']
    """

    def steady(images: int) -> int:
        return 1 << (images.bit_length() - 1) if memory.is_taken else images

    room = memory.usable - int(_RESERVED_GIB * _GIB)
    reading = demand.texts + int(_ENCODING_GIB * _GIB)
    most = max(1, int(min(MOST_IMAGES, card_of(memory).megapixels / demand.megapixels)))
    whole = demand.images(room - 2 * demand.denoiser - demand.texts)
    if whole:
        return replace(_NAMED["large"], images=steady(min(most, whole)))
    kept = demand.images(room - demand.denoiser)
    if kept:
        on_cpu = demand.denoiser + reading > room
        cost = f"{_gib(demand.denoiser)} cross the bus for each checkpoint, and "
        cost += "prompts are read by the CPU" if on_cpu else f"{_gib(demand.texts)} to read the prompts"
        return replace(_NAMED["12gb"], images=steady(min(most, kept)), reads_on_cpu=on_cpu, cost=cost)
    shared = max(1, int(min(MOST_IMAGES, _SHARED_MEGAPIXELS / demand.megapixels)))
    on_cpu = demand.streamed + reading > room
    return replace(
        _NAMED["6gb"],
        images=steady(max(1, min(shared, demand.images(room - demand.streamed)))),
        reads_on_cpu=on_cpu,
        cost=f"{_gib(demand.denoiser)} cross the bus at every step of a batch, and checkpoints are folded by the CPU"
        + (", which reads the prompts too" if on_cpu else ""),
    )


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB"


def choose_card(name: str = "auto", device: str = "auto", demand: Callable[[], Demand | None] | None = None) -> Card:
    """The setting of that name, or the one that fits this machine's card with what is free of it now.

    Args:
        name: one of :data:`NAMES`. For a base of another size than Anima a card of that memory is meant; what is free
            is not looked at.
        device: as for :func:`service.generation.open_generator`.
        demand: what a base of another size than Anima needs; asked only where there is a GPU.

    Raises:
        UnusableSettings: there is none of that name.
    """
    if name not in NAMES:
        raise UnusableSettings(f"card {name!r} is not known; use one of {', '.join(NAMES)}")
    if not has_gpu(device):
        return CPU
    needed = demand() if demand is not None else None
    if name != "auto" and (needed is None or name == "large"):
        return _NAMED[name]
    memory = memory_of(device)
    if name != "auto":
        memory = Memory.empty(min(memory.total, int(_NOMINAL_GIB[name] * _GIB)))
    return card_of(memory) if needed is None else card_for(memory, needed)


def explained(name: str, card: Card, memory: Memory, side: int = 1024) -> str:
    """Which setting was chosen, and why, in words.

    Args:
        name: what was asked for, one of :data:`NAMES`.
        card: what was chosen.
        memory: of the card when it was chosen.
        side: of the pictures that it was chosen for.

    >>> explained("auto", card_of(Memory.empty(24 * 2**30)), Memory.empty(24 * 2**30))
    '24gb by its memory: 24.0 of 24.0 GiB are free; 4 pictures of 1024 x 1024 at once, costs batches of half the size'
    """
    free = f"{memory.free / _GIB:.1f} of {_gib(memory.total)} are free"
    if name != "auto":
        why = f"as --card says; {free}"
    elif memory.is_taken:
        why = f"by what is free: {free}, others hold {_gib(memory.total - memory.free)}"
    else:
        why = f"by its memory: {free}"
    images = card.batch_size(side, side)
    pictures = "1 picture" if images == 1 else f"{images} pictures"
    return f"{card.name} {why}; {pictures} of {side} x {side} at once, costs {card.cost}"


def memory_of(device: str) -> Memory:
    """The memory of a CUDA card as it is now.

    What this process holds counts as free: torch keeps what it has had, and a generator that is open is let go before
    another one is opened.

    Raises:
        UnusableSettings: there is no such card, or not even room to ask it.
    """
    import torch

    try:
        place = torch.device("cuda" if device == "auto" else device)
        free, total = torch.cuda.mem_get_info(place)
    except RuntimeError as error:
        why = (str(error).splitlines() or [""])[0]
        raise UnusableSettings(
            f"the graphics card {device} cannot be used now ({why}): close what uses it, or name another (--device)"
        ) from error
    return Memory(total, min(total, free + torch.cuda.memory_reserved(place)))


def has_gpu(device: str) -> bool:
    """Whether images will be made on a CUDA card. Without a driver torch is not even imported."""
    if device != "auto" and not device.startswith("cuda"):
        return False
    if not Path("/proc/driver/nvidia/version").exists() and not Path("/dev/dxg").exists():
        return False
    import torch

    return torch.cuda.is_available()


def choose_batch_size(width: int, height: int, card: Card) -> int:
    """Images that are generated together where nothing was said."""
    return CPU_BATCH if card is CPU else card.batch_size(width, height)
