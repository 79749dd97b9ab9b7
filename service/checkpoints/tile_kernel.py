"""The kernel of :mod:`service.checkpoints.tiling`. Importing this needs Triton, which torch brings along for CUDA."""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def write_tiles(  # type: ignore[no-untyped-def]  # Triton looks into annotations, and knows none for addresses
    table,
    scales,
    first,
    layers,
    terms: tl.constexpr,
    element: tl.constexpr,
    factor: tl.constexpr,
    height: tl.constexpr,
    width: tl.constexpr,
    depth: tl.constexpr,
    halvings: tl.constexpr,
):
    """Write one tile of one weight: base + sum of scale * up @ down, summed in fp32 and rounded once.

    Args:
        table: int64, a row for each weight: addresses of base and result, columns, then for each term the addresses of
            up and down, and its rank.
        scales: fp32, (layers, terms).
        first: int32, (layers + 1,): the number of the first tile of each weight.
        layers: how many weights there are.
        terms: of each weight.
        element: dtype of the weights.
        factor: dtype of up and down.
        height, width: of a tile; they divide every weight's sides.
        depth: of the factors' parts that are multiplied at a time.
        halvings: enough to find one of the weights.
    """
    tile = tl.program_id(0)
    low, high = 0, layers
    for _ in tl.static_range(halvings):
        middle = (low + high) // 2
        beyond = tl.load(first + middle) <= tile
        low = tl.where(beyond, middle, low)
        high = tl.where(beyond, high, middle)
    row = table + low * (3 + 3 * terms)
    base = tl.multiple_of(tl.load(row).to(tl.pointer_type(element)), 16)
    result = tl.multiple_of(tl.load(row + 1).to(tl.pointer_type(element)), 16)
    columns = tl.multiple_of(tl.load(row + 2).to(tl.int32), 16)
    tile = tile - tl.load(first + low)
    across = columns // width
    r = (tile // across) * height + tl.arange(0, height)
    c = (tile % across) * width + tl.arange(0, width)
    total = tl.zeros((height, width), dtype=tl.float32)
    for term in tl.static_range(terms):
        up = tl.multiple_of(tl.load(row + 3 + 3 * term).to(tl.pointer_type(factor)), 16)
        down = tl.multiple_of(tl.load(row + 4 + 3 * term).to(tl.pointer_type(factor)), 16)
        rank = tl.multiple_of(tl.load(row + 5 + 3 * term).to(tl.int32), 16)
        product = tl.zeros((height, width), dtype=tl.float32)
        for start in range(0, rank, depth):
            k = start + tl.arange(0, depth)
            left = tl.load(up + r[:, None] * rank + k[None, :], mask=k[None, :] < rank, other=0.0)
            right = tl.load(down + k[:, None] * columns + c[None, :], mask=k[:, None] < rank, other=0.0)
            product = tl.dot(left, right, product)
        total += tl.load(scales + low * terms + term) * product
    where = r[:, None].to(tl.int64) * columns + c[None, :]
    weight = tl.load(base + where).to(tl.float32)
    tl.store(result + where, (weight + total).to(element))
