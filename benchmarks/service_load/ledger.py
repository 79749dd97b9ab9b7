"""A large evaluation, written through the same functions as a real one, with a few real pictures behind its cells."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
from sqlalchemy import insert
from sqlalchemy.orm import Session

from detectors import Finding, Severity, Verdict
from service.database.models import Batch, Cell, Checkpoint, Contender, Evaluation, Image, Run
from service.evaluations.ledger.repository import Judged, store_detection
from service.evaluations.requests import EvaluationRequest
from service.evaluations.workspace import Workspace
from service.suites import Suite, parse_suite

CHECKS = (
    "cast", "ahoge_bleed", "ahoge_missing", "hair_bleed", "outfit_bleed", "eye_bleed", "fusion", "hands", "limbs",
    "identity", "face", "ghost",
)  # fmt: skip
FINDINGS_A_CELL = len(CHECKS)
_PICTURES = 200
_SIDE = 256
_PORTION = 500


def build(space: Workspace, checkpoints: int, scenarios: int, seeds: int) -> str:
    """Write an evaluation of that size, finished, with twelve findings a cell.

    Returns:
        Its id.
    """
    rng = np.random.default_rng(0)
    suite = _suite(scenarios, seeds)
    pictures = [space.images.put(_picture(rng)) for _ in range(_PICTURES)]
    identifier = "large"
    with space.database.transaction() as session:
        run = Run(name="large")
        session.add(run)
        session.flush()
        ids = [f"large-{number:03}" for number in range(checkpoints)]
        session.add_all(_checkpoint(run, each, 4 * number + 4) for number, each in enumerate(ids))
        request = EvaluationRequest(suite=suite, checkpoints=tuple(ids)).model_dump(mode="json")
        session.add(
            Evaluation(id=identifier, request_key=identifier, suite=suite.name, request=request, status="finished")
        )
        session.flush()
        contenders = [
            Contender(evaluation_id=identifier, checkpoint_id=each, position=place)
            for place, each in enumerate((None, *ids))
        ]
        session.add_all(contenders)
        session.flush()
        places = [each.id for each in contenders]
    cells = [(scenario.name, seed) for scenario, seed in suite.cells()]
    for place, contender in enumerate(places):
        for start in range(0, len(cells), _PORTION):
            with space.database.transaction() as session:
                part = cells[start : start + _PORTION]
                _fill(session, identifier, contender, place * len(cells) + start, part, pictures, rng)
    return identifier


def _suite(scenarios: int, seeds: int) -> Suite:
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
    text = {"name": "large", "version": 1, "characters": people, "scenarios": scenes, "seeds": list(range(seeds))}
    return parse_suite(json.dumps(text))  # JSON is YAML


def _checkpoint(run: Run, identifier: str, epoch: int) -> Checkpoint:
    return Checkpoint(
        id=identifier, run=run, sha256=identifier, path=f"/nowhere/{identifier}.safetensors", size=1, mtime_ns=1,
        epoch=epoch, info={},
    )  # fmt: skip


def _fill(
    session: Session,
    evaluation: str,
    contender: int,
    position: int,
    cells: Sequence[tuple[str, int]],
    pictures: Sequence[str],
    rng: np.random.Generator,
) -> None:
    batch = Batch(evaluation_id=evaluation, contender_id=contender, position=position, status="finished")
    session.add(batch)
    session.flush()
    keys = [f"large-{position + number}" for number in range(len(cells))]
    sides = {"width": _SIDE, "height": _SIDE, "invalid": None}
    shown = [pictures[int(each)] for each in rng.integers(0, len(pictures), len(keys))]
    rows = [{"key": key, "sha256": sha256, **sides} for key, sha256 in zip(keys, shown, strict=True)]
    session.execute(insert(Image), rows)
    detections = [
        store_detection(session, sha256, key, Judged(_findings(rng))) for key, sha256 in zip(keys, shown, strict=True)
    ]
    session.execute(
        insert(Cell),
        [
            {
                "evaluation_id": evaluation, "batch_id": batch.id, "position": place, "scenario": scenario,
                "seed": seed, "image_key": key, "detection_id": detection,
            }
            for place, ((scenario, seed), key, detection) in enumerate(zip(cells, keys, detections, strict=True))
        ],
    )  # fmt: skip


def _findings(rng: np.random.Generator) -> tuple[Finding, ...]:
    found = []
    for check, draw, place in zip(CHECKS, rng.random(len(CHECKS)), rng.integers(0, 200, len(CHECKS)), strict=True):
        verdict = Verdict.FAILS if draw < 0.03 else Verdict.MINOR if draw < 0.06 else Verdict.HOLDS
        severity = {Verdict.FAILS: Severity.CLEAR, Verdict.MINOR: Severity.MINOR}.get(verdict)
        x = float(place)
        box = {"person_box": [x, 10.0, x + 50, 200.0], "head_box": [x, 10.0, x + 40, 50.0], "odds": float(draw)}
        found.append(Finding(check, verdict, check, "1", "Kei", severity, float(draw), box, "made up"))
    return tuple(found)


def _picture(rng: np.random.Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Smooth colours: about as large, as a PNG, as a drawing."""
    small = rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)
    return np.ascontiguousarray(small.repeat(_SIDE // 16, 0).repeat(_SIDE // 16, 1))
