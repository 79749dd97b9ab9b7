"""Weights written tile by tile: what fits, what the kernel computes, and that it is not trusted blindly.

There is no GPU here. Triton's interpreter runs the kernel in float16; of bfloat16 it multiplies the raw bits.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from service.checkpoints.tiling import Sum, Term, Tiles, agree

ROOT = Path(__file__).parents[2]
INTERPRETED = """
import torch
from service.checkpoints.tile_kernel import write_tiles
from service.checkpoints.tiling import agree, launch
from tests.checkpoints.test_tiling import random_sum

for ranks in ((32,), (16,), (144, 16)):
    sums = [random_sum(rows, columns, ranks) for rows, columns in ((256, 128), (128, 384), (128, 128))]
    launch(write_tiles, sums)
    for each in sums:
        expected = torch.empty_like(each.result)
        each.write(expected)
        assert expected.abs().max() > 1
        assert agree(each.result, expected), ranks
print("as one by one")
"""


def random_sum(rows: int, columns: int, ranks: Sequence[int], dtype: torch.dtype = torch.float16) -> Sum:
    noise = torch.Generator().manual_seed(rows + columns)
    terms = tuple(
        Term(
            torch.randn(rows, rank, generator=noise).to(dtype),
            torch.randn(rank, columns, generator=noise).to(dtype),
            0.5 * (-0.3) ** place,
        )
        for place, rank in enumerate(ranks)
    )
    base = torch.randn(rows, columns, generator=noise).to(dtype)
    return Sum(torch.zeros_like(base), base, terms)


def test_one_by_one_it_is_the_exact_sum_rounded_once() -> None:
    for ranks in ((16,), (32, 16), (16, 16, 16)):
        each = random_sum(128, 256, ranks, torch.bfloat16)
        each.write()
        products = [term.scale * (term.up.double() @ term.down.double()) for term in each.terms]
        assert agree(each.result, (each.base.double() + sum(products)).to(torch.bfloat16))


def test_results_agree_if_single_values_are_rounded_otherwise() -> None:
    values = torch.linspace(-3, 3, 128 * 128).to(torch.bfloat16)
    other = values.clone()
    other[7] = torch.nextafter(other[7], torch.tensor(9.0, dtype=torch.bfloat16))
    assert agree(values, other)
    assert not agree(values, values.nextafter(torch.tensor(9.0, dtype=torch.bfloat16)))
    other[7] = 0.0
    assert not agree(values, other)
    other.copy_(values)[:99] = float("nan")
    assert not agree(other, values)
    assert agree(other, other.clone())


def test_only_what_tiles_divide_and_tensor_cores_take_fits() -> None:
    assert random_sum(128, 256, (16, 32)).fits()
    assert not random_sum(128, 192, (16,)).fits()
    assert not random_sum(64, 128, (16,)).fits()
    assert not random_sum(128, 128, (8,)).fits()
    assert not random_sum(128, 128, (16,), torch.float32).fits()
    plain = random_sum(128, 128, (16,))
    turned = Sum(plain.result, plain.base, (Term(plain.terms[0].up.t().contiguous().t(), plain.terms[0].down, 1.0),))
    assert not turned.fits()
    mixed = (*plain.terms, random_sum(128, 128, (16,), torch.bfloat16).terms[0])
    assert not Sum(plain.result, plain.base, mixed).fits()


def test_the_kernel_writes_what_one_by_one_is_written() -> None:
    pytest.importorskip("triton")
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    command = [sys.executable, "-W", "ignore", "-c", INTERPRETED]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "as one by one", done.stderr


class _OnCard:
    """Sums that say they are on a card."""

    def __init__(self, each: Sum) -> None:
        self._each, self.base, self.result = each, self, each.result
        self.kind, self.form, self.write, self.is_cuda = each.kind, each.form, each.write, True


def _tiles(monkeypatch: pytest.MonkeyPatch, launch: Any) -> Tiles:
    tiles = Tiles()
    tiles._kernel = object()
    monkeypatch.setattr("service.checkpoints.tiling.launch", launch)
    return tiles


def _sums() -> list[Any]:
    return [_OnCard(random_sum(rows, 128, (16,))) for rows in (128, 128, 256)]


def test_a_kernel_that_agrees_is_trusted_from_then_on(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[int] = []

    def launch(kernel: Any, sums: Sequence[Any]) -> None:
        begun.append(len(sums))
        for each in sums:
            each.write()

    tiles, sums = _tiles(monkeypatch, launch), _sums()
    assert tiles.write(sums)
    for each in sums:
        each.write = None  # a second look would fail
    monkeypatch.setattr("service.checkpoints.tiling.launch", lambda kernel, sums: begun.append(len(sums)))
    assert tiles.write(sums)
    assert begun == [3, 3]


@pytest.mark.parametrize("wrong", ["other weights", "no compiler"])
def test_a_kernel_that_does_not_is_left_off_and_said(
    wrong: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    begun: list[int] = []

    def launch(kernel: Any, sums: Sequence[Any]) -> None:
        begun.append(len(sums))
        if wrong == "no compiler":
            raise RuntimeError("Failed to find C compiler")

    tiles, sums = _tiles(monkeypatch, launch), _sums()
    with caplog.at_level(logging.WARNING, logger="service.checkpoints.tiling"):
        assert not tiles.write(sums)
        assert not tiles.write(sums)
    assert begun == [3]
    assert "one by one" in caplog.text
    assert len(caplog.records) == 1


def test_without_a_gpu_nothing_is_tried() -> None:
    assert not Tiles().write([random_sum(128, 128, (16,))])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_all_kinds_agree() -> None:
    for dtype in (torch.bfloat16, torch.float16):
        for ranks in ((16,), (128,), (32, 128)):
            each = random_sum(256, 384, ranks, dtype)
            terms = tuple(Term(term.up.cuda(), term.down.cuda(), term.scale) for term in each.terms)
            placed = Sum(each.result.cuda(), each.base.cuda(), terms)
            assert Tiles().write([placed])
            expected = torch.empty_like(placed.result)
            placed.write(expected)
            assert agree(placed.result, expected)
