"""Training the body network: what a person does, her limbs, ghosts around her, what she wears."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.detectors.fitting import Losses
from benchmarks.detectors.labelled import Labelled, softly_degraded
from benchmarks.detectors.persons import answer_losses, sample, turned, windows_round
from benchmarks.detectors.store import Drawings, boxes_of
from detectors.crops import BODY_SIZE
from detectors.networks import Reader, normalise, save_weights
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
# Share of a batch that is labelled generated pictures, where there are any; and how sure of their answer is learnt: two
# labellers disagree about one faulty person in six.
_GENERATED, _SURE = 0.15, 0.9
# How many times as often a drawing is picked in which somebody has a limb too many or too few, or a ghost about her.
_OFTEN = {"limbs": 3.0, "ghost": 1.5}


def build(size: str = "shipped") -> Reader:
    """The network with random weights. Inputs: colours and the person's own mask."""
    return Reader(_SIZES[size], {name: len(words) for name, words in QUESTIONS.items()}, inputs=4)


class Objective:
    """Makes batches of crops of people and judges the answers."""

    def __init__(self, drawings: Drawings, batch: int, seed: int = 0, labelled: Labelled | None = None) -> None:
        self.drawings, self.labelled = drawings, labelled
        self.generated = round(batch * _GENERATED) if labelled else 0
        self.drawn = batch - self.generated
        self.generator = torch.Generator().manual_seed(seed)
        self.shares = shares(drawings).cpu()
        self.people, self.often = judged_people(labelled) if labelled else (torch.empty(0, 2), torch.empty(0))

    def __call__(self, network: nn.Module) -> Losses:
        """The losses of one fresh batch."""
        with torch.no_grad(), torch.autocast(self.drawings.device, enabled=False):
            crops = sample(self.drawings, self.drawn, BODY_SIZE, self.generator, False, self.shares)
            inputs, faulty = crops.inputs, crops.inputs.new_empty(0)
            if self.labelled:
                more, faulty = self._generated(self.labelled)
                inputs = torch.cat([inputs, more])
        answers = network(inputs)
        drawn = {name: logits[: len(crops.inputs)] for name, logits in answers.items()}
        losses = answer_losses(drawn, self.drawings, crops, _WEIGHTS)
        if self.labelled:
            losses["generated"] = faulty_loss(answers["limbs"][len(crops.inputs) :].float(), faulty)
        return losses

    def _generated(self, labelled: Labelled) -> tuple[Tensor, Tensor]:
        """Crops of people on labelled pictures, and whether their limbs are faulty."""
        chosen = torch.multinomial(self.often, self.generated, replacement=True, generator=self.generator)
        index, side = self.people[chosen].to(self.drawings.device).unbind(1)
        masks = labelled.masks[index, side]
        windows, turn, flip = windows_round(boxes_of(masks), 1.3 * 1.08)
        rows = torch.arange(self.generated, device=masks.device)
        colors = turned(labelled.pictures(index), rows, windows, BODY_SIZE, "bilinear", turn, flip)
        mask = turned(masks[:, None].float(), rows, windows, BODY_SIZE, "nearest", turn, flip)
        return torch.cat([normalise(softly_degraded(colors)), mask], 1), labelled.limbs[index, side].float()


def faulty_loss(logits: Tensor, faulty: Tensor) -> Tensor:
    """Cross entropy of "whole" against all faults together: a label's kind of fault is not believed."""
    odds = logits.log_softmax(1)
    whole, broken = odds[:, 0], odds[:, 1:].logsumexp(1)
    wanted = faulty * (2 * _SURE - 1) + (1 - _SURE)
    return -(wanted * broken + (1 - wanted) * whole).mean()


def judged_people(labelled: Labelled) -> tuple[Tensor, Tensor]:
    """(picture, side) of everybody whose limbs are known, and how often to pick her: every third one is faulty."""
    known = torch.nonzero((labelled.limbs >= 0) & labelled.masks.flatten(2).any(2)).cpu()
    faulty = (labelled.limbs.cpu()[known[:, 0], known[:, 1]] > 0).float()
    often = (len(faulty) - faulty.sum()) / (2 * faulty.sum().clamp_min(1))
    return known, 1.0 + (often - 1.0).clamp_min(0) * faulty


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
