"""Images from Flux, Qwen-Image and Z-Image: one generator over diffusers' pipelines for flow matching.

A family says how a prompt becomes its conditioning and how a batch of those is handed over; the rest is shared. Text
and picture are two pipelines over the same components, so that text models may wait elsewhere than the picture's.
"""

from __future__ import annotations

import logging
import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from service.generation.assembling import FamilyGenerator, load_pipeline
from service.generation.diffusing import quiet_diffusers
from service.generation.er_sde import FlowMatchERSDEScheduler, simple_schedule
from service.generation.errors import PromptTooLong, UnusableBase
from service.generation.families import FLUX, QWEN_IMAGE, Z_IMAGE, Family
from service.generation.folders import FolderBase
from service.generation.original import FlowFiles
from service.generation.port import GenerationSettings
from service.generation.sending import all_finite
from service.generation.single_frame import use_single_frame

logger = logging.getLogger(__name__)

PATCH = 16
"""Pixels of a token's side: the VAE's factor 8 and patches of 2."""


@dataclass(frozen=True)
class FlowText:
    """A prompt's conditioning: (tokens, width), and Flux's pooled (width,)."""

    sequence: torch.Tensor
    pooled: torch.Tensor | None = None


class FlowMatchingGenerator(FamilyGenerator[FlowText]):
    """The generator for flow-matching pipelines.

    ``euler`` is the base's own scheduler with the pipeline's own times, which gives diffusers' own pictures; ``er_sde``
    follows the same shifts with the ``simple`` times.
    """

    @classmethod
    def _components_of(cls, base: FolderBase | FlowFiles, dtype: torch.dtype) -> dict[str, Any]:
        if isinstance(base, FlowFiles):
            from service.generation.original.flow_loading import load_components

            return load_components(base, dtype)
        return load_pipeline(base.path, cls.family, dtype)

    def _assemble(self, settings: GenerationSettings) -> None:
        import diffusers

        kind: Any = getattr(diffusers, self.family.pipeline)
        parts = dict(self._components)
        self._sampler = sampler_of(parts["scheduler"], settings)
        nothing = dict.fromkeys(parts)
        texts = {name: parts[name] for name in (*self.family.text_models, *self.family.tokenizers)}
        picture = {self.family.denoiser: parts[self.family.denoiser], "vae": parts["vae"], "scheduler": self._sampler}
        with quiet_diffusers():
            self._text_pipeline = kind(**nothing | texts)
            self._pipeline = kind(**nothing | picture)
        self._pipeline.set_progress_bar_config(disable=True)

    def _encode(self, prompt: str) -> FlowText:
        tokens, limit = self._tokens(prompt)
        if tokens > limit:
            raise PromptTooLong(
                f"the prompt has {tokens} tokens and {self.family.title} takes {limit}; what is beyond them would be "
                f"dropped silently. Shorten it: {prompt[:80]!r}…"
            )
        with torch.no_grad():
            text = self._condition(prompt)
        pooled = None if text.pooled is None else text.pooled.to(self._device)
        return FlowText(text.sequence.to(self._device), pooled)

    def _make(self, texts: Sequence[FlowText], generators: list[torch.Generator]) -> tuple[torch.Tensor, torch.Tensor]:
        if isinstance(self._sampler, FlowMatchERSDEScheduler):
            self._sampler.set_generators(generators)
        images = self._pipeline(
            **self._conditioning(texts),
            height=self.settings.height,
            width=self.settings.width,
            num_inference_steps=self.settings.steps,
            sigmas=self._times(),
            generator=generators,
            output_type="pt",
        ).images
        return images, all_finite(images)

    def _times(self) -> list[float] | None:
        return simple_schedule(self.settings.steps) if self.settings.sampler == "er_sde" else None

    def _negatives(self, count: int) -> list[FlowText]:
        return [self._text(self.settings.negative_prompt)] * count

    @abstractmethod
    def _tokens(self, prompt: str) -> tuple[int, int]:
        """How many tokens a prompt has, and how many there may be."""

    @abstractmethod
    def _condition(self, prompt: str) -> FlowText:
        """A prompt's conditioning."""

    @abstractmethod
    def _conditioning(self, texts: Sequence[FlowText]) -> dict[str, Any]:
        """A batch's conditioning and guidance, as the pipeline takes them."""


class ZImageGenerator(FlowMatchingGenerator):
    """Z-Image and Z-Image-Turbo. Guidance w is diffusers' ``guidance_scale`` w - 1, so that 1 means none."""

    family: ClassVar[Family] = Z_IMAGE
    limit: ClassVar[int] = 512

    def _tokens(self, prompt: str) -> tuple[int, int]:
        message = [{"role": "user", "content": prompt}]
        tokenizer = self._text_pipeline.tokenizer
        text = tokenizer.apply_chat_template(message, tokenize=False, add_generation_prompt=True, enable_thinking=True)
        return len(tokenizer(text).input_ids), self.limit

    def _condition(self, prompt: str) -> FlowText:
        (sequence,), _ = self._text_pipeline.encode_prompt(
            prompt, device=self._text_device, do_classifier_free_guidance=False, max_sequence_length=self.limit
        )
        return FlowText(sequence)

    def _conditioning(self, texts: Sequence[FlowText]) -> dict[str, Any]:
        made: dict[str, Any] = {
            "prompt_embeds": [text.sequence for text in texts],
            "guidance_scale": self.settings.guidance - 1.0,
        }
        if self.settings.guidance > 1.0:
            made["negative_prompt_embeds"] = [text.sequence for text in self._negatives(len(texts))]
        return made


