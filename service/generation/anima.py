"""Images from Anima: diffusers' own pipeline, text encoded once per prompt, checkpoints folded into kept weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from service.generation.bases import Base
from service.generation.cards import Card
from service.generation.diffusing import (
    DiffusersGenerator,
    all_finite,
    no_weight_bars,
    pick_device,
    pick_dtype,
    quiet_diffusers,
)
from service.generation.er_sde import FlowMatchERSDEScheduler, simple_schedule
from service.generation.errors import PromptTooLong, UnusableBase, UnusableSettings
from service.generation.original import AnimaFiles
from service.generation.port import GenerationSettings
from service.generation.single_frame import use_channels_last, use_single_frame

MODELS = ("transformer", "text_encoder", "text_conditioner", "vae")
BLOCKS = ("CosmosTransformerBlock",)
"""Classes of the denoiser that repeat, for compiling once."""
COMPONENTS = (*MODELS, "tokenizer", "t5_tokenizer", "scheduler")
TEXT_MODELS = frozenset({"text_encoder", "text_conditioner"})
SAMPLERS = ("er_sde", "euler")

_TEXT_STEPS = ("text_encoder", "denoise.text_conditioning")


class AnimaGenerator(DiffusersGenerator[torch.Tensor]):
    """The generator for Anima; a text is its conditioning, (1, minimum sequence, width).

    Open it with :func:`service.generation.open_generator`, or with :meth:`from_components` for components in memory.
    """

    def __init__(
        self,
        components: Mapping[str, Any],
        settings: GenerationSettings,
        *,
        identity: str,
        extra: Sequence[tuple[Path, float]] = (),
        card: Card | None = None,
    ) -> None:
        missing = [name for name in COMPONENTS if components.get(name) is None]
        if missing:
            raise UnusableBase(f"the base model lacks {', '.join(missing)}: it is no complete Anima pipeline")
        if settings.sampler not in SAMPLERS or settings.schedule != "simple":
            raise UnusableSettings(
                f"Anima is generated with the sampler {' or '.join(SAMPLERS)} and the schedule simple, not "
                f"{settings.sampler} and {settings.schedule}"
            )
        self._components = {name: components[name] for name in COMPONENTS}
        use_single_frame(components["vae"])
        if components["vae"].device.type == "cuda":
            components["vae"].enable_slicing()  # one image fills a GPU; a whole batch would only fill its memory
            use_channels_last(components["vae"])
        shift = components["scheduler"].config.shift
        self._scheduler = FlowMatchERSDEScheduler(shift=shift) if settings.sampler == "er_sde" else None
        with quiet_diffusers():
            self._text_pipeline, self._image_pipeline = self._pipelines(settings.guidance)
        folded = {name: components[name] for name in ("transformer", *sorted(TEXT_MODELS))}
        super().__init__(folded, TEXT_MODELS, settings, identity=identity, extra=extra, card=card, blocks=BLOCKS)
        if self._compiled:
            components["vae"].decoder.compile(dynamic=False)

    @classmethod
    def from_components(
        cls,
        components: Mapping[str, Any],
        settings: GenerationSettings,
        *,
        identity: str,
        device: str = "auto",
        dtype: str = "auto",
        extra: Sequence[tuple[Path, float]] = (),
        card: Card | None = None,
    ) -> AnimaGenerator:
        """A generator over components that are in memory already; they are moved, and the VAE is converted, in place.

        Args:
            components: the seven of :data:`COMPONENTS`, by name.
            identity: what stands for these weights in the fingerprint.
            settings, device, dtype, extra, card: as for :func:`service.generation.open_generator`.
        """
        place = pick_device(device)
        wanted = pick_dtype(dtype, place)
        for name in MODELS:
            model = components[name].to(place).eval().requires_grad_(False)
            if model.dtype != wanted:
                model.to(wanted)
        return cls(components, settings, identity=identity, extra=extra, card=card)

    @classmethod
    def from_base(
        cls,
        base: Base | AnimaFiles,
        settings: GenerationSettings,
        *,
        device: str = "auto",
        dtype: str = "auto",
        extra: Sequence[tuple[Path, float]] = (),
        card: Card | None = None,
    ) -> AnimaGenerator:
        """Load a diffusers folder, a hub model, or single files."""
        place = pick_device(device)
        components = _load(base, pick_dtype(dtype, place))
        return cls.from_components(
            components, settings, identity=base.identity(), device=device, dtype=dtype, extra=extra, card=card
        )

    def _make(
        self, texts: Sequence[torch.Tensor], generators: list[torch.Generator]
    ) -> tuple[torch.Tensor, list[bool]]:
        negative = None
        if self.settings.guidance != 1.0:
            negative = self._text(self.settings.negative_prompt).expand(len(texts), -1, -1)
        if self._scheduler is not None:
            self._scheduler.set_generators(generators)
        made = self._image_pipeline(
            prompt_embeds=torch.cat(list(texts)),
            negative_prompt_embeds=negative,
            height=self.settings.height,
            width=self.settings.width,
            num_inference_steps=self.settings.steps,
            sigmas=simple_schedule(self.settings.steps),
            generator=generators,
            output_type="pt",
            output=["latents", "images"],
        )
        return made["images"], all_finite(made["images"], made["latents"])

    def _encode(self, prompt: str) -> torch.Tensor:
        limit = int(self._components["text_conditioner"].config.min_sequence_length)
        wanted = ["prompt_embeds", "qwen_attention_mask", "t5_input_ids"]
        # One token above the limit tells a prompt that fits from one that was cut.
        made = self._text_pipeline(prompt=prompt, max_sequence_length=limit + 1, output=wanted)
        tokens = max(made["qwen_attention_mask"].shape[1], made["t5_input_ids"].shape[1])
        if tokens > limit:
            raise PromptTooLong(
                f"the prompt has more than {limit} tokens, which this base model pads to; a longer one would shift the "
                f"others of its batch. Shorten it: {prompt[:80]!r}…"
            )
        return made["prompt_embeds"]

    def _pipelines(self, guidance: float) -> tuple[Any, Any]:
        """diffusers' text-to-image workflow in two pipelines over the same components: text, then images."""
        from diffusers import AnimaAutoBlocks, ClassifierFreeGuidance
        from diffusers.modular_pipelines import SequentialPipelineBlocks

        whole: Any = AnimaAutoBlocks()
        steps = dict(whole.get_workflow("text2image").sub_blocks)
        text = {name: steps.pop(name) for name in _TEXT_STEPS}
        pipelines = []
        # The text half encodes one prompt at a time, so it is told that there is no negative one.
        for blocks, scale in ((text, 1.0), (steps, guidance)):
            named = {name.replace(".", "_"): block for name, block in blocks.items()}
            for block in named.values():
                if hasattr(block, "set_progress_bar_config"):
                    block.set_progress_bar_config(disable=True)
            pipeline = SequentialPipelineBlocks.from_blocks_dict(named).init_pipeline()
            parts = {**self._components, "guider": ClassifierFreeGuidance(guidance_scale=scale)}
            if self._scheduler is not None:
                parts["scheduler"] = self._scheduler
            expected = {spec.name for spec in pipeline.blocks.expected_components}
            pipeline.update_components(**{name: part for name, part in parts.items() if name in expected})
            pipelines.append(pipeline)
        return pipelines[0], pipelines[1]


