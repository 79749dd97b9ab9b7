"""Runs and checkpoints as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from service.checkpoints.header import read_header
from service.checkpoints.layout import read_layout
from service.database.models import Checkpoint
from service.errors import BleedcheckError

_LONGEST_TEXT = 2000
_BASE_KEYS = ("ss_base_model_version", "modelspec.architecture", "ss_sd_model_name", "base_model")
_EXAMPLE: dict[str, Any] = {
    "id": "5f0c1f7c6f0e2c1a",
    "run": "v2",
    "epoch": 148,
    "file": "keikana_v2_epoch148.safetensors",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "size": 2510400,
    "key_format": "kohya",
    "algorithms": ["lora"],
    "trainer": "AnimaLoraToolkit",
    "rank": 16,
    "alpha": 16.0,
}


class CheckpointOut(BaseModel):
    """One LoRA file of a run."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    id: str = Field(description="What evaluations name it by.")
    run: str = Field(description="The training run it belongs to.")
    epoch: int | None = Field(description="Completed epochs; null where neither the file nor the caller says it.")
    file: str = Field(description="The file's own name.")
    sha256: str = Field(description="Hash of the whole file.")
    size: int = Field(description="Bytes.")
    key_format: str = Field(description="Whose names its tensors have: kohya, comfyui, diffusers, peft, ...")
    algorithms: list[str] = Field(description="lora, locon, loha, lokr, diff; dora beside one of them.")
    trainer: str = Field(description="The program that wrote it, or unknown.")
    rank: int | None = Field(description="The most common inner dimension.")
    alpha: float | None = Field(description="The most common alpha; null is applied at scale 1.")
    evaluation: str | None = Field(
        None, description="The evaluation that scores it, if `evaluate` asked for one.", examples=["8d3c4b1f0a9e"]
    )

    @classmethod
    def of(cls, checkpoint: Checkpoint) -> CheckpointOut:
        """The checkpoint of a row."""
        facts = {name: checkpoint.info[name] for name in ("key_format", "algorithms", "trainer", "rank", "alpha")}
        return cls(
            id=checkpoint.id,
            run=checkpoint.run.name,
            epoch=checkpoint.epoch,
            file=Path(checkpoint.path).name,
            sha256=checkpoint.sha256,
            size=checkpoint.size,
            **facts,
        )


class TouchedModule(BaseModel):
    """A module of the base model that the file changes."""

    module: str = Field(description="Its name as the file writes it.", examples=["lora_unet_blocks_0_self_attn_q_proj"])
    component: str = Field(description="Part of the pipeline.", examples=["transformer"])
    algorithm: str = Field(description="lora, locon, loha, lokr or diff.", examples=["lora"])
    rank: int | None = Field(description="Inner dimension of its factors.", examples=[16])


class CheckpointDetail(CheckpointOut):
    """One LoRA file, with what its header says."""

    step: int | None = Field(description="Optimizer steps, if known.", examples=[2400])
    is_final: bool = Field(description="Whether it is the run's last file.", examples=[False])
    base: str | None = Field(description="The base model that the file itself names.", examples=["anima-base-v1.0"])
    tensors: int = Field(description="How many tensors it has.", examples=[840])
    dtypes: list[str] = Field(description="Their types.", examples=[["BF16"]])
    components: dict[str, int] = Field(
        description="How many modules it changes in each part of the pipeline.", examples=[{"transformer": 280}]
    )
    notes: list[str] = Field(description="What a person should know before trusting it.", examples=[[]])
    metadata: dict[str, str] = Field(
        description="The file's own strings, cut at 2000 characters.", examples=[{"ss_network_dim": "16"}]
    )
    touched: list[TouchedModule] | None = Field(
        description="Every module it changes; null if the file is not there any more."
    )
    evaluations: list[str] = Field(description="Evaluations that it takes part in.", examples=[["8d3c4b1f0a9e"]])

    @classmethod
    def detailed(cls, checkpoint: Checkpoint, evaluations: Sequence[str]) -> CheckpointDetail:
        """Everything about the checkpoint of a row."""
        info = checkpoint.info
        metadata = {name: text[:_LONGEST_TEXT] for name, text in info.get("metadata", {}).items()}
        return cls(
            **CheckpointOut.of(checkpoint).model_dump(),
            step=info.get("step"),
            is_final=info["is_final"],
            base=next((metadata[key] for key in _BASE_KEYS if metadata.get(key)), None),
            tensors=info["tensors"],
            dtypes=list(info.get("dtypes", ())),
            components=info.get("components", {}),
            notes=list(info.get("notes", ())),
            metadata=metadata,
            touched=_touched(Path(checkpoint.path)),
            evaluations=list(evaluations),
        )


