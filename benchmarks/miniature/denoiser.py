"""The base's parts as one trainable model, with the pipeline's own conventions, and a plain Euler sampler.

Noise level ``sigma`` runs from 1 (noise) to 0 (picture): ``x = (1 - sigma) * picture + sigma * noise``; the transformer
is given sigma as its timestep and predicts ``noise - picture``.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.miniature.architecture import LATENT_CHANNELS
from benchmarks.miniature.dataset import CELL
from benchmarks.miniature.tokenizing import encode_captions

SHIFT = 3.0
"""The schedule's shift: ``sigma = 3 u / (1 + 2 u)``."""
PARTS = ("transformer", "text_encoder", "text_conditioner")


class Denoiser(torch.nn.Module):
    """Transformer, text encoder and conditioner, trained together."""

    def __init__(self, transformer: Any, text_encoder: Any, text_conditioner: Any) -> None:
        super().__init__()
        self.transformer, self.text_encoder, self.text_conditioner = transformer, text_encoder, text_conditioner

    def read(self, qwen: torch.Tensor, t5: torch.Tensor) -> torch.Tensor:
        """Text conditioning (B, length, dim) from token ids padded with -1: what the pipeline makes of the captions."""
        known, target = qwen >= 0, t5 >= 0
        # An empty caption attends to one zero vector, which adds nothing: softmax over no key at all is not a number.
        seen = known.clone()
        seen[:, 0] = True
        # Causal attention over right-padded text needs no mask, and building one would wait for the GPU every step.
        hidden = self.text_encoder(input_ids=qwen.clamp(min=0)).last_hidden_state
        text: torch.Tensor = self.text_conditioner(
            source_hidden_states=hidden * known.unsqueeze(-1).to(hidden.dtype),
            target_input_ids=t5.clamp(min=0),
            target_attention_mask=target,
            source_attention_mask=seen,
        )
        return text

    def denoise(self, noisy: torch.Tensor, sigma: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
        """Predicted ``noise - picture`` (B, 16, h, w) for latents of that shape at ``sigma`` (B,)."""
        height, width = noisy.shape[-2:]
        prediction: torch.Tensor = self.transformer(
            hidden_states=noisy.unsqueeze(2),
            timestep=sigma,
            encoder_hidden_states=text,
            padding_mask=noisy.new_zeros(1, 1, height * CELL, width * CELL),
            return_dict=False,
        )[0]
        return prediction.squeeze(2)

    def forward(self, noisy: torch.Tensor, sigma: torch.Tensor, qwen: torch.Tensor, t5: torch.Tensor) -> torch.Tensor:
        """:meth:`denoise` with :meth:`read` before it."""
        return self.denoise(noisy, sigma, self.read(qwen, t5))

    def follower(self) -> Denoiser:
        """A copy in evaluation mode that is not trained. Make it before compiling."""
        return copy.deepcopy(self).eval().requires_grad_(False)

    def compile_blocks(self) -> None:
        """Compile the transformer's blocks in place for one fixed shape; the names of the weights stay."""
        import torch._dynamo

        torch._dynamo.config.suppress_errors = True
        torch._dynamo.config.recompile_limit = 64  # one code object serves every block, here and in a teacher
        for block in self.transformer.transformer_blocks:
            block.compile(dynamic=False)


def sample_sigmas(count: int, device: torch.device, generator: torch.Generator | None = None) -> torch.Tensor:
    """Noise levels for training (count,): logit-normal, one in seven uniform to meet pure noise, then shifted."""
    normal = torch.sigmoid(torch.randn(count, device=device, generator=generator))
    uniform = torch.rand(count, device=device, generator=generator)
    chosen = torch.rand(count, device=device, generator=generator) < 1 / 7
    return shift_sigmas(torch.where(chosen, uniform, normal))


def shift_sigmas(levels: torch.Tensor) -> torch.Tensor:
    """The flow-match schedule's shift of levels 0..1.

    >>> shift_sigmas(torch.tensor([0.0, 0.5, 1.0])).tolist()
    [0.0, 0.75, 1.0]
    """
    return SHIFT * levels / (1 + (SHIFT - 1) * levels)


def mix(pictures: torch.Tensor, noise: torch.Tensor, sigma: torch.Tensor) -> torch.Tensor:
    """Latents (B, …) at noise level ``sigma`` (B,)."""
    level = sigma.view(-1, *([1] * (pictures.ndim - 1)))
    return (1 - level) * pictures + level * noise


def weighted_loss(prediction: torch.Tensor, target: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mean squared error of (B, C, h, w) with weights (B, h, w), which are brought to a mean of 1 first."""
    scaled = (weights / weights.mean()).unsqueeze(1)
    return ((prediction.float() - target.float()).square() * scaled).mean()


@dataclass(frozen=True)
class Tokens:
    """Token ids of captions on a device, padded with -1: ``qwen`` (N, 112) and ``t5`` (N, 80), int16."""

    qwen: torch.Tensor
    t5: torch.Tensor

    @classmethod
    def of(cls, captions: Sequence[str], device: torch.device) -> Tokens:
        """Tokenize captions."""
        ids = encode_captions(captions)
        return cls(*(torch.from_numpy(ids[key]).to(device) for key in ("qwen", "t5")))

    def take(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Ids of some captions as int64."""
        return self.qwen[rows].long(), self.t5[rows].long()


@torch.no_grad()
def sample_latents(
    model: Denoiser, captions: Sequence[str], seeds: Sequence[int], steps: int = 8, cells: int = 32
) -> torch.Tensor:
    """Euler sampling at guidance 1, as the pipeline does it with its own scheduler.

    Args:
        model: a trained denoiser.
        captions: B prompts.
        seeds: B seeds; the initial noise is drawn on the CPU, one generator a picture.
        steps: denoising steps.
        cells: side of the latents; a cell is 8 pixels.

    Returns:
        Latents (B, 16, cells, cells), normalised.
    """
    device = next(model.parameters()).device
    text = model.read(*Tokens.of(captions, device).take(torch.arange(len(captions), device=device)))
    shape = (LATENT_CHANNELS, 1, cells, cells)
    noise = [torch.randn((1, *shape), generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    latents = torch.cat(noise)[:, :, 0].to(device)
    sigmas = [*shift_sigmas(torch.from_numpy(np.linspace(1.0, 1 / steps, steps))).tolist(), 0.0]
    for sigma, following in itertools.pairwise(sigmas):
        level = torch.full((len(captions),), sigma, device=device)
        latents = latents + (following - sigma) * model.denoise(latents, level, text).float()
    return latents
