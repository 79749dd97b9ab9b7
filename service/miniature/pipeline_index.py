"""The index file that makes a folder of components loadable by ``ModularPipeline.from_pretrained``."""

from __future__ import annotations

import json
from pathlib import Path

INDEX_FILE = "modular_model_index.json"
COMPONENTS = {
    "text_encoder": ("transformers", "Qwen3Model"),
    "tokenizer": ("transformers", "Qwen2Tokenizer"),
    "t5_tokenizer": ("transformers", "T5TokenizerFast"),
    "text_conditioner": ("diffusers", "AnimaTextConditioner"),
    "transformer": ("diffusers", "CosmosTransformer3DModel"),
    "vae": ("diffusers", "AutoencoderKLQwenImage"),
    "scheduler": ("diffusers", "FlowMatchEulerDiscreteScheduler"),
}
"""What an Anima folder holds: sub-folder and component name → library and class."""


def write_pipeline_index(folder: Path, location: Path) -> None:
    """Write the index into ``folder`` for components that will be read from ``location``.

    diffusers records absolute paths, so ``location`` is where the folder finally lies (a folder that is filled
    elsewhere and renamed names its new place).
    """
    index: dict[str, object] = {"_class_name": "AnimaModularPipeline", "_blocks_class_name": "AnimaAutoBlocks"}
    for name, (library, class_name) in COMPONENTS.items():
        source = {
            "pretrained_model_name_or_path": str(location.resolve()),
            "subfolder": name,
            "type_hint": [library, class_name],
            "revision": None,
            "variant": None,
        }
        index[name] = [library, class_name, source]
    (folder / INDEX_FILE).write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
