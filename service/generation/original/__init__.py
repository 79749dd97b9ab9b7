"""Bases kept as single safetensors files with the original names, as ComfyUI has them, mapped onto diffusers' classes.

Importing this package does not import torch; :mod:`service.generation.original.loading` and ``flow_loading`` do.
"""

from __future__ import annotations

from service.generation.original.files import AnimaFiles, anima_files
from service.generation.original.flow_files import FlowFiles, flow_files
from service.generation.original.places import (
    COMFYUI_PREFIX,
    V_PREDICTION,
    find_place,
    is_single_file,
    lora_folder,
    whole_paths,
)

__all__ = [
    "COMFYUI_PREFIX",
    "V_PREDICTION",
    "AnimaFiles",
    "FlowFiles",
    "anima_files",
    "find_place",
    "flow_files",
    "is_single_file",
    "lora_folder",
    "whole_paths",
]
