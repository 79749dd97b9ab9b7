"""What a checkpoint file is, without loading it: `inspect_checkpoint`, `scan_folder` and words for people."""

from __future__ import annotations

import hashlib
import json
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from service.checkpoints.header import Header, TensorEntry, read_header
from service.checkpoints.layout import ModuleLayout, key_format, read_layout
from service.checkpoints.provenance import read_provenance
from service.checkpoints.recognising import MODELS, recognise
from service.errors import BleedcheckError, NotFound, UnreadableCheckpoint

_T = TypeVar("_T")
_NO_EPOCH = (
    "The final file does not say its epoch: say it (`evaluate --final-epoch 150`, or the number on the run's page), or "
    "it is ordered last without one."
)
_SCALARS = {"F64": "<d", "F32": "<f", "F16": "<e", "I64": "<q", "I32": "<i"}


@dataclass(frozen=True)
class CheckpointInfo:
    """A LoRA file, as its header, its name and its bytes' hash describe it.

    Attributes:
        path: where it lies.
        sha256: of the whole file, in hex.
        size: bytes.
        key_format: ``kohya``, ``comfyui``, ``diffusers``, ``peft``, ``original`` or ``mixed``.
        algorithms: sorted; of ``lora``, ``locon``, ``loha``, ``lokr``, ``diff``, and ``dora`` beside one of them.
        trainer: the program that wrote it, ``unknown`` when nothing tells.
        epoch: completed epochs; ``None`` when neither the file nor the caller says.
        step: optimizer steps, if known.
        is_final: whether it is the run's last file (its name carries neither epoch nor step).
        name: the run's name.
        rank: the most common inner dimension of its factors, ``None`` without factors.
        alpha: the most common alpha, ``None`` when the file has none (the difference is then applied at scale 1).
        tensors: how many.
        modules: how many modules of the base it changes.
        components: component to number of modules.
        dtypes: sorted dtypes of its tensors.
        notes: what a person should know before trusting it.
        metadata: the file's own strings.
        model: what it was trained on, a key of :data:`service.checkpoints.recognising.MODELS`; empty if nothing tells.
    """

    path: Path
    sha256: str
    size: int
    key_format: str
    algorithms: tuple[str, ...]
    trainer: str
    epoch: int | None
    is_final: bool
    name: str
    rank: int | None
    alpha: float | None
    tensors: int
    modules: int
    step: int | None = None
    components: Mapping[str, int] = field(default_factory=dict)
    dtypes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    model: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "path": str(self.path)}


def inspect_checkpoint(path: Path) -> CheckpointInfo:
    """Describe a LoRA file from its header; the tensors are hashed, not loaded.

    Raises:
        NotFound: there is no such file.
        UnreadableCheckpoint: not a safetensors file, beyond the limits, or no adapter.
    """
    header = read_header(path)
    layouts = read_layout(header)
    provenance = read_provenance(path, header.metadata)
    alphas = [value for value in _read_alphas(path, header, layouts) if value is not None]
    ranks = [layout.rank for layout in layouts if layout.rank is not None]
    dora = any("dora" in layout.names for layout in layouts)
    info = CheckpointInfo(
        path=path,
        sha256=file_sha256(path),
        size=header.size,
        key_format=key_format(layouts),
        algorithms=tuple(sorted({layout.algorithm for layout in layouts} | ({"dora"} if dora else set()))),
        trainer=provenance.trainer,
        epoch=provenance.epoch,
        is_final=provenance.is_final,
        name=provenance.name,
        rank=_most_common(ranks) or _whole_number(header.metadata.get("ss_network_dim")),
        alpha=_most_common(alphas),
        tensors=len(header.tensors),
        modules=len(layouts),
        step=provenance.step,
        components=dict(sorted(Counter(layout.component for layout in layouts).items())),
        dtypes=tuple(sorted({tensor.dtype for tensor in header.tensors})),
        metadata=header.metadata,
        model=recognise(header).model,
    )
    return replace(info, notes=_notes(info, layouts))


