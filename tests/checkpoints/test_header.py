from __future__ import annotations

import json
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from service.checkpoints import inspect_checkpoint, load_adapter
from service.checkpoints.header import MAX_HEADER_BYTES, MAX_TENSORS, read_header
from service.errors import BleedcheckError, CheckpointChanged, NotFound, UnreadableCheckpoint

SAME_FOLDER = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def good_tensors() -> dict[str, torch.Tensor]:
    key = "lora_unet_blocks_0_mlp_layer1"
    return {
        f"{key}.lora_down.weight": torch.ones(4, 8),
        f"{key}.lora_up.weight": torch.ones(16, 4),
        f"{key}.alpha": torch.tensor(4.0),
    }


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.safetensors"
    save_file(good_tensors(), path, metadata={"ss_network_dim": "4"})
    return path


def write_raw(path: Path, header: Any, data: bytes = b"", length: int | None = None) -> Path:
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(raw) if length is None else length) + raw + data)
    return path


def entry(**changes: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changes}


def test_a_good_file_is_read_as_safetensors_itself_reads_it(good: Path) -> None:
    header = read_header(good)
    assert {t.name: t.shape for t in header.tensors} == {k: tuple(v.shape) for k, v in load_file(good).items()}
    assert header.metadata == {"ss_network_dim": "4"}
    assert header.size == good.stat().st_size


HOSTILE: dict[str, tuple[Any, bytes]] = {
    "not JSON": (b"{nonsense}", b""),
    "a list": (b"[1, 2]", b""),
    "not UTF-8": (b'{"\xff\xfe": 1}', b""),
    "nested deeper than the stack": (b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}", b""),
    "a key twice": (b'{"a": {"dtype":"F32","shape":[],"data_offsets":[0,4]}, "a": {}}', b"0000"),
    "a key of an entry twice": (b'{"a": {"dtype":"F32","dtype":"F16","shape":[],"data_offsets":[0,2]}}', b"00"),
    "no tensors": ({"__metadata__": {"a": "b"}}, b""),
    "metadata of numbers": ({"__metadata__": {"a": 1}, "a": entry()}, b"0" * 8),
    "metadata no table": ({"__metadata__": [], "a": entry()}, b"0" * 8),
    "unknown dtype": ({"a": entry(dtype="F4")}, b"0" * 8),
    "dtype no string": ({"a": entry(dtype=["F32"])}, b"0" * 8),
    "negative shape": ({"a": entry(shape=[-2])}, b"0" * 8),
    "shape of booleans": ({"a": entry(shape=[True, 2])}, b"0" * 8),
    "shape of floats": ({"a": entry(shape=[2.0])}, b"0" * 8),
    "shape no list": ({"a": entry(shape=2)}, b"0" * 8),
    "empty tensor": ({"a": entry(shape=[0], data_offsets=[0, 0])}, b""),
    "huge shape": ({"a": entry(shape=[2**62, 2**62])}, b"0" * 8),
    "a number of 5000 digits": (
        b'{"a": {"dtype":"F32","shape":[' + b"9" * 5000 + b'],"data_offsets":[0,8]}}',
        b"0" * 8,
    ),
    "seven dimensions": ({"a": entry(shape=[1, 1, 1, 1, 1, 1, 2])}, b"0" * 8),
    "offsets backwards": ({"a": entry(data_offsets=[8, 0])}, b"0" * 8),
    "offsets of three": ({"a": entry(data_offsets=[0, 8, 8])}, b"0" * 8),
    "offsets that do not fit the shape": ({"a": entry(data_offsets=[0, 4])}, b"0" * 4),
    "offsets beyond the file": ({"a": entry(data_offsets=[100, 108])}, b"0" * 8),
    "a hole": ({"a": entry(), "b": entry(data_offsets=[16, 24])}, b"0" * 24),
    "an overlap": ({"a": entry(), "b": entry(data_offsets=[4, 12])}, b"0" * 12),
    "two tensors in one place": ({"a": entry(), "b": entry()}, b"0" * 8),
    "bytes left over": ({"a": entry()}, b"0" * 9),
    "bytes missing": ({"a": entry()}, b"0" * 7),
    "an entry with more": ({"a": entry(more=1)}, b"0" * 8),
    "an entry with less": ({"a": {"dtype": "F32", "shape": [2]}}, b"0" * 8),
    "an entry no table": ({"a": 7}, b""),
    "a constant that is no JSON": (b'{"a": {"dtype":"F32","shape":[NaN],"data_offsets":[0,4]}}', b"0000"),
    "a name of 10,000 letters": ({"a" * 10_000: entry()}, b"0" * 8),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_headers_are_refused_with_the_files_name(tmp_path: Path, case: str) -> None:
    path = write_raw(tmp_path / "hostile.safetensors", *HOSTILE[case])
    for read in (read_header, inspect_checkpoint, load_adapter):
        with pytest.raises(UnreadableCheckpoint, match=r"hostile\.safetensors"):
            read(path)


def test_limits_are_checked_before_the_header_is_read(tmp_path: Path) -> None:
    for length in (0, 1, MAX_HEADER_BYTES + 1, 2**63, 2**64 - 1):
        path = write_raw(tmp_path / "long.safetensors", b"{}", b"0" * 100, length=length)
        with pytest.raises(UnreadableCheckpoint, match="bytes long"):
            read_header(path)
    many = {f"t{i}": {"dtype": "F32", "shape": [], "data_offsets": [4 * i, 4 * i + 4]} for i in range(MAX_TENSORS + 1)}
    path = write_raw(tmp_path / "many.safetensors", many, b"0" * 4 * len(many))
    with pytest.raises(UnreadableCheckpoint, match=f"limit: {MAX_TENSORS}"):
        read_header(path)


def test_truncated_anywhere_is_refused(good: Path) -> None:
    whole = good.read_bytes()
    for length in [*range(0, 40), *range(40, len(whole), 37), len(whole) - 1]:
        good.write_bytes(whole[:length])
        with pytest.raises(UnreadableCheckpoint):
            inspect_checkpoint(good)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
entries = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F16", "BF16", "I64", "F64", "BOOL", ""]) | json_values,
        "shape": st.lists(st.integers(-1, 5), max_size=4) | json_values,
        "data_offsets": st.lists(st.integers(-1, 64), max_size=3) | json_values,
    }
)