def _load(base: Base | AnimaFiles, dtype: torch.dtype) -> dict[str, Any]:
    """The components of a diffusers folder, a hub model, or single files.

    Raises:
        UnusableBase: a component could not be loaded. diffusers only warns then, so each is looked at.
    """
    if isinstance(base, AnimaFiles):
        from service.generation.original.loading import load_components

        return load_components(base, dtype)
    from diffusers import ModularPipeline

    try:
        with quiet_diffusers():
            pipeline = ModularPipeline.from_pretrained(base.source, revision=base.revision)
        with no_weight_bars():
            pipeline.load_components(dtype=dtype)
    except (OSError, ValueError) as error:
        raise UnusableBase(f"{base.source} could not be loaded as a modular diffusers pipeline: {error}") from error
    if type(pipeline).__name__ != "AnimaModularPipeline":
        raise UnusableBase(f"{base.source} is a {type(pipeline).__name__}; of modular ones only Anima can be used")
    components = {name: getattr(pipeline, name, None) for name in COMPONENTS}
    missing = [name for name, component in components.items() if component is None]
    if missing:
        raise UnusableBase(
            f"{base.source} is incomplete: {', '.join(missing)} could not be loaded (see the warnings above). Download "
            "the base again, or correct the paths in its modular_model_index.json"
        )
    return components
