"""A synthetic ledger: one evaluation with as many findings as wanted, through the real tables."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
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
_TEMPLATES = 20_000
"""Different images: an evaluation of 48,640 images has about 18,000 of them."""


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
    numbers = [position * 1_000_000 + start + number + 1 for number in range(len(cells))]
    judged = [_templates()[number] for number in rng.integers(0, _TEMPLATES, len(keys))]
    images = {"width": 1024, "height": 1024, "invalid": None, "created_at": 0.0}
    session.execute(insert(models.Image), [{"key": key, "sha256": key, **images} for key in keys])
    session.execute(
        insert(models.Detection),
        [
            {"id": number, "image_sha256": key, "detector_key": "synthetic", "verdicts": each.text, "created_at": 0.0}
            for number, key, each in zip(numbers, keys, judged, strict=True)
        ],
    )
    # The rows as the driver takes them: going through the models would only slow the building down.
    session.connection().exec_driver_sql(
        'insert into findings (detection_id, position, "check", character, verdict, severity, body) '
        "values (?, ?, ?, ?, ?, ?, ?)",
        [(number, *row) for number, each in zip(numbers, judged, strict=True) for row in each.rows],
    )
    session.execute(
        insert(models.Cell),
        [
            {
                "evaluation_id": evaluation,
                "batch_id": batch.id,
                "position": place,
                "scenario": scenario,
                "seed": seed,
                "image_key": key,
                "detection_id": number,
            }
            for place, ((scenario, seed), key, number) in enumerate(zip(cells, keys, numbers, strict=True))
        ],
    )


@dataclass(frozen=True)
class _Template:
    """An image's findings: as the short text, and as rows (position, check, character, verdict, severity, body)."""

    text: str
    rows: tuple[tuple[Any, ...], ...]


@cache
def _templates() -> list[_Template]:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(_TEMPLATES):
        rows = list(_findings(rng))
        found.append(
            _Template(
                pack(rows),
                tuple(
                    (place, row.check, row.character, str(row.verdict), row.severity and str(row.severity), _body(row))
                    for place, row in enumerate(rows)
                ),
            )
        )
    return found


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


def _body(row: FindingRow) -> str:
    """A body about as long as a detector's."""
    return json.dumps(
        {
            "check": row.check,
            "character": row.character,
            "verdict": row.verdict,
            "severity": row.severity,
            "detector": "synthetic",
            "version": "1",
            "score": 0.5,
            "reason": "a sentence about what was seen and where, as long as they usually are",
            "evidence": {
                "box": [100.0, 200.0, 300.0, 400.0],
                "likelihoods": {"whole": 0.9, "fused": 0.06, "lost": 0.04},
            },
        }
    )
