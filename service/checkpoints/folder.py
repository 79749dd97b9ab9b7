"""Folds adapters into a model's weights from a kept copy, and takes them out again without a trace."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import torch

from service.checkpoints.adapter import Adapter
from service.checkpoints.adapter_families import adapter_family
from service.checkpoints.differences import add_difference, exact_product
from service.checkpoints.header import Header, read_header
from service.checkpoints.joined import cut, joined_problem, pieces_of
from service.checkpoints.layout import ModuleLayout, difference_problem, read_layout
from service.checkpoints.naming import TRANSFORMER, ModuleName, NameMap
from service.checkpoints.recognising import MODELS
from service.errors import InvalidInput, UnmappedKeys

USUAL_BLOCKS = 28
"""Transformer blocks of Anima; there is a variant with 40 of the same shape."""
FLUX_BLOCKS, QWEN_BLOCKS = 19, 60
"""Double blocks of Flux, whose attention has the names and shapes of that in Qwen-Image's blocks."""


@dataclass(frozen=True)
class FoldReport:
    """What a fold did: tensors of the files used, and weights of the base changed by them."""

    tensors: int
    weights: int


class Folder:
    """Keeps the base weights that adapters touch, and writes base + Σ scale · difference over them.

    A fold always starts from the kept base weights, so the order of checkpoints leaves no trace. Sums are made in fp32
    and rounded once to the weight's dtype. Only weights that some adapter has touched are copied.

    Args:
        components: name to module, such as ``{"transformer": …, "text_conditioner": …, "text_encoder": …}``.
        keep_on_device: keep the base weights beside the live ones; otherwise in the computer's memory (pinned where
            there is CUDA), which a small card needs and which makes a fold wait for the bus.
    """

    def __init__(self, components: Mapping[str, torch.nn.Module], *, keep_on_device: bool = True) -> None:
        self._keep_on_device = keep_on_device
        self._modules = _weighted_modules(components)
        self._names = _name_map(self._modules)
        self._base: dict[torch.nn.Parameter, torch.Tensor] = {}
        self._changed: set[torch.nn.Parameter] = set()
        self._placed: dict[tuple[Adapter, torch.device], Adapter] = {}
        self._known: dict[tuple[Any, ...], list[tuple[torch.nn.Parameter, int, str]]] = {}
        self._cut: WeakKeyDictionary[Adapter, Adapter] = WeakKeyDictionary()

    def fold(self, adapters: Sequence[tuple[Adapter, float]]) -> FoldReport:
        """Put the adapters, and only these, into the weights.

        Args:
            adapters: each with its scale; all are added to the base, as differences from it. Scale 0.0 adds exactly
                nothing: with no other adapter on a weight, it is the base's to the bit.

        Raises:
            UnmappedKeys: some tensor of some adapter has no place in the base or another shape; nothing was changed.
            InvalidInput: the base's weights are quantised or not in memory.
        """
        plan = self._plan([(self._fitted(adapter), scale) for adapter, scale in adapters])
        self._place(plan)
        try:
            with torch.no_grad():
                self._write_base(self._changed - set(plan))
                for parameter, parts in plan.items():
                    self._write(parameter, parts)
        except BaseException:
            self.restore()
            raise
        return FoldReport(sum(adapter.tensors for adapter, _ in adapters), len(self._changed))

    def restore(self) -> None:
        """Put the base weights back, equal to the bit to what they were before the first fold."""
        with torch.no_grad():
            self._write_base(set(self._changed))

    def _fitted(self, adapter: Adapter) -> Adapter:
        """The adapter with a module for each module of the base, where the file has one for several of them."""
        if not self._names.keeps_joined:
            return adapter
        if adapter in self._cut:
            return self._cut[adapter]
        layouts = [module.layout for module in adapter.modules]
        fitted = cut(adapter, pieces_of(layouts, self._names, _outputs(self._modules)))
        if fitted is not adapter:  # an entry for itself would never be let go
            self._cut[adapter] = fitted
        return fitted

    def _plan(
        self, adapters: Sequence[tuple[Adapter, float]]
    ) -> dict[torch.nn.Parameter, list[tuple[Adapter, int, str, float]]]:
        """For each weight to change, which adapter's which module changes it, in which role, how strongly."""
        plan: dict[torch.nn.Parameter, list[tuple[Adapter, int, str, float]]] = {}
        for adapter, scale in adapters:
            for parameter, index, role in self._targets_of(adapter):
                plan.setdefault(parameter, []).append((adapter, index, role, scale))
        return plan

    def _targets_of(self, adapter: Adapter) -> list[tuple[torch.nn.Parameter, int, str]]:
        """What each module of a file changes: a weight, by which module, in which role.

        The epochs of a run have the same names and shapes, so it is looked up once.
        """
        if adapter.likeness not in self._known:
            layouts = [module.layout for module in adapter.modules]
            found = []
            for index, target in enumerate(_targets(adapter.path, layouts, self._names, self._modules)):
                names = set(layouts[index].names)
                for role in ("weight",) * (names != {"diff_b"}) + ("bias",) * ("diff_b" in names):
                    parameter = _parameter(target, role)
                    _require_writable(layouts[index].key, parameter)
                    found.append((parameter, index, role))
            self._known[adapter.likeness] = found
        return self._known[adapter.likeness]

    def _place(self, plan: Mapping[torch.nn.Parameter, list[tuple[Adapter, int, str, float]]]) -> None:
        """Move each adapter's factors to its weights' device once; those of the last fold stay there while in use."""
        wanted = {(part[0], parameter.device) for parameter, parts in plan.items() for part in parts}
        self._placed = {key: self._placed.get(key) or key[0].to(key[1]) for key in wanted}

    def _write(self, parameter: torch.nn.Parameter, parts: list[tuple[Adapter, int, str, float]]) -> None:
        live = [part for part in parts if part[3] != 0]
        if not live:
            self._write_base({parameter} & self._changed)
            return
        if parameter not in self._base:
            self._base[parameter] = self._kept(parameter)
        base = self._base[parameter].to(parameter.device, non_blocking=True)
        self._changed.add(parameter)
        if self._wrote_products(parameter, base, live):
            return
        # Copied even when the base is fp32 already: the kept weights are never written to.
        total = base.to(torch.float32, copy=True)
        total = total.flatten(1) if total.dim() > 1 else total
        for adapter, index, role, scale in live:
            module = self._placed[adapter, parameter.device].modules[index]
            if role == "bias":
                total.add_(module.factors["diff_b"].float(), alpha=scale)
            else:
                add_difference(total, base, module, scale)
        parameter.copy_(total.view(parameter.shape))

    def _wrote_products(
        self, parameter: torch.nn.Parameter, base: torch.Tensor, live: list[tuple[Adapter, int, str, float]]
    ) -> bool:
        """Write plain LoRAs on a GPU in two kernels each instead of six; whether that was possible."""
        total: torch.Tensor | None = None
        factor = 1.0
        for adapter, index, role, scale in live:
            module = self._placed[adapter, parameter.device].modules[index]
            product = exact_product(module) if role == "weight" else None
            if product is None:
                return False
            if total is None:
                total, factor = product, scale * module.scale
            else:
                total, factor = total.mul_(factor).add_(product, alpha=scale * module.scale), 1.0
        if total is None:
            return False
        # Summed in fp32 and rounded once, as everywhere.
        torch.add(base, total.view(base.shape), alpha=factor, out=parameter)
        return True

    def _kept(self, parameter: torch.nn.Parameter) -> torch.Tensor:
        if self._keep_on_device or parameter.device.type == "cpu":
            return parameter.detach().clone()
        kept = parameter.detach().cpu()
        return kept.pin_memory() if parameter.device.type == "cuda" else kept

    def _write_base(self, parameters: set[torch.nn.Parameter]) -> None:
        for parameter in parameters:
            parameter.copy_(self._base[parameter], non_blocking=True)
            self._changed.discard(parameter)