@SAME_FOLDER
@given(
    header=st.dictionaries(st.text(max_size=12) | st.just("__metadata__"), entries | json_values, max_size=4),
    data=st.binary(max_size=64),
)
def test_any_json_header_is_read_or_refused_and_never_more(tmp_path: Path, header: dict[str, Any], data: bytes) -> None:
    path = write_raw(tmp_path / "any.safetensors", header, data)
    try:
        read = read_header(path)
    except UnreadableCheckpoint:
        return
    # What is accepted, the format's own reader accepts too, with the same tensors.
    assert {t.name: t.shape for t in read.tensors} == {k: tuple(v.shape) for k, v in load_file(path).items()}


@SAME_FOLDER
@given(raw=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "bytes.safetensors"
    path.write_bytes(raw)
    with pytest.raises(UnreadableCheckpoint):
        inspect_checkpoint(path)


@SAME_FOLDER
@given(position=st.integers(0, 400), value=st.integers(0, 255))
def test_one_changed_byte_never_escapes_as_another_error(tmp_path: Path, position: int, value: int) -> None:
    path = tmp_path / "changed.safetensors"
    save_file(good_tensors(), path)
    raw = bytearray(path.read_bytes())
    raw[position % len(raw)] = value
    path.write_bytes(bytes(raw))
    try:
        inspect_checkpoint(path)
        load_adapter(path)
    except BleedcheckError:
        pass


@pytest.mark.parametrize("suffix", [".pt", ".ckpt", ".bin", ".pth"])
def test_a_pickle_is_never_opened(tmp_path: Path, suffix: str) -> None:
    marker = tmp_path / "ran"

    class Bomb:
        def __reduce__(self) -> tuple[Any, tuple[str]]:
            return (Path.touch, (str(marker),))

    path = tmp_path / f"lora{suffix}"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(UnreadableCheckpoint, match=r"pickle.*\.safetensors"):
        inspect_checkpoint(path)
    renamed = path.rename(tmp_path / "renamed.safetensors")
    with pytest.raises(UnreadableCheckpoint):
        load_adapter(renamed)
    assert not marker.exists()


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        inspect_checkpoint(tmp_path / "none.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    with pytest.raises(UnreadableCheckpoint):
        inspect_checkpoint(tmp_path / "folder.safetensors")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_nan_and_infinity_are_refused_by_name(tmp_path: Path, value: float, dtype: torch.dtype) -> None:
    tensors = {key: tensor.to(dtype) for key, tensor in good_tensors().items()}
    tensors["lora_unet_blocks_0_mlp_layer1.lora_up.weight"][3, 2] = value
    path = tmp_path / "diverged.safetensors"
    save_file(tensors, path)
    inspect_checkpoint(path)  # the header is sound
    with pytest.raises(UnreadableCheckpoint, match=r"NaN or infinity in 1 of 3 .*mlp_layer1\.lora_up\.weight"):
        load_adapter(path)


def test_a_file_that_changed_since_it_was_registered(good: Path) -> None:
    registered = inspect_checkpoint(good).sha256
    assert load_adapter(good, sha256=registered).tensors == 3
    tensors = good_tensors()
    tensors["lora_unet_blocks_0_mlp_layer1.alpha"] = torch.tensor(8.0)
    save_file(tensors, good)
    with pytest.raises(CheckpointChanged):
        load_adapter(good, sha256=registered)


NO_ADAPTER: dict[str, tuple[dict[str, torch.Tensor], str]] = {
    "a whole model": (
        {f"net.blocks.{i}.adaln_modulation_self_attn.1.weight": torch.ones(2, 2) for i in range(12)},
        r"no\.safetensors is the diffusion model of Cosmos-Predict2; what belongs here is a LoRA file",
    ),
    "a down factor alone": ({"lora_unet_x.lora_down.weight": torch.ones(2, 2)}, "the parts down"),
    "an alpha alone": ({"lora_unet_x.alpha": torch.tensor(1.0)}, "the parts alpha"),
    "one unknown part": ({"lora_unet_x.oft_blocks": torch.ones(2, 2), **good_tensors()}, "1 of 4 .*oft_blocks"),
    "half a LoHa": ({"x.hada_w1_a": torch.ones(2, 2), "x.hada_w1_b": torch.ones(2, 2)}, "no whole adapter"),
    "a LoKr without its second": ({"x.lokr_w1": torch.ones(2, 2)}, "no whole adapter"),
    "ranks that differ": (
        {"x.lora_down.weight": torch.ones(3, 8), "x.lora_up.weight": torch.ones(8, 4)}, "do not fit each other"
    ),
    "a factor that is no matrix": (
        {"x.lora_down.weight": torch.ones(4), "x.lora_up.weight": torch.ones(8, 4)}, "do not fit each other"
    ),
    "an alpha for each row": (
        {"x.lora_down.weight": torch.ones(4, 8), "x.lora_up.weight": torch.ones(8, 4), "x.alpha": torch.ones(4)},
        "alpha is not one number",
    ),
    "the same factor under two names": (
        {"x.lora_down.weight": torch.ones(4, 8), "x.lora_A.weight": torch.ones(4, 8),
         "x.lora_up.weight": torch.ones(8, 4)}, "1 of 3",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NO_ADAPTER)
def test_what_is_no_adapter_is_refused_with_a_reason(tmp_path: Path, case: str) -> None:
    tensors, message = NO_ADAPTER[case]
    path = tmp_path / "no.safetensors"
    save_file(tensors, path)
    with pytest.raises(UnreadableCheckpoint, match=message):
        inspect_checkpoint(path)
