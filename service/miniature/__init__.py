"""The shipped miniature: a tiny model of exactly Anima's classes and two LoRA runs on it.

It proves that everything works; it is no evidence about real models. Importing this package does not import torch.
"""

from service.miniature.packing import base_folder, runs_folder

__all__ = ["base_folder", "runs_folder"]
