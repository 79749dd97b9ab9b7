"""Which base model is meant, where it lies, and what identifies its weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from service.generation.errors import BaseNotFound, UnusableBase
from service.generation.families import ANIMA, FLOW_MATCHING, SDXL, Family
from service.generation.folders import FolderBase, component_files, content_hash, flow_matching_folder, pipeline_class
from service.generation.hub import (
    GATED,
    HUB_NAME,
    MODULAR_INDEX,
    PIPELINE_INDEX,
    cached_folder,
    download_command,
    newest_revision,
)
from service.generation.original import (
    COMFYUI_PREFIX,
    V_PREDICTION,
    AnimaFiles,
    FlowFiles,
    anima_files,
    find_place,
    flow_files,
    is_single_file,
)
from service.generation.sdxl_files import SDXLBase, is_sdxl_folder, sdxl_file

MINIATURE = "miniature"
COMPONENT_FOLDERS = ("transformer", "text_encoder", "text_conditioner", "vae", "tokenizer", "t5_tokenizer", "scheduler")
EXAMPLE_HUB_NAME = "circlestone-labs/Anima-Base-v1.0-Diffusers"


@dataclass(frozen=True)
class Base:
    """A base model that was found.

    Attributes:
        source: a folder, or a hub name.
        revision: the hub's commit; ``None`` for a folder.
        cached: where a hub model lies on this machine; ``None`` for a folder, and for what is to be fetched.
    """

    source: str
    revision: str | None = None
    cached: Path | None = None

    @property
    def location(self) -> str:
        """What diffusers loads: without asking the network if it is here."""
        return self.source if self.cached is None else str(self.cached)

    @property
    def folder(self) -> Path | None:
        """Where it lies on this machine, if it does."""
        return self.cached if self.revision is not None else Path(self.source)

    def identity(self) -> str:
        """What changes whenever the weights do: the hub's name and commit, or a hash of every file of the components.

        The index file is left out, as it holds the path of the folder.
        """
        if self.revision is not None:
            return f"{self.source}@{self.revision}"
        folder = Path(self.source)
        return f"sha256:{content_hash(component_files(folder, COMPONENT_FOLDERS), folder)}"

    def files(self) -> list[Path]:
        """Every file of a folder; none of a hub model, whose revision says it all."""
        if self.revision is not None:
            return []
        return sorted(path for path in Path(self.source).rglob("*") if path.is_file())


Found = Base | AnimaFiles | FlowFiles | SDXLBase | FolderBase
"""Whatever a base turns out to be."""


def family_of(found: Found) -> Family:
    """The family of a base."""
    if isinstance(found, FolderBase | FlowFiles):
        return found.family
    return SDXL if isinstance(found, SDXLBase) else ANIMA


def licence_notice(base: str, found: Found | None = None) -> str | None:
    """What a person has to know about a base's licence before using it; ``None`` for the miniature."""
    if base == MINIATURE:
        return None
    if isinstance(found, FolderBase | FlowFiles):
        return found.licence()
    return (ANIMA if found is None else family_of(found)).licence


def find_base(base: str) -> Found:
    """Find the base model that is meant by ``base``.

    Args:
        base: ``miniature``, a folder of a diffusers pipeline (Anima with a ``modular_model_index.json``; SDXL, Flux,
            Qwen-Image or Z-Image with a ``model_index.json``), the name of any of these on the Hugging Face hub, or
            single files (see :mod:`service.generation.original.places`).

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
        found = _folder(folder)
        if found is None:
            raise UnusableBase(
                f"{base} has no {MODULAR_INDEX}: give the folder of a modular diffusers pipeline, such as a download "
                f"of {EXAMPLE_HUB_NAME}, one with the model_index.json of SDXL, Flux, Qwen-Image or Z-Image, or a "
                f"ComfyUI folder as {COMFYUI_PREFIX}{base}"
            )
        return found
    if folder.exists() or not HUB_NAME.fullmatch(base):
        raise BaseNotFound(
            f"there is no base model at {base}: give '{MINIATURE}', a diffusers folder (with {MODULAR_INDEX} and a "
            f"folder for each of {', '.join(COMPONENT_FOLDERS)}), {COMFYUI_PREFIX}FOLDER, a .safetensors file, or a "
            f"hub name such as {EXAMPLE_HUB_NAME}"
        )
    return _hub_model(base)


def _folder(folder: Path) -> Found | None:
    """The base in a folder; ``None`` if there is no index of any.

    Raises:
        UnusableBase: it is some other pipeline of diffusers.
    """
    if is_sdxl_folder(folder):
        return SDXLBase(folder, is_file=False)
    flow_matching = flow_matching_folder(folder)
    if flow_matching is not None:
        return flow_matching
    _refuse_other_pipelines(folder)
    return Base(str(folder)) if (folder / MODULAR_INDEX).is_file() else None


def _hub_model(name: str) -> Found:
    """A model by its name on the hub: from this machine's cache, or Anima as it is there now."""
    cached = cached_folder(name)
    found = None if cached is None else _folder(cached)
    if isinstance(found, Base):
        return Base(name, Path(found.source).name, Path(found.source))
    if found is not None:
        return found
    newest = newest_revision(name)
    if MODULAR_INDEX not in newest.files:
        no_pipeline = "" if PIPELINE_INDEX in newest.files else f". The hub lists no {PIPELINE_INDEX} in it, though"
        raise BaseNotFound(
            f"{name} is not in the local cache, and only Anima is fetched by itself. Run `{download_command(name)}`"
            f"{GATED if newest.is_gated else ''}, and repeat this command{no_pipeline}"
        )
    return Base(name, newest.revision)


def _refuse_other_pipelines(folder: Path) -> None:
    """Say what a folder is that is some other pipeline of diffusers."""
    named = pipeline_class(folder)
    if named is not None:
        known = ", ".join(family.pipeline for family in (SDXL, *FLOW_MATCHING))
        raise UnusableBase(f"{folder} is a {named}; pictures are made with {known} or a modular Anima pipeline")


def _single_file(base: str) -> AnimaFiles | FlowFiles | SDXLBase:
    """Files in the original format, of the family that the diffusion model's file says."""
    place = find_place(base)
    if place.kind.model == SDXL.name:
        if place.named:
            raise UnusableBase(f"an SDXL file holds all its parts: only ;{V_PREDICTION} can be said of it")
        return sdxl_file(place.file, place.header, V_PREDICTION in place.flags)
    return anima_files(place) if place.kind.model == ANIMA.name else flow_files(place)
