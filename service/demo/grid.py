"""Which files the demo evaluates, and with what."""

from __future__ import annotations

import json

from service.checkpoints import scan_folder
from service.errors import MissingWeights
from service.evaluations.asking import make_request
from service.evaluations.requests import EvaluationRequest
from service.evaluations.workspace import Workspace
from service.miniature import runs_folder
from service.suites import load_suite

RUNS = ("v1", "v2")
SUITE = "demo"


def demo_request(space: Workspace) -> EvaluationRequest:
    """Register the shipped checkpoints and ask for the demo's grid.

    Raises:
        MissingWeights: the shipped files are not there.
    """
    checkpoints = []
    for run in RUNS:
        folder = runs_folder() / run
        if not any(folder.glob("*.safetensors")):
            raise MissingWeights(
                f"the demo's LoRA files are missing in {folder}: install Bleedcheck again, or train them with "
                "`make train-loras`"
            )
        # The trainer's format does not say of the final file which epoch it is; the run's own notes do.
        last = json.loads((folder / "run.json").read_text())["epochs"]
        checkpoints += [space.registry.register(run, info) for info in scan_folder(folder, final_epochs=last)]
    return make_request(space.settings, load_suite(SUITE), checkpoints)
