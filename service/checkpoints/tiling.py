"""Plain LoRAs folded into all weights of a model by one kernel, where that gives what one weight at a time gives.

With a product and an addition for each of 280 weights every sum goes to memory in fp32 and back. One kernel that works
through the tiles of all weights keeps the sums where they are made, and is started once.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

logger = logging.getLogger(__name__)

_HEIGHT, _WIDTH, _DEPTH = 128, 128, 32
_WARPS, _STAGES = 4, 3
"""For one term; more terms keep two sums at a time, for which twice the registers are needed."""
_RANKS = 16
"""Ranks must be multiples of this, the least that tensor cores take."""
_ALIGNED = 16
"""Bytes that addresses must be multiples of."""
_ROUNDED_OTHERWISE = 64
"""How often another order of fp32 sums may round a weight to a neighbour, in eps of fp32 over eps of the weights."""


@dataclass(frozen=True)
class Term:
    """One LoRA on one weight: up (out, rank), down (rank, in), and its scale."""

    up: torch.Tensor
    down: torch.Tensor
    scale: float


@dataclass(frozen=True)
class Sum:
    """What is to be written into a weight: its base plus its terms."""

    result: torch.Tensor
    base: torch.Tensor
    terms: tuple[Term, ...]

    @property
    def kind(self) -> tuple[Any, ...]:
        """Sums of one kind are computed alike."""
        return (*self.form, tuple(self.base.shape), tuple(term.up.shape[1] for term in self.terms))

    @property
    def form(self) -> tuple[torch.dtype, torch.dtype, int]:
        """What one run of the kernel has in common: dtypes of weights and factors, and the number of terms."""
        return (self.base.dtype, self.terms[0].up.dtype, len(self.terms))

    def fits(self) -> bool:
        """Whether the tiles and the kernel's addressing fit these tensors."""
        dtype, shape = self.terms[0].up.dtype, self.base.shape
        if self.base.dtype.itemsize != 2 or len(shape) != 2 or shape[0] % _HEIGHT or shape[1] % _WIDTH:
            return False
        for term in self.terms:
            if term.up.dtype != dtype or term.up.shape[1] % _RANKS:
                return False
        parts = [self.result, self.base, *(factor for term in self.terms for factor in (term.up, term.down))]
        return all(part.is_contiguous() and part.data_ptr() % _ALIGNED == 0 for part in parts)

    def write(self, result: torch.Tensor | None = None) -> None:
        """Write it by one product a term and one addition: summed in fp32 and rounded once.

        Args:
            result: instead of its own.
        """
        first, *others = self.terms
        total, factor = multiply(first.up, first.down), first.scale
        for term in others:
            total, factor = total.mul_(factor).add_(multiply(term.up, term.down), alpha=term.scale), 1.0
        torch.add(self.base, total.view(self.base.shape), alpha=factor, out=self.result if result is None else result)


def multiply(up: torch.Tensor, down: torch.Tensor) -> torch.Tensor:
    """``up @ down`` of 16-bit factors in fp32.

    The product of two 16-bit numbers is exact in fp32, where a GPU's tensor cores add them up too, so this differs from
    the product in fp32 by the order of summation alone.
    """
    return torch.mm(up, down, out_dtype=torch.float32) if up.is_cuda else up.float() @ down.float()


class Tiles:
    """Writes sums by the kernel. Each kind is first computed in both ways; if they differ, all goes the old way."""

    def __init__(self) -> None:
        self._kernel: Any = None
        self._missing = False
        self._known: set[tuple[Any, ...]] = set()

    def write(self, sums: Sequence[Sum]) -> bool:
        """Write all sums, which fit; False if that cannot be done here, and they have to be written one by one.

        The tensors must stay in memory until the GPU has come so far.
        """
        if not sums or not sums[0].base.is_cuda or not self._opened():
            return False
        try:
            for form in {each.form for each in sums}:
                launch(self._kernel, [each for each in sums if each.form == form])
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # no C compiler, a card that Triton does not know: there is another way
            logger.warning("weights are folded one by one, since Triton cannot be used here: %s", error)
            self._missing = True
            return False
        news = {each.kind: each for each in sums if each.kind not in self._known}
        for kind, each in news.items():
            expected = torch.empty_like(each.result)
            each.write(expected)
            if not agree(each.result, expected):
                logger.warning("folding by tiles gives other weights than one by one for %s: it is left off", kind)
                self._missing = True
                return False
            self._known.add(kind)
        return True

    def _opened(self) -> bool:
        if self._kernel is None and not self._missing:
            try:
                from service.checkpoints.tile_kernel import write_tiles

                self._kernel = write_tiles
            except ImportError:  # Triton is not made for every system that has CUDA
                self._missing = True
        return not self._missing


def launch(kernel: Any, sums: Sequence[Sum]) -> None:
    """Start the kernel for sums of one form."""
    import triton.language as tl

    rows, scales, tiles = [], [], [0]
    for each in sums:
        height, width = each.base.shape
        row = [each.base.data_ptr(), each.result.data_ptr(), width]
        for term in each.terms:
            row += (term.up.data_ptr(), term.down.data_ptr(), term.up.shape[1])
            scales.append(term.scale)
        rows.append(row)
        tiles.append(tiles[-1] + (height // _HEIGHT) * (width // _WIDTH))
    device = sums[0].base.device
    table, first = _sent(np.array(rows, dtype=np.int64), device), _sent(np.array(tiles, dtype=np.int32), device)
    factors = _sent(np.array(scales, dtype=np.float32), device)
    names = {torch.bfloat16: tl.bfloat16, torch.float16: tl.float16}
    element, factor, terms = sums[0].form
    kernel[(tiles[-1],)](
        table, factors, first, len(sums), terms, names[element], names[factor], _HEIGHT, _WIDTH, _DEPTH,
        len(sums).bit_length() + 1, num_warps=_WARPS if terms == 1 else 2 * _WARPS, num_stages=_STAGES,
    )  # fmt: skip


def _sent(values: np.ndarray[Any, Any], device: torch.device) -> torch.Tensor:
    tensor = torch.from_numpy(values)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def agree(found: torch.Tensor, expected: torch.Tensor) -> bool:
    """Whether two results of the same sum differ by its order alone: in few places, by one step of the dtype."""
    step = torch.finfo(expected.dtype).eps
    # A base may hold NaN, of which two are never equal.
    found, expected = torch.nan_to_num(found.float()), torch.nan_to_num(expected.float())
    close = torch.isclose(found, expected, rtol=step, atol=1e-6 * float(expected.abs().max()))
    others = float((found != expected).float().mean())
    return bool(close.all()) and others < _ROUNDED_OTHERWISE * torch.finfo(torch.float32).eps / step
