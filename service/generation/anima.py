"""Images from Anima: diffusers' own pipeline, text encoded once per prompt, checkpoints folded into kept weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from service.generation.assembling import FamilyGenerator
from service.generation.bases import Base
from service.generation.diffusing import no_weight_bars, quiet_diffusers
from service.generation.er_sde import FlowMatchERSDEScheduler, simple_schedule
from service.generation.errors import PromptTooLong, UnusableBase
from service.generation.families import ANIMA, Family
from service.generation.original import AnimaFiles
from service.generation.port import GenerationSettings
from service.generation.sending import SentEulerScheduler, all_finite, draw_noise
from service.generation.single_frame import use_single_frame

_TEXT_STEPS = ("text_encoder", "denoise.text_conditioning")
_DECODING_STEPS = ("decode.decode", "decode.postprocess")
_LATENT_SIDE = 8
"""Pixels of a latent's side."""


class AnimaGenerator(FamilyGenerator[torch.Tensor]):
    """The generator for Anima; a text is its conditioning, (1, minimum sequence, width)."""

    family: ClassVar[Family] = ANIMA

    def _assemble(self, settings: GenerationSettings) -> None:
        vae, scheduler = self._components["vae"], self._components["scheduler"]
        use_single_frame(vae)
        # On the card once for all: diffusers' own step sends them for each batch, and waits for it.
        self._latents_mean, self._latents_std = (
            torch.tensor(values).view(1, -1, 1, 1, 1).to(vae.device, vae.dtype)
            for values in (vae.config.latents_mean, vae.config.latents_std)
        )
        with quiet_diffusers():
            self._scheduler: Any = (
                FlowMatchERSDEScheduler(shift=scheduler.config.shift)
                if settings.sampler == "er_sde"
                else SentEulerScheduler.from_config(scheduler.config)
            )
            self._text_pipeline, self._image_pipeline = self._pipelines(settings.guidance)

    @classmethod
    def _components_of(cls, base: Base | AnimaFiles, dtype: torch.dtype) -> dict[str, Any]:
        return load_components(base, dtype)

    def _make(
        self, texts: Sequence[torch.Tensor], generators: list[torch.Generator]
    ) -> tuple[torch.Tensor, torch.Tensor]:
        negative = None
        if self.settings.guidance != 1.0:
            negative = self._text(self.settings.negative_prompt).expand(len(texts), -1, -1)
        if isinstance(self._scheduler, FlowMatchERSDEScheduler):
            self._scheduler.set_generators(generators)
        width, height = self.settings.width // _LATENT_SIDE, self.settings.height // _LATENT_SIDE
        channels = int(self._components["transformer"].config.in_channels)
        latents = self._image_pipeline(
            prompt_embeds=torch.cat(list(texts)),
            negative_prompt_embeds=negative,
            height=self.settings.height,
            width=self.settings.width,
            num_inference_steps=self.settings.steps,
            sigmas=simple_schedule(self.settings.steps),
            latents=draw_noise((channels, 1, height, width), generators, self._device, torch.float32),
            output="latents",
        )
        images = self._decode(latents)
        return images, all_finite(images, latents)

    @torch.no_grad()
    def _decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (batch, channels, 1, height, width) as images (batch, 3, height', width') in 0..1."""
        vae = self._components["vae"]
        # Divided by the reciprocal and not multiplied, as diffusers does it: in 16 bits that shows.
        spread = latents.to(vae.dtype) / (1.0 / self._latents_std) + self._latents_mean
        decoded: torch.Tensor = vae.decode(spread, return_dict=False)[0][:, :, 0]
        return (decoded * 0.5 + 0.5).clamp(0, 1)

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
        """diffusers' text-to-image workflow in two pipelines over the same components: text, then latents."""
        from diffusers import AnimaAutoBlocks, ClassifierFreeGuidance
        from diffusers.modular_pipelines import SequentialPipelineBlocks

        whole: Any = AnimaAutoBlocks()
        steps = dict(whole.get_workflow("text2image").sub_blocks)
        text = {name: steps.pop(name) for name in _TEXT_STEPS}
        for name in _DECODING_STEPS:
            del steps[name]
        pipelines = []
        # The text half encodes one prompt at a time, so it is told that there is no negative one.
        for blocks, scale in ((text, 1.0), (steps, guidance)):
            named = {name.replace(".", "_"): block for name, block in blocks.items()}
            for block in named.values():
                if hasattr(block, "set_progress_bar_config"):
                    block.set_progress_bar_config(disable=True)
            pipeline = SequentialPipelineBlocks.from_blocks_dict(named).init_pipeline()
            guider = ClassifierFreeGuidance(guidance_scale=scale)
            parts = {**self._components, "guider": guider, "scheduler": self._scheduler}
            expected = {spec.name for spec in pipeline.blocks.expected_components}
            pipeline.update_components(**{name: part for name, part in parts.items() if name in expected})
            pipelines.append(pipeline)
        return pipelines[0], pipelines[1]


def load_components(base: Base | AnimaFiles, dtype: torch.dtype) -> dict[str, Any]:
    """The components of a diffusers folder, a hub model, or single files.

    Raises:
        UnusableBase: a component could not be loaded. diffusers only warns then, so each is looked at.
    """
    if isinstance(base, AnimaFiles):
        from service.generation.original.loading import load_components as load_files

        return load_files(base, dtype)
    from diffusers import ModularPipeline

    try:
        with quiet_diffusers():
            pipeline = ModularPipeline.from_pretrained(base.location, revision=None if base.cached else base.revision)
        with no_weight_bars():
            pipeline.load_components(dtype=dtype)
    except (OSError, ValueError) as error:
        raise UnusableBase(f"{base.source} could not be loaded as a modular diffusers pipeline: {error}") from error
    if type(pipeline).__name__ != "AnimaModularPipeline":
        raise UnusableBase(
            f"{base.source} is a {type(pipeline).__name__}; of modular ones only Anima can be used. For SDXL, Flux, "
            "Qwen-Image or Z-Image take a model with a model_index.json (`hf download NAME`)"
        )
    components = {name: getattr(pipeline, name, None) for name in ANIMA.components}
    missing = [name for name, component in components.items() if component is None]
    if missing:
        raise UnusableBase(
            f"{base.source} is incomplete: {', '.join(missing)} could not be loaded (see the warnings above). Download "
            "the base again, or correct the paths in its modular_model_index.json"
        )
    return components
