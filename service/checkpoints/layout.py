"""What an adapter file says it changes, from tensor names and shapes alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from service.checkpoints.header import Header
from service.checkpoints.naming import component_of
from service.checkpoints.recognising import Role, recognise
from service.checkpoints.roles import split_role
from service.errors import UnreadableCheckpoint

_FLAT_PREFIXES = ("lora_unet_", "lora_te", "lora_transformer_", "lora_text_", "lycoris_")
KINDS = "LoRA, LoCon, LoHa, LoKr, DoRA, full difference"
"""Adapters that are understood."""
_FLOATS = ("F64", "F32", "F16", "BF16", "F8_E4M3", "F8_E5M2")


@dataclass(frozen=True)
class ModuleLayout:
    """One module of the base as an adapter file names it.

    Attributes:
        key: the file's own name for the module.
        component: the component the name speaks about.
        algorithm: ``lora``, ``locon`` (LoRA of a convolution), ``loha``, ``lokr`` or ``diff``.
        names: role of each tensor to its full name in the file.
        shapes: role of each tensor to its shape.
    """

    key: str
    component: str
    algorithm: str
    names: Mapping[str, str]
    shapes: Mapping[str, tuple[int, ...]]

    @property
    def rank(self) -> int | None:
        """The inner dimension of the factors, or ``None`` where there are no factors."""
        for role, axis in (("down", 0), ("hada_w1_b", 0), ("lokr_w2_b", 0), ("lokr_w1_b", 0)):
            if role in self.shapes:
                return self.shapes[role][axis] if self.shapes[role] else None
        return None


def read_layout(header: Header) -> tuple[ModuleLayout, ...]:
    """Group a file's tensors by module; every tensor gets a part to play.

    Raises:
        UnreadableCheckpoint: the file is no adapter (the message says what it is), a tensor is no part of one (first
            ten named), a module lacks parts, or the factors are quantised.
    """
    kind = recognise(header)
    if kind.role is not Role.ADAPTER:
        raise UnreadableCheckpoint(f"{header.name} is {kind}; what belongs here is a LoRA file ({KINDS}).")
    groups: dict[str, dict[str, str]] = {}
    shapes = {tensor.name: tensor.shape for tensor in header.tensors}
    unknown: list[str] = []
    for name in shapes:
        module, role = split_role(name)
        if role is None or role in groups.get(module, ()):
            unknown.append(name)
        else:
            groups.setdefault(module, {})[role] = name
    if kind.quantised or any(tensor.dtype not in _FLOATS for tensor in header.tensors if len(tensor.shape) > 1):
        raise UnreadableCheckpoint(
            f"{header.name} is {kind.title} whose factors are {kind.quantised or 'whole numbers'}: they cannot be "
            "folded exactly. Use the bf16, fp16 or fp32 file of the same LoRA."
        )
    if unknown:
        raise UnreadableCheckpoint(
            f"{header.name} is {kind.title}, but {len(unknown)} of {len(shapes)} tensors are no part of an adapter "
            f"that is understood ({KINDS}): "
            f"{', '.join(map(ascii, unknown[:10]))}."
        )
    layouts = tuple(
        ModuleLayout(
            key, component_of(key), _algorithm(key, names, shapes), names,
            {role: shapes[name] for role, name in names.items()},
        )
        for key, names in groups.items()
    )  # fmt: skip
    broken = [problem for layout in layouts if (problem := _factor_problem(layout))]
    if broken:
        raise UnreadableCheckpoint(f"factors do not fit each other in {len(broken)} modules: {'; '.join(broken[:10])}")
    return layouts


def key_format(layouts: tuple[ModuleLayout, ...]) -> str:
    """How the file names modules: ``kohya``, ``comfyui``, ``diffusers``, ``peft``, ``original`` or ``mixed``."""
    found = {_format_of(layout.key) for layout in layouts}
    return found.pop() if len(found) == 1 else "mixed"


def _format_of(key: str) -> str:
    if key.startswith(_FLAT_PREFIXES):
        return "kohya"
    if key.startswith(("diffusion_model.", "model.diffusion_model.", "text_encoders.")):
        return "comfyui"
    if key.startswith(("transformer.", "text_conditioner.", "text_encoder.", "unet.")):
        return "diffusers"
    return "peft" if key.startswith("base_model.model.") else "original"


def _algorithm(key: str, names: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]]) -> str:
    roles = set(names)
    extra = {"alpha", "dora"}
    if {"down", "up"} <= roles <= {"down", "up", "mid", "diff_b"} | extra:
        return "locon" if len(shapes[names["down"]]) > 2 or "mid" in roles else "lora"
    hada = {"hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b"}
    if hada <= roles and roles - hada - extra in (set(), {"hada_t1", "hada_t2"}):
        return "loha"
    rest = roles - extra
    for first in ({"lokr_w1"}, {"lokr_w1_a", "lokr_w1_b"}):
        for second in ({"lokr_w2"}, {"lokr_w2_a", "lokr_w2_b"}, {"lokr_w2_a", "lokr_w2_b", "lokr_t2"}):
            if rest == first | second:
                return "lokr"
    if roles and roles <= {"diff", "diff_b"}:
        return "diff"
    raise UnreadableCheckpoint(
        f"Module {key!a} has the parts {', '.join(sorted(roles))}, which are no whole adapter. "
        "The file is incomplete or of a kind that is not understood."
    )


def _factor_problem(layout: ModuleLayout) -> str | None:
    """Why the factors cannot be multiplied, or ``None``."""
    shapes = layout.shapes
    if math.prod(shapes.get("alpha", ())) != 1:
        return f"{layout.key}: alpha is not one number"
    needs_two = [role for role in shapes if role not in ("alpha", "dora", "diff", "diff_b")]
    if any(len(shapes[role]) < 2 for role in needs_two):
        return f"{layout.key}: a factor is not a matrix"
    pairs: list[tuple[int, int]] = []
    if "up" in shapes:
        outer, inner = shapes["up"][1], shapes["down"][0]
        pairs += [(math.prod(shapes["up"][2:]), 1)]
        pairs += [(outer, shapes["mid"][0]), (shapes["mid"][1], inner)] if "mid" in shapes else [(outer, inner)]
        if "mid" in shapes:
            pairs += [(math.prod(shapes["down"][2:]), 1)]
    for side, core in (("hada_w1", "hada_t1"), ("hada_w2", "hada_t2"), ("lokr_w1", ""), ("lokr_w2", "lokr_t2")):
        if f"{side}_a" not in shapes:
            continue
        left, right = shapes[f"{side}_a"], shapes[f"{side}_b"]
        if core in shapes:
            pairs += [(left[0], shapes[core][0]), (right[0], shapes[core][1]), (len(left) + len(right), 4)]
        else:
            pairs += [(left[1], right[0]), (len(left), 2)]
    if any(left != right for left, right in pairs):
        return f"{layout.key}: " + ", ".join(f"{role} {list(shapes[role])}" for role in needs_two)
    return None


def difference_problem(layout: ModuleLayout, weight: tuple[int, ...], bias: tuple[int, ...] | None) -> str | None:
    """Why an adapter's difference does not fit a weight, or ``None`` when it does.

    Args:
        layout: the adapter's part for this module.
        weight: the base weight's shape, ``(out, in, *kernel)`` or ``(n,)`` for a norm.
        bias: the base bias' shape, ``None`` without one.
    """
    shapes = layout.shapes
    if "diff_b" in shapes and shapes["diff_b"] != bias:
        return f"bias difference {list(shapes['diff_b'])} on bias {list(bias) if bias else 'none'}"
    made = difference_shape(layout)
    if made is None:
        return None
    if layout.algorithm == "diff":
        return None if made == weight else f"difference {list(made)} on weight {list(weight)}"
    if len(weight) < 2 or made != (weight[0], math.prod(weight[1:])):
        return f"difference {list(made)} on weight {list(weight)}"
    if "dora" in shapes and dora_axis(shapes["dora"], weight) is None:
        return f"DoRA magnitude {list(shapes['dora'])} on weight {list(weight)}"
    return None


def difference_shape(layout: ModuleLayout) -> tuple[int, ...] | None:
    """The weight difference's shape, flattened to ``(out, in * kernel)`` for everything but a full difference."""
    shapes = layout.shapes
    if layout.algorithm == "diff":
        return shapes.get("diff")
    if "up" in shapes:
        kernel = math.prod(shapes["mid"][2:]) if "mid" in shapes else 1
        return shapes["up"][0], math.prod(shapes["down"][1:]) * kernel
    if layout.algorithm == "loha":
        left = _product_shape(shapes, "hada_w1", "hada_t1")
        return left if left == _product_shape(shapes, "hada_w2", "hada_t2") else (0, 0)
    first, second = _product_shape(shapes, "lokr_w1", ""), _product_shape(shapes, "lokr_w2", "lokr_t2")
    return first[0] * second[0], first[1] * second[1]


