"""Sending drawings through the miniature's VAE, so that detectors also learn the softness of generated pictures."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np


def soften(data: Path, pipeline: Path, count: int, noise: float = 0.15, batch: int = 32) -> Path:
    """Write ``soft.npy`` beside the drawings: the first ``count`` of them, encoded and decoded.

    Args:
        data: folder of rendered drawings.
        pipeline: a diffusers folder with a ``vae`` subfolder, or that subfolder itself.
        count: how many.
        noise: standard deviation of the noise added to the latents, as a fraction of theirs; half of the pictures get
            it, which smears fine parts as generation does.
        batch: pictures at a time.
    """
    import torch
    from diffusers import AutoencoderKLQwenImage

    device = "cuda" if torch.cuda.is_available() else "cpu"
    folder = pipeline / "vae" if (pipeline / "vae").is_dir() else pipeline
    vae = AutoencoderKLQwenImage.from_pretrained(folder).to(device).eval()
    images = np.load(data / "images.npy", mmap_mode="r")
    count = min(count, len(images))
    target = np.lib.format.open_memmap(data / "soft.partial.npy", "w+", "uint8", (count, *images.shape[1:]))
    started = time.monotonic()
    for start in range(0, count, batch):
        stop = min(count, start + batch)
        pictures = torch.from_numpy(np.array(images[start:stop])).to(device).permute(0, 3, 1, 2)[:, :, None]
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            latents = vae.encode(pictures.float() / 127.5 - 1).latent_dist.mode()
            share = (torch.rand(len(latents), 1, 1, 1, 1, device=device) < 0.5) * noise
            latents = latents + torch.randn_like(latents) * latents.float().std() * share
            decoded = vae.decode(latents.to(pictures.device)).sample[:, :, 0].float()
        pixels = ((decoded + 1) * 127.5).round().clamp(0, 255).byte()
        target[start:stop] = pixels.permute(0, 2, 3, 1).cpu().numpy()
    target.flush()
    del target
    (data / "soft.partial.npy").replace(data / "soft.npy")
    print(f"soften: {count} drawings in {time.monotonic() - started:.0f}s", flush=True)
    return data / "soft.npy"
