"""An SDXL base on disk: a diffusers folder, or one file as Illustrious and NoobAI are published."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.checkpoints.header import Header
from service.checkpoints.inspection import file_sha256
from service.generation.demands import Shapes, shapes_in
from service.generation.families import SDXL, Family
from service.generation.folders import component_files, content_hash, pipeline_class, text_shapes

_V_KEYS = {"v_pred", "ztsnr"}


@dataclass(frozen=True)
class SDXLBase:
    """Where it lies.

    Attributes:
        path: the folder or the file.
        is_file: which of both.
        v_prediction: whether a file says that it predicts velocity, with a schedule that ends in pure noise; a folder
            says so in its scheduler's configuration.
    """

    path: Path
    is_file: bool
    v_prediction: bool = False

    def files(self) -> list[Path]:
        """Every file of it."""
        if self.is_file:
            return [self.path]
        return sorted(component_files(self.path, SDXL.components))

    @property
    def family(self) -> Family:
        """SDXL."""
        return SDXL

    def denoiser_shapes(self) -> Shapes:
        """Every tensor of the U-Net."""
        if self.is_file:
            return self._of_file("model.diffusion_model.")
        return shapes_in(component_files(self.path, [SDXL.denoiser]))

    def text_shapes(self) -> Shapes:
        """Every tensor of the text encoders."""
        return self._of_file("conditioner.") if self.is_file else text_shapes(self.path, SDXL)

    def _of_file(self, start: str) -> Shapes:
        return {name: shape for name, shape in shapes_in([self.path]).items() if name.startswith(start)}

    def identity(self) -> str:
        """A hash of every file's content, and how the file is read."""
        if self.is_file:
            content = hashlib.sha256(f" {file_sha256(self.path)}\n".encode()).hexdigest()
        else:
            content = content_hash(self.files(), self.path)
        return f"sdxl:{content}{' v' if self.v_prediction else ''}"


def sdxl_file(path: Path, header: Header, v_prediction: bool = False) -> SDXLBase:
    """The base of a file; files that predict velocity carry the empty tensors ``v_pred`` or ``ztsnr``."""
    return SDXLBase(path, True, v_prediction or bool(_V_KEYS & {tensor.name for tensor in header.tensors}))


def is_sdxl_folder(folder: Path) -> bool:
    """Whether a diffusers folder is SDXL, as its index says."""
    return str(pipeline_class(folder)).startswith("StableDiffusionXL")


def outline(base: SDXLBase) -> Mapping[str, Any]:
    """The parts that an adapter may change, without their weights."""
    import torch

    with torch.device("meta"):
        return {name: model for name, model in _models(base).items() if name != "vae"}


def empty_models(base: SDXLBase) -> Mapping[str, Any]:
    """The four models of a base, with their computed tables, but without weights."""
    from accelerate import init_empty_weights

    with init_empty_weights(include_buffers=False):
        return _models(base)


def configuration(part: str) -> dict[str, Any]:
    """SDXL's own configuration of ``unet``, ``vae``, ``text_encoder`` or ``text_encoder_2``."""
    return _CONFIGS[part]


def scheduler_config(v_prediction: bool) -> dict[str, Any]:
    """The configuration of the noise schedule of a single file."""
    return {
        "beta_schedule": "scaled_linear",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "num_train_timesteps": 1000,
        "steps_offset": 1,
        "prediction_type": "v_prediction" if v_prediction else "epsilon",
        "rescale_betas_zero_snr": v_prediction,
    }


def _models(base: SDXLBase) -> dict[str, Any]:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    def config(part: str) -> dict[str, Any]:
        if base.is_file:
            return configuration(part)
        content: dict[str, Any] = json.loads((base.path / part / "config.json").read_text(encoding="utf-8"))
        return content

    return {
        "unet": UNet2DConditionModel.from_config(config("unet")),
        "text_encoder": CLIPTextModel(CLIPTextConfig(**config("text_encoder"))),
        "text_encoder_2": CLIPTextModelWithProjection(CLIPTextConfig(**config("text_encoder_2"))),
        "vae": AutoencoderKL.from_config(config("vae")),
    }


def _text_config(width: int, layers: int, heads: int, projection: int, act: str) -> dict[str, Any]:
    return {
        "vocab_size": 49408,
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "max_position_embeddings": 77,
        "projection_dim": projection,
        "hidden_act": act,
        "bos_token_id": 0,
        "eos_token_id": 2,
        "pad_token_id": 1,
        "layer_norm_eps": 1e-5,
    }


_CONFIGS: dict[str, dict[str, Any]] = {
    "unet": {
        "sample_size": 128,
        "in_channels": 4,
        "out_channels": 4,
        "block_out_channels": [320, 640, 1280],
        "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
        "layers_per_block": 2,
        "transformer_layers_per_block": [1, 2, 10],
        "attention_head_dim": [5, 10, 20],
        "cross_attention_dim": 2048,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 256,
        "projection_class_embeddings_input_dim": 2816,
    },
    "vae": {
        "sample_size": 1024,
        "block_out_channels": [128, 256, 512, 512],
        "down_block_types": ["DownEncoderBlock2D"] * 4,
        "up_block_types": ["UpDecoderBlock2D"] * 4,
        "layers_per_block": 2,
        "latent_channels": 4,
        "scaling_factor": 0.13025,
        "force_upcast": True,
    },
    "text_encoder": _text_config(768, 12, 12, 768, "quick_gelu"),
    "text_encoder_2": _text_config(1280, 32, 20, 1280, "gelu"),
}
