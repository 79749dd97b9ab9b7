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
_SIZES = {"nano": (8, 12, 16), "shipped": (20, 40, 64, 88, 144)}
_WEIGHTS = {"limbs": 2.5, "arms": 0.5, "outfit": 0.6, "outfit_color": 0.6}
# How many times as often a drawing is picked in which somebody has a limb too many or too few, or a ghost about her.
_OFTEN = {"limbs": 3.0, "ghost": 1.5}


def build(size: str = "shipped") -> Reader:
    """The network with random weights. Inputs: colours and the person's own mask."""
    return Reader(_SIZES[size], {name: len(words) for name, words in QUESTIONS.items()}, inputs=4)


class Objective:
    """Makes batches of crops of people and judges the answers."""

    def __init__(self, drawings: Drawings, batch: int, seed: int = 0) -> None:
        self.drawings, self.batch = drawings, batch
        self.generator = torch.Generator().manual_seed(seed)
        self.shares = shares(drawings).cpu()

    def __call__(self, network: nn.Module) -> Losses:
        """The losses of one fresh batch."""
        with torch.no_grad(), torch.autocast(self.drawings.device, enabled=False):
            crops = sample(self.drawings, self.batch, BODY_SIZE, self.generator, False, self.shares)
        return answer_losses(network(crops.inputs), self.drawings, crops, _WEIGHTS)


def shares(drawings: Drawings) -> torch.Tensor:
    """How often each drawing is picked, (count,), 1 for one in which every body is whole."""
    everybody = torch.arange(drawings.count, device=drawings.device)
    often = torch.ones(drawings.count, device=drawings.device)
    for question, factor in _OFTEN.items():
        faulty = (drawings.person(question, everybody) > 0).any(1)
        often = torch.where(faulty, often.clamp_min(factor), often)
    return often


def save(path: Path, network: Reader, notes: dict[str, Any]) -> None:
    """Write the network's weights and how to build it again."""
    save_weights(path, network.state_dict(), {"kind": "bodies", "network": network.config, "training": notes})
