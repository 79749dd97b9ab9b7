"""Training the face network: is the face whole, or is an eye too many, missing, out of place, or everything smeared?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.detectors.fitting import Losses
from benchmarks.detectors.persons import answer_losses, sample
from benchmarks.detectors.store import Drawings
from detectors.crops import FACE_SIZE
from detectors.networks import Reader, save_weights
from detectors.vocabulary import FACES

FIELDS = ("labels",)
_SIZES = {"nano": (8, 12, 16), "shipped": (16, 32, 48, 64)}


def build(size: str = "shipped") -> Reader:
    """The network with random weights. Inputs: colours and the person's own mask."""
    return Reader(_SIZES[size], {"face": len(FACES)}, inputs=4)


class Objective:
    """Makes batches of faces and judges the answers."""

    def __init__(self, drawings: Drawings, batch: int, seed: int = 0) -> None:
        self.drawings, self.batch = drawings, batch
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, network: nn.Module) -> Losses:
        """The losses of one fresh batch."""
        with torch.no_grad(), torch.autocast(self.drawings.device, enabled=False):
            crops = sample(self.drawings, self.batch, FACE_SIZE, self.generator, faces=True)
        return answer_losses(network(crops.inputs), self.drawings, crops, {})


def save(path: Path, network: Reader, notes: dict[str, Any]) -> None:
    """Write the network's weights and how to build it again."""
    save_weights(path, network.state_dict(), {"kind": "faces", "network": network.config, "training": notes})
