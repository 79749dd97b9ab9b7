"""A made-up evaluation of 98 000 pictures and 588 000 findings: ``python -m tests.pages.large FOLDER``.

It is for looking at the pages with a lot in them. Outcomes are drawn by chance and stand for nothing; the pictures are
a few dozen coloured squares, used again and again.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import insert

from detectors.findings import Finding, Severity, Verdict
from service.database.models import Batch, Cell, Checkpoint, Contender, Detection, Evaluation, FindingRecord, Image, Run
from service.evaluations.asking import make_request
from service.evaluations.verdicts import pack
from service.evaluations.workspace import Workspace
from service.rankings import FindingRow
from service.settings import Settings
from service.suites import Suite, load_suite

EPOCHS = tuple(range(56, 152, 4))
RUNS = ("v1", "v2")
SCENARIOS, SEEDS, PICTURES = 20, 100, 48
CHUNK = 20_000


def large_suite(scenarios: int = SCENARIOS, seeds: int = SEEDS) -> Suite:
    """The demo's scenarios again and again under other names."""
    known = load_suite("demo")
    more = [
        known.scenarios[number % len(known.scenarios)].model_copy(
            update={
                "name": f"{known.scenarios[number % len(known.scenarios)].name}-{number // len(known.scenarios) + 1}"
            }
        )
        for number in range(scenarios)
    ]
    return known.model_copy(update={"name": "large", "scenarios": tuple(more), "seeds": tuple(range(1, seeds + 1))})


def build(folder: Path, suite: Suite, epochs: Sequence[int] = EPOCHS) -> str:
    """Write the evaluation; its id."""
    space = Workspace(Settings(data_dir=folder, work=False))
    rng = np.random.default_rng(0)
    pictures = [space.images.put(_picture(number)) for number in range(PICTURES)]
    with space.database.transaction() as session:
        checkpoints = [_checkpoint(session, run, epoch) for run in RUNS for epoch in epochs]
        request = make_request(space.settings, suite, checkpoints)
        evaluation = Evaluation(
            id="large0000000",
            request_key=request.key,
            suite=suite.name,
            request=request.model_dump(mode="json"),
            status="finished",
        )
        session.add(evaluation)
        session.flush()
        rows: dict[type[Any], list[dict[str, Any]]] = {}
        for kind, row in _rows(evaluation.id, suite, [None, *checkpoints], pictures, rng):
            rows.setdefault(kind, []).append(row)
        for kind in (Contender, Batch, Image, Detection, Cell, FindingRecord):
            for start in range(0, len(rows[kind]), CHUNK):
                session.execute(insert(kind), rows[kind][start : start + CHUNK])
        print(f"{len(rows[Cell])} cells, {len(rows[FindingRecord])} findings")
    space.close()
    return evaluation.id


def _checkpoint(session: Any, run: str, epoch: int) -> Checkpoint:
    owner = session.query(Run).filter_by(name=run).one_or_none() or Run(name=run)
    info = {"key_format": "kohya", "algorithms": ["lora"], "trainer": "made up", "rank": 16, "alpha": 16.0}
    digest = hashlib.sha256(f"{run}-{epoch}".encode()).hexdigest()
    made = Checkpoint(
        id=digest[:16],
        run=owner,
        sha256=digest,
        path=f"/made-up/{run}_epoch{epoch}.safetensors",
        size=41_000_000,
        mtime_ns=0,
        epoch=epoch,
        info=info,
    )
    session.add(made)
    session.flush()
    return made


def _rows(
    evaluation: str, suite: Suite, checkpoints: Sequence[Checkpoint | None], pictures: Sequence[str], rng: Any
) -> Iterator[tuple[type[Any], dict[str, Any]]]:
    number = found = 0
    cells = suite.cells()
    for place, checkpoint in enumerate(checkpoints):
        trouble = 0.7 if checkpoint is None else _trouble(checkpoint)
        contender = {"id": place + 1, "evaluation_id": evaluation, "position": place, "changes_nothing": False}
        yield Contender, {**contender, "checkpoint_id": checkpoint.id if checkpoint else None}
        yield (
            Batch,
            {
                "id": place + 1,
                "evaluation_id": evaluation,
                "contender_id": place + 1,
                "position": place,
                "status": "finished",
                "seconds": 1.0,
            },
        )
        for position, (scenario, seed) in enumerate(cells):
            number += 1
            sha256 = pictures[int(rng.integers(len(pictures)))]
            yield Image, {"key": f"made-up-{number}", "sha256": sha256, "width": 256, "height": 256}
            judged = list(_findings(scenario.checks, scenario.cast, trouble / 9, rng))
            told = pack(FindingRow(each.check, each.character, each.verdict, each.severity) for each in judged)
            detection = {"id": number, "image_sha256": sha256, "detector_key": f"made-up-{number}"}
            yield Detection, {**detection, "verdicts": told}
            yield (
                Cell,
                {
                    "id": number,
                    "evaluation_id": evaluation,
                    "batch_id": place + 1,
                    "position": position,
                    "scenario": scenario.name,
                    "seed": seed,
                    "image_key": f"made-up-{number}",
                    "detection_id": number,
                },
            )
            for order, finding in enumerate(judged):
                found += 1
                yield (
                    FindingRecord,
                    {
                        "id": found,
                        "detection_id": number,
                        "position": order,
                        "check": finding.check,
                        "character": finding.character,
                        "verdict": finding.verdict.value,
                        "severity": finding.severity.value if finding.severity else None,
                        "body": finding.to_json(),
                    },
                )


def _findings(checks: Sequence[str], cast: Sequence[str], trouble: float, rng: Any) -> Iterator[Finding]:
    for check in checks:
        for character in (None,) if check in ("cast", "fusion") else cast:
            x, y = (float(value) for value in rng.integers(20, 150, 2))
            evidence = {"head_box" if "ahoge" in check else "hand_box": [x, y, x + 60, y + 60]} if character else {}
            draw = rng.random()
            if draw < trouble:
                severity = Severity.LOST if check == "hands" and draw < trouble / 2 else Severity.CLEAR
                yield Finding(check, Verdict.FAILS, "made-up", "1", character, severity, 1 - draw, evidence)
            elif draw > 0.985:
                yield Finding(check, Verdict.NOT_MEASURABLE, "made-up", "1", character, reason="made up")
            else:
                yield Finding(check, Verdict.HOLDS, "made-up", "1", character, None, draw / 9, evidence)


def _trouble(checkpoint: Checkpoint) -> float:
    late = max(0, (checkpoint.epoch or 0) - 140) / 20
    return (0.5 if checkpoint.run.name == "v1" else 0.12) + late


def _picture(number: int) -> Any:
    pixels = np.zeros((256, 256, 3), np.uint8)
    pixels[:] = np.random.default_rng(number).integers(90, 250, 3)
    pixels[60:200, 40 + number : 120 + number] //= 2
    return pixels


if __name__ == "__main__":
    print(build(Path(sys.argv[1]), large_suite()))
