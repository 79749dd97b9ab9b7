"""That the figures are of the right thing: every tensor of a file used, folded exactly, and visible."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from benchmarks.full_size.components import trained_modules
from service.checkpoints import kohya_name, load_adapter
from service.generation import ImageRequest, changes_nothing
from service.generation.anima import AnimaGenerator


def check(
    generator: AnimaGenerator, transformer: torch.nn.Module, lora: Path, cell: ImageRequest, scale: float
) -> dict[str, Any]:
    """Fold once and compare every trained layer with W + alpha/rank * up @ down, computed from the file.

    Args:
        generator: on these components.
        transformer: its denoiser.
        lora: a file of every trained layer.
        cell: an image to look at.
        scale: alpha / rank of the file.

    Raises:
        AssertionError: a tensor was not used, a layer not changed, or the difference is not what the file says.
    """
    adapter = load_adapter(lora)
    modules = trained_modules(transformer)
    generator.use(None)
    control = generator.generate([cell])[0].pixels
    before = {name: module.weight.detach().clone() for name, module in modules.items()}
    report = generator.use_adapter(adapter)
    assert report.tensors == adapter.tensors == 3 * len(modules), f"{report.tensors} of {adapter.tensors} tensors used"
    assert report.weights == len(modules), f"{report.weights} of {len(modules)} weights changed"
    worst, other = 0.0, 0
    parts = {part.layout.key: part.factors for part in adapter.modules}
    for name, module in modules.items():
        factors = parts[kohya_name("transformer", name)]
        up, down = (factors[role].to(module.weight.device).float() for role in ("up", "down"))
        exact = (before[name].float() + scale * up @ down).to(module.weight.dtype)
        assert not torch.equal(module.weight, before[name]), f"{name} was not changed"
        other += int((module.weight != exact).sum())
        worst = max(worst, float((module.weight.float() - exact.float()).abs().max() / exact.float().abs().max()))
    assert worst < 0.01, f"folding differs from the file by {worst}"
    image = generator.generate([cell])[0]
    return {
        "tensors": adapter.tensors,
        "tensors_used": report.tensors,
        "layers": len(modules),
        "fold_error": worst,
        "weights_rounded_otherwise": other / sum(module.weight.numel() for module in modules.values()),
        "changes_the_image": not changes_nothing(image.pixels, control),
        "invalid_images": int(image.invalid is not None),
    }
