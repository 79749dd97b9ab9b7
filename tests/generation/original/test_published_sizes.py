"""Files with the names and shapes of the published models, as zeros that take no room: told apart, and fitting."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import torch

from service.generation.bases import find_base
from service.generation.errors import UnusableBase
from service.generation.original import FlowFiles
from service.generation.original.flow_loading import outline
from tests.checkpoints.test_recognising import write_sparse

from .flow_world import denoiser_state, flux_vae_state
from .world import vae_state

Shapes = dict[str, tuple[int, ...]]


def shapes(tensors: Iterable[tuple[str, torch.Tensor]]) -> Shapes:
    return {name: tuple(tensor.shape) for name, tensor in tensors}


def published() -> dict[str, Any]:
    """The models of Qwen-Image and Z-Image without weights."""
    import diffusers
    import transformers

    text = {"hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28, "vocab_size": 152064}
    text |= {"num_attention_heads": 28, "num_key_value_heads": 4}
    sight = {"depth": 32, "hidden_size": 1280, "num_heads": 16, "intermediate_size": 3420, "out_hidden_size": 3584}
    heads: dict[str, Any] = {"num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128}
    small = transformers.Qwen3Config(
        vocab_size=151936, hidden_size=2560, intermediate_size=9728, num_hidden_layers=36, **heads
    )
    stages = 4
    with torch.device("meta"):
        return {
            "qwen_image": diffusers.QwenImageTransformer2DModel(),
            "z_image": diffusers.ZImageTransformer2DModel(),
            "vl": transformers.Qwen2_5_VLForConditionalGeneration(
                transformers.Qwen2_5_VLConfig(text_config=text, vision_config=sight)
            ),
            "qwen3": transformers.Qwen3Model(small),
            "ae": diffusers.AutoencoderKL(
                block_out_channels=(128, 256, 512, 512),
                down_block_types=("DownEncoderBlock2D",) * stages,
                up_block_types=("UpDecoderBlock2D",) * stages,
                layers_per_block=2,
                latent_channels=16,
                use_quant_conv=False,
                use_post_quant_conv=False,
            ),
            "nano_vae": diffusers.AutoencoderKLQwenImage(
                base_dim=4, z_dim=16, dim_mult=[1, 1, 2, 2], num_res_blocks=1, temperal_downsample=[False, True, True]
            ),
        }


def test_files_of_the_published_sizes_are_told_and_fit(tmp_path: Path) -> None:
    made = published()
    models = tmp_path / "models"
    old = {re.sub(r"^model\.(language_model\.)?", lambda m: "model." if m[1] else "", name): shape
           for name, shape in shapes(made["vl"].state_dict().items()).items()}  # fmt: skip
    write_sparse(models / "text_encoders" / "qwen_2.5_vl_7b.safetensors", old)
    qwen3 = {f"model.{name}": shape for name, shape in shapes(made["qwen3"].state_dict().items()).items()}
    write_sparse(models / "text_encoders" / "qwen_3_4b.safetensors", qwen3)
    write_sparse(models / "vae" / "ae.safetensors", shapes(flux_vae_state(made["ae"]).items()))
    write_sparse(models / "vae" / "qwen_image_vae.safetensors", shapes(vae_state(made["nano_vae"]).items()))
    folder = models / "diffusion_models"
    qwen_image = write_sparse(folder / "qwen_image_bf16.safetensors", shapes(made["qwen_image"].state_dict().items()))
    state = {name: shape for name, shape in shapes(denoiser_state("z-image", made["z_image"]).items()).items()}
    state["norm_final.weight"] = (3840,)
    z_image = write_sparse(folder / "z_image_turbo_bf16.safetensors", state)
    for tokenizer in ("qwen25_tokenizer", "t5_tokenizer"):
        (tmp_path / "comfy" / "text_encoders" / tokenizer).mkdir(parents=True)
        (tmp_path / "comfy" / "text_encoders" / tokenizer / "tokenizer.json").write_text("{}")
    for path, title, denoiser, text in (
        (qwen_image, "Qwen-Image", "qwen_image", "vl"),
        (z_image, "Z-Image", "z_image", "qwen3"),
    ):
        found = find_base(str(path))
        assert isinstance(found, FlowFiles)
        assert found.family.title == title
        parts = outline(found)
        for part, name in (("transformer", denoiser), ("text_encoder", text)):
            assert shapes(parts[part].state_dict().items()) == shapes(made[name].state_dict().items())
    with pytest.raises(UnusableBase, match=r"several models \(qwen_image_bf16\.safetensors: .*Z-Image\): say which"):
        find_base(f"comfyui:{tmp_path}")
