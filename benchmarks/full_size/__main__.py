"""``python -m benchmarks.full_size --json``: Anima and SDXL of full size, plainly and our way, on a CUDA GPU.

Random weights of the real shapes, since speed does not depend on their values. ``--size nano`` runs the whole command
on a CPU.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch

from benchmarks.full_size.models import measure_anima, measure_sdxl
from benchmarks.full_size.small_cards import measure_cards
from benchmarks.full_size.timing import ceiling_tflops, machine

PARTS = ("anima", "sdxl", "cards")


def read_options(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line, with the defaults of its size."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.full_size", description=__doc__)
    parser.add_argument("--size", choices=("full", "nano"), default="full")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--sides", type=int, nargs="+", help="pixels; 512 1024 for the full size, 64 for nano")
    parser.add_argument("--batch", type=int, help="images at once; default: what the card has room for")
    parser.add_argument("--rank", type=int, help="128 for the full size, 8 for nano")
    parser.add_argument("--checkpoints", type=int, help="6 for the full size, 2 for nano")
    parser.add_argument("--scenarios", type=int, help="8 for the full size, 2 for nano")
    parser.add_argument("--seeds", type=int, help="4 for the full size, 2 for nano")
    parser.add_argument("--plain-images", type=int, help="plain images for each of two LoRA files; 8, or 1 for nano")
    parser.add_argument(
        "--profile",
        action="store_true",
        help="also print where the time of one batch and of one swap goes, how much of it the card works, and every "
        "wait of the card in the whole evaluation with what the processor did meanwhile",
    )
    parser.add_argument(
        "--again",
        action="store_true",
        help="evaluate a second time with an empty data folder: what falls once in a process is then missing",
    )
    parser.add_argument(
        "--taken",
        type=float,
        default=0.0,
        help="GiB that others hold of each card of the part cards, whose settings then go by what is left; default: 0",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", help="default: cuda for the full size, cpu for nano")
    parser.add_argument("--detectors", default="cpu", help="device that the detectors look on; default: cpu")
    parser.add_argument("--out", type=Path, help="also write the JSON into this file after every part")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    full = options.size == "full"
    defaults: dict[str, tuple[Any, Any]] = {
        "sides": ([512, 1024], [64]),
        "rank": (128, 8),
        "checkpoints": (6, 2),
        "scenarios": (8, 2),
        "seeds": (4, 2),
        "plain_images": (8, 1),
        "device": ("cuda", "cpu"),
    }
    for name, (for_full, for_nano) in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, for_full if full else for_nano)
    return options


def main() -> int:
    """Parse the command line, measure, print."""
    options = read_options()
    device = torch.device(options.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        print("The full size needs a CUDA GPU, and there is none here; --size nano runs on a CPU.", file=sys.stderr)
        return 2
    from detectors import open_detectors

    ceiling = round(ceiling_tflops(device, 8192 if options.size == "full" else 256), 1 if device.type == "cuda" else 4)
    result: dict[str, Any] = {"size": options.size, "steps": options.steps, "rank": options.rank, **machine(device)}
    detectors = open_detectors("miniature", device=options.detectors)
    result["detectors"] = options.detectors
    for part in options.parts:
        if part == "anima":
            result[part] = measure_anima(options, device, detectors, ceiling)
        elif part == "sdxl":
            result[part] = measure_sdxl(options, device, detectors, ceiling)
        else:
            result[part] = measure_cards(options, device)
        if options.out:
            options.out.write_text(json.dumps(result, indent=2))
        print(f"{part} is measured", file=sys.stderr, flush=True)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        _print(result)
    return 0


def _print(result: dict[str, Any], indent: str = "") -> None:
    for key, value in result.items():
        if isinstance(value, dict):
            print(f"{indent}{key}")
            _print(value, indent + "  ")
        else:
            print(f"{indent}{key:32} {value}")


if __name__ == "__main__":
    sys.exit(main())
