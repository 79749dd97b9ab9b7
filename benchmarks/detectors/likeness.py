"""Training open_clip's own architecture to match one person's crop with words about her look."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.detectors.augment import Motion, Warp, degrade
from benchmarks.detectors.fitting import Losses
from benchmarks.detectors.heads import blur_mask
from benchmarks.detectors.store import PEOPLE, SIDE, Drawings, boxes_of
from benchmarks.miniature.scenes import (
    EYE_COLORS,
    HAIR_COLORS,
    HAIR_LENGTHS,
    HAIR_STYLES,
    LEGWEAR,
    OUTFIT_COLORS,
    OUTFITS,
)
from detectors.captions import caption
from detectors.crops import PERSON_SIZE, cut
from detectors.likeness import VOCABULARY, build_clip, build_tokenizer, clip_folder
from detectors.networks import normalise, save_weights

FIELDS = ("labels",)
_MOTION = Motion(zoom=0.15, shift=0.06, turn=0.12)
# (fields that must agree, the words for them, how often a caption says so)
TOPICS: tuple[tuple[tuple[str, ...], float], ...] = (
    (("hair_color",), 0.85),
    (("hair_length",), 0.75),
    (("eye_color",), 0.7),
    (("hair_style",), 0.25),
    (("outfit", "outfit_color"), 0.35),
    (("legwear",), 0.2),
    (("ribbon",), 0.15),
)


def _phrase(fields: tuple[str, ...], values: dict[str, int]) -> str:
    v = values[fields[0]]
    if fields[0] == "hair_color":
        return f"{HAIR_COLORS[v]} hair"
    if fields[0] == "hair_length":
        return f"{HAIR_LENGTHS[v]} hair"
    if fields[0] == "eye_color":
        return f"{EYE_COLORS[v]} eyes"
    if fields[0] == "hair_style":
        return ("straight hair", *HAIR_STYLES[1:])[v]
    if fields[0] == "outfit":
        return f"{OUTFIT_COLORS[values['outfit_color']]} {OUTFITS[v]}"
    return LEGWEAR[v] if fields[0] == "legwear" else ("no ribbon", "hair ribbon")[v]


def write_vocabulary(folder: Path, size: int = 640) -> Path:
    """Learn word pieces from every word a caption can hold and write them in open_clip's format.

    The shipped file was made with it. Which of two equally frequent pieces comes first is the library's choice, so
    another run may exchange such lines; the shipped networks go with the shipped file.
    """
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    lists = (HAIR_COLORS, HAIR_LENGTHS, EYE_COLORS, HAIR_STYLES, OUTFITS, OUTFIT_COLORS, LEGWEAR)
    corpus = [word for group in lists for word in group] * 3
    corpus += ["girl", "girls", "a girl with", "hair", "eyes", "hair ribbon", "no ribbon", "straight hair", "solo"] * 3
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    trainer = trainers.BpeTrainer(vocab_size=4096, end_of_word_suffix="</w>", min_frequency=2, show_progress=False)
    tokenizer.train_from_iterator(corpus, trainer)
    import json

    merges = [" ".join(pair) for pair in json.loads(tokenizer.to_str())["model"]["merges"]][: size - 514]
    path = folder / VOCABULARY
    with path.open("wb") as raw, gzip.GzipFile("", "wb", fileobj=raw, mtime=0) as file:
        file.write(("#version: 1\n" + "\n".join(merges)).encode())
    return path


def build(size: str = "shipped") -> nn.Module:
    """The model with random weights; there is one size."""
    del size
    network: nn.Module = build_clip()
    return network


class Objective:
    """Contrastive training in which every crop that fits a caption counts as its match."""

    def __init__(self, drawings: Drawings, batch: int, seed: int = 0) -> None:
        self.drawings, self.batch = drawings, batch
        self.generator = torch.Generator().manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.tokenizer = build_tokenizer(clip_folder())
        self.tokens: dict[str, Tensor] = {}

    def crops(self) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised crops with everybody else painted grey (M, 3, S, S), owner (M,), picture index (M,)."""
        device = self.drawings.device
        index = self.drawings.pick(max(2, self.batch * 2 // 3), self.generator)
        warp = Warp.random(len(index), SIDE, device, _MOTION)
        pictures = degrade(warp.colors(self.drawings.images(index, soften=0.4)))
        owner_map = (warp.labels(self.drawings.labels(index))[:, 0] // 16).long()
        boxes = boxes_of(torch.stack([owner_map == p + 1 for p in range(PEOPLE)], 1))
        there = (self.drawings.person("judgeable", index) > 0) & (boxes[..., 2] - boxes[..., 0] > 10)
        rows = torch.nonzero(there)
        rows = rows[torch.randperm(len(rows), device=device)[: self.batch]]
        picture, owner = rows.unbind(1)
        masks = blur_mask((owner_map[picture] == owner[:, None, None] + 1).float()[:, None])
        chosen = boxes[picture, owner]
        size = (chosen[:, 2:] - chosen[:, :2]).amax(1, keepdim=True)
        chosen = chosen + torch.randn_like(chosen) * size * 0.02
        side = 1.08 * (chosen[:, 2:] - chosen[:, :2]).amax(1)
        windows = torch.cat([(chosen[:, :2] + chosen[:, 2:]) / 2, side[:, None]], 1)
        own = torch.arange(len(picture), device=device)
        mask = cut(masks, own, windows, PERSON_SIZE)
        return normalise(cut(pictures, picture, windows, PERSON_SIZE)) * mask, owner, index[picture]

    def captions(self, values: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """One caption for each person, and which crops it is true of.

        Args:
            values: class numbers by field, (M,).

        Returns:
            Tokens (M, context) and a matrix (crops, captions) of 0 and 1.
        """
        count = len(values["hair_color"])
        plain = {name: value.cpu().numpy().astype(int) for name, value in values.items()}
        said = self.rng.random((count, len(TOPICS))) < [share for _, share in TOPICS]
        said[~said.any(1), 0] = True
        texts = []
        for i in range(count):
            words = [_phrase(fields, {n: int(plain[n][i]) for n in plain}) for t, (fields, _) in enumerate(TOPICS)
                     if said[i, t]]  # fmt: skip
            self.rng.shuffle(words)
            texts.append(caption(words, int(self.rng.integers(3))))
        device = values["hair_color"].device
        spoken = torch.from_numpy(said).to(device)
        fits = torch.ones(count, count, dtype=torch.bool, device=device)
        for t, (fields, _) in enumerate(TOPICS):
            agree = torch.stack([values[n][:, None] == values[n][None] for n in fields]).all(0)
            fits &= agree | ~spoken[None, :, t]
        return self.tokenizer(texts).to(device), fits.float()

    def __call__(self, network: nn.Module) -> Losses:
        """The losses of one fresh batch."""
        device = self.drawings.device
        with torch.no_grad(), torch.autocast(device, enabled=False):
            crops, owner, index = self.crops()
            names = sorted({name for fields, _ in TOPICS for name in fields})
            values = {n: self.drawings.person(n, index).gather(1, owner[:, None])[:, 0].long() for n in names}
            tokens, fits = self.captions(values)
        pictures = network.encode_image(crops, normalize=True)  # type: ignore[operator]
        texts = network.encode_text(tokens, normalize=True)  # type: ignore[operator]
        scale = network.logit_scale.clamp(max=4.6).exp()  # type: ignore[operator]
        logits = (pictures.float() @ texts.float().T) * scale
        both = []
        for values_, wanted in ((logits, fits), (logits.T, fits.T)):
            target = wanted / wanted.sum(1, keepdim=True).clamp_min(1)
            both.append((-target * functional.log_softmax(values_, 1)).sum(1).mean())
        # The contrastive part ranks; this part makes a single similarity mean something by itself.
        fit = 0.5 * functional.binary_cross_entropy_with_logits((pictures.float() @ texts.float().T - 0.5) * 12.0, fits)
        return {"crops": both[0] / 2, "captions": both[1] / 2, "fit": fit}


def save(path: Path, network: nn.Module, notes: dict[str, Any]) -> None:
    """Write the model's weights; its configuration lies beside the vocabulary."""
    save_weights(path, network.state_dict(), {"kind": "likeness", "training": notes})
