"""The weight difference that each kind of adapter stands for, in fp32.

With W the base weight as ``(out, in * kernel)``, r the inner dimension and s = alpha / r (1 without an alpha):

* LoRA, LoCon: ``s · up @ down``; with a Tucker core ``s · Σ up[o,m] mid[m,n,k] down[n,i]``.
* LoHa (arXiv 2108.06098): ``s · (w1_a @ w1_b) ⊙ (w2_a @ w2_b)``.
* LoKr (LyCORIS, arXiv 2309.14859): ``s · w1 ⊗ w2``; where both are whole matrices there is no r and s is 1.
* full difference: itself.
* DoRA (arXiv 2402.09353) around any of them: ``m · (W + Δ) / ‖W + Δ‖ − W``. The norm runs over each output's row when
  the magnitude m is ``(out, 1)`` or ``(out,)`` (peft, LyCORIS with ``wd_on_output``) and over each input's column when
  it is ``(1, in)`` (LyCORIS' older default). ComfyUI divides by ``‖W‖`` in the first case; files whose metadata says
  that they were prepared for that are divided so here too (`dora_of_base`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from service.checkpoints.layout import ModuleLayout, dora_axis

Factors = Mapping[str, torch.Tensor]


@dataclass(frozen=True)
class AdapterModule:
    """One module's part of a loaded adapter: what it is, its factors by role, and the scale baked into it.

    ``scale`` is alpha / rank, or whatever the file's own metadata says instead.
    """

    layout: ModuleLayout
    factors: Factors
    scale: float
    dora_of_base: bool = False

    def to(self, device: torch.device) -> AdapterModule:
        """The same module with its factors on another device; itself if they are there already."""
        if all(factor.device == device for factor in self.factors.values()):
            return self
        moved = {role: factor.to(device, non_blocking=True) for role, factor in self.factors.items()}
        return AdapterModule(self.layout, moved, self.scale, self.dora_of_base)


def add_difference(total: torch.Tensor, base: torch.Tensor, module: AdapterModule, strength: float) -> None:
    """Add ``strength`` times the module's weight difference to `total` in place.

    Args:
        total: fp32, flattened to ``(out, in * kernel)``; ``(n,)`` for a norm's full difference.
        base: the kept base weight in its own dtype and shape; DoRA measures itself against it, whatever lies below.
        module: on the same device.
        strength: the user's LoRA scale; 0 adds nothing.
    """
    if "dora" not in module.factors and module.layout.algorithm in ("lora", "locon"):
        up, down = _lora_factors(module.factors)
        total.addmm_(up, down, alpha=strength * module.scale)
        return
    difference = _plain_difference(module).reshape(total.shape)
    if "dora" in module.factors:
        difference = _renormalised(base, difference.mul_(module.scale), module)
        total.add_(difference, alpha=strength)
    else:
        total.add_(difference, alpha=strength * module.scale)


def exact_product(module: AdapterModule) -> torch.Tensor | None:
    """``up @ down`` of a plain LoRA on a GPU in fp32, (out, in * kernel), before its scale; ``None`` for all else.

    The product of two 16-bit numbers is exact in fp32, where tensor cores add them up too, so this differs from the
    product in fp32 by the order of summation alone. Factors in fp32 would lose bits there.
    """
    factors = module.factors
    if module.layout.algorithm not in ("lora", "locon") or set(factors) - {"alpha"} != {"up", "down"}:
        return None
    up, down = factors["up"].flatten(1), factors["down"].flatten(1)
    if not up.is_cuda or up.dtype != down.dtype or up.dtype.itemsize != 2:
        return None
    return torch.mm(up, down, out_dtype=torch.float32)


def _lora_factors(factors: Factors) -> tuple[torch.Tensor, torch.Tensor]:
    up, down = factors["up"].float().flatten(1), factors["down"].float().flatten(1)
    if "mid" in factors:
        core = factors["mid"].float()
        down = torch.einsum("mn...,ni->mi...", core, down).flatten(1)
    return up, down


def _plain_difference(module: AdapterModule) -> torch.Tensor:
    """The difference before its scale, flattened to two dimensions (a full difference keeps its shape)."""
    factors, algorithm = module.factors, module.layout.algorithm
    if algorithm in ("lora", "locon"):
        up, down = _lora_factors(factors)
        return up @ down
    if algorithm == "loha":
        return _side(factors, "hada_w1", "hada_t1") * _side(factors, "hada_w2", "hada_t2")
    if algorithm == "lokr":
        return kronecker(factors)
    return factors["diff"].float()


def kronecker(factors: Factors) -> torch.Tensor:
    """LoKr's product of its two matrices, in fp32 and before its scale, as ``(out, in * kernel)``."""
    return torch.kron(_side(factors, "lokr_w1", ""), _side(factors, "lokr_w2", "lokr_t2"))


def _side(factors: Factors, side: str, core: str) -> torch.Tensor:
    """One matrix of a LoHa or LoKr, whole or rebuilt from its factors, as ``(out, in * kernel)``."""
    if side in factors:
        return factors[side].float().flatten(1)
    left, right = factors[f"{side}_a"].float(), factors[f"{side}_b"].float()
    if core in factors:
        return torch.einsum("mn...,mo,ni->oi...", factors[core].float(), left, right).flatten(1)
    return left @ right.flatten(1)


def _renormalised(base: torch.Tensor, difference: torch.Tensor, module: AdapterModule) -> torch.Tensor:
    weight = base.float()
    changed = weight + difference.view(weight.shape)
    axis = dora_axis(tuple(module.factors["dora"].shape), tuple(weight.shape))
    assert axis is not None  # checked against the base before anything was folded
    over = [dimension for dimension in range(weight.dim()) if dimension != axis]
    measured = weight if module.dora_of_base and axis == 0 else changed
    norm = torch.linalg.vector_norm(measured, dim=over, keepdim=True)
    magnitude = module.factors["dora"].float().reshape(norm.shape)
    # A zero row has no direction; it stays zero, as it does in the definition's limit.
    ratio = torch.where(norm > 0, magnitude / norm.clamp_min(torch.finfo(torch.float32).tiny), 0.0)
    return changed.mul_(ratio).sub_(weight).view(difference.shape)
