"""Intake of LoRA files: what a file is, which weights it changes, and the change itself.

`Adapter`, `load_adapter`, `Folder` and `check_fit` need torch and are imported when they are first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from service.checkpoints.inspection import CheckpointInfo, describe, file_sha256, inspect_checkpoint, scan_folder
from service.checkpoints.naming import ModuleName, NameMap, diffusers_name, kohya_name, original_name
from service.checkpoints.writing import write_anima_toolkit

if TYPE_CHECKING:
    from service.checkpoints.adapter import Adapter, load_adapter
    from service.checkpoints.folder import Folder, FoldReport, check_fit

__all__ = [
    "Adapter",
    "CheckpointInfo",
    "FoldReport",
    "Folder",
    "ModuleName",
    "NameMap",
    "check_fit",
    "describe",
    "diffusers_name",
    "file_sha256",
    "inspect_checkpoint",
    "kohya_name",
    "load_adapter",
    "original_name",
    "scan_folder",
    "write_anima_toolkit",
]
_LATE = {
    "Adapter": "adapter",
    "load_adapter": "adapter",
    "Folder": "folder",
    "FoldReport": "folder",
    "check_fit": "folder",
}


def __getattr__(name: str) -> Any:
    if name in _LATE:
        return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
    raise AttributeError(name)
