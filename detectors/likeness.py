"""open_clip on one person at a time: how much does this crop look like those words, or like those pictures?"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detectors.weights import shipped_folder

VOCABULARY = "vocabulary.txt.gz"


def clip_folder(profile: str = "miniature") -> Path:
    """The folder with open_clip's own configuration and the vocabulary."""
    return shipped_folder(profile) / "clip"


def build_clip(folder: Path | None = None) -> Any:
    """open_clip's model with random weights, from ``open_clip_config.json`` in ``folder``."""
    from open_clip.model import CLIP

    config = json.loads(((folder or clip_folder()) / "open_clip_config.json").read_text())
    return CLIP(**config["model_cfg"])


def build_tokenizer(folder: Path | None = None, context: int = 40) -> Any:
    """open_clip's own tokenizer with the small vocabulary in ``folder``."""
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer(bpe_path=str((folder or clip_folder()) / VOCABULARY), context_length=context)


@dataclass(frozen=True)
class Likeness:
    """A loaded likeness model.

    Attributes:
        model: open_clip's model.
        tokenizer: its tokenizer.
        device: torch device.
        centre: cosine of a crop and a caption at which it is as likely to fit as not.
        slope: how much the log-odds rise with the cosine.
    """

    model: Any
    tokenizer: Any
    device: str
    # As it was taught to read a single cosine.
    centre: float = 0.5
    slope: float = 12.0
    _known: dict[str, NDArray[np.float32]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def load(cls, weights: Path, device: str, folder: Path | None = None) -> Likeness:
        """Read trained weights.

        Raises:
            MissingWeights: there is no such file.
        """
        from detectors.networks import load_weights

        state, _ = load_weights(weights)
        model = build_clip(folder)
        model.load_state_dict(state)
        return cls(model.to(device).eval(), build_tokenizer(folder), device)

    @property
    def scale(self) -> float:
        """What cosines are multiplied with to become logits, as learned."""
        return float(self.model.logit_scale.exp())

    def texts(self, captions: Sequence[str]) -> NDArray[np.float32]:
        """Unit embeddings of captions, (N, D); each caption is encoded once, by itself."""
        import torch

        if not captions:
            return np.zeros((0, 1), np.float32)
        for words in dict.fromkeys(captions):
            if words not in self._known:
                with torch.inference_mode():
                    features = self.model.encode_text(self.tokenizer([words]).to(self.device), normalize=True)
                self._known[words] = np.asarray(features[0].float().cpu().numpy())
        return np.stack([self._known[words] for words in captions])

    def crops(self, crops: Any) -> NDArray[np.float32]:
        """Unit embeddings of normalised person crops (M, 3, PERSON_SIZE, PERSON_SIZE), (M, D)."""
        import torch

        with torch.inference_mode():
            features = self.model.encode_image(crops, normalize=True)
        return np.asarray(features.float().cpu().numpy())
