"""A synthetic ledger: one evaluation with as many findings as wanted, through the real tables."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from sqlalchemy import insert
from sqlalchemy.orm import Session

from service.database import models
from service.database.engine import Database
from service.evaluations.requests import EvaluationRequest
from service.evaluations.verdicts import pack
from service.rankings import FindingRow
from service.suites import Suite, parse_suite

CHECKS = (
    "cast",
    "ahoge_bleed",
    "ahoge_missing",
    "hair_bleed",
    "outfit_bleed",
    "eye_bleed",
    "fusion",
    "hands",
    "limbs",
    "identity",
    "face",
    "ghost",
)
"""Twelve verdicts an image, each with a body of evidence."""
_PORTION = 2_000


def synthetic_suite(scenarios: int, seeds: int) -> Suite:
    """Two characters in contact, in as many scenarios and seeds as wanted."""
    people = [{"name": name, "trigger": f"{name.lower()}chan"} for name in ("Kei", "Kana")]
    scenes = [
        {
            "name": f"scene-{number}",
            "prompt": f"2girls, keichan, kanachan, hug, scene {number}",
            "cast": ["Kei", "Kana"],
            "contact": True,
            "checks": list(CHECKS),
        }
        for number in range(scenarios)
    ]
    text = {"name": "synthetic", "version": 1, "characters": people, "scenarios": scenes, "seeds": list(range(seeds))}
    return parse_suite(json.dumps(text))  # JSON is YAML


def build(database: Database, checkpoints: int, scenarios: int, seeds: int, rng: np.random.Generator) -> str:
    """Fill the tables with an evaluation of so many cells, twelve findings each; the control has one seed.

    Returns:
        The evaluation's id.
    """
    suite = synthetic_suite(scenarios, seeds)
    identifier = f"synthetic{checkpoints}x{scenarios}x{seeds}"
    with database.transaction() as session:
        run = models.Run(name=identifier)
        session.add(run)
        session.flush()
        ids = [f"{identifier}-{number}" for number in range(checkpoints)]
        for number, checkpoint in enumerate(ids):
            session.add(_checkpoint(checkpoint, run.id, 4 * (number + 1)))
        request = EvaluationRequest(suite=suite, checkpoints=tuple(ids))
        session.add(
            models.Evaluation(
                id=identifier,
                request_key=identifier,
                suite=suite.name,
                request=request.model_dump(mode="json"),
                status="finished",
            )
        )
        session.flush()
        contenders = [
            models.Contender(evaluation_id=identifier, checkpoint_id=checkpoint, position=position)
            for position, checkpoint in enumerate((None, *ids))
        ]
        session.add_all(contenders)
        session.flush()
        places = [(contender.id, contender.position) for contender in contenders]
    for contender, position in places:
        wanted = suite.seeds if position else suite.seeds[:1]
        cells = [(scenario.name, seed) for scenario in suite.scenarios for seed in wanted]
        for start in range(0, len(cells), _PORTION):
            with database.transaction() as session:
                _fill(session, identifier, contender, position, start, cells[start : start + _PORTION], rng)
    return identifier


def _checkpoint(identifier: str, run_id: int, epoch: int) -> models.Checkpoint:
    return models.Checkpoint(
        id=identifier,
        run_id=run_id,
        sha256=identifier,
        path=f"{identifier}.safetensors",
        size=1,
        mtime_ns=1,
        epoch=epoch,
        info={},
    )


def _fill(
    session: Session,
    evaluation: str,
    contender: int,
    position: int,
    start: int,
    cells: list[tuple[str, int]],
    rng: np.random.Generator,
) -> None:
    """One batch with all its rows, in bulk."""
    batch = models.Batch(
        evaluation_id=evaluation,
        contender_id=contender,
        position=position * 10_000 + start // _PORTION,
        status="finished",
    )
    session.add(batch)
    session.flush()
    keys = [f"{evaluation}-{position}-{start + number}" for number in range(len(cells))]
    now = time.time()
    session.execute(
        insert(models.Image),
        [
            {"key": key, "sha256": key, "width": 1024, "height": 1024, "invalid": None, "created_at": now}
            for key in keys
        ],
    )
    judged = [list(_findings(rng)) for _ in keys]
    detections = session.scalars(
        insert(models.Detection).returning(models.Detection.id, sort_by_parameter_order=True),
        [
            {"image_sha256": key, "detector_key": "synthetic", "verdicts": pack(rows), "created_at": now}
            for key, rows in zip(keys, judged, strict=True)
        ],
    ).all()
    session.execute(
        insert(models.FindingRecord),
        [
            {
                "detection_id": detection,
                "position": place,
                "check": row.check,
                "character": row.character,
                "verdict": row.verdict,
                "severity": row.severity,
                "body": _body(row),
            }
            for detection, rows in zip(detections, judged, strict=True)
            for place, row in enumerate(rows)
        ],
    )
    session.execute(
        insert(models.Cell),
        [
            {
                "evaluation_id": evaluation,
                "batch_id": batch.id,
                "position": number,
                "scenario": scenario,
                "seed": seed,
                "image_key": key,
                "detection_id": detection,
            }
            for number, ((scenario, seed), key, detection) in enumerate(zip(cells, keys, detections, strict=True))
        ],
    )


def _findings(rng: np.random.Generator) -> Iterator[FindingRow]:
    from detectors import Severity, Verdict

    luck = rng.random(len(CHECKS))
    for number, check in enumerate(CHECKS):
        character = ("Kei", "Kana")[number % 2] if number % 3 else None
        if luck[number] < 0.05:
            yield FindingRow(
                check, character, Verdict.FAILS, (Severity.LOST, Severity.FUSED, Severity.CLEAR)[number % 3]
            )
        elif luck[number] < 0.10:
            yield FindingRow(check, character, Verdict.MINOR, Severity.MINOR)
        elif luck[number] < 0.12:
            yield FindingRow(check, character, Verdict.NOT_MEASURABLE)
        else:
            yield FindingRow(check, character, Verdict.HOLDS)


def _body(row: FindingRow) -> dict[str, Any]:
    """A body about as long as a detector's."""
    return {
        "check": row.check,
        "character": row.character,
        "verdict": row.verdict,
        "severity": row.severity,
        "detector": "synthetic",
        "version": "1",
        "score": 0.5,
        "reason": "a sentence about what was seen and where, as long as they usually are",
        "evidence": {"box": [100.0, 200.0, 300.0, 400.0], "likelihoods": {"whole": 0.9, "fused": 0.06, "lost": 0.04}},
    }
