"""Opening an ONNX file so that whatever is wrong with it is said at once, with its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.errors import UnusableWeights

Array = NDArray[np.float32]
_QUIET = 3


@dataclass(frozen=True)
class OnnxModel:
    """An opened model.

    Attributes:
        path: its file.
        session: onnxruntime's session.
        shape: of its first input; names or ``None`` where it is free.
        notes: the key-value pairs that its exporter wrote into the file.
    """

    path: Path
    session: Any
    shape: tuple[int | str | None, ...]
    notes: dict[str, str]

    @classmethod
    def load(cls, path: Path, device: str, inputs: Sequence[str | None], outputs: Sequence[str | None]) -> OnnxModel:
        """Open a file on the CPU, or on the GPU where onnxruntime has its CUDA provider.

        Args:
            path: the file.
            device: torch's name of the device.
            inputs: the names its inputs must have, in order; ``None`` where any name will do.
            outputs: the same for the outputs that are used; there may be more.

        Raises:
            UnusableWeights: it is no ONNX model, or one with other inputs or outputs.
        """
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.log_severity_level = _QUIET
        try:
            session = onnxruntime.InferenceSession(str(path), options, providers=_providers(device))
        except Exception as error:  # onnxruntime has a class of its own for every way a file can be wrong
            told = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UnusableWeights(f"{path} cannot be opened as an ONNX model: {told}") from error
        for kind, wanted, given in (
            ("input", inputs, [each.name for each in session.get_inputs()]),
            ("output", outputs, [each.name for each in session.get_outputs()]),
        ):
            fits = len(given) >= len(wanted) and all(w in (None, g) for w, g in zip(wanted, given, strict=False))
            if not fits or (kind == "input" and len(given) != len(wanted)):
                names = ", ".join(name or "(any)" for name in wanted)
                raise UnusableWeights(f"{path} is another model: its {kind}s are {', '.join(given)}, not {names}")
        shape = tuple(session.get_inputs()[0].shape)
        return cls(path, session, shape, dict(session.get_modelmeta().custom_metadata_map))

    def run(self, data: Array) -> list[Array]:
        """All outputs for one input.

        Raises:
            UnusableWeights: the model does not take this input.
        """
        try:
            answers = self.session.run(None, {self.session.get_inputs()[0].name: data})
        except Exception as error:
            told = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise UnusableWeights(f"{self.path} cannot look at a picture of {data.shape}: {told}") from error
        return [np.asarray(answer, np.float32) for answer in answers]

    def side(self, axis: int, usual: int) -> int:
        """The size of its input along an axis; ``usual`` where the model takes any."""
        value = self.shape[axis] if axis < len(self.shape) else None
        return value if isinstance(value, int) and value > 0 else usual


def _providers(device: str) -> list[str]:
    import onnxruntime

    there = onnxruntime.get_available_providers()
    wanted = ["CUDAExecutionProvider"] if device.startswith("cuda") else []
    return [name for name in (*wanted, "CPUExecutionProvider") if name in there]
