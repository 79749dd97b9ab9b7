"""What a graphics card has room for: named settings, chosen from its memory. No torch here until a card is asked.

Full-size Anima in 16 bits: transformer 3.7 GiB, text models 1.4, VAE 0.2, and 3.3 for the kept copy of the weights that
a usual LoRA changes. Each smaller setting gives one of these up, and says what that costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from service.generation.errors import UnusableSettings

_GIB = 2**30
_MEGAPIXEL = 1024 * 1024
_WORKING_GIB = 6
"""What is left for the pictures themselves and the detectors, beside a base's weights."""
MOST_IMAGES = 16
CPU_BATCH = 4


@dataclass(frozen=True)
class Card:
    """How models are placed on a card.

    Attributes:
        name: of the setting.
        least_gib: memory that a card must have for it to be chosen.
        megapixels: of one batch.
        keeps_base: whether the kept base weights stay on the card; otherwise in the computer's memory.
        keeps_text: whether the text models stay on the card; otherwise they visit it once for each new prompt.
        streams: whether the denoiser's blocks come from the computer's memory one after the other, at every step.
        compiles: whether the denoiser's blocks are compiled.
        cost: what it costs, in words.
    """

    name: str
    least_gib: float
    megapixels: int
    keeps_base: bool = True
    keeps_text: bool = True
    streams: bool = False
    compiles: bool = True
    cost: str = "nothing"

    def batch_size(self, width: int, height: int) -> int:
        """Images that are generated together, 1 to 16."""
        return max(1, min(MOST_IMAGES, self.megapixels * _MEGAPIXEL // (width * height)))


CARDS = (
    Card("large", 36.0, 8),
    Card("24gb", 18.0, 4, cost="batches of half the size"),
    Card(
        "12gb",
        10.0,
        2,
        keeps_base=False,
        keeps_text=False,
        cost="3.3 GiB cross the bus for each checkpoint, and 1.4 GiB for each new prompt",
    ),
    Card(
        "8gb",
        6.5,
        1,
        keeps_base=False,
        keeps_text=False,
        cost="as for 12 GB, and one image of 1024 x 1024 at a time",
    ),
    Card(
        "6gb",
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
CPU = Card("cpu", 0.0, 1, compiles=False)
NAMES = ("auto", *(card.name for card in CARDS))


def card_of(total_bytes: int) -> Card:
    """The setting for a card of so much memory.

    >>> [card_of(gib * 2**30).name for gib in (80, 24, 16, 12, 8, 6)]
    ['large', '24gb', '12gb', '12gb', '8gb', '6gb']
    """
    return next(card for card in CARDS if total_bytes / _GIB >= card.least_gib)


def card_for(total_bytes: int, denoiser_bytes: int, text_bytes: int) -> Card:
    """The setting for a base of another size than Anima, by what its weights take on a card of so much memory.

    >>> [card_for(gib * 2**30, 22 * 2**30, 9 * 2**30).name for gib in (80, 48, 24)]
    ['large', '12gb', '6gb']
    """
    room = total_bytes - _WORKING_GIB * _GIB
    if 2 * denoiser_bytes + text_bytes <= room:
        return CARDS[0]
    named = {card.name: card for card in CARDS}
    return named["12gb"] if denoiser_bytes + text_bytes <= room else named["6gb"]


def choose_card(name: str = "auto", device: str = "auto", weights: tuple[int, int] | None = None) -> Card:
    """The setting of that name, or the one that fits this machine's card.

    Args:
        name: one of :data:`NAMES`.
        device: as for :func:`service.generation.open_generator`.
        weights: bytes of the denoiser and of the text models, of a base of another size than Anima.

    Raises:
        UnusableSettings: there is none of that name.
    """
    if name not in NAMES:
        raise UnusableSettings(f"card {name!r} is not known; use one of {', '.join(NAMES)}")
    if not has_gpu(device):
        return CPU
    if name != "auto":
        return next(card for card in CARDS if card.name == name)
    import torch

    index = torch.device("cuda" if device == "auto" else device).index or 0
    total = torch.cuda.get_device_properties(index).total_memory
    return card_of(total) if weights is None else card_for(total, *weights)


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
