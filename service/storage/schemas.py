"""Runs and checkpoints as the API shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from service.database.models import Checkpoint

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


class RunOut(BaseModel):
    """One training run and its checkpoints, by epoch."""

    name: str = Field(description="The run's name.", examples=["v2"])
    checkpoints: list[CheckpointOut] = Field(description="Its files.")


class PathIn(BaseModel):
    """A file on the server's own disk, in a folder that its operator allows."""

    model_config = ConfigDict(extra="forbid")

    path: Annotated[Path, Field(description="Absolute path.", examples=["/runs/v2/keikana_v2_epoch148.safetensors"])]
