"""What a base needs of a card, reckoned from the headers of its weights and its width. No torch here.

Anima's settings are a table that was measured at full size (:mod:`service.generation.cards`); bases of other families
are two to ten times as large, so what they need is reckoned, with room to spare, and a batch that does not fit after
all is halved (:meth:`service.generation.diffusing.DiffusersGenerator.generate`).
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from service.checkpoints.header import DTYPE_BYTES, read_header
from service.generation.cards import Demand
from service.generation.families import SDXL, Z_IMAGE, Family

_LIVE_ROWS = 40
"""Vectors of the denoiser's width that are alive for each token at the widest place of a block: what comes in, norms,
queries, keys and values, the feed-forward's two inner ones of four widths, and half as many again to be safe."""
_DECODED_BYTES = 3 * 1024
"""A pixel, while a VAE of these families decodes it in 16 bits: some twelve maps of 128 channels at full size."""
_SDXL_IMAGE_BYTES = 1300
"""A pixel of SDXL's denoising with guidance: (22.1 GB - weights) / 8 images of 1024 x 1024, measured at full size."""
_BLOCK = re.compile(r"(?:.*\.)?(\w*blocks|layers|\w+_refiner)\.\d+\.")
_STREAMED_BLOCKS = 2
"""The one that computes and the next one, which is copied meanwhile."""
PIXELS_A_TOKEN = 256


_FIRST_LAYER = re.compile(r"(?:.*\.)?(?:x_embedder|img_in|all_x_embedder\.[\d-]+)\.weight")
TEXT_TOKENS = 512
"""Of a long prompt."""
Shapes = Mapping[str, tuple[int, ...]]


class Weighed(Protocol):
    """A base whose weights can be told apart from their headers."""

    @property
    def family(self) -> Family:
        """Its family."""

    def denoiser_shapes(self) -> Shapes:
        """Every tensor of the denoiser."""

    def text_shapes(self) -> Shapes:
        """Every tensor of the text models."""


def demand_of(base: Weighed, side: tuple[int, int], guidance: float, dtype: str) -> Demand:
    """What a base needs of a card.

    Args:
        base: of any family but Anima.
        side: width and height of a picture, in pixels.
        guidance: of the suite.
        dtype: as the operator says it.
    """
    denoiser, size = base.denoiser_shapes(), number_size(dtype)
    pixels = side[0] * side[1]
    whole = _numbers(denoiser.values()) * size
    if base.family is SDXL:
        # Its stages are streamed, not its layers, and the largest is a third of it.
        streamed, image = whole // 2, pixels * _SDXL_IMAGE_BYTES * size // 2
    else:
        # Z-Image makes both passes of guidance at once, the others one after the other.
        passes = 2 if base.family is Z_IMAGE and guidance > 1.0 else 1
        tokens = pixels // PIXELS_A_TOKEN + TEXT_TOKENS
        streamed = streamed_numbers(denoiser) * size
        image = passes * tokens * hidden_width(denoiser) * _LIVE_ROWS * size
    return Demand(
        denoiser=whole,
        texts=_numbers(base.text_shapes().values()) * size,
        streamed=streamed,
        image=max(image, 1),
        decoding=pixels * _DECODED_BYTES * size // 2,
        megapixels=pixels / 2**20,
    )


def shapes_in(files: Iterable[Path]) -> dict[str, tuple[int, ...]]:
    """The shape of each tensor of some weight files; a name that two of them have (variants) counts once."""
    found: dict[str, tuple[int, ...]] = {}
    for path in files:
        if path.suffix == ".safetensors":
            found |= {tensor.name: tensor.shape for tensor in read_header(path, empty_tensors=True).tensors}
    return found


def streamed_numbers(denoiser: Shapes) -> int:
    """Of a denoiser whose blocks are streamed: numbers on the card at a time.

    >>> streamed_numbers({"blocks.0.a.weight": (4, 4), "blocks.1.a.weight": (4, 4), "proj.weight": (2, 4)})
    40
    """
    blocks: dict[str, int] = defaultdict(int)
    outside = 0
    for name, shape in denoiser.items():
        block = _BLOCK.match(name)
        if block is None:
            outside += math.prod(shape)
        else:
            blocks[block[0]] += math.prod(shape)
    return outside + _STREAMED_BLOCKS * max(blocks.values(), default=0)


def hidden_width(denoiser: Shapes) -> int:
    """The width of a transformer's hidden vectors: the outputs of its first layer."""
    return next((shape[0] for name, shape in denoiser.items() if _FIRST_LAYER.fullmatch(name)), 0)


def _numbers(shapes: Iterable[tuple[int, ...]]) -> int:
    return sum(math.prod(shape) for shape in shapes)


def number_size(dtype: str) -> int:
    """Bytes of a number in the weights on a GPU: what ``auto`` means there is 16 bits."""
    return DTYPE_BYTES["F32"] if dtype == "float32" else DTYPE_BYTES["BF16"]


def memory_notice(ram: int, available: int | None) -> str | None:
    """A warning where the computer's memory is too small for what waits in it."""
    if available is None or ram <= available:
        return None
    return (
        f"this base keeps {ram / 2**30:.0f} GiB in the computer's memory on this card, which has "
        f"{available / 2**30:.0f} GiB: it may be stopped by the system or become very slow. Use a smaller base, a card "
        "with more memory, or a machine with more of its own"
    )


def computer_memory() -> int | None:
    """Bytes of this computer's memory; ``None`` where that is not told."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="utf-8")
    except OSError:
        return None
    total = re.search(r"MemTotal:\s+(\d+) kB", text)
    return None if total is None else int(total[1]) * 1024
