"""Reads the header of a safetensors file, and nothing else, under limits that an honest adapter never meets.

Layout of the format: 8 bytes little-endian length N, N bytes of JSON, then the data. The JSON maps each tensor's name
to ``{"dtype", "shape", "data_offsets": [begin, end]}`` relative to the data, and ``__metadata__`` to strings.
"""

from __future__ import annotations

import json
import math
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from service.errors import NotFound, UnreadableCheckpoint

MAX_HEADER_BYTES = 16 * 1024 * 1024
MAX_TENSORS = 20_000
MAX_DIMENSIONS = 6
MAX_ELEMENTS = 2**31
"""Per tensor. The largest weight of a 2B model has 2**24."""
MAX_NAME_LENGTH = 512

DTYPE_BYTES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "F8_E4M3": 1,
    "F8_E5M2": 1,
    "F8_E4M3FNUZ": 1,
    "F8_E5M2FNUZ": 1,
    "I64": 8,
    "U64": 8,
    "I32": 4,
    "U32": 4,
    "I16": 2,
    "U16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
"""Bytes of a number, for every dtype that PyTorch can hold. Which of them a file may have, its own reader says."""
_GGUF, _ZIP = b"GGUF", b"PK\x03\x04"
_PICKLE_SUFFIXES = {".pt", ".pth", ".ckpt", ".bin", ".pkl"}


@dataclass(frozen=True)
class TensorEntry:
    """One tensor's line in the header; ``begin`` and ``end`` are bytes from the start of the file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """A checked header: the tensors fill the file's data without gap or overlap.

    Attributes:
        tensors: in file order.
        metadata: the file's own strings; nothing in them has been judged.
        size: bytes of the whole file.
        name: the file's own name, for messages.
    """

    tensors: tuple[TensorEntry, ...]
    metadata: dict[str, str]
    size: int
    name: str


def read_header(path: Path, *, empty_tensors: bool = False) -> Header:
    """Read and check a safetensors header; the tensors' data is not touched.

    Args:
        path: the file.
        empty_tensors: take tensors without elements, which some base models carry as marks.

    Raises:
        NotFound: there is no such file.
        UnreadableCheckpoint: a pickle, a GGUF file, no safetensors file, a truncated one, or one that breaks a limit.
    """
    if path.suffix.lower() in _PICKLE_SUFFIXES:
        raise UnreadableCheckpoint(
            f"{path.name} is a pickle, which can run code when it is opened, so it is never opened. "
            "Save it as .safetensors (most trainers have an option for it)."
        )
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            length = header_length(path, file.read(8), size)
            raw = file.read(length)
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {path}") from error
    except IsADirectoryError as error:
        raise UnreadableCheckpoint(f"{path.name} is a folder; what belongs here is a file.") from error
    except OSError as error:
        _refuse(path, error.strerror or str(error))
    if len(raw) != length:
        _refuse(path, "it ends inside its header")
    return _checked(path, raw, size, empty_tensors)


def read_arriving_header(path: Path, size: int | None = None) -> Header | None:
    """The header of a file that is still being written, as soon as it has come whole; ``None`` before.

    Args:
        path: the file, as much of it as there is.
        size: bytes that the whole file will have; ``None`` if nobody said. The header's own size is then taken on
            trust, and whether the data follow is seen when :func:`read_header` reads the whole file.

    Raises:
        UnreadableCheckpoint: as of :func:`read_header`.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(8)
        if len(start) < 8:
            return None
        length = header_length(path, start, size)
        raw = file.read(length)
    return _checked(path, raw, size, False) if len(raw) == length else None


def header_length(path: Path, start: bytes, size: int | None) -> int:
    """Bytes of the header, as the first 8 bytes of a file say.

    Args:
        path: the file, for messages.
        start: its first 8 bytes.
        size: bytes of the whole file; ``None`` if nobody said.

    Raises:
        UnreadableCheckpoint: they are those of another format, or the header would be too long.
    """
    refuse_other_formats(path.name, start)
    length: int = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
    room = MAX_HEADER_BYTES if size is None else min(MAX_HEADER_BYTES, size - 8)
    if not 2 <= length <= room:
        if size is not None and 2 <= length <= MAX_HEADER_BYTES:
            _refuse(path, f"it is cut off: its header alone has {length} bytes, and the file {size}")
        _refuse(path, f"its header would be {length} bytes long (limit: {MAX_HEADER_BYTES})")
    return length


