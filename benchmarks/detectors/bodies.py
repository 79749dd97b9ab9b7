"""Training the body network: what a person does, her limbs, ghosts around her, what she wears."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.detectors.fitting import Losses
from benchmarks.detectors.persons import answer_losses, sample
from benchmarks.detectors.store import Drawings
from detectors.crops import BODY_SIZE
from detectors.networks import Reader, save_weights
from detectors.vocabulary import ARMS, GHOSTS, LIMBS, OUTFIT_COLORS, OUTFITS, ROLES

FIELDS = ("labels",)
QUESTIONS = {
    "role": ROLES,
    "limbs": LIMBS,
    "ghost": GHOSTS,
    "arms": ARMS,
    "outfit": OUTFITS,
    "outfit_color": OUTFIT_COLORS,
}
_SIZES = {"nano": (8, 12, 16), "shipped": (16, 32, 48, 64, 112)}
_WEIGHTS = {"limbs": 1.5, "arms": 0.5, "outfit": 0.6, "outfit_color": 0.6}


def build(size: str = "shipped") -> Reader:
    """The network with random weights. Inputs: colours and the person's own mask."""
    return Reader(_SIZES[size], {name: len(words) for name, words in QUESTIONS.items()}, inputs=4)


class Objective:
    """Makes batches of crops of people and judges the answers."""

    def __init__(self, drawings: Drawings, batch: int, seed: int = 0) -> None:
        self.drawings, self.batch = drawings, batch
        self.generator = torch.Generator().manual_seed(seed)

    def __call__(self, network: nn.Module) -> Losses:
        """The losses of one fresh batch."""
        with torch.no_grad(), torch.autocast(self.drawings.device, enabled=False):
            crops = sample(self.drawings, self.batch, BODY_SIZE, self.generator, faces=False)
        return answer_losses(network(crops.inputs), self.drawings, crops, _WEIGHTS)


def save(path: Path, network: Reader, notes: dict[str, Any]) -> None:
    """Write the network's weights and how to build it again."""
    save_weights(path, network.state_dict(), {"kind": "bodies", "network": network.config, "training": notes})
