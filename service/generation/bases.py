"""Which base model is meant, where it lies, and what identifies its weights."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from service.checkpoints.header import read_header
from service.generation.errors import BaseNotFound, UnusableBase
from service.generation.original import COMFYUI_PREFIX, AnimaFiles, find_files, is_single_file
from service.generation.sdxl_files import SDXLBase, is_sdxl_file, is_sdxl_folder, sdxl_file

MINIATURE = "miniature"
V_PREDICTION = "v_prediction"
"""Behind an SDXL file that predicts velocity but does not say so: ``FILE.safetensors;v_prediction``."""
INDEX_FILE = "modular_model_index.json"
COMPONENT_FOLDERS = ("transformer", "text_encoder", "text_conditioner", "vae", "tokenizer", "t5_tokenizer", "scheduler")
EXAMPLE_HUB_NAME = "circlestone-labs/Anima-Base-v1.0-Diffusers"

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Base:
    """A base model that was found.

    Attributes:
        source: what diffusers loads: a folder or a hub name.
        revision: the hub's commit; ``None`` for a folder.
    """

    source: str
    revision: str | None = None

    def identity(self) -> str:
        """What changes whenever the weights do: the hub's name and commit, or a hash of every file of the components.

        The index file is left out, as it holds the path of the folder.
        """
        if self.revision is not None:
            return f"{self.source}@{self.revision}"
        digest = hashlib.sha256()
        for name in COMPONENT_FOLDERS:
            for path in sorted(path for path in (Path(self.source) / name).rglob("*") if path.is_file()):
                with path.open("rb") as file:
                    content = hashlib.file_digest(file, "sha256").hexdigest()
                digest.update(f"{path.relative_to(self.source).as_posix()} {content}\n".encode())
        return f"sha256:{digest.hexdigest()}"

    def files(self) -> list[Path]:
        """Every file of a folder; none of a hub model, whose revision says it all."""
        if self.revision is not None:
            return []
        return sorted(path for path in Path(self.source).rglob("*") if path.is_file())


def licence_notice(base: str, found: Base | AnimaFiles | SDXLBase | None = None) -> str | None:
    """What a person has to know about a base's licence before using it; ``None`` for the miniature."""
    if base == MINIATURE:
        return None
    if isinstance(found, SDXLBase):
        return "SDXL models have licences of their own, some of them non-commercial: read the model's card."
    return (
        "Anima's weights are under CircleStone Labs' non-commercial licence (and NVIDIA's Open Model License, for the "
        "Cosmos-Predict2 model they are made from): read the model card before any commercial use."
    )


def find_base(base: str) -> Base | AnimaFiles | SDXLBase:
    """Find the base model that is meant by ``base``.

    Args:
        base: ``miniature``, a folder with a ``modular_model_index.json``, a name on the Hugging Face hub, or single
            files (see :mod:`service.generation.original.files`).

    Raises:
        BaseNotFound: it is not on this machine and could not be reached; the message says what to put where.
        UnusableBase: the folder is no diffusers pipeline, or a file is not what it should be.
    """
    if is_single_file(base):
        return _single_file(base)
    if base == MINIATURE:
        from service.miniature import base_folder

        return Base(str(base_folder()))
    folder = Path(base).expanduser()
    if folder.is_dir():
        if is_sdxl_folder(folder):
            return SDXLBase(folder, is_file=False)
        if not (folder / INDEX_FILE).is_file():
            raise UnusableBase(
                f"{base} has no {INDEX_FILE}: give the folder of a modular diffusers pipeline, such as a download of "
                f"{EXAMPLE_HUB_NAME}, or a ComfyUI folder as {COMFYUI_PREFIX}{base}"
            )
        return Base(str(folder))
    if folder.exists() or not _HUB_NAME.fullmatch(base):
        raise BaseNotFound(
            f"there is no base model at {base}: give '{MINIATURE}', a diffusers folder (with {INDEX_FILE} and a folder "
            f"for each of {', '.join(COMPONENT_FOLDERS)}), {COMFYUI_PREFIX}FOLDER, a .safetensors file, or a hub name "
            f"such as {EXAMPLE_HUB_NAME}"
        )
    return Base(base, _cached_revision(base) or _hub_revision(base))


def _single_file(base: str) -> AnimaFiles | SDXLBase:
    """A file in the original format: SDXL if its tensors say so, Anima otherwise."""
    place, *options = base.split(";")
    path = Path(place).expanduser()
    if path.is_file():
        header = read_header(path, empty_tensors=True)
        if is_sdxl_file(header):
            if set(options) - {V_PREDICTION}:
                raise UnusableBase(f"an SDXL file holds all its parts: only ;{V_PREDICTION} can be said of it")
            return sdxl_file(path, header, V_PREDICTION in options)
    return find_files(base)


def _cached_revision(name: str) -> str | None:
    """The commit of a hub model that was downloaded before."""
    from huggingface_hub import try_to_load_from_cache

    index = try_to_load_from_cache(name, INDEX_FILE)
    return Path(index).parent.name if isinstance(index, str) else None


def _hub_revision(name: str) -> str:
    """The newest commit on the hub. Asked for first, because loading would retry for more than a minute offline."""
    from huggingface_hub import HfApi

    try:
        revision = HfApi().model_info(name, timeout=_TIMEOUT_S).sha
    except Exception as error:  # the client's network errors share no base class across its versions
        raise BaseNotFound(
            f"{name} is not in the local cache, and the hub gave no answer ({type(error).__name__}: {error}). On a "
            f"machine with access run `hf download {name} --local-dir anima-base`, copy that folder here, and give its "
            "path as the base"
        ) from error
    if revision is None:
        raise BaseNotFound(f"the hub names no revision for {name}; download it and give the folder as the base")
    return revision