def file_sha256(path: Path) -> str:
    """The file's SHA-256 in hex, read in chunks."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UnreadableCheckpoint(f"{path.name} cannot be read: {error.strerror or error}.") from error


def scan_folder(
    folder: Path,
    *,
    final_epochs: int | Mapping[str, int] | None = None,
    skipped: list[tuple[Path, BleedcheckError]] | None = None,
) -> list[CheckpointInfo]:
    """All LoRA files below a folder, ordered by run, epoch and step; each run's final file comes last.

    Args:
        folder: searched with its subfolders; hidden ones and trainers' ``…-state`` folders are left out.
        final_epochs: the epoch of final files that do not say it themselves, for all runs or by run name.
        skipped: files that cannot be used are added here with their error; without the list the first one is raised.

    Raises:
        NotFound: there is no such folder, or no ``.safetensors`` file in it.
        UnreadableCheckpoint: a file cannot be used and `skipped` was not given.
    """
    if not folder.is_dir():
        raise NotFound(f"there is no folder {folder}")
    paths = [path for path in sorted(folder.rglob("*.safetensors")) if _wanted(path.relative_to(folder))]
    if not paths:
        raise NotFound(f"there is no .safetensors file in {folder}")
    found: list[CheckpointInfo] = []
    for path in paths:
        try:
            found.append(inspect_checkpoint(path))
        except BleedcheckError as error:
            if skipped is None:
                raise
            skipped.append((path, error))
    found = [_with_final_epoch(info, final_epochs) for info in found]
    return sorted(found, key=_place_in_run)


def describe(info: CheckpointInfo) -> dict[str, str]:
    """The facts of a checkpoint as label and text, in the order a person wants them; `bleedcheck inspect` prints it."""
    place = f"epoch {info.epoch}" if info.epoch is not None else "epoch not stated"
    if info.step is not None:
        place += f", step {info.step}"
    rank = "no rank" if info.rank is None else f"rank {info.rank}"
    alpha = "no alpha (applied at scale 1)" if info.alpha is None else f"alpha {info.alpha:g}"
    lines = {
        "file": str(info.path),
        "run": f"{info.name}: {place}" + (", final file" if info.is_final else ""),
        "trainer": info.trainer,
        "trained on": MODELS.get(info.model, "not told by its names"),
        "names": f"{info.key_format} keys",
        "kind": f"{' + '.join(info.algorithms)}, {rank}, {alpha}, {', '.join(info.dtypes)}",
        "changes": ", ".join(f"{count} modules of {name}" for name, count in info.components.items())
        + f" ({info.tensors} tensors)",
        "size": f"{info.size / 1e6:.1f} MB" if info.size >= 1e6 else f"{info.size / 1e3:.1f} kB",
        "sha256": info.sha256,
    }
    for number, note in enumerate(info.notes, start=1):
        lines[f"note {number}"] = note
    return lines


def _notes(info: CheckpointInfo, layouts: tuple[ModuleLayout, ...]) -> tuple[str, ...]:
    notes = []
    if info.is_final and info.epoch is None:
        notes.append(_NO_EPOCH)
    stated = _number(info.metadata.get("ss_network_alpha"))
    whole_lokr = any({"lokr_w1", "lokr_w2"} <= set(layout.names) for layout in layouts)
    if whole_lokr and stated is not None and stated != _number(info.metadata.get("ss_network_dim")):
        notes.append(
            "LoKr without inner rank: applied at scale 1, as LyCORIS and ComfyUI do, though its metadata names "
            "an alpha other than the rank."
        )
    sidecar = info.path.with_name("adapter_config.json")
    if info.path.stem == "adapter_model" and info.alpha is None and sidecar.is_file():
        try:
            alpha = json.loads(sidecar.read_text(encoding="utf-8"))["lora_alpha"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            alpha = info.rank
        if alpha != info.rank:
            notes.append(
                f"adapter_config.json beside the file names lora_alpha {alpha}; the file itself has no alpha, so it is "
                "applied at scale 1, as ComfyUI does."
            )
    return tuple(notes)


def _wanted(path: Path) -> bool:
    return not any(part.startswith(".") or part.endswith("-state") for part in path.parts)


def _with_final_epoch(info: CheckpointInfo, final_epochs: int | Mapping[str, int] | None) -> CheckpointInfo:
    if not info.is_final or info.epoch is not None:
        return info
    epoch = final_epochs if isinstance(final_epochs, int) or final_epochs is None else final_epochs.get(info.name)
    notes = tuple(note for note in info.notes if note != _NO_EPOCH)
    return info if epoch is None else replace(info, epoch=epoch, notes=notes)


def _place_in_run(info: CheckpointInfo) -> tuple[str, bool, float, float, str]:
    # A file that names only its step stands among its siblings by step; a final file without an epoch stands last.
    epoch = float("inf") if info.epoch is None and info.is_final else float(info.epoch or 0)
    step = float("inf") if info.step is None and info.is_final else float(info.step or 0)
    return info.name, info.is_final, epoch, step, str(info.path)


def _read_alphas(path: Path, header: Header, layouts: tuple[ModuleLayout, ...]) -> list[float | None]:
    entries = {tensor.name: tensor for tensor in header.tensors}
    wanted = [entries[layout.names["alpha"]] for layout in layouts if "alpha" in layout.names]
    with path.open("rb") as file:
        return [_read_scalar(file, entry) for entry in wanted]


def _read_scalar(file: BinaryIO, entry: TensorEntry) -> float | None:
    file.seek(entry.begin)
    raw = file.read(entry.end - entry.begin)
    if entry.dtype == "BF16":
        raw, code = b"\0\0" + raw, "<f"  # the upper half of an F32
    elif entry.dtype in _SCALARS:
        code = _SCALARS[entry.dtype]
    else:
        return None
    return float(struct.unpack(code, raw)[0]) if len(raw) == struct.calcsize(code) else None


def _most_common(values: list[_T]) -> _T | None:
    return Counter(values).most_common(1)[0][0] if values else None


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None


def _whole_number(text: str | None) -> int | None:
    number = _number(text)
    return int(number) if number is not None and number.is_integer() and number > 0 else None