class QwenImageGenerator(FlowMatchingGenerator):
    """Qwen-Image. Texts of a batch are padded to the longest, and what is padding is masked."""

    family: ClassVar[Family] = QWEN_IMAGE

    def _assemble(self, settings: GenerationSettings) -> None:
        use_single_frame(self._components["vae"])
        super()._assemble(settings)

    def _tokens(self, prompt: str) -> tuple[int, int]:
        pipeline = self._text_pipeline
        tokens = len(pipeline.tokenizer(pipeline.prompt_template_encode.format(prompt)).input_ids)
        return tokens - pipeline.prompt_template_encode_start_idx, pipeline.tokenizer_max_length

    def _condition(self, prompt: str) -> FlowText:
        sequence, _ = self._text_pipeline.encode_prompt(prompt, device=self._text_device)
        return FlowText(sequence[0])

    def _conditioning(self, texts: Sequence[FlowText]) -> dict[str, Any]:
        made: dict[str, Any] = {"true_cfg_scale": self.settings.guidance}
        made["prompt_embeds"], made["prompt_embeds_mask"] = padded(texts)
        if self.settings.guidance > 1.0:
            negatives = padded(self._negatives(len(texts)))
            made["negative_prompt_embeds"], made["negative_prompt_embeds_mask"] = negatives
        return made


class FluxGenerator(FlowMatchingGenerator):
    """FLUX.1 [dev], [schnell] and what is made from them.

    Where guidance is an input of the model, as in [dev], it is that, and a negative prompt has no place; otherwise it
    is classifier-free guidance.
    """

    family: ClassVar[Family] = FLUX

    def _assemble(self, settings: GenerationSettings) -> None:
        self._takes_guidance = bool(self._components["transformer"].config.guidance_embeds)
        # [schnell] was trained with half of the tokens; its schedule is the one without a shift by size.
        long = self._takes_guidance or self._components["scheduler"].config.use_dynamic_shifting
        self.limit = 512 if long else 256
        if self._takes_guidance and settings.negative_prompt:
            logger.warning("this Flux model takes guidance as an input: the negative prompt is not used")
        super()._assemble(settings)

    def _tokens(self, prompt: str) -> tuple[int, int]:
        # CLIP sees the first 77 tokens only, which is how the model was trained; T5 has to see them all.
        return len(self._text_pipeline.tokenizer_2(prompt, truncation=False).input_ids), self.limit

    def _condition(self, prompt: str) -> FlowText:
        with quiet_diffusers():
            sequence, pooled, _ = self._text_pipeline.encode_prompt(
                prompt, device=self._text_device, max_sequence_length=self.limit
            )
        return FlowText(sequence[0], pooled[0])

    def _conditioning(self, texts: Sequence[FlowText]) -> dict[str, Any]:
        made: dict[str, Any] = {"guidance_scale": self.settings.guidance}
        made["prompt_embeds"], made["pooled_prompt_embeds"] = _stacked(texts)
        if not self._takes_guidance and self.settings.guidance > 1.0:
            negatives = _stacked(self._negatives(len(texts)))
            made["negative_prompt_embeds"], made["negative_pooled_prompt_embeds"] = negatives
            made["true_cfg_scale"] = self.settings.guidance
        return made


def flow_matching_generator(family: Family) -> type[FlowMatchingGenerator]:
    """The generator of a family."""
    kinds = (ZImageGenerator, QwenImageGenerator, FluxGenerator)
    return next(kind for kind in kinds if kind.family is family)


def padded(texts: Sequence[FlowText]) -> tuple[torch.Tensor, torch.Tensor]:
    """Texts of several lengths as (batch, longest, width) with zeros behind, and 1 where there is text."""
    longest = max(len(text.sequence) for text in texts)
    sequences = [torch.nn.functional.pad(text.sequence, (0, 0, 0, longest - len(text.sequence))) for text in texts]
    lengths = torch.tensor([len(text.sequence) for text in texts], device=sequences[0].device)
    mask = torch.arange(longest, device=lengths.device)[None] < lengths[:, None]
    return torch.stack(sequences), mask.long()


def _stacked(texts: Sequence[FlowText]) -> tuple[torch.Tensor, torch.Tensor]:
    pooled = [text.pooled for text in texts if text.pooled is not None]
    return torch.stack([text.sequence for text in texts]), torch.stack(pooled)


def sampler_of(scheduler: Any, settings: GenerationSettings) -> Any:
    """The sampler for a base: its own scheduler, or ER-SDE with the same shift of times.

    Raises:
        UnusableBase: its scheduler is of another kind, or draws noise that would belong to no image.
    """
    from diffusers import FlowMatchEulerDiscreteScheduler

    config = scheduler.config
    if not isinstance(scheduler, FlowMatchEulerDiscreteScheduler):
        raise UnusableBase(f"its scheduler is a {type(scheduler).__name__}; only flow-matching Euler can be used")
    if settings.sampler == "euler":
        if config.stochastic_sampling:
            raise UnusableBase("its scheduler draws noise from no image's own generator: use the sampler er_sde")
        return scheduler
    if config.use_dynamic_shifting and config.time_shift_type != "exponential":
        raise UnusableBase(f"its scheduler shifts times in a {config.time_shift_type} way: use the sampler euler")
    shift = math.exp(shift_exponent(config, settings)) if config.use_dynamic_shifting else config.shift
    return FlowMatchERSDEScheduler(shift=shift, shift_terminal=config.shift_terminal)


def shift_exponent(config: Any, settings: GenerationSettings) -> float:
    """The logarithm of the shift for a picture's size, as the pipelines compute it: linear in its tokens."""
    tokens = (settings.width // PATCH) * (settings.height // PATCH)
    low, high = config.get("base_image_seq_len", 256), config.get("max_image_seq_len", 4096)
    least, most = config.get("base_shift", 0.5), config.get("max_shift", 1.15)
    return float(least + (most - least) / (high - low) * (tokens - low))
