"""Draws: every finding has the chance that is logged for it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from service.audits.sampling import allocate, draw_stratified, either

SIZES = {"a": 100, "b": 4, "c": 1, "empty": 0, "d": 30}
STRATA = {name: [f"{name}{number}" for number in range(size)] for name, size in SIZES.items()}


def test_the_logged_chance_is_the_real_one() -> None:
    rng, times = np.random.default_rng(0), 4000
    seen: Counter[str] = Counter()
    logged: dict[str, float] = {}
    for _ in range(times):
        for drawn in draw_stratified(STRATA, 7, rng):
            seen[drawn.stratum] += 1
            logged[drawn.stratum] = drawn.probability
    assert set(logged) == {"a", "b", "c", "d"}
    for name, chance in logged.items():
        assert seen[name] / times / SIZES[name] == pytest.approx(chance, rel=0.08)


def test_a_draw_has_as_many_as_asked_and_none_twice() -> None:
    for count in (1, 7, 60):
        drawn = draw_stratified(STRATA, count, np.random.default_rng(count))
        assert len(drawn) == len({each.unit for each in drawn})
        assert abs(len(drawn) - count) <= 1


def test_asking_for_more_than_there_is_gives_everything() -> None:
    drawn = draw_stratified(STRATA, 1000, np.random.default_rng(0))
    assert len(drawn) == sum(SIZES.values())
    assert {each.probability for each in drawn} == {1.0}
    assert draw_stratified({}, 5, np.random.default_rng(0)) == []


def test_the_order_is_random() -> None:
    strata = [each.stratum for each in draw_stratified(STRATA, 60, np.random.default_rng(0))]
    assert strata != sorted(strata)


def test_the_same_seed_draws_the_same() -> None:
    first, second = (draw_stratified(STRATA, 9, np.random.default_rng(5)) for _ in range(2))
    assert first == second


@pytest.mark.parametrize("sizes", [[100, 4], [1, 1, 1000], [0, 0], [5]])
@pytest.mark.parametrize("count", [0, 3, 50, 2000])
def test_allocations_add_up_and_fit(sizes: list[int], count: int) -> None:
    wanted = allocate(sizes, count)
    assert sum(wanted) == pytest.approx(min(count, sum(sizes)))
    assert all(0 <= each <= size for each, size in zip(wanted, sizes, strict=True))


def test_two_draws_add_their_chances() -> None:
    """A finding that two draws could have taken: the chance that one of them did."""
    rng, times, hits = np.random.default_rng(1), 4000, 0
    for _ in range(times):
        first = {each.unit for each in draw_stratified({"s": list(range(20))}, 5, rng)}
        left = [unit for unit in range(20) if unit not in first]
        hits += 0 in first | {each.unit for each in draw_stratified({"s": left}, 3, rng)}
    assert hits / times == pytest.approx(either(5 / 20, 3 / 15), abs=0.02)
