"""ComfyUI as a generator: the user's own workflow, or a built-in one for Anima, over HTTP and a web socket."""

from __future__ import annotations

from service.generation.comfyui.address import ComfyUIAddress, is_comfyui, parse_address

__all__ = ["ComfyUIAddress", "is_comfyui", "parse_address"]
