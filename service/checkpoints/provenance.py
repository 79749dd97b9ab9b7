"""Who wrote a LoRA file, and at which epoch and step: from its name, its folder and its metadata.

* sd-scripts: ``{name}-{epoch:06d}``, ``{name}-step{step:08d}``, and ``{name}`` for the last epoch, whose number is in
  ``ss_epoch``. Step files hold a zero-based ``ss_epoch``.
* AnimaLoraToolkit: ``{name}_epoch{N}``, ``_step{N}``, ``_interrupted_step{N}``, ``{name}``; no epoch in the metadata.
* diffusion-pipe: ``{run}/epoch{N}/adapter_model`` and ``{run}/step{N}/adapter_model``.
* ai-toolkit: ``{job}_{step:09d}``, ``{job}``; ``training_info`` in the metadata has step and epoch.
* OneTrainer: ``{prefix}{time}-save-{step}-{completed epochs}-{step in the epoch}``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ONETRAINER = re.compile(r"(?P<name>.*?)-?(?:\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d)?-save-(?P<step>\d+)-(?P<epoch>\d+)-\d+")
_STEP = re.compile(r"(?P<name>.+?)(?:_interrupted)?[-_]step[-_]?(?P<step>\d+)")
_EPOCH = re.compile(r"(?P<name>.+?)[-_]ep(?:och)?[-_]?(?P<epoch>\d+)")
_KOHYA_EPOCH = re.compile(r"(?P<name>.+)-(?P<epoch>\d{6})")
_AI_TOOLKIT_STEP = re.compile(r"(?P<name>.+)_(?P<step>\d{9})")
_FOLDER = re.compile(r"(?P<kind>epoch|step)(?P<number>\d+)")
_TOOLKIT_METADATA = {"ss_network_dim", "ss_network_alpha", "ss_network_module", "ss_network_args"}


@dataclass(frozen=True)
class Provenance:
    """Where a checkpoint stands in its run.

    Attributes:
        trainer: the program that wrote the file, ``unknown`` when nothing tells.
        name: the run's name: the file's stem without epoch and step.
        epoch: completed epochs, ``None`` when the file does not say.
        step: optimizer steps, ``None`` when the file does not say.
        is_final: whether the name carries neither epoch nor step, so that it is the run's last file.
    """

    trainer: str
    name: str
    epoch: int | None
    step: int | None
    is_final: bool


def read_provenance(path: Path, metadata: Mapping[str, str]) -> Provenance:
    """Read a file's place in its run; `metadata` is the header's."""
    trainer = _trainer(path, metadata)
    name, epoch, step = _from_name(path)
    is_final = epoch is None and step is None
    if trainer == "ai-toolkit":
        info = _json_object(metadata.get("training_info", ""))
        epoch, step = _natural(info.get("epoch"), epoch), _natural(info.get("step"), step)
    elif epoch is None and step is None:
        # A step file's ss_epoch counts from zero and names an unfinished epoch, so only a final file's is used.
        epoch, step = _natural(metadata.get("ss_epoch"), None), _natural(metadata.get("ss_steps"), None)
    return Provenance(trainer, name, epoch, step, is_final)


def _from_name(path: Path) -> tuple[str, int | None, int | None]:
    """The run's name, the epoch and the step, as the path tells them."""
    stem = path.stem
    folder = _FOLDER.fullmatch(path.parent.name)
    if folder and stem == "adapter_model":
        number = int(folder["number"])
        run = path.parent.parent.name or stem
        return (run, number, None) if folder["kind"] == "epoch" else (run, None, number)
    match = _ONETRAINER.fullmatch(stem)
    if match:
        return match["name"] or "save", int(match["epoch"]), int(match["step"])
    match = _STEP.fullmatch(stem)
    if match:
        return match["name"], None, int(match["step"])
    match = _EPOCH.fullmatch(stem) or _KOHYA_EPOCH.fullmatch(stem)
    if match:
        return match["name"], int(match["epoch"]), None
    match = _AI_TOOLKIT_STEP.fullmatch(stem)
    if match:
        return match["name"], None, int(match["step"])
    return stem, None, None


def _trainer(path: Path, metadata: Mapping[str, str]) -> str:
    keys = set(metadata)
    if "training_info" in keys or "ai-toolkit" in metadata.get("software", ""):
        return "ai-toolkit"
    if keys & {"ss_epoch", "ss_num_epochs", "ss_output_name", "sshs_model_hash"}:
        return "sd-scripts"
    if keys & {"ot_branch", "ot_revision", "ot_config"} or _ONETRAINER.fullmatch(path.stem):
        return "OneTrainer"
    if keys - {"format"} == _TOOLKIT_METADATA:
        return "AnimaLoraToolkit"
    if path.stem == "adapter_model" and _FOLDER.fullmatch(path.parent.name):
        return "diffusion-pipe"
    if any(key.startswith("modelspec.") for key in keys):
        return "OneTrainer"
    return "diffusers" if "lora_adapter_metadata" in keys else "unknown"


def _json_object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _natural(value: Any, otherwise: int | None) -> int | None:
    if type(value) is int and value >= 0:
        return value
    if isinstance(value, str) and value.isdecimal() and len(value) < 12:
        return int(value)
    return otherwise
