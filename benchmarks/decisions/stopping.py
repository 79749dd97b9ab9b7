"""The sequential rule by itself: how often it drops the best, names a leader where there is none, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from statsmodels.stats.proportion import proportion_confint

from benchmarks.decisions.images import GOOD_RUN, TEN_ALONE, TEN_SHARED
from benchmarks.decisions.races import Raced, adaptive
from benchmarks.decisions.worlds import World
from service.rankings.allocation import Ending, Rules

NEVER_TIED = -1.0
"""A margin that no checkpoint is within, so that only the test can end a race."""

EQUALS = {
    "two equal, 20 %": World((0.2, 0.2), spread=0.7, shared=0.4, by_seed=0.1),
    "ten equal, 20 %": World((0.2,) * 10, spread=0.7, shared=0.4, by_seed=0.1),
    "ten equal, 2 %": World((0.02,) * 10, spread=0.7, shared=0.4, by_seed=0.1),
    "ten equal, 20 %, scenarios and images independent": World((0.2,) * 10),
}
"""Races without a best one, looked at after every round."""


def measure(quick: bool, rng: np.random.Generator) -> dict[str, Any]:
    """Errors of the sequential rule, with 95 % Wilson intervals, beside what it promises."""
    races, blocks = (500, 40) if quick else (2000, 100)
    rules = Rules(None, margin=NEVER_TIED)
    null: dict[str, Any] = {}
    for name, world in EQUALS.items():
        raced = adaptive(world, rules, races, rng, blocks, smooth=False)
        null[name] = {
            "one of the best dropped": _share(raced.first_dropped),
            "leader named": _share(raced.ending == Ending.LEADER),
            "images": round(float(raced.used.mean())),
        }
    worst = max(each[key] for each in null.values() for key in ("one of the best dropped", "leader named"))
    found = {
        "promised": rules.level,
        "rate": worst[0],
        "interval": worst[1:],
        "races": races,
        "looks": f"after every round, up to {blocks} seeds of each scenario",
        "cases": null,
    }
    if not quick:
        found["stops"] = {
            "ten": _stop(adaptive(TEN_ALONE, Rules(None), 300, rng, 600, smooth=False)),
            "ten_shared": _stop(adaptive(TEN_SHARED, Rules(None), 300, rng, 600, smooth=False)),
            "good_run": _stop(adaptive(GOOD_RUN, Rules(None), 300, rng, 150)),
            "good_run, at most 3,000 images": _stop(adaptive(GOOD_RUN, Rules(3000), 300, rng)),
            "ten_shared_noisy": _stop(
                adaptive(
                    replace(TEN_SHARED, sensitivity=0.9, specificity=0.9), Rules(None), 100, rng, 800, smooth=False
                )
            ),
        }
    return found


def _stop(raced: Raced) -> dict[str, Any]:
    low, middle, high = (round(float(end)) for end in np.quantile(raced.used, [0.1, 0.5, 0.9]))
    return {
        "images": {"median": middle, "tenth": low, "ninetieth": high},
        "wrong": _share(~raced.right),
        "best dropped": _share(raced.best_dropped),
        "endings": {ending.name.lower(): round(raced.share(ending), 3) for ending in Ending},
        "races": len(raced.right),
    }


def _share(found: Any) -> list[float]:
    count, n = int(np.sum(found)), len(found)
    return [round(float(number), 4) for number in (count / n, *proportion_confint(count, n, method="wilson"))]
