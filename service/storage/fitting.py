"""Whether a checkpoint fits a base model, answered from the file's header and the base's configuration alone."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from service.checkpoints.header import Header
from service.checkpoints.recognising import MODELS
from service.errors import MissingWeights
from service.generation.bases import Found, family_of, find_base
from service.generation.comfyui import is_comfyui
from service.generation.families import Family
from service.generation.folders import FolderBase
from service.generation.folders import outline as pipeline_outline
from service.generation.original import AnimaFiles, FlowFiles
from service.generation.sdxl_files import SDXLBase
from service.settings import IMAGES_PREFIX

if TYPE_CHECKING:
    import torch

_ONE_AT_A_TIME = threading.Lock()
"""Files arrive in several threads, and diffusers' lazy modules cannot be imported for the first time by two at once."""


def check_fits(path: Path, base: str, *, header: Header | None = None) -> bool:
    """Refuse a file unless every tensor has a place in the base.

    A base that is not on this machine yet cannot be asked; the evaluation refuses the file once it has fetched it.

    Args:
        path: a LoRA file.
        base: "miniature", a diffusers folder, a hub name, or single files.
        header: the file's, if it was read before.

    Returns:
        Whether the base could be asked.

    Raises:
        UnmappedKeys: some tensor has none, or another shape; the message names them.
        UnreadableCheckpoint: the file is no readable adapter.
    """
    if base.startswith(IMAGES_PREFIX) or is_comfyui(base):
        return False
    try:
        found = find_base(base)
    except MissingWeights:
        return False
    from service.checkpoints import check_fit

    with _ONE_AT_A_TIME:
        parts = _parts(found)
    if parts is None:
        return False
    check_fit(path, parts, header=header)
    return True


def _parts(found: Found) -> Mapping[str, torch.nn.Module] | None:
    """The parts of a base that an adapter may change, without their weights; ``None`` if it was not fetched yet."""
    if isinstance(found, AnimaFiles):
        from service.generation.original.loading import outline

        return outline(found)
    if isinstance(found, FlowFiles):
        from service.generation.original.flow_loading import outline as flow_outline

        return flow_outline(found)
    if isinstance(found, SDXLBase):
        from service.generation.sdxl_files import outline as sdxl_outline

        return sdxl_outline(found)
    if isinstance(found, FolderBase):
        return _pipeline_outline(found)
    return None if found.folder is None else _outline(found.folder)


def family_to_ask(base: str) -> Family | None:
    """The family of a base; ``None`` of pictures that exist and of a ComfyUI, which are not asked.

    Raises:
        BaseNotFound, UnusableBase: see :func:`service.generation.bases.find_base`.
    """
    return None if base.startswith(IMAGES_PREFIX) or is_comfyui(base) else family_of(find_base(base))


def trained_on_another(model: str, family: Family | None) -> str | None:
    """Why a LoRA cannot go onto a base, told by the models of both alone; ``None`` where nothing speaks against it.

    Args:
        model: what the LoRA was trained on, as :mod:`service.checkpoints.recognising` says.
        family: of the base.
    """
    if not model or family is None or model == family.name:
        return None
    return f"is a LoRA for {MODELS[model]}, and the base is {family.title}: choose the base it was trained on"


@lru_cache(maxsize=2)
def _pipeline_outline(base: FolderBase) -> Mapping[str, torch.nn.Module]:
    return pipeline_outline(base)


@lru_cache(maxsize=2)
def _outline(folder: Path) -> Mapping[str, torch.nn.Module]:
    """The parts of the base that an adapter may change, without their weights; takes seconds for the first time."""
    import torch
    from diffusers import AnimaTextConditioner, CosmosTransformer3DModel
    from transformers import AutoConfig, AutoModel

    with torch.device("meta"):
        return {
            "transformer": CosmosTransformer3DModel.from_config(
                CosmosTransformer3DModel.load_config(folder, subfolder="transformer")
            ),
            "text_conditioner": AnimaTextConditioner.from_config(
                AnimaTextConditioner.load_config(folder, subfolder="text_conditioner")
            ),
            "text_encoder": AutoModel.from_config(AutoConfig.from_pretrained(folder / "text_encoder")),
        }
