"""The families of base models, in one table: what each is made of, how it is sampled, and what its licence says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Family:
    """What is common to all bases of a family.

    Attributes:
        name: short, for identities.
        title: for people.
        denoiser: the component that makes the picture.
        text_models: the components that make the text; LoRA files may change these too.
        tokenizers: one for each of them.
        samplers: those it can be sampled with.
        schedules: likewise.
        example: settings of a suite that suit it, as YAML.
        usual: what a base without a speed LoRA needs, said where it is asked for a few steps.
        licence: what a person has to know before using it, and where it is written.
        pipeline: diffusers' class, which a folder names in its ``model_index.json``.
        classes: diffusers' and transformers' classes of the parts that LoRA files may change.
        blocks: classes of the denoiser that repeat, for compiling each once; empty where that is not done.
        least_guidance: below it there is no meaning to guidance.
    """

    name: str
    title: str
    denoiser: str
    text_models: tuple[str, ...]
    tokenizers: tuple[str, ...]
    samplers: tuple[str, ...]
    schedules: tuple[str, ...]
    example: str
    usual: str
    licence: str
    pipeline: str = ""
    classes: Mapping[str, str] = field(default_factory=dict, hash=False)
    blocks: tuple[str, ...] = ()
    least_guidance: float = 1.0

    @property
    def models(self) -> tuple[str, ...]:
        """The components that have weights."""
        return (self.denoiser, *self.text_models, "vae")

    @property
    def components(self) -> tuple[str, ...]:
        """Every component of a pipeline."""
        return (*self.models, *self.tokenizers, "scheduler")

    def licence_of(self, subject: str, takes_guidance: bool, is_fast: bool) -> str:
        """The licence, with the model of the family that a base is built like.

        Args:
            subject: what the base is: "This folder", "This file".
            takes_guidance: whether guidance is an input of the model.
            is_fast: whether it is made for a few steps.
        """
        if self.name != "flux":
            return self.licence
        like = "[dev]" if takes_guidance else "[schnell]" if is_fast else "neither of both"
        return f"{self.licence} {subject} is built like {like}."


ANIMA = Family(
    name="anima",
    title="Anima",
    denoiser="transformer",
    text_models=("text_conditioner", "text_encoder"),
    tokenizers=("tokenizer", "t5_tokenizer"),
    samplers=("er_sde", "euler"),
    schedules=("simple",),
    example="sampler: er_sde, schedule: simple, steps: 30, guidance: 4.0",
    usual="a base model needs 30 to 50 steps at guidance 4 to 5 for clean pictures",
    licence="Anima's weights are under CircleStone Labs' non-commercial licence (and NVIDIA's Open Model License, for "
    "the Cosmos-Predict2 model they are made from): read the model card before any commercial use.",
    blocks=("CosmosTransformerBlock",),
    least_guidance=0.0,
)
SDXL = Family(
    name="sdxl",
    title="SDXL",
    denoiser="unet",
    text_models=("text_encoder", "text_encoder_2"),
    tokenizers=("tokenizer", "tokenizer_2"),
    samplers=("euler", "euler_a"),
    schedules=("normal", "simple"),
    example="sampler: euler, schedule: normal, steps: 28, guidance: 5.0",
    usual="a base model needs 20 to 30 steps at guidance 5 to 7 for clean pictures",
    licence="SDXL models have licences of their own, some of them non-commercial: read the model's card.",
    pipeline="StableDiffusionXLPipeline",
    blocks=("BasicTransformerBlock", "ResnetBlock2D"),
)
FLUX = Family(
    name="flux",
    title="Flux",
    denoiser="transformer",
    text_models=("text_encoder", "text_encoder_2"),
    tokenizers=("tokenizer", "tokenizer_2"),
    samplers=("euler", "er_sde"),
    schedules=("simple",),
    example="sampler: euler, schedule: simple, steps: 28, guidance: 3.5",
    usual="FLUX.1 [dev] is used with 28 to 50 steps at guidance 3.5",
    licence="FLUX.1 [dev] is under Black Forest Labs' FLUX.1 [dev] Non-Commercial License, FLUX.1 [schnell] under "
    "Apache-2.0 (model cards black-forest-labs/FLUX.1-dev and FLUX.1-schnell on Hugging Face); what is made from them "
    "has a card of its own: read it.",
    pipeline="FluxPipeline",
    classes={
        "transformer": "FluxTransformer2DModel",
        "text_encoder": "CLIPTextModel",
        "text_encoder_2": "T5EncoderModel",
    },
)
QWEN_IMAGE = Family(
    name="qwen-image",
    title="Qwen-Image",
    denoiser="transformer",
    text_models=("text_encoder",),
    tokenizers=("tokenizer",),
    samplers=("euler", "er_sde"),
    schedules=("simple",),
    example="sampler: euler, schedule: simple, steps: 50, guidance: 4.0",
    usual="Qwen-Image is used with 50 steps at guidance 4",
    licence="Qwen-Image is under Apache-2.0 (model card Qwen/Qwen-Image on Hugging Face); what is made from it has a "
    "card of its own: read it.",
    pipeline="QwenImagePipeline",
    classes={"transformer": "QwenImageTransformer2DModel", "text_encoder": "Qwen2_5_VLForConditionalGeneration"},
)
Z_IMAGE = Family(
    name="z-image",
    title="Z-Image",
    denoiser="transformer",
    text_models=("text_encoder",),
    tokenizers=("tokenizer",),
    samplers=("euler", "er_sde"),
    schedules=("simple",),
    example="sampler: euler, schedule: simple, steps: 8, guidance: 1.0",
    usual="Z-Image that is not Turbo needs some 50 steps and guidance (diffusers' own default for it counts as 6 here)",
    licence="Z-Image-Turbo is under Apache-2.0 (model card Tongyi-MAI/Z-Image-Turbo on Hugging Face); what is made "
    "from it has a card of its own: read it.",
    pipeline="ZImagePipeline",
    classes={"transformer": "ZImageTransformer2DModel", "text_encoder": "Qwen3Model"},
)
FLOW_MATCHING = (FLUX, QWEN_IMAGE, Z_IMAGE)
"""Those that are opened from a folder of diffusers and share one generator."""
