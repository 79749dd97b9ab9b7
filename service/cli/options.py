"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder of the database, images and reports. [default: BLEEDCHECK_DATA_DIR or the user's own]"),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Device = Annotated[str | None, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]
Dtype = Annotated[str | None, typer.Option(help="auto, float32, bfloat16 or float16.")]
Base = Annotated[
    str | None,
    typer.Option(
        help='"miniature", a diffusers folder, a hub name, comfyui:FOLDER, a .safetensors file, '
        "comfyui+http://HOST:PORT, or images:FOLDER."
    ),
]
With = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        metavar="FILE:SCALE",
        help="A fixed LoRA under the swept one, such as a speed LoRA. Can be given several times.",
    ),
]
TextEncoder = Annotated[Path | None, typer.Option(help="Text encoder's file, for a base kept as single files.")]
TextEncoder2 = Annotated[Path | None, typer.Option(help="Flux's second text encoder's file, likewise.")]
Vae = Annotated[Path | None, typer.Option(help="VAE's file, for a base kept as single files.")]
Tokenizers = Annotated[
    Path | None, typer.Option(help="Folder with qwen25_tokenizer and t5_tokenizer, such as ComfyUI's.")
]
Workflow = Annotated[Path | None, typer.Option(help="Your own workflow (API format), for a ComfyUI.")]
Card = Annotated[str | None, typer.Option(help="auto, large, 24gb, 12gb, 8gb or 6gb: how models are placed on a GPU.")]
ImageFormat = Annotated[
    str | None, typer.Option(help="How pictures are stored, both without loss: png, or webp, which is smaller.")
]
Profile = Annotated[str | None, typer.Option(help="Detector profile: miniature, anime or photo.")]
WeightsDir = Annotated[
    Path | None, typer.Option(help="Folder to take the detectors' model files from. [default: the user's cache]")
]
ClipModel = Annotated[
    str | None,
    typer.Option("--clip", help="An open_clip model with its own weights, as ViT-B-32:FILE.safetensors."),
]
