"""A small but real world: a nano Anima on disk, LoRA files for it, a small suite, and a detector of brightness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from detectors import Expectation, Finding, Severity, Verdict
from service.database.models import Checkpoint
from service.evaluations.asking import make_request
from service.evaluations.executor import Detectors
from service.evaluations.opening import OpenedModels
from service.evaluations.requests import EvaluationRequest
from service.evaluations.workspace import Workspace
from service.generation.port import Generator, Launching, Pixels, Reading
from service.settings import Settings
from service.suites import Suite, parse_suite

SUITE = """
name: small
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
    checks: [cast, fusion]
  - name: solo
    prompt: 1girl, keichan
    cast: [Kei]
    pose: standing
    checks: [cast, ahoge_bleed]
seeds: [7, 13, 99]
generation: {steps: 1, width: 64, height: 64}
"""
BATCH_SIZE = 4


def small_suite() -> Suite:
    return parse_suite(SUITE)


class Brightness:
    """Judges a picture by its mean grey level: enough to be deterministic, differ by picture, and cost nothing."""

    def __init__(self, version: str = "1") -> None:
        self.version = version
        self.seen = 0

    def spec(self) -> dict[str, Any]:
        return {"brightness": {"version": self.version}}

    def detect(self, images: Sequence[Pixels], expectations: Sequence[Expectation]) -> list[list[Finding]]:
        self.seen += len(images)
        return [self._judge(image, wanted) for image, wanted in zip(images, expectations, strict=True)]

    def _judge(self, image: Pixels, wanted: Expectation) -> list[Finding]:
        grey = float(np.asarray(image, dtype=np.float64).mean())
        verdict = Verdict.FAILS if int(grey * 1000) % 3 == 0 else Verdict.HOLDS
        severity = Severity.CLEAR if verdict is Verdict.FAILS else None
        evidence = {"grey": grey}
        return [
            Finding(check, verdict, "brightness", self.version, None, severity, None, evidence)
            for check in wanted.checks
        ]


class SmallModels(OpenedModels):
    """The real generator, with brightness as the detector."""

    def __init__(self, detectors: Brightness | None = None) -> None:
        super().__init__()
        self.brightness = detectors or Brightness()
        self.generated = 0

    def generator(self, request: EvaluationRequest) -> Generator:
        opened = super().generator(request)
        return opened if isinstance(opened, Reading) else _Counting(opened, self)

    def detectors(self, request: EvaluationRequest) -> Detectors:
        return self.brightness

    def carry(self, fetch: Callable[[], list[Any]]) -> Callable[[], list[Any]]:
        """What brings the images of a batch that was begun."""
        return fetch


class TightModels(OpenedModels):
    """The real generator on a card where two images at once are too much."""

    def generator(self, request: EvaluationRequest) -> Generator:
        import torch

        opened: Any = super().generator(request)
        make = getattr(opened, "roomy_make", opened._make)

        def tight(texts: Sequence[Any], generators: list[Any]) -> Any:
            if len(texts) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory.")
            return make(texts, generators)

        opened.roomy_make, opened._make = make, tight
        return cast(Generator, opened)

    def detectors(self, request: EvaluationRequest) -> Detectors:
        return Brightness()


class _Counting:
    """A generator that counts the images it is asked for."""

    def __init__(self, generator: Generator, models: SmallModels) -> None:
        self._generator = generator
        self._models = models

    def use(self, checkpoint: Path | None, scale: float = 1.0) -> None:
        self._generator.use(checkpoint, scale)

    def generate(self, requests: Sequence[Any]) -> list[Any]:
        self._models.generated += len(requests)
        return self._generator.generate(requests)

    def launch(self, requests: Sequence[Any]) -> Callable[[], list[Any]]:
        self._models.generated += len(requests)
        assert isinstance(self._generator, Launching)
        return self._models.carry(self._generator.launch(requests))

    def fingerprint(self) -> dict[str, Any]:
        return self._generator.fingerprint()


def build_base(folder: Path) -> Path:
    """Write a nano Anima with random weights."""
    from benchmarks.miniature.architecture import build_components, save_pipeline

    save_pipeline(build_components("nano", seed=1), folder)
    return folder


def write_lora(path: Path, seed: int, size: float = 0.5, width: int = 32) -> Path:
    """Write a LoRA for the nano transformer's attention; ``width`` 32 is what fits."""
    import torch

    from service.checkpoints import write_anima_toolkit

    noise = torch.Generator().manual_seed(seed)
    weights = {
        f"transformer_blocks.{block}.attn1.to_{part}": (
            torch.randn(4, width, generator=noise),
            torch.randn(width, 4, generator=noise) * size,
        )
        for block in (0, 1)
        for part in ("q", "v")
    }
    write_anima_toolkit(path, weights, rank=4, alpha=4.0)
    return path


def open_space(folder: Path, base: Path, models: OpenedModels | None = None) -> Workspace:
    settings = Settings(data_dir=folder, base=str(base), device="cpu", dtype="float32")
    return Workspace(settings, models or SmallModels())


def register(space: Workspace, files: Sequence[Path]) -> list[Checkpoint]:
    from service.checkpoints import inspect_checkpoint

    infos = [inspect_checkpoint(path) for path in files]
    return [space.registry.register(info.name, info) for info in infos]


def ask(space: Workspace, checkpoints: Sequence[Checkpoint], suite: Suite | None = None) -> EvaluationRequest:
    return make_request(space.settings, suite or small_suite(), checkpoints, batch_size=BATCH_SIZE)
