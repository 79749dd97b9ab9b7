"""One LoRA run: its trainer, from pictures and captions to the weights of every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.miniature import training
from benchmarks.miniature.architecture import load_models
from benchmarks.miniature.denoiser import PARTS, Denoiser, Tokens, mix, sample_latents, sample_sigmas
from benchmarks.miniature.train_vae import decode_latents, encode_moments, scale_pixels
from benchmarks.miniature.training import Gradients, Rank
from benchmarks.miniature.training_sets import Recipe, TrainingPicture
from service.generation.single_frame import use_single_frame

TARGETS = ("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2")
STEM = "keikana-{recipe}"
_WARM_UP_STEPS = 3


@dataclass(frozen=True)
class Job:
    """One run to train."""

    recipe: Recipe
    seed: int

    @property
    def folder(self) -> str:
        """The run's folder."""
        return self.recipe.name if self.seed == 0 else f"{self.recipe.name}-seed{self.seed}"

    def file(self, epoch: int | None) -> str:
        """The name of an epoch's file; ``None`` is the final one."""
        stem = STEM.format(recipe=self.folder)
        return f"{stem}.safetensors" if epoch is None else f"{stem}_epoch{epoch}.safetensors"


@dataclass(frozen=True)
class Settings:
    """What all runs of one command share."""

    base: Path
    out: Path
    epochs: int
    save_every: int
    batch: int
    rate: float
    sheet_epochs: tuple[int, ...]
    graphs: bool
    cells: int
    deadline: float


