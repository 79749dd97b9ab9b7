"""A base as a folder of one of diffusers' pipelines, and the hash of a folder. No torch until it is outlined."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.checkpoints.inspection import file_sha256
from service.generation.demands import Shapes, shapes_in
from service.generation.errors import UnusableBase
from service.generation.families import FLOW_MATCHING, FLUX, Family

INDEX_FILE = "model_index.json"


@dataclass(frozen=True)
class FolderBase:
    """A folder of a flow-matching pipeline.

    Attributes:
        path: of the folder.
        family: of :data:`service.generation.families.FLOW_MATCHING`.
    """

    path: Path
    family: Family

    def files(self) -> list[Path]:
        """Every file of its components."""
        return component_files(self.path, self.family.components)

    def identity(self) -> str:
        """A hash of every file's content and name."""
        return f"{self.family.name}:{content_hash(self.files(), self.path)}"

    def denoiser_shapes(self) -> Shapes:
        """Every tensor of the denoiser."""
        return shapes_in(component_files(self.path, [self.family.denoiser]))

    def text_shapes(self) -> Shapes:
        """Every tensor of the text models."""
        return text_shapes(self.path, self.family)

    @property
    def takes_guidance(self) -> bool:
        """Whether guidance is an input of the model, as in FLUX.1 [dev]."""
        return bool(_json(self.path / self.family.denoiser / "config.json").get("guidance_embeds"))

    @property
    def is_fast(self) -> bool:
        """Whether its configuration says that it is made for a few steps, as that of FLUX.1 [schnell] does."""
        scheduler = _json(self.path / "scheduler" / "scheduler_config.json")
        return self.family is FLUX and not self.takes_guidance and not scheduler.get("use_dynamic_shifting")

    def licence(self) -> str:
        """The family's, and which of its models this one is built like."""
        return self.family.licence_of("This folder", self.takes_guidance, self.is_fast)


def pipeline_class(folder: Path) -> str | None:
    """The pipeline that a folder's index names; ``None`` without an index."""
    return _json(folder / INDEX_FILE).get("_class_name") if (folder / INDEX_FILE).is_file() else None


def flow_matching_folder(folder: Path) -> FolderBase | None:
    """The base in a folder if it is of one of the flow-matching families."""
    named = pipeline_class(folder)
    return next((FolderBase(folder, family) for family in FLOW_MATCHING if family.pipeline == named), None)


def component_files(folder: Path, components: Iterable[str]) -> list[Path]:
    """Every file of a folder's components, in their order."""
    return [path for name in components for path in sorted((folder / name).rglob("*")) if path.is_file()]


def content_hash(files: Iterable[Path], folder: Path) -> str:
    """SHA-256 over each file's name in the folder and its content, in hex."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(folder).as_posix()} {file_sha256(path)}\n".encode())
    return digest.hexdigest()


def outline(base: FolderBase) -> Mapping[str, Any]:
    """The parts that an adapter may change, without their weights.

    Raises:
        UnusableBase: a configuration is missing or of another class.
    """
    import diffusers
    import torch
    import transformers

    made: dict[str, Any] = {}
    with torch.device("meta"):
        for name, class_name in base.family.classes.items():
            try:
                if name == base.family.denoiser:
                    kind = getattr(diffusers, class_name)
                    made[name] = kind.from_config(kind.load_config(base.path / name))
                else:
                    kind = getattr(transformers, class_name)
                    made[name] = kind(kind.config_class.from_pretrained(base.path / name))
            except (OSError, ValueError, TypeError) as error:
                raise UnusableBase(f"{base.path / name} has no configuration of a {class_name}: {error}") from error
    return made


def text_shapes(folder: Path, family: Family) -> Shapes:
    """Every tensor of a folder's text models, each under its model's name."""
    return {
        f"{model}.{name}": shape
        for model in family.text_models
        for name, shape in shapes_in(component_files(folder, [model])).items()
    }


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
