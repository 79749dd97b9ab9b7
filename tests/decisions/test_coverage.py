"""The measurement of intervals, where the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from benchmarks.decisions.coverage import Covered, exact_coverage, measure
from service.rankings.clusters import wilson_ends


def test_exact_coverage_adds_up_what_is_covered() -> None:
    everything = exact_coverage(8, 0.2, lambda x: np.stack([np.zeros(len(x)), np.ones(len(x))], axis=1))
    none_seen = exact_coverage(8, 0.2, lambda x: np.stack([np.where(x == 0, 0.0, 0.9), np.ones(len(x))], axis=1))
    assert (everything, none_seen) == (pytest.approx(1.0), pytest.approx(0.8**8))
    # Wilson's interval of 0, 1 or 2 of 16 holds 5 %; that of 3 begins at 6.6 %.
    assert exact_coverage(16, 0.05, lambda x: wilson_ends(x, 16)) == pytest.approx(
        stats.binom(16, 0.05).cdf(2), abs=1e-9
    )


def test_only_a_shortfall_beyond_the_simulations_error_counts() -> None:
    def covered(share: float, grids: int) -> Covered:
        return Covered("wilson", 8, 0.2, False, share, 0.95, 0.4, grids)

    assert covered(0.90, 2000).is_below
    assert not covered(0.94, 2000).is_below
    assert not covered(0.90, 100).is_below


def test_the_summary_counts_promised_intervals_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.decisions.coverage.QUICK", 60)
    monkeypatch.setattr("benchmarks.decisions.coverage.GRIDS", {16: (4, 4)})
    monkeypatch.setattr("benchmarks.decisions.exclusions.IMAGES", (35,))
    monkeypatch.setattr("benchmarks.decisions.picks.SEEDS", (1,))
    result = measure(3, quick=True)
    assert 0.85 < result["mean"] <= 1
    assert 0 <= result["below_exact"] < 0.3
    assert {cell["interval"] for cell in result["cells"]} >= {
        "wilson",
        "pooled",
        "paired difference",
        "cluster bootstrap",
    }
    bootstrap = result["by_interval"]["cluster bootstrap, independent"]
    assert not bootstrap["promised"]
    assert bootstrap["mean"] < result["by_interval"]["pooled, independent"]["mean"]
    assert result["wrong_exclusions"]["ten, 35 images"]["share"] < 0.2
    assert result["false_onsets"]["share"] < 0.3
