"""The shipped base in a quarter of its size: matrices as bytes with a scale for each row, the VAE without empty slices.

A packed folder holds one ``.safetensors`` file for each model (all below 16 MiB) beside the configurations and the
tokenizers. Unpacking gives a normal diffusers folder in fp16; LoRAs are trained on exactly that.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from service.errors import BleedcheckError, MissingWeights
from service.miniature.pipeline_index import COMPONENTS, INDEX_FILE, write_pipeline_index

if TYPE_CHECKING:
    import torch

PACKED_BASE = Path(__file__).parent / "base"
RUNS = Path(__file__).parent / "runs"
WEIGHT_FILES = {
    "transformer": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
    "text_conditioner": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
}
"""Models, and the name diffusers or transformers gives to the file with their weights."""
SCALE = "::scale"
FORMAT = "1"
_SMALLEST_MATRIX = 4096
_KEPT_EXACT = ("patch_embed.", "proj_out.")
_SMALLEST_SCALE = 1e-6  # fp16 still holds it; a row of zeros needs some scale


class DamagedBaseError(BleedcheckError):
    """A packed base is not what this version writes."""


def pack_base(folder: Path, packed: Path) -> None:
    """Pack a diffusers folder of the tiny Anima.

    Args:
        folder: holds the components of :data:`~service.miniature.pipeline_index.COMPONENTS`.
        packed: created anew; what it held is removed.

    Raises:
        DamagedBaseError: the VAE has learnt something about motion, which packing would lose.
    """
    from safetensors.torch import load_file, save_file

    shutil.rmtree(packed, ignore_errors=True)
    packed.mkdir(parents=True)
    for name in COMPONENTS:
        weights = WEIGHT_FILES.get(name)
        shutil.copytree(folder / name, packed / name, ignore=shutil.ignore_patterns("*.safetensors"))
        if weights:
            state = load_file(folder / name / weights)
            small = pack_vae(state) if name == "vae" else pack_matrices(state)
            save_file(small, packed / f"{name}.safetensors", metadata={"packing": FORMAT})


def unpack_base(packed: Path, folder: Path, location: Path | None = None) -> None:
    """Write the diffusers folder that :func:`pack_base` packed, in fp16.

    Args:
        packed: the packed folder.
        folder: created if missing.
        location: where the folder will finally lie, if it is renamed afterwards.

    Raises:
        MissingWeights: a file of the packed folder is missing.
        DamagedBaseError: the files are of another format.
    """
    from safetensors import safe_open
    from safetensors.torch import save_file

    for name in COMPONENTS:
        if not (packed / name).is_dir():
            raise MissingWeights(
                f"{packed / name} is missing: train and pack the miniature's base, or restore the file"
            )
        shutil.copytree(packed / name, folder / name, dirs_exist_ok=True)
    for name, weights in WEIGHT_FILES.items():
        path = packed / f"{name}.safetensors"
        if not path.is_file():
            raise MissingWeights(f"{path} is missing: train and pack the miniature's base, or restore the file")
        with safe_open(path, framework="pt") as file:
            if (file.metadata() or {}).get("packing") != FORMAT:
                raise DamagedBaseError(f"{path} is packed in another format than {FORMAT}: pack the base again")
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (safe_open is no mapping)
        config = json.loads((packed / name / "config.json").read_text())
        full = unpack_vae(state, config) if name == "vae" else unpack_matrices(state)
        save_file(full, folder / name / weights, metadata={"format": "pt"})
    write_pipeline_index(folder, location or folder)


def pack_matrices(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Large matrices as int8 with one fp16 scale per row, the rest in fp16. The error is at most half a scale."""
    import torch

    packed: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        if tensor.ndim == 2 and tensor.numel() >= _SMALLEST_MATRIX and not name.startswith(_KEPT_EXACT):
            rows = tensor.float()
            scale = (rows.abs().amax(dim=1) / 127).clamp(min=_SMALLEST_SCALE).half()
            steps = (rows / scale.float()[:, None]).round().clamp(-127, 127)
            packed[name], packed[name + SCALE] = steps.to(torch.int8), scale
        else:
            packed[name] = tensor.half().contiguous()
    return packed


def unpack_matrices(packed: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The inverse of :func:`pack_matrices`, in fp16."""
    state: dict[str, torch.Tensor] = {}
    for name, tensor in packed.items():
        if name.endswith(SCALE):
            continue
        scale = packed.get(name + SCALE)
        state[name] = tensor if scale is None else (tensor.float() * scale.float()[:, None]).half()
    return state


def pack_vae(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The VAE in fp16, of each 3-D convolution only the last temporal slice.

    Raises:
        DamagedBaseError: an earlier slice is not zero.
    """
    packed: dict[str, torch.Tensor] = {}
    for name, tensor in state.items():
        if tensor.ndim == 5:
            if tensor[:, :, :-1].any():
                raise DamagedBaseError(f"{name} has weights for earlier frames, which a packed VAE cannot hold")
            tensor = tensor[:, :, -1]
        packed[name] = tensor.half().contiguous()
    return packed


def unpack_vae(packed: dict[str, torch.Tensor], config: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The inverse of :func:`pack_vae`; ``config`` is the VAE's own, for the shapes of its convolutions."""
    import torch
    from diffusers import AutoencoderKLQwenImage

    with torch.device("meta"):
        shapes = {k: v.shape for k, v in AutoencoderKLQwenImage.from_config(config).state_dict().items()}
    if shapes.keys() != packed.keys():
        raise DamagedBaseError(
            f"the packed VAE does not fit its configuration: {sorted(shapes.keys() ^ packed.keys())[:5]}"
        )
    state: dict[str, torch.Tensor] = {}
    for name, tensor in packed.items():
        if len(shapes[name]) == 5:
            full = torch.zeros(shapes[name], dtype=tensor.dtype)
            full[:, :, -1] = tensor
            tensor = full
        state[name] = tensor
    return state


def base_folder(packed: Path = PACKED_BASE) -> Path:
    """The shipped tiny Anima as a diffusers folder, unpacked into the cache the first time it is asked for.

    The cache is ``BLEEDCHECK_CACHE_DIR``, or the user's cache folder. Several processes may ask at the same time.

    Raises:
        MissingWeights: the packed base is not there.
    """
    cache = _cache_folder()
    folder = cache / f"miniature-{_fingerprint(packed)}"
    if (folder / INDEX_FILE).is_file():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=cache))
    try:
        unpack_base(packed, partial, location=folder)
        try:
            os.rename(partial, folder)
        except OSError:
            if not (folder / INDEX_FILE).is_file():  # otherwise another process was quicker
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def runs_folder() -> Path:
    """The shipped LoRA runs: a folder each for ``v1`` and ``v2``."""
    return RUNS


def _cache_folder() -> Path:
    configured = os.environ.get("BLEEDCHECK_CACHE_DIR")
    if configured:
        return Path(configured)
    from platformdirs import user_cache_dir

    return Path(user_cache_dir("bleedcheck"))


def _fingerprint(packed: Path) -> str:
    """Twelve hexadecimal digits that change with any file of the packed base."""
    files = sorted(path for path in packed.rglob("*") if path.is_file()) if packed.is_dir() else []
    if not files:
        raise MissingWeights(f"{packed} holds no packed base: benchmarks/miniature/__init__.py says how to train one")
    digest = hashlib.sha256(FORMAT.encode())
    for path in files:
        digest.update(path.relative_to(packed).as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]