def check_fit(path: Path, components: Mapping[str, torch.nn.Module], *, header: Header | None = None) -> None:
    """Check from the header alone that every tensor of a file has a place in the base; the modules may be on `meta`.

    Args:
        path: the file.
        components: of the base.
        header: the file's, if it was read before.

    Raises:
        UnmappedKeys: some tensor has none, or another shape (first ten named).
        UnreadableCheckpoint: the file is no readable adapter.
    """
    modules = _weighted_modules(components)
    names = _name_map(modules)
    pieces = pieces_of(read_layout(header or read_header(path)), names, _outputs(modules))
    _targets(path, [piece.layout for piece in pieces], names, modules)


def _weighted_modules(components: Mapping[str, torch.nn.Module]) -> dict[ModuleName, torch.nn.Module]:
    # torch.compile wraps modules under the name _orig_mod.
    return {
        ModuleName(component, path.replace("_orig_mod.", "")): module
        for component, root in components.items()
        for path, module in root.named_modules()
        if isinstance(getattr(module, "weight", None), torch.nn.Parameter)
    }


def _outputs(modules: Mapping[ModuleName, torch.nn.Module]) -> Callable[[ModuleName], int]:
    return lambda name: _parameter(modules[name], "weight").shape[0]


def _name_map(modules: Iterable[ModuleName]) -> NameMap:
    paths: dict[str, list[str]] = {}
    for name in modules:
        paths.setdefault(name.component, []).append(name.path)
    return NameMap(paths)


