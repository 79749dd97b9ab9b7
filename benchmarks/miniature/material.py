"""What the tiny Anima learns from: drawings as latents in device memory, and batches of them with noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.miniature import training
from benchmarks.miniature.dataset import WEIGHT_UNIT, DrawingSet, held_out, open_drawings
from benchmarks.miniature.denoiser import Tokens, mix, sample_sigmas
from benchmarks.miniature.train_vae import encode_moments, scale_pixels
from benchmarks.miniature.training import Rank

CAPTION_DROPOUT = 0.1


@dataclass(frozen=True)
class Material:
    """This rank's training pictures in device memory.

    ``latents`` (N, 16, 32, 32) bf16, normalised; ``weights`` (N, 32, 32) bytes; ``tokens`` of the 2 N captions, those
    of picture ``i`` at ``2 i`` and ``2 i + 1``; ``empty`` is the tokens of no caption.
    """

    latents: torch.Tensor
    weights: torch.Tensor
    tokens: Tokens
    empty: Tokens


@dataclass(frozen=True)
class Batch:
    """What one step looks at."""

    noisy: torch.Tensor
    sigma: torch.Tensor
    target: torch.Tensor
    weights: torch.Tensor
    qwen: torch.Tensor
    t5: torch.Tensor


@torch.no_grad()
def encode_drawings(
    vae: Any, drawings: DrawingSet, rows: range, device: torch.device, batch: int = 256
) -> torch.Tensor:
    """Normalised latents (len(rows), 16, 32, 32) of drawings, in bf16."""
    shape = (1, -1, 1, 1)
    mean = torch.tensor(vae.config.latents_mean, device=device).view(shape)
    spread = torch.tensor(vae.config.latents_std, device=device).view(shape)
    parts = []
    with training.autocast(device):
        for start in range(rows.start, rows.stop, batch):
            pixels = torch.from_numpy(np.array(drawings.images[start : min(start + batch, rows.stop)])).to(device)
            latents = encode_moments(vae, scale_pixels(pixels))[0][:, :, 0].float()
            parts.append(((latents - mean) / spread).to(torch.bfloat16))
    return torch.cat(parts)


def load_material(folders: list[Path], vae: Any, rank: Rank) -> Material:
    """Encode this rank's share of every folder; the held-out end of the first folder is left out."""
    latents, weights, captions = [], [], []
    for number, folder in enumerate(folders):
        drawings = open_drawings(folder)
        count = len(drawings.images)
        share = (count - (held_out(count) if number == 0 else 0)) // rank.world
        rows = range(rank.index * share, (rank.index + 1) * share)
        latents.append(encode_drawings(vae, drawings, rows, rank.device))
        weights.append(torch.from_numpy(np.array(drawings.weights[rows.start : rows.stop])).to(rank.device))
        captions += [text for pair in drawings.captions[rows.start : rows.stop] for text in pair]
        rank.say(f"encoded {len(rows)} drawings of {folder} on each GPU")
    tokens, empty = Tokens.of(captions, rank.device), Tokens.of([""], rank.device)
    return Material(torch.cat(latents), torch.cat(weights), tokens, empty)


def draw_batch(material: Material, count: int, random: torch.Generator, dropout: float = CAPTION_DROPOUT) -> Batch:
    """A random batch with fresh noise; some captions are replaced by none."""
    device = material.latents.device
    rows = torch.randint(len(material.latents), (count,), generator=random, device=device)
    variant = torch.randint(2, (count,), generator=random, device=device)
    qwen, t5 = material.tokens.take(2 * rows + variant)
    dropped = (torch.rand(count, generator=random, device=device) < dropout)[:, None]
    empty_qwen, empty_t5 = material.empty.qwen.long(), material.empty.t5.long()
    pictures = material.latents[rows].float()
    noise = torch.randn(pictures.shape, generator=random, device=device)
    sigma = sample_sigmas(count, device, random)
    return Batch(
        mix(pictures, noise, sigma),
        sigma,
        noise - pictures,
        material.weights[rows].float() / WEIGHT_UNIT,
        torch.where(dropped, empty_qwen, qwen),
        torch.where(dropped, empty_t5, t5),
    )
