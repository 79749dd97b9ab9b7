"""Anima as ComfyUI keeps it: single safetensors files with the original names, mapped onto diffusers' classes.

Importing this package does not import torch; :mod:`service.generation.original.loading` does.
"""

from __future__ import annotations

from service.generation.original.files import COMFYUI_PREFIX, AnimaFiles, find_files, is_single_file, whole_paths

__all__ = ["COMFYUI_PREFIX", "AnimaFiles", "find_files", "is_single_file", "whole_paths"]