def _checked(path: Path, raw: bytes, size: int | None, empty_tensors: bool) -> Header:
    entries = _parse(path, raw)
    metadata = _metadata(path, entries.pop("__metadata__", {}))
    if not entries:
        _refuse(path, "it holds no tensors")
    if len(entries) > MAX_TENSORS:
        _refuse(path, f"it lists {len(entries)} tensors (limit: {MAX_TENSORS})")
    begin = 8 + len(raw)
    tensors = sorted(
        (_entry(path, name, value, begin, empty_tensors) for name, value in entries.items()),
        key=lambda t: (t.begin, t.end),
    )
    end = _end_of(path, tensors, begin)
    if size is not None and end != size:
        _refuse(path, f"its tensors need {end} bytes and it has {size}: it is truncated or has bytes left over")
    return Header(tuple(tensors), metadata, end, path.name)


def refuse_other_formats(name: str, start: bytes) -> None:
    """Refuse a file whose first bytes show that it is of another format that people have.

    Raises:
        UnreadableCheckpoint: it is; the message says which.
    """
    if start.startswith(_GGUF):
        raise UnreadableCheckpoint(
            f"{name} is a GGUF file, whose weights are quantised and cannot be folded exactly. Use the bf16 or fp16 "
            ".safetensors file of the same model or LoRA."
        )
    if start.startswith(_ZIP):
        raise UnreadableCheckpoint(
            f"{name} is a zip or a pickle of PyTorch, which can run code when it is opened, so it is never opened. "
            "Save it as .safetensors (most trainers have an option for it)."
        )


def _refuse(path: Path, why: str) -> NoReturn:
    raise UnreadableCheckpoint(f"{path.name} cannot be read as a safetensors file: {why}.")


def _parse(path: Path, raw: bytes) -> dict[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key appears twice")
        return found

    def no_constant(text: str) -> NoReturn:
        raise ValueError(f"{text} is not JSON")

    try:
        if not raw.startswith(b"{"):
            raise ValueError("it does not start with a brace")
        parsed = json.loads(raw.decode("utf-8"), object_pairs_hook=unique, parse_constant=no_constant)
    except (ValueError, RecursionError) as error:
        _refuse(path, f"the header is broken ({error})")
    assert isinstance(parsed, dict)  # it starts with a brace
    return parsed


def _metadata(path: Path, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        _refuse(path, "its metadata is not a table of strings")
    return dict(value)


def _entry(path: Path, name: str, value: Any, data_start: int, empty: bool) -> TensorEntry:
    shown = ascii(name[:80])
    if len(name) > MAX_NAME_LENGTH:
        _refuse(path, f"the tensor name {shown}… is longer than {MAX_NAME_LENGTH} characters")
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        _refuse(path, f"tensor {shown} is not described by dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BYTES:
        _refuse(path, f"tensor {shown} has the dtype {ascii(dtype)[:40]} (known: {', '.join(DTYPE_BYTES)})")
    if (
        not _naturals(shape)
        or len(shape) > MAX_DIMENSIONS
        or math.prod(shape) > MAX_ELEMENTS
        or (0 in shape and not empty)
    ):
        _refuse(path, f"tensor {shown} has the shape {ascii(shape)[:80]}")
    if not _naturals(offsets) or len(offsets) != 2 or offsets[1] - offsets[0] != math.prod(shape) * DTYPE_BYTES[dtype]:
        _refuse(path, f"tensor {shown} has offsets that do not fit its shape")
    return TensorEntry(name, dtype, tuple(shape), data_start + offsets[0], data_start + offsets[1])


def _naturals(value: Any) -> bool:
    # bool is an int to Python, but not to the format.
    return isinstance(value, list) and all(type(item) is int and 0 <= item < 2**63 for item in value)


def _end_of(path: Path, tensors: list[TensorEntry], data_start: int) -> int:
    """Where the last tensor ends; each begins where the one before ends."""
    position = data_start
    for tensor in tensors:
        if tensor.begin != position:
            _refuse(path, f"tensor {tensor.name[:80]!a} leaves a gap or overlaps another")
        position = tensor.end
    return position
