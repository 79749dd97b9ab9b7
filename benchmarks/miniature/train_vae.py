"""Train the tiny VAE on drawings: ``torchrun --nproc-per-node 2 -m benchmarks.miniature.train_vae --drawings …``

It trains in its single-frame form on random crops, ends on whole pictures, measures its PSNR on drawings it has not
seen and writes ``vae.safetensors`` (packed, fp16), ``vae.json``, ``vae-log.json`` and ``vae-sheet.png`` to ``--out``.
"""

from __future__ import annotations

import argparse
import copy
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from benchmarks.miniature import training
from benchmarks.miniature.architecture import LATENT_CHANNELS, build_vae
from benchmarks.miniature.dataset import CELL, SIZE, WEIGHT_UNIT, held_out, open_drawings
from benchmarks.miniature.training import Average, Budget, Gradients, Journal, Rank
from service.generation.single_frame import restore_video_convolutions, use_single_frame
from service.miniature.packing import pack_vae, unpack_vae

STATISTICS_PICTURES = 4096
RESERVE_SECONDS = 25.0
# YCbCr's blue and red difference from RGB, ITU-R BT.601.
_CHROMA = ((-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))


class VaeLoss(torch.nn.Module):
    """Encodes and decodes crops and compares: L1 (weighted by place), MSE, colour, edges, and a trace of KL."""

    def __init__(self, vae: torch.nn.Module, kl: float, latent_noise: float) -> None:
        super().__init__()
        self.vae, self._kl, self._latent_noise = vae, kl, latent_noise
        self.register_buffer("chroma", torch.tensor(_CHROMA), persistent=False)

    def forward(self, images: torch.Tensor, weights: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Loss and mean squared error of images (B, 3, H, W) in -1..1 with weights (B, 1, H, W) of mean about 1."""
        mean, spread = encode_moments(self.vae, images)
        latents = mean + torch.exp(0.5 * spread) * torch.randn_like(mean)
        # Noise in the latents keeps the decoder smooth: the base's latents are never exact.
        scale = self._latent_noise * latents.detach().float().std(dim=(0, 2, 3, 4), keepdim=True)
        latents = latents + scale.to(latents.dtype) * torch.randn_like(latents)
        error = decode_latents(self.vae, latents).float() - images
        squared = error.square().mean()
        colour = torch.einsum("bchw,kc->bkhw", error, self.chroma).abs().mean()
        edges = (error[..., 1:] - error[..., :-1]).abs().mean() + (error[..., 1:, :] - error[..., :-1, :]).abs().mean()
        mean32, spread32 = mean.float(), spread.float()
        divergence = 0.5 * (mean32.square() + spread32.exp() - 1 - spread32).mean()
        loss = (error.abs() * weights).mean() + 4 * squared + 2 * colour + 0.5 * edges + self._kl * divergence
        return loss, squared.detach()


def encode_moments(vae: Any, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and log variance of the latents, each (B, 16, 1, H/8, W/8), of images (B, 3, H, W) in -1..1."""
    moments = vae.quant_conv(vae.encoder(images.unsqueeze(2)))
    mean, spread = moments.chunk(2, dim=1)
    return mean, spread.clamp(-30.0, 20.0)


def decode_latents(vae: Any, latents: torch.Tensor) -> torch.Tensor:
    """Images (B, 3, H, W), not clamped, from latents (B, 16, 1, H/8, W/8)."""
    images: torch.Tensor = vae.decoder(vae.post_quant_conv(latents))[:, :, 0]
    return images


class Crops:
    """Random crops of drawings that all lie in device memory, with their weights.

    Args:
        images: (N, 256, 256, 3) bytes.
        weights: (N, 32, 32) bytes.
        device: where they go.
        seed: of the choice of crops.
    """

    def __init__(self, images: NDArray[np.uint8], weights: NDArray[np.uint8], device: torch.device, seed: int) -> None:
        self.images = torch.empty(images.shape, dtype=torch.uint8, device=device)
        for start in range(0, len(images), 2048):
            self.images[start : start + 2048].copy_(torch.from_numpy(np.array(images[start : start + 2048])))
        self._weights = torch.from_numpy(np.array(weights)).to(device)
        self._device = device
        self._random = torch.Generator(device).manual_seed(seed)

    def batch(self, count: int, side: int) -> tuple[torch.Tensor, torch.Tensor]:
        """``count`` crops of ``side`` pixels (a multiple of 8), half of them mirrored, and their weights."""
        places, cells = (SIZE - side) // CELL + 1, side // CELL
        chosen = self._integers(len(self.images), count)
        top, left = self._integers(places, count), self._integers(places, count)
        forward = torch.arange(cells, device=self._device)
        mirrored = (self._integers(2, count) == 1)[:, None]
        rows = top[:, None] + forward
        columns = left[:, None] + torch.where(mirrored, forward.flip(0), forward)
        weights = self._weights[chosen[:, None, None], rows[:, :, None], columns[:, None, :]].float() / WEIGHT_UNIT
        pixel = torch.arange(side, device=self._device)
        pixel_rows = top[:, None] * CELL + pixel
        pixel_columns = left[:, None] * CELL + torch.where(mirrored, pixel.flip(0), pixel)
        crops = self.images[chosen[:, None, None], pixel_rows[:, :, None], pixel_columns[:, None, :]]
        weights = functional.interpolate((weights / weights.mean())[:, None], scale_factor=CELL, mode="nearest")
        return scale_pixels(crops), weights

    def _integers(self, limit: int, count: int) -> torch.Tensor:
        return torch.randint(limit, (count,), generator=self._random, device=self._device)


def scale_pixels(pixels: torch.Tensor) -> torch.Tensor:
    """Bytes (B, H, W, 3) as images (B, 3, H, W) in -1..1, kept channels-last in memory."""
    return pixels.permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.no_grad()
def reconstruct(vae: Any, pixels: torch.Tensor, batch: int = 64) -> NDArray[np.uint8]:
    """Bytes (N, H, W, 3) after encoding to the mean and decoding."""
    results = []
    with training.autocast(pixels.device):
        for part in pixels.split(batch):
            results.append(training.to_pixels(decode_latents(vae, encode_moments(vae, scale_pixels(part))[0])))
    return np.concatenate(results)


def peak_signal_to_noise(pixels: NDArray[np.uint8], others: NDArray[np.uint8]) -> NDArray[np.float64]:
    """PSNR of each picture in decibels: ``10 log10(255² / mean squared error)``. Inputs are (N, H, W, 3) bytes."""
    squared = (pixels.astype(np.float64) - others.astype(np.float64)) ** 2
    decibels: NDArray[np.float64] = 10 * np.log10(255.0**2 / np.maximum(squared.mean(axis=(1, 2, 3)), 1e-9))
    return decibels


@torch.no_grad()
def latent_statistics(vae: Any, pixels: torch.Tensor, batch: int = 64) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each latent channel over pictures (N, H, W, 3)."""
    total = torch.zeros(2, LATENT_CHANNELS, dtype=torch.float64, device=pixels.device)
    count = 0
    with training.autocast(pixels.device):
        for part in pixels.split(batch):
            latents = encode_moments(vae, scale_pixels(part))[0].double()
            total += torch.stack([latents.sum(dim=(0, 2, 3, 4)), latents.square().sum(dim=(0, 2, 3, 4))])
            count += latents[:, 0].numel()
    mean = total[0] / count
    spread = (total[1] / count - mean.square()).clamp(min=1e-8).sqrt()
    return mean.tolist(), spread.tolist()


def save_vae(vae: Any, out: Path) -> None:
    """Write a VAE in its single-frame form as ``vae.safetensors`` and ``vae.json``; the VAE is left as it was."""
    from safetensors.torch import save_file

    video = copy.deepcopy(vae).float().cpu()
    restore_video_convolutions(video)
    out.mkdir(parents=True, exist_ok=True)
    save_file(pack_vae(video.state_dict()), out / "vae.safetensors")
    (out / "vae.json").write_text(video.to_json_string())


def load_vae(folder: Path, single_frame: bool = True) -> Any:
    """Read what :func:`save_vae` wrote, in fp32 on the CPU."""
    import json

    from diffusers import AutoencoderKLQwenImage
    from safetensors.torch import load_file

    config = json.loads((folder / "vae.json").read_text())
    vae = AutoencoderKLQwenImage.from_config(config)
    vae.load_state_dict(unpack_vae(load_file(folder / "vae.safetensors"), config))
    if single_frame:
        use_single_frame(vae)
    return vae.eval()


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    training.add_common_arguments(parser, batch=64, rate=1e-3)
    parser.add_argument("--limit", type=int, default=60_000, help="drawings kept in the GPU's memory (200 kB each)")
    parser.add_argument("--crop", type=int, default=128, help="side of the crops in pixels, a multiple of 8")
    parser.add_argument("--whole-from", type=float, default=0.85, help="position from which whole pictures are used")
    parser.add_argument("--kl", type=float, default=1e-5)
    parser.add_argument("--latent-noise", type=float, default=0.03, help="in standard deviations of the latents")
    return parser.parse_args()


def train(args: argparse.Namespace, rank: Rank) -> Any:
    """Run the training; returns the averaged VAE in its single-frame form."""
    torch.manual_seed(args.seed)
    vae: Any = build_vae(args.size)
    use_single_frame(vae)
    vae = vae.to(rank.device, memory_format=torch.channels_last).train()
    follower = copy.deepcopy(vae).eval()
    optimizer = torch.optim.AdamW(
        vae.parameters(), lr=args.lr, betas=(0.9, 0.99), weight_decay=1e-4, fused=rank.device.type == "cuda"
    )
    path, step, start = args.work / "vae-state.pt", 0, 0.0
    if state := training.load_state(path, rank.device):
        vae.load_state_dict(state["vae"])
        follower.load_state_dict(state["follower"])
        optimizer.load_state_dict(state["optimizer"])
        step, start = state["step"], state["position"]
        rank.say(f"resuming at step {step}, position {start:.3f}")
    if start >= args.until:
        return follower
    crops = _load_crops(args, rank, step)
    rank.say(f"{len(crops.images)} drawings in memory")
    objective = VaeLoss(vae, args.kl, args.latent_noise).to(rank.device)
    compiled = training.compile_if_wanted(objective, rank, args.compile)
    gradients, average = Gradients(vae.parameters(), rank), Average(vae, follower, 0.998)
    budget = Budget(training.STARTED + args.minutes * 60 - RESERVE_SECONDS, start, args.until)
    journal, saved, whole = Journal(rank, budget), time.monotonic(), False
    first_step = step
    while True:
        if (step - first_step) % training.AGREE_STEPS == 0:
            position = rank.agree(budget.position if step > first_step else start)
            rate = args.lr * training.learning_rate_factor(position)
            for group in optimizer.param_groups:
                group["lr"] = rate
            over = step > first_step and position >= args.until
            journal.report(step, rate, force=over)
            if rank.first and (over or time.monotonic() - saved > training.SAVE_SECONDS):
                saved = time.monotonic()
                _save(path, vae, follower, optimizer, step, position)
            if over:
                return follower
            whole = position >= args.whole_from
        # A second compilation for whole pictures would cost more than it saves.
        side, count = (SIZE, max(1, args.batch * args.crop**2 // SIZE**2)) if whole else (args.crop, args.batch)
        images, weights = crops.batch(count, side)
        with training.autocast(rank.device):
            loss, _ = (objective if whole else compiled)(images, weights)
        loss.backward()
        gradients.settle()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.follow(step)
        journal.add(loss)
        step += 1


def _save(path: Path, vae: Any, follower: Any, optimizer: Any, step: int, position: float) -> None:
    state = {"vae": vae.state_dict(), "follower": follower.state_dict(), "optimizer": optimizer.state_dict()}
    training.save_state(path, {**state, "step": step, "position": position})


def _load_crops(args: argparse.Namespace, rank: Rank, step: int) -> Crops:
    drawings = open_drawings(args.drawings[0])
    count = len(drawings.images)
    usable = min(args.limit, count - held_out(count))
    share = usable // rank.world
    part = slice(rank.index * share, (rank.index + 1) * share)
    seed = hash((args.seed, rank.index, step)) % 2**31
    return Crops(drawings.images[part], drawings.weights[part], rank.device, seed)


def finish(vae: Any, args: argparse.Namespace, rank: Rank) -> dict[str, float]:
    """Measure on held-out drawings, write the statistics into the configuration, save; returns the measures."""
    drawings = open_drawings(args.drawings[0])
    known = len(drawings.images) - held_out(len(drawings.images))
    pixels = torch.from_numpy(np.array(drawings.images[known:])).to(rank.device)
    sample = torch.from_numpy(np.array(drawings.images[: min(STATISTICS_PICTURES, known)]))
    mean, spread = latent_statistics(vae, sample.to(rank.device))
    vae.register_to_config(latents_mean=mean, latents_std=spread)
    rebuilt = reconstruct(vae, pixels)
    decibels = peak_signal_to_noise(pixels.cpu().numpy(), rebuilt)
    save_vae(vae, args.out)
    shown = pixels[:8].cpu().numpy()
    training.write_sheet(args.out / "vae-sheet.png", [list(shown), list(rebuilt[:8])])
    facts = {"psnr_mean": float(decibels.mean()), "psnr_worst": float(decibels.min()), "pictures": float(len(pixels))}
    rank.say(f"PSNR on {len(pixels)} unseen drawings: mean {decibels.mean():.2f} dB, worst {decibels.min():.2f} dB")
    return facts


def main() -> None:
    """Command line of this module."""
    args = _parse()
    rank = training.join_ranks()
    vae = train(args, rank)
    if rank.first:
        facts = finish(vae, args, rank)
        training.write_json(args.out / "vae-log.json", {**facts, "minutes": args.minutes, "learning_rate": args.lr})
    training.leave_ranks()


if __name__ == "__main__":
    main()