class LoraTrainer:
    """A base with trainable low-rank factors, and the training pictures as latents and text states on the device."""

    def __init__(self, job: Job, settings: Settings, pictures: Sequence[TrainingPicture], device: torch.device) -> None:
        from peft import LoraConfig, inject_adapter_in_model

        self.job, self.settings, self.device = job, settings, device
        models = load_models(settings.base)
        self.vae = models["vae"]
        use_single_frame(self.vae)
        self.vae.to(device)
        self.model = Denoiser(*(models[name] for name in PARTS)).to(device).eval().requires_grad_(False)
        self.latents = _encode(self.vae, pictures, device, settings.cells)
        with torch.no_grad():
            tokens = Tokens.of([p.caption for p in pictures], device)
            self.texts = self.model.read(*tokens.take(torch.arange(len(pictures), device=device)))
        torch.manual_seed(job.seed)
        config = LoraConfig(
            r=job.recipe.rank, lora_alpha=job.recipe.rank, target_modules=list(TARGETS), init_lora_weights=True
        )
        inject_adapter_in_model(config, self.model.transformer)
        factors = [p for p in self.model.transformer.parameters() if p.requires_grad]
        self._gradients = Gradients(factors, Rank(0, 1, device))
        cuda = device.type == "cuda"
        self._optimizer = torch.optim.AdamW(factors, lr=settings.rate, weight_decay=0.01, fused=cuda, capturable=cuda)
        self._random = torch.Generator(device).manual_seed(1000 + job.seed)
        count, cells, length = settings.batch, self.latents.shape[-1], self.texts.shape[1]
        self._noisy = torch.zeros(count, *self.latents.shape[1:], device=device)
        self._target = torch.zeros_like(self._noisy)
        self._sigma = torch.zeros(count, device=device)
        self._text = torch.zeros(count, length, self.texts.shape[2], device=device)
        self.loss = torch.zeros((), device=device)
        self._graph: torch.cuda.CUDAGraph | None = None
        self._record = cuda and settings.graphs
        self._cells = cells
        self.step = 0

    def train_batch(self, rows: torch.Tensor) -> None:
        """One step on the pictures in ``rows`` (batch,)."""
        pictures = self.latents[rows]
        noise = torch.randn(pictures.shape, generator=self._random, device=self.device)
        sigma = sample_sigmas(len(rows), self.device, self._random)
        self._noisy.copy_(mix(pictures, noise, sigma))
        self._target.copy_(noise - pictures)
        self._sigma.copy_(sigma)
        self._text.copy_(self.texts[rows])
        if self._graph is not None:
            self._graph.replay()
        elif self._record:
            self._warm_up_or_record()
        else:
            self._compute()
        self.step += 1

    def _compute(self) -> None:
        """Forward, backward and update on what lies in the buffers."""
        self._optimizer.zero_grad(set_to_none=True)
        # A capture must not keep weights cast for an earlier step.
        with torch.autocast(self.device.type, torch.bfloat16, self.device.type == "cuda", cache_enabled=False):
            prediction = self.model.denoise(self._noisy, self._sigma, self._text)
        loss = (prediction.float() - self._target).square().mean()
        loss.backward()
        self._gradients.settle()
        self._optimizer.step()
        self.loss += loss.detach()

    def _warm_up_or_record(self) -> None:
        """The first steps run on a stream of their own, then one is recorded; every later step replays it."""
        if self.step < _WARM_UP_STEPS:
            side = torch.cuda.Stream()
            side.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(side):
                self._compute()
            torch.cuda.current_stream().wait_stream(side)
            return
        self._optimizer.zero_grad(set_to_none=True)
        graph = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._compute()
        except RuntimeError as error:
            print(f"{self.job.folder}: going on without a CUDA graph, which is slower: {error}", flush=True)
            self._record = False
            self._compute()
            return
        self._graph = graph
        graph.replay()

    def factors(self) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
        """Module path → (down, up) in fp16 on the CPU."""
        return {
            name: (module.lora_A["default"].weight.detach().half().cpu(), _up(module).detach().half().cpu())
            for name, module in self.model.transformer.named_modules()
            if hasattr(module, "lora_A") and "default" in module.lora_A
        }

    def pictures(self, prompts: Sequence[str], seed: int) -> Any:
        """Pictures (N, H, W, 3) of some prompts with the factors as they are now."""
        config = self.vae.config
        with torch.no_grad(), training.autocast(self.device):
            latents = sample_latents(self.model, prompts, [seed] * len(prompts), cells=self._cells)
            mean = torch.tensor(config.latents_mean, device=self.device).view(1, -1, 1, 1)
            spread = torch.tensor(config.latents_std, device=self.device).view(1, -1, 1, 1)
            return training.to_pixels(decode_latents(self.vae, (latents * spread + mean).unsqueeze(2)))


def _up(module: Any) -> torch.Tensor:
    weight: torch.Tensor = module.lora_B["default"].weight
    return weight


@torch.no_grad()
def _encode(vae: Any, pictures: Sequence[TrainingPicture], device: torch.device, cells: int) -> torch.Tensor:
    """Normalised latents (N, 16, cells, cells); fewer cells than 32 take the upper left corner, for tests."""
    mean = torch.tensor(vae.config.latents_mean, device=device).view(1, -1, 1, 1)
    spread = torch.tensor(vae.config.latents_std, device=device).view(1, -1, 1, 1)
    latents = []
    for picture in pictures:
        pixels = torch.from_numpy(picture.image[: cells * 8, : cells * 8].copy())[None].to(device)
        latents.append((encode_moments(vae, scale_pixels(pixels))[0][:, :, 0] - mean) / spread)
    return torch.cat(latents)


def epoch_batches(count: int, batch: int, repeats: int, random: torch.Generator) -> list[torch.Tensor]:
    """Rows of one epoch in batches: every picture ``repeats`` times, shuffled; the last batch is filled from the start.

    >>> [len(rows) for rows in epoch_batches(96, 16, 2, torch.Generator())] == [16] * 12
    True
    """
    rows = torch.cat([torch.randperm(count, generator=random) for _ in range(repeats)])
    missing = -len(rows) % batch
    return list(torch.cat([rows, rows[:missing]]).split(batch))
