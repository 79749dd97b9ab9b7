"""The audits' benchmark measures what it says."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.audits.__main__ import markdown
from benchmarks.audits.generated import as_run
from benchmarks.audits.miniature import SOFTNESS, judged, machine_rates, maker, soften
from benchmarks.audits.scoring import audit, score
from benchmarks.audits.simulated import CHECKPOINTS, FINDINGS
from benchmarks.audits.simulated import maker as simulated
from benchmarks.labelling.compare import Compared
from detectors import Verdict


def test_a_simulated_run_has_the_stated_errors() -> None:
    run, truth = simulated("high rates", "differing")(np.random.default_rng(0))
    assert (truth[0], truth[-1]) == (0.2, 0.4)
    assert sum(len(found) for found in run.values()) == CHECKPOINTS * FINDINGS
    wrong = machine_rates(run)["error"]
    assert wrong[-1] > wrong[0] + 0.1


def test_labels_bring_the_rates_nearer_and_the_intervals_hold() -> None:
    found = score(simulated("low rates", "equal"), [100], 15, np.random.default_rng(1))["100"]
    assert found["error_after"] < 0.7 * found["error_before"]
    assert found["coverage"]["share"] > 0.88
    assert found["repetitions"] == 15


def test_labels_are_the_truth_of_what_was_drawn() -> None:
    run = {(2, 0): [True] * 30, (0, 0): [False] * 60, (1, 0): []}
    counts = audit(run, 30, np.random.default_rng(2))
    assert counts.population.tolist() == [[60, 0, 30]]
    assert counts.failing[0, 2] == counts.labelled[0, 2]
    assert counts.failing[0, 0] == 0


@pytest.mark.slow
def test_drawn_pictures_are_judged_for_real() -> None:
    runs = judged(2, seed=3)
    assert set(runs) == set(SOFTNESS)
    told = machine_rates(runs["equal"])
    assert len(told["true"]) == 4
    assert min(told["findings"]) >= 2
    _, truth = maker(runs["equal"])(np.random.default_rng(0))
    assert truth.tolist() == told["true"]


def test_softening_keeps_the_size_and_takes_the_detail() -> None:
    image = np.random.default_rng(4).integers(0, 255, (64, 48, 3), dtype=np.uint8)
    soft = soften(image, 0.25)
    assert soft.shape == image.shape
    assert soft.std() < 0.6 * image.std()
    assert soften(image, 1.0) is image


def test_the_table_has_a_row_for_every_number_of_labels() -> None:
    rows = score(simulated("low rates", "equal"), (30, 100, 300), 1, np.random.default_rng(5))
    epochs = {name: [0.1] * 4 for name in ("machine", "true", "error", "findings")}
    table = markdown({"simulated": {"a": rows}, "miniature": {"b": {**rows, "epochs": epochs}}})
    assert table.count("| 30 |") == table.count("| 300 |") == 2
    assert "0.100 / 0.100 / 0.100" in table


def test_labelled_pictures_become_a_run() -> None:
    compared = Compared(
        verdicts={
            ("v1", 20): [[(Verdict.FAILS, True), (Verdict.NOT_MEASURABLE, True)], [(Verdict.HOLDS, False)]],
            ("v1", 40): [[(Verdict.FAILS, False)]],
        }
    )
    told = machine_rates(as_run(compared))
    assert told["machine"] == [0.5, 1.0]
    assert told["true"] == [0.5, 0.0]
    assert told["findings"] == [2.0, 1.0]