def _product_shape(shapes: Mapping[str, tuple[int, ...]], side: str, core: str) -> tuple[int, int]:
    if side in shapes:
        return shapes[side][0], math.prod(shapes[side][1:])
    left, right = shapes[f"{side}_a"], shapes[f"{side}_b"]
    if core in shapes:  # Tucker: the outer factors are (rank, out) and (rank, in)
        return left[1], right[1] * math.prod(shapes[core][2:])
    return left[0], math.prod(right[1:])


def dora_axis(magnitude: tuple[int, ...], weight: tuple[int, ...]) -> int | None:
    """The axis of the weight that a DoRA magnitude belongs to: 0 (a row per output) or 1 (a column per input).

    ``(out, 1, …)`` and ``(out,)`` are per output, as in the paper's code, peft, and LyCORIS with ``wd_on_output``;
    ``(1, in, …)`` is per input, LyCORIS' older default. ``None`` when it is neither.
    """
    sides = [size for size in magnitude if size != 1]
    if len(magnitude) == 1:
        return 0 if magnitude[0] == weight[0] else None
    if len(magnitude) not in (2, len(weight)) or len(sides) > 1:
        return None
    if magnitude[0] == weight[0] and magnitude[1] == 1:
        return 0
    return 1 if magnitude[0] == 1 and magnitude[1] == weight[1] else None
