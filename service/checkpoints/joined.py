"""A layer that the base keeps in pieces: the adapter of the whole layer becomes an adapter of each piece, exactly.

Every kind of adapter is a difference whose rows are the layer's outputs, so a piece is some of its rows. LoRA's outer
factor is cut (the inner one is shared), LoHa's two likewise; a Kronecker product is multiplied out first. A DoRA
magnitude per output is cut; one per input is measured over all outputs at once and cannot be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from service.checkpoints.layout import ModuleLayout, difference_shape
from service.checkpoints.naming import JoinedName, ModuleName, NameMap

if TYPE_CHECKING:
    import torch

    from service.checkpoints.adapter import Adapter
    from service.checkpoints.differences import AdapterModule

Outputs = Callable[[ModuleName], int]
"""How many outputs a module of the base has."""
Rows = tuple[slice, ...]


@dataclass(frozen=True)
class Piece:
    """A file's module, or the part of it that belongs to one module of the base.

    Attributes:
        layout: what it changes; of a part, under the exact name of the base's module.
        source: the place of the file's module.
        rows: the rows of its difference, ``None`` for all as they are.
    """

    layout: ModuleLayout
    source: int
    rows: Rows | None = None


def pieces_of(layouts: Sequence[ModuleLayout], names: NameMap, outputs: Outputs) -> list[Piece]:
    """Each module of a file, or its parts where the base keeps it in several; what does not fit is left whole."""
    made: list[Piece] = []
    for source, layout in enumerate(layouts):
        joined = names.joined(layout.key)
        if joined is None or joined_problem(layout, joined, outputs) is not None:
            made.append(Piece(layout, source))
            continue
        start = 0
        for module in joined.modules:
            count = outputs(module)
            rows: Rows = (slice(start, start + count),)
            if joined.swapped:
                rows = (slice(start + count // 2, start + count), slice(start, start + count // 2))
            made.append(Piece(_part_layout(layout, module, count), source, rows))
            start += count
    return made


def joined_problem(layout: ModuleLayout, joined: JoinedName, outputs: Outputs) -> str | None:
    """Why an adapter of a joined layer cannot be cut, or ``None``."""
    total = sum(outputs(module) for module in joined.modules)
    where = " + ".join(module.path for module in joined.modules)
    shape = difference_shape(layout)
    if shape is not None and shape[0] != total:
        return f"difference {list(shape)} on {total} outputs of {where}"
    if "diff_b" in layout.shapes and layout.shapes["diff_b"] != (total,):
        return f"bias difference {list(layout.shapes['diff_b'])} on {total} outputs of {where}"
    magnitude = layout.shapes.get("dora")
    if magnitude is not None and magnitude[0] != total:
        return f"DoRA magnitude {list(magnitude)}, which cannot be cut into {where}"
    return None


def cut(adapter: Adapter, pieces: Sequence[Piece]) -> Adapter:
    """The adapter with its joined modules cut; the same one if it has none. Parts are views where they can be."""
    if all(piece.rows is None for piece in pieces):
        return adapter
    modules = tuple(_part(adapter.modules[piece.source], piece) for piece in pieces)
    return replace(adapter, modules=modules)


def _axes(layout: ModuleLayout) -> dict[str, int]:
    """The axis of the outputs in each of the factors that has one."""
    roles = {"up": 0, "diff": 0, "diff_b": 0, "dora": 0}
    for side, core in (("hada_w1_a", "hada_t1"), ("hada_w2_a", "hada_t2")):
        roles[side] = 1 if core in layout.names else 0  # a Tucker core has its outer factors lying down
    return {role: axis for role, axis in roles.items() if role in layout.names}


def _part_layout(layout: ModuleLayout, module: ModuleName, count: int) -> ModuleLayout:
    names, shapes = dict(layout.names), dict(layout.shapes)
    if layout.algorithm == "lokr":
        whole = difference_shape(layout)
        assert whole is not None
        first = next(name for role, name in names.items() if role.startswith("lokr_"))
        kept = {role: name for role, name in names.items() if not role.startswith("lokr_")}
        names = {**kept, "lokr_w1": first, "lokr_w2": first}
        shapes = {**{role: shapes[role] for role in kept}, "lokr_w1": (1, 1), "lokr_w2": whole}
    for role, axis in {**_axes(layout), **({"lokr_w2": 0} if layout.algorithm == "lokr" else {})}.items():
        shapes[role] = (*shapes[role][:axis], count, *shapes[role][axis + 1 :])
    return replace(layout, key=f"{module.component}.{module.path}", names=names, shapes=shapes)


def _part(module: AdapterModule, piece: Piece) -> AdapterModule:
    if piece.rows is None:
        return module
    factors = dict(module.factors)
    for role, axis in _axes(module.layout).items():
        factors[role] = _rows(factors[role], piece.rows, axis)
    if module.layout.algorithm == "lokr":
        from service.checkpoints.differences import kronecker

        whole = kronecker(factors)
        factors = {role: factor for role, factor in factors.items() if not role.startswith("lokr_")}
        factors |= {"lokr_w1": whole.new_ones(1, 1), "lokr_w2": _rows(whole, piece.rows, 0)}
    return replace(module, layout=piece.layout, factors=factors)


def _rows(factor: torch.Tensor, rows: Rows, axis: int) -> torch.Tensor:
    import torch

    parts = [factor.narrow(axis, part.start, part.stop - part.start) for part in rows]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=axis)
