"""The warm-up: two batches with the real generator and the real detectors, remembered for the next time."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from service.checkpoints.inspection import file_sha256
from service.estimates.figures import Measurement
from service.evaluations.executor import Models
from service.evaluations.keys import digest
from service.evaluations.requests import EvaluationRequest
from service.generation.port import Halving, ImageRequest
from service.storage.files import whole_file
from service.storage.images import ImageStore

_KEPT = 50


def measure(models: Models, images: ImageStore, request: EvaluationRequest, checkpoint: Path | None) -> Measurement:
    """Open what the request needs and time it on the suite's own first cells; the control's images, kept nowhere.

    Args:
        models: what opens generator and detectors; they stay open for the evaluation that follows.
        images: how images are encoded.
        request: the evaluation; its cells are used in order, again from the start where they do not fill two batches.
        checkpoint: a file to time the swap with.
    """
    cells = request.suite.cells()
    wanted = [cells[place % len(cells)] for place in range(2 * request.batch_size)]
    prompts = [ImageRequest(scenario.prompt, seed) for scenario, seed in wanted]
    expectations = [request.suite.expectation(scenario.name) for scenario, _ in wanted]
    size = request.batch_size

    began = time.perf_counter()
    detectors, generator = models.detectors(request), models.generator(request)
    generator.use(None)
    first = [image.pixels for image in generator.generate(prompts[:size])]
    detectors.detect(first, expectations[:size])
    ready = time.perf_counter()
    second = [image.pixels for image in generator.generate(prompts[size:])]
    generated = time.perf_counter()
    detectors.detect(second, expectations[size:])
    judged = time.perf_counter()
    stored = [len(images.encode(pixels)) for pixels in second]
    encoded = time.perf_counter()
    swap_s = 0.0
    if checkpoint is not None:
        file_sha256(checkpoint)  # an evaluation reads the file too, so that the disk is part of the figure
        generator.use(checkpoint, request.scale)
        swap_s = time.perf_counter() - encoded
    fingerprint = generator.fingerprint()
    name, is_gpu = device_of(fingerprint)
    return Measurement(
        device=name,
        batch_size=min(size, generator.at_once) if isinstance(generator, Halving) else size,
        overlaps=is_gpu,
        open_s=ready - began,
        generate_s=(generated - ready) / size,
        judge_s=(judged - generated) / size,
        store_s=(encoded - judged) / size,
        swap_s=swap_s,
        image_bytes=sum(stored) / size,
        fingerprint=fingerprint,
    )


def device_of(fingerprint: dict[str, object]) -> tuple[str, bool]:
    """The machine in words, and whether the work is done beside the CPU's cores."""
    device = str(fingerprint.get("device", "another program"))
    if device == "cpu":
        return f"cpu, {os.cpu_count()} cores", False
    return device.removeprefix("cuda "), True


class Measurements:
    """Remembered measurements, a small JSON file in the data folder; a broken one is forgotten.

    Args:
        path: the file.
        ways: what no request says and yet decides the figures: how models are placed on the card (two ways may have
            batches of the same size), what images are stored as.
    """

    def __init__(self, path: Path, *ways: str) -> None:
        self._path = path
        self._ways = ways

    def find(self, request: EvaluationRequest) -> Measurement | None:
        """What was measured for the same base, settings, detectors and machine."""
        found = self._load().get(machine_key(request, self._ways))
        try:
            return None if found is None else Measurement(**found)
        except TypeError:
            return None

    def keep(self, request: EvaluationRequest, measured: Measurement) -> None:
        """Remember a measurement; only the last fifty are kept."""
        known = self._load()
        known.pop(machine_key(request, self._ways), None)
        known[machine_key(request, self._ways)] = asdict(measured)
        with whole_file(self._path) as file:
            file.write(json.dumps(dict(list(known.items())[-_KEPT:])).encode())

    def _load(self) -> dict[str, dict[str, Any]]:
        try:
            known = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return known if isinstance(known, dict) else {}


def machine_key(request: EvaluationRequest, ways: Sequence[str]) -> str:
    """Hash of all that decides how fast an image is made, judged and stored here: the request without its grid."""
    return digest([request.speed_key, *ways, os.cpu_count(), _gpu_names()])


def _gpu_names() -> list[str]:
    """The models of the machine's NVIDIA GPUs, as the driver names them; read without loading CUDA."""
    files = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    try:
        lines = [line for file in files for line in file.read_text().splitlines()]
    except OSError:
        return []
    return [line.partition(":")[2].strip() for line in lines if line.startswith("Model")]


def is_measurable(request: EvaluationRequest) -> bool:
    """Whether anything is generated at all: a folder of images that exist costs no time worth planning."""
    from service.settings import IMAGES_PREFIX

    return not request.base.startswith(IMAGES_PREFIX)
