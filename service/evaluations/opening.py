"""Opening generators and detectors, and keeping the last ones for the next evaluation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from detectors.calibration import Calibration
from service.errors import CheckpointChanged
from service.evaluations.executor import Detectors
from service.evaluations.folder import FolderGenerator
from service.evaluations.requests import EvaluationRequest, parse_clip
from service.generation.port import GenerationSettings, Generator
from service.settings import IMAGES_PREFIX
from service.storage.files import sha256_of


class OpenedModels:
    """The real models; one generator and one set of detectors stay open at a time, since they fill the memory.

    Args:
        card: how the generator is placed on a GPU, one of :data:`service.generation.cards.NAMES`.
    """

    def __init__(self, card: str = "auto") -> None:
        self._card = card
        self._generator: tuple[Any, Generator] | None = None
        self._detectors: tuple[Any, Detectors] | None = None

    def generator(self, request: EvaluationRequest) -> Generator:
        """The generator that a request asks for.

        Raises:
            BleedcheckError: the base model cannot be opened, or a fixed LoRA is not what it was.
        """
        from service.generation import open_generator

        if request.base.startswith(IMAGES_PREFIX):
            return FolderGenerator.of_suite(Path(request.base.removeprefix(IMAGES_PREFIX)), request.suite)
        settings = GenerationSettings(**request.suite.generation.model_dump(), batch_size=request.batch_size)
        wanted = (request.base, settings, request.device, request.dtype, request.extra)
        if self._generator is None or self._generator[0] != wanted:
            for lora in request.extra:
                if sha256_of(Path(lora.path)) != lora.sha256:
                    raise CheckpointChanged(f"{lora.path} has changed since the evaluation was asked for; ask again")
            self._generator = None  # free the memory first
            extra = [(Path(lora.path), lora.scale) for lora in request.extra]
            opened = open_generator(
                request.base,
                settings,
                device=request.device,
                dtype=request.dtype,
                extra=extra,
                card=self._card,
            )
            self._generator = (wanted, opened)
        return self._generator[1]

    def detectors(self, request: EvaluationRequest) -> Detectors:
        """The detectors that a request asks for.

        Raises:
            BleedcheckError: their weights are not on this machine.
        """
        from detectors import open_detectors
        from detectors.profiles import Clip

        device = _device(request.device)
        wanted = (
            request.detector_profile, request.detector_weights, request.detector_clip, request.calibration, device
        )  # fmt: skip
        if self._detectors is None or self._detectors[0] != wanted:
            weights = Path(request.detector_weights) if request.detector_weights else None
            clip = Clip(*parse_clip(request.detector_clip)) if request.detector_clip else None
            settled = Calibration.from_json(request.calibration) if request.calibration else None
            opened = open_detectors(
                request.detector_profile, device=device, weights=weights, clip=clip, calibration=settled
            )
            self._detectors = (wanted, opened)
        return self._detectors[1]


def _device(wanted: str) -> str:
    """Where the detectors look: "auto" is the GPU, if there is one that torch can use."""
    if wanted != "auto":
        return wanted
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
