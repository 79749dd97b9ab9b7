"""Generating and scoring a grid in several processes, each with its own generator and detectors."""

from __future__ import annotations

import json
import multiprocessing
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectors.findings import Severity, Verdict
from service.rankings import CellOutcome, FindingRow
from service.suites import Suite, load_suite


@dataclass(frozen=True)
class Job:
    """One checkpoint (or the control, without a path) and what to make of it."""

    run: str
    epoch: int | None
    path: Path | None
    scenarios: tuple[str, ...]
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class Setup:
    """What every worker needs: base, suite, devices, batch size, and where kept pictures go."""

    base: str
    suite: str
    devices: tuple[str, ...]
    batch: int
    out: Path
    keep: tuple[tuple[str, int], ...]  # (scenario, first epoch) whose pictures are kept


def run_grid(jobs: Sequence[Job], setup: Setup, workers: int) -> list[dict[str, Any]]:
    """Work through the jobs in ``workers`` processes; returns one row for each image.

    Raises:
        RuntimeError: a worker failed; its traceback is in the message.
    """
    context = multiprocessing.get_context("spawn")
    queue: Any = context.Queue()
    results: Any = context.Queue()
    for job in jobs:
        queue.put(job)
    for _ in range(workers):
        queue.put(None)
    processes = [context.Process(target=_work, args=(i, queue, results, setup)) for i in range(workers)]
    for process in processes:
        process.start()
    rows: list[dict[str, Any]] = []
    started, done, ended = time.monotonic(), 0, 0
    while ended < workers:
        kind, value = results.get()
        if kind == "error":
            for process in processes:
                process.terminate()
            raise RuntimeError(value)
        if kind == "end":
            ended += 1
            continue
        rows.extend(value)
        done += 1
        if done % max(1, len(jobs) // 10) == 0:
            print(f"{done}/{len(jobs)} checkpoints, {len(rows)} images, {time.monotonic() - started:.0f} s", flush=True)
    for process in processes:
        process.join()
    return rows


def _work(index: int, queue: Any, results: Any, setup: Setup) -> None:
    try:
        import torch

        torch.set_num_threads(1)
        from detectors import open_detectors
        from service.generation import GenerationSettings, open_generator

        suite = load_suite(setup.suite)
        device = setup.devices[index % len(setup.devices)]
        settings = GenerationSettings(batch_size=setup.batch)
        generator = open_generator(setup.base, settings, device=device, dtype="float32")
        detectors = open_detectors(device=device)
        while (job := queue.get()) is not None:
            generator.use(job.path)
            results.put(("rows", _score(job, suite, generator, detectors, setup)))
        results.put(("end", None))
    except Exception:  # reported to the parent, which raises it
        results.put(("error", traceback.format_exc()))


def _score(job: Job, suite: Suite, generator: Any, detectors: Any, setup: Setup) -> list[dict[str, Any]]:
    from service.generation import ImageRequest

    cells = [(suite.scenario(name), seed) for name in job.scenarios for seed in job.seeds]
    images = generator.generate([ImageRequest(scenario.prompt, seed) for scenario, seed in cells])
    expectations = [suite.expectation(scenario.name) for scenario, _ in cells]
    findings = detectors.detect([image.pixels for image in images], expectations)
    rows = []
    for (scenario, seed), image, found in zip(cells, images, findings, strict=True):
        wanted = [f for f in found if f.check in scenario.checks]
        rows.append(
            {
                "run": job.run,
                "epoch": job.epoch,
                "scenario": scenario.name,
                "seed": seed,
                "invalid": image.invalid is not None,
                "expected": list(scenario.checks),
                "findings": [[f.check, f.character, f.verdict.value, f.severity] for f in wanted],
            }
        )
        if any(scenario.name == name and (job.epoch or 0) >= first for name, first in setup.keep):
            from PIL import Image

            folder = setup.out / "pictures" / job.run
            folder.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.pixels).save(folder / f"{scenario.name}-{seed}-{job.epoch}.webp", lossless=True)
    return rows


def outcomes_of(rows: Sequence[dict[str, Any]]) -> list[CellOutcome]:
    """Rows of :func:`run_grid` as the rankings' outcomes."""
    return [
        CellOutcome(
            run=row["run"],
            epoch=row["epoch"],
            scenario=row["scenario"],
            seed=row["seed"],
            invalid=row["invalid"],
            findings=tuple(
                FindingRow(check, character, Verdict(verdict), Severity(severity) if severity else None)
                for check, character, verdict, severity in row["findings"]
            ),
            expected=tuple(row["expected"]),
        )
        for row in rows
    ]


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """What :func:`write_rows` wrote."""
    return [json.loads(line) for line in path.read_text().splitlines()]
