"""A LoRA file loaded into memory, every tensor of it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from service.checkpoints.differences import AdapterModule
from service.checkpoints.header import Header, read_header
from service.checkpoints.inspection import file_sha256
from service.checkpoints.layout import ModuleLayout, read_layout
from service.errors import CheckpointChanged, UnreadableCheckpoint

# What forks of the trainers write when a DoRA magnitude was prepared for ComfyUI's norm of the base weight.
_DORA_OF_BASE = {"ss_dora_scale_format": "comfy_weight_norm", "anima_dora_scale_format": "comfy_output_axis_adjusted"}


@dataclass(frozen=True, eq=False)
class Adapter:
    """All tensors of one LoRA file, grouped by the module they change.

    Attributes:
        path: the file.
        modules: one entry for each module named by the file, in file order.
        tensors: how many tensors the file holds; all of them are in `modules`.
    """

    path: Path
    modules: tuple[AdapterModule, ...]
    tensors: int

    @property
    def components(self) -> Mapping[str, tuple[AdapterModule, ...]]:
        """The modules by component: ``transformer``, ``text_conditioner``, ``text_encoder``."""
        names = dict.fromkeys(module.layout.component for module in self.modules)
        return {name: tuple(m for m in self.modules if m.layout.component == name) for name in names}

    @cached_property
    def likeness(self) -> tuple[Any, ...]:
        """Names and shapes of everything in the file: files with the same go to the same places of a base."""
        return tuple((module.layout.key, *sorted(module.layout.shapes.items())) for module in self.modules)

    def to(self, device: torch.device) -> Adapter:
        """The same adapter with every factor on another device; itself if all are there already."""
        modules = tuple(module.to(device) for module in self.modules)
        same = all(one is other for one, other in zip(modules, self.modules, strict=True))
        return self if same else Adapter(self.path, modules, self.tensors)

    def with_factors(self, exchange: Callable[[list[torch.Tensor]], Sequence[torch.Tensor]]) -> Adapter:
        """The same adapter with all its factors exchanged at once for others of the same values, in order."""
        factors = iter(exchange([factor for module in self.modules for factor in module.factors.values()]))
        modules = tuple(replace(each, factors={role: next(factors) for role in each.factors}) for each in self.modules)
        return Adapter(self.path, modules, self.tensors)


def load_adapter(path: Path, *, sha256: str | None = None) -> Adapter:
    """Load a LoRA file after its header was checked; tensors keep the file's dtype and stay on the CPU.

    Args:
        path: a ``.safetensors`` file of any understood format.
        sha256: what the file's hash was when it was registered, if it was.

    Raises:
        NotFound, UnreadableCheckpoint: see :func:`service.checkpoints.header.read_header`; also when a tensor holds NaN
            or infinity (first ten named).
        CheckpointChanged: the file's hash is another one now.
    """
    header = read_header(path)
    layouts = read_layout(header)
    if sha256 is not None and file_sha256(path) != sha256:
        raise CheckpointChanged(f"{path.name} is not the file that was registered; register it again.")
    tensors = _load_tensors(path, header)
    _check_finite(path, tensors)
    config = _adapter_config(header.metadata)
    of_base = any(header.metadata.get(key) == value for key, value in _DORA_OF_BASE.items())
    modules = tuple(
        AdapterModule(
            layout,
            {role: tensors[name] for role, name in layout.names.items()},
            _scale(path, layout, tensors, config),
            of_base,
        )
        for layout in layouts
    )
    return Adapter(path, modules, len(tensors))


def _load_tensors(path: Path, header: Header) -> dict[str, torch.Tensor]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            tensors = {tensor.name: file.get_tensor(tensor.name) for tensor in header.tensors}
    except (SafetensorError, OSError) as error:
        raise UnreadableCheckpoint(f"{path.name} cannot be read as a safetensors file: {error}.") from error
    if any(tuple(tensors[entry.name].shape) != entry.shape for entry in header.tensors):
        raise CheckpointChanged(f"{path.name} was replaced while it was read; try again.")
    return tensors


def _check_finite(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    bad = []
    for name, tensor in tensors.items():
        # fp8 has no isfinite of its own.
        values = tensor.float() if tensor.dtype.itemsize == 1 else tensor
        if not bool(torch.isfinite(values).all()):
            bad.append(name)
    if bad:
        raise UnreadableCheckpoint(
            f"{path.name} holds NaN or infinity in {len(bad)} of {len(tensors)} tensors: "
            f"{', '.join(map(ascii, bad[:10]))}. The training diverged before this file was saved."
        )


def _adapter_config(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The peft configuration that diffusers writes into a file's metadata."""
    try:
        config = json.loads(metadata.get("lora_adapter_metadata", "{}"))
    except (ValueError, RecursionError):
        return {}
    return config if isinstance(config, dict) else {}


def _scale(path: Path, layout: ModuleLayout, tensors: Mapping[str, torch.Tensor], config: Mapping[str, Any]) -> float:
    if layout.algorithm == "diff" or {"lokr_w1", "lokr_w2"} <= set(layout.names) or layout.rank is None:
        return 1.0
    if "alpha" in layout.names:
        return float(tensors[layout.names["alpha"]].float().item()) / layout.rank
    settings = _component_config(layout.component, config)
    alpha = _pattern_value(path, settings.get("alpha_pattern") or {}, layout.key, settings.get("lora_alpha"))
    if alpha is None:
        return 1.0
    if type(alpha) not in (int, float) or not math.isfinite(alpha):
        raise UnreadableCheckpoint(f"{path.name}: its metadata gives {layout.key} an alpha that is no number.")
    return float(alpha) / (math.sqrt(layout.rank) if settings.get("use_rslora") else layout.rank)


def _component_config(component: str, config: Mapping[str, Any]) -> dict[str, Any]:
    prefix = f"{component}."
    own = {key.removeprefix(prefix): value for key, value in config.items() if key.startswith(prefix)}
    return own or dict(config)


def _pattern_value(path: Path, patterns: Any, key: str, otherwise: Any) -> Any:
    """peft's alpha_pattern: module paths, of which one may end the module's own path."""
    # peft also takes regular expressions; one from a stranger's file could run for ever, so it is refused.
    if not isinstance(patterns, dict) or not all(re.fullmatch(r"[\w.]+", pattern) for pattern in patterns):
        raise UnreadableCheckpoint(f"{path.name}: its metadata has an alpha_pattern that is no table of module paths.")
    return next((value for end, value in patterns.items() if f".{key}".endswith(f".{end}")), otherwise)
