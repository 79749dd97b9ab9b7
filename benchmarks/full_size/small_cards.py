"""Each setting for small cards on a large one whose memory is capped: peaks, and what the setting costs."""

from __future__ import annotations

import multiprocessing
import tempfile
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch

from benchmarks.full_size import components as anima
from benchmarks.full_size.models import ALPHA_PER_RANK, settings_for, the_suite
from benchmarks.full_size.ours import swap_ms
from benchmarks.full_size.timing import milliseconds, peak_gb, reset_peak
from service.checkpoints import load_adapter
from service.generation import ImageRequest
from service.generation.anima import AnimaGenerator
from service.generation.cards import CARDS, Memory, card_of

CAPS_GIB = {"24gb": 23.4, "12gb": 11.7, "8gb": 7.8, "6gb": 5.85}
"""What cards of that name have left when a desktop runs."""
_LEAST_GIB = 4.0


def measure_cards(options: Any, device: torch.device) -> dict[str, Any]:
    """One entry for each setting, at the largest size that was asked for.

    With ``options.taken`` others hold so many GiB of each card: the setting is the one that is chosen then, and memory
    is capped to what they leave. A card that they leave less than 4 GiB of is left out: nothing fits there.

    Each has a process of its own, as a user's has: nothing that another one left in memory counts.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, max_tasks_per_child=1) as pool:
        names = [name for name, gib in CAPS_GIB.items() if not options.taken or gib - options.taken >= _LEAST_GIB]
        return dict(zip(names, pool.map(_measure, names, [options] * len(names), [device] * len(names)), strict=True))


def _measure(name: str, options: Any, device: torch.device) -> dict[str, Any]:
    card = next(card for card in CARDS if card.name == name)
    cap = CAPS_GIB[name] - options.taken
    if options.taken:
        card = card_of(Memory(int(CAPS_GIB[name] * 2**30), int(cap * 2**30)))
    side = max(options.sides)
    build = anima.full_components if options.size == "full" else anima.nano_components
    parts = build(device, options.seed)
    anima.give_contrast(parts)
    for part in ("transformer", "text_encoder", "text_conditioner", "vae"):
        parts[part].to("cpu", torch.bfloat16 if device.type == "cuda" else torch.float32)
    settings = settings_for(side, device, card.batch_size(side, side), steps=options.steps, sampler="euler")
    row: dict[str, Any] = {"batch_size": settings.batch_size, "cap_gb": round(cap, 2), "cost": card.cost}
    if options.taken:
        row = {"taken_gb": options.taken, "setting": card.name} | row
    reset_peak(device)
    _cap(device, cap)
    try:
        with tempfile.TemporaryDirectory() as folder:
            lora = Path(folder) / "run_epoch4.safetensors"
            anima.write_lora(lora, parts["transformer"], options.rank, ALPHA_PER_RANK * options.rank, options.seed)
            generator = AnimaGenerator.from_components(
                parts, settings, identity="random", device=str(device), card=card
            )
            suite = the_suite(side, 4, 4, steps=options.steps)
            requests = [ImageRequest(scenario.prompt, seed) for scenario, seed in suite.cells()][: settings.batch_size]
            generator.use(lora)
            generate_ms = milliseconds(device, lambda: generator.generate(requests), repeats=2)
            # An evaluation reads the next file beside the pictures of the last: the disk's speed is no part of a swap.
            read_ms = milliseconds(device, lambda: load_adapter(lora), repeats=2)
            row |= {
                "ours_ms": round(generate_ms / len(requests), 1),
                "swap_ms": round(swap_ms(generator, [lora] * 3), 1),
                "read_ms": round(read_ms, 1),
                "file_mb": round(lora.stat().st_size / 1e6, 3),
            }
    except torch.OutOfMemoryError as error:
        row["failed"] = str(error).splitlines()[0]
    finally:
        row["peak_gb"] = peak_gb(device)
        _cap(device, None)
    return row


def _cap(device: torch.device, gib: float | None) -> None:
    if device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        share = 1.0 if gib is None else gib * 2**30 / total
        torch.cuda.set_per_process_memory_fraction(share, torch.cuda.current_device())