def _touched(path: Path) -> list[TouchedModule] | None:
    try:
        layouts = read_layout(read_header(path))
    except BleedcheckError:
        return None
    return [
        TouchedModule(module=each.key, component=each.component, algorithm=each.algorithm, rank=each.rank)
        for each in layouts
    ]


class CheckpointPage(BaseModel):
    """Some checkpoints of a run, and where the next ones are."""

    checkpoints: list[CheckpointOut] = Field(description="By epoch; those without one last.")
    next: str | None = Field(description="Send it as `cursor` for the next ones; null at the end.", examples=[None])


class EpochIn(BaseModel):
    """What to change about a checkpoint."""

    model_config = ConfigDict(extra="forbid")

    epoch: Annotated[int, Field(ge=0, le=10**9)] | None = Field(
        description="The epoch, whatever the file says; null for none.", examples=[150]
    )


class FolderIn(BaseModel):
    """A folder on the server's own disk, inside one that its operator allows."""

    model_config = ConfigDict(extra="forbid")

    path: Annotated[Path, Field(description="Absolute path.", examples=["/runs/v2"])]


class RefusedFile(BaseModel):
    """A file that was not taken, and why."""

    file: str = Field(description="Its name.", examples=["optimizer.safetensors"])
    reason: str = Field(description="What is wrong with it.", examples=["no adapter: no tensor has a LoRA name"])


class FolderOut(BaseModel):
    """What was found in a folder."""

    checkpoints: list[CheckpointOut] = Field(description="What was taken, by epoch.")
    refused: list[RefusedFile] = Field(description="What was not.")


class UploadIn(BaseModel):
    """A file that will come in pieces."""

    model_config = ConfigDict(extra="forbid")

    filename: str = Field(
        max_length=240, description="The trainer's own name; it tells the epoch.", examples=["kk_epoch148.safetensors"]
    )
    size: int = Field(ge=9, le=2**53, description="Bytes of the whole file.", examples=[2510400])
    epoch: Annotated[int, Field(ge=0, le=10**9)] | None = Field(
        None, description="The epoch, instead of what the file says.", examples=[148]
    )


class UploadOut(BaseModel):
    """How much of a file has come."""

    id: str = Field(description="Its name in addresses.", examples=["5b0b6f0f8a5c4f0e"])
    filename: str = Field(description="The file's own name.", examples=["kk_epoch148.safetensors"])
    size: int = Field(description="Bytes of the whole file.", examples=[2510400])
    offset: int = Field(description="Bytes that have come: where the next piece begins.", examples=[1048576])
    checkpoint: CheckpointOut | None = Field(None, description="The checkpoint, once the file is whole.")


class RunPage(BaseModel):
    """Some runs, and where the next ones are."""

    runs: list[RunOut] = Field(description="By name.")
    next: str | None = Field(description="Send it as `cursor` for the next ones; null at the end.", examples=[None])


class RunOut(BaseModel):
    """One training run and its checkpoints, by epoch."""

    name: str = Field(description="The run's name.", examples=["v2"])
    checkpoints: list[CheckpointOut] = Field(description="Its files.")


class PathIn(BaseModel):
    """A file on the server's own disk, in a folder that its operator allows."""

    model_config = ConfigDict(extra="forbid")

    path: Annotated[Path, Field(description="Absolute path.", examples=["/runs/v2/keikana_v2_epoch148.safetensors"])]
