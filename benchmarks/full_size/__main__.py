"""``python -m benchmarks.full_size --json``: an Anima of full size with a rank-128 LoRA, on a CUDA GPU.

``--size nano`` runs the whole command on a CPU in seconds.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from benchmarks.full_size.components import full_components, give_contrast, nano_components, trained_modules, write_lora
from service.checkpoints import Adapter, kohya_name, load_adapter
from service.generation import GeneratedImage, GenerationSettings, ImageRequest, changes_nothing
from service.generation.anima import AnimaGenerator

PROMPTS = (
    "masterpiece, best quality, score_7, safe, 2girls, kei, kana, hug, park",
    "masterpiece, best quality, score_7, safe, 1girl, kei, solo, standing, simple background",
)
ALPHA_PER_RANK = 0.5


def measure(size: str, device: torch.device, settings: GenerationSettings, rank: int, seed: int) -> dict[str, Any]:
    """Build, fold, generate and time; see the keys of the result.

    Raises:
        AssertionError: a tensor of the LoRA file was not used, or folding is not exact.
    """
    components = (full_components if size == "full" else nano_components)(device, seed)
    give_contrast(components)
    transformer = components["transformer"]
    generator = AnimaGenerator.from_components(
        components, settings, identity=f"random {size} {seed}", device=str(device)
    )
    requests = [ImageRequest(PROMPTS[index % 2], seed + index) for index in range(settings.batch_size)]
    control = generator.generate(requests)

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "run_epoch4.safetensors"
        write_lora(path, transformer, rank, alpha=ALPHA_PER_RANK * rank, seed=seed)
        adapter = load_adapter(path)
        lora_bytes = path.stat().st_size
        fold = check_fold(generator, transformer, adapter)
        swap_ms = milliseconds(device, lambda: generator.use(path))
    fold_ms = milliseconds(device, lambda: generator.use_adapter(adapter))
    restore_ms = milliseconds(device, lambda: generator.use_adapter(None))

    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    generator.use_adapter(adapter)
    images = generator.generate(requests)
    batch_ms = milliseconds(device, lambda: generator.generate(requests), repeats=3)
    return {
        "size": size,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "dtype": str(transformer.dtype).removeprefix("torch."),
        "transformer_parameters": sum(parameter.numel() for parameter in transformer.parameters()),
        "settings": {**generator.fingerprint()["settings"], "batch_size": settings.batch_size},
        "lora": {"rank": rank, "bytes": lora_bytes, **fold},
        "seconds_per_image": round(batch_ms / 1000 / settings.batch_size, 4),
        "swap_from_file_ms": round(swap_ms, 1),
        "fold_ms": round(fold_ms, 2),
        "restore_ms": round(restore_ms, 2),
        "peak_memory_gib": round(peak_memory(device) / 2**30, 2),
        "invalid_images": sum(image.invalid is not None for image in [*control, *images]),
        "lora_changes_the_image": not changes_nothing(images[0].pixels, control[0].pixels),
        "repeated_call_grey_levels": difference(images, generator.generate(requests)),
        "alone_or_in_batch_grey_levels": max(
            difference([image], generator.generate([request])) for image, request in zip(images, requests, strict=True)
        ),
        "versions": {"python": platform.python_version(), **generator.fingerprint()["libraries"]},
    }


def check_fold(generator: AnimaGenerator, transformer: torch.nn.Module, adapter: Adapter) -> dict[str, Any]:
    """Fold once and compare every trained layer with W + alpha/rank * up @ down, computed from the file."""
    modules = trained_modules(transformer)
    before = {name: module.weight.detach().clone() for name, module in modules.items()}
    report = generator.use_adapter(adapter)
    assert report.tensors == adapter.tensors == 3 * len(modules), f"{report.tensors} of {adapter.tensors} tensors used"
    assert report.weights == len(modules), f"{report.weights} of {len(modules)} weights changed"
    worst = 0.0
    parts = {part.layout.key: part.factors for part in adapter.modules}
    for name, module in modules.items():
        factors = parts[kohya_name("transformer", name)]
        up, down = (factors[role].to(module.weight.device).float() for role in ("up", "down"))
        exact = (before[name].float() + ALPHA_PER_RANK * up @ down).to(module.weight.dtype)
        assert not torch.equal(module.weight, before[name]), f"{name} was not changed"
        worst = max(worst, float((module.weight.float() - exact.float()).abs().max() / exact.float().abs().max()))
    assert worst < 0.01, f"folding differs from the file by {worst}"
    return {"tensors": adapter.tensors, "tensors_used": report.tensors, "layers": len(modules), "fold_error": worst}


def milliseconds(device: torch.device, action: Callable[[], object], repeats: int = 5) -> float:
    """The median duration of an action, waiting for the GPU; the first run is not counted."""
    durations = []
    for _ in range(repeats + 1):
        _wait(device)
        start = time.perf_counter()
        action()
        _wait(device)
        durations.append(1000 * (time.perf_counter() - start))
    return statistics.median(durations[1:])


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def peak_memory(device: torch.device) -> int:
    """Bytes: of the GPU's allocator since the last reset, or of this whole process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def difference(ones: list[GeneratedImage], others: list[GeneratedImage]) -> int:
    """The largest difference between two lists of images, in grey levels."""
    pairs = zip(ones, others, strict=True)
    return max(int(abs(one.pixels.astype(int) - other.pixels.astype(int)).max()) for one, other in pairs)


def main() -> int:
    """Parse the command line, measure, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.full_size", description=__doc__)
    parser.add_argument("--size", choices=("full", "nano"), default="full")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--side", type=int, help="pixels; 1024 for the full size, 64 for nano")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rank", type=int, help="128 for the full size, 8 for nano")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", help="default: cuda for the full size, cpu for nano")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    full = options.size == "full"
    device = torch.device(options.device or ("cuda" if full else "cpu"))
    if device.type == "cuda" and not torch.cuda.is_available():
        print("The full size needs a CUDA GPU, and there is none here; --size nano runs on a CPU.", file=sys.stderr)
        return 2
    side = options.side or (1024 if full else 64)
    settings = GenerationSettings(steps=options.steps, width=side, height=side, batch_size=options.batch)
    result = measure(options.size, device, settings, options.rank or (128 if full else 8), options.seed)
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        for key, value in result.items():
            print(f"{key:32} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