def _targets(
    path: Path, layouts: Sequence[ModuleLayout], names: NameMap, modules: Mapping[ModuleName, torch.nn.Module]
) -> list[torch.nn.Module]:
    """The base module of each layout, or a refusal that names what has none."""
    targets: list[torch.nn.Module] = []
    unmapped: list[str] = []
    misfits: list[str] = []
    seen: dict[ModuleName, str] = {}
    for layout in layouts:
        joined = names.joined(layout.key)
        if joined is not None:
            misfits.append(f"{layout.key}: {joined_problem(layout, joined, _outputs(modules))}")
            continue
        name = names.resolve(layout.key)
        if name is None:
            unmapped += layout.names.values()
            continue
        problem = f"names the module that {seen[name]} names too" if name in seen else _misfit(layout, modules[name])
        seen.setdefault(name, layout.key)
        if problem:
            misfits.append(f"{layout.key}: {problem}")
        targets.append(modules[name])
    depth = _depth_problem(layouts, names, modules)
    if depth is not None:
        misfits.append(depth)
    if unmapped or misfits:
        raise UnmappedKeys(_refusal(path, layouts, unmapped, misfits))
    return targets


def _depth_problem(
    layouts: Sequence[ModuleLayout], names: NameMap, modules: Mapping[ModuleName, torch.nn.Module]
) -> str | None:
    """Why a file that trains every block of the usual model must not go onto a deeper one, where it would fit by name.

    A deeper variant has blocks put in between, so that the same number is another block. Flux's attention would fit
    into Qwen-Image in the same way.
    """
    depth = len(_blocks(modules))
    trained = _blocks(name for layout in layouts if (name := names.resolve(layout.key)) is not None)
    if depth == QWEN_BLOCKS and trained == set(range(FLUX_BLOCKS)):
        return f"it trains the first {FLUX_BLOCKS} of {QWEN_BLOCKS} blocks and all of them: it was trained on Flux"
    if depth > USUAL_BLOCKS and trained == set(range(USUAL_BLOCKS)):
        return f"it was trained on a base of {USUAL_BLOCKS} blocks, and this one has {depth}"
    return None


def _blocks(names: Iterable[ModuleName]) -> set[int]:
    matches = (re.match(r"transformer_blocks\.(\d+)\.", name.path) for name in names if name.component == TRANSFORMER)
    return {int(match[1]) for match in matches if match}


def _misfit(layout: ModuleLayout, module: torch.nn.Module) -> str | None:
    bias = getattr(module, "bias", None)
    return difference_problem(layout, tuple(_parameter(module, "weight").shape), None if bias is None else bias.shape)


def _refusal(path: Path, layouts: Sequence[ModuleLayout], unmapped: list[str], misfits: list[str]) -> str:
    shapes = {name: layout.shapes[role] for layout in layouts for role, name in layout.names.items()}
    total = len(shapes)
    model = MODELS.get(adapter_family(shapes), "")
    what = f"is a LoRA for {model} by its names and " if model else ""
    parts = [f"{path.name} {what}does not fit this base model, and is not applied in part."]
    if unmapped:
        parts.append(f"{len(unmapped)} of {total} tensors have no place in it: {', '.join(map(ascii, unmapped[:10]))}.")
    if misfits:
        parts.append(f"{len(misfits)} modules do not fit: {'; '.join(misfits[:10])}.")
    parts.append("Choose the base it was trained on.")
    return " ".join(parts)


def _parameter(module: torch.nn.Module, role: str) -> torch.nn.Parameter:
    parameter = getattr(module, role)
    assert isinstance(parameter, torch.nn.Parameter)
    return parameter


def _require_writable(name: str, parameter: torch.nn.Parameter) -> None:
    if parameter.is_meta or not parameter.is_floating_point() or parameter.dtype.itemsize < 2:
        raise InvalidInput(
            f"{name} is {parameter.dtype} on {parameter.device}; adapters are folded into 16 or 32 bit weights in "
            "memory. Load the base without quantisation or offloading."
        )
