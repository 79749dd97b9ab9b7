"""A server with something in it: a run, a suite, and an evaluation of existing pictures, finished in a moment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI
from PIL import Image

from detectors import Expectation, Finding, Severity, Verdict
from service.app import create_app
from service.checkpoints import inspect_checkpoint
from service.evaluations.asking import make_request
from service.evaluations.executor import Detectors
from service.evaluations.opening import OpenedModels
from service.evaluations.requests import EvaluationRequest
from service.evaluations.workspace import Workspace
from service.generation.port import Pixels
from service.miniature import runs_folder
from service.settings import Settings
from service.suites import Suite, parse_suite

SUITE = """
name: fuzzed
version: 1
characters:
  - {name: Kei, trigger: keichan, attributes: {ahoge: false}}
  - {name: Kana, trigger: kanachan}
scenarios:
  - name: hug
    prompt: 2girls, keichan, kanachan, hug
    cast: [Kei, Kana]
    pose: hug
    contact: true
    checks: [cast, fusion, hands]
seeds: [7, 13]
generation: {steps: 1, width: 64, height: 64}
"""


class Brightness:
    """Judges a picture by its mean grey level: all verdicts occur, and nothing has to be loaded."""

    def spec(self) -> dict[str, Any]:
        """See :class:`service.evaluations.executor.Detectors`."""
        return {"brightness": {"version": "1"}}

    def detect(self, images: Sequence[Pixels], expectations: Sequence[Expectation]) -> list[list[Finding]]:
        """See :class:`service.evaluations.executor.Detectors`."""
        return [_judge(image, wanted) for image, wanted in zip(images, expectations, strict=True)]


def _judge(image: Pixels, wanted: Expectation) -> list[Finding]:
    grey = int(float(image.mean()) * 1000)
    verdicts = [Verdict.FAILS, Verdict.MINOR, Verdict.HOLDS, Verdict.NOT_MEASURABLE]
    severities = {Verdict.FAILS: Severity.CLEAR, Verdict.MINOR: Severity.MINOR}
    box = {"hand_box": [4, 4, 30, 30]}
    found = []
    for number, check in enumerate(wanted.checks):
        verdict = verdicts[(grey + number) % 4]
        found.append(Finding(check, verdict, "brightness", "1", None, severities.get(verdict), 0.5, box, "grey"))
    return found


class _Models(OpenedModels):
    def detectors(self, request: EvaluationRequest) -> Detectors:
        return Brightness()


def filled_app(folder: Path) -> FastAPI:
    """The application on a data folder in ``folder``, with a run ``v1`` and one finished evaluation of it."""
    suite = parse_suite(SUITE)
    files = sorted(runs_folder().glob("v1/*.safetensors"))[:2]
    _draw(folder / "pictures", suite, ["control", *(path.stem for path in files)])
    settings = Settings(data_dir=folder / "data", base=f"images:{folder / 'pictures'}", work=False)
    models = _Models()
    space = Workspace(settings, models)
    checkpoints = [space.registry.register("v1", inspect_checkpoint(path)) for path in files]
    space.library.add(SUITE)
    evaluation = space.evaluations.start(make_request(settings, suite, checkpoints))
    space.executor.run(evaluation.id)
    space.close()
    return create_app(settings, models)


def _draw(folder: Path, suite: Suite, names: Sequence[str]) -> None:
    rng = np.random.default_rng(0)
    for name in names:
        (folder / name).mkdir(parents=True)
        for scenario, seed in suite.cells():
            pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{scenario.name}_{seed}.png")
