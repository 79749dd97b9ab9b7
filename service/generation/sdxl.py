"""Images from the SDXL family: Illustrious, NoobAI and others, with their epsilon or v-prediction schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from service.generation.cards import Card
from service.generation.clip_tokenizers import MAX_TOKENS
from service.generation.diffusing import (
    DiffusersGenerator,
    all_finite,
    no_weight_bars,
    pick_device,
    pick_dtype,
    quiet_diffusers,
)
from service.generation.errors import PromptTooLong, UnusableBase, UnusableSettings
from service.generation.port import GenerationSettings
from service.generation.sdxl_files import SDXLBase

MODELS = ("unet", "text_encoder", "text_encoder_2", "vae")
BLOCKS = ("BasicTransformerBlock", "ResnetBlock2D")
"""Classes of the denoiser that repeat, for compiling once."""
COMPONENTS = (*MODELS, "tokenizer", "tokenizer_2", "scheduler")
TEXT_MODELS = frozenset({"text_encoder", "text_encoder_2"})
SAMPLERS = {"euler": "EulerDiscreteScheduler", "euler_a": "EulerAncestralDiscreteScheduler"}
SCHEDULES = ("normal", "simple")


@dataclass(frozen=True)
class SDXLText:
    """A prompt's conditioning: (1, 77, width of both encoders) and the second encoder's pooled (1, width)."""

    sequence: torch.Tensor
    pooled: torch.Tensor


class SDXLGenerator(DiffusersGenerator[SDXLText]):
    """The generator for SDXL.

    Args:
        components: the seven of :data:`COMPONENTS`, by name.
        settings: sampler ``euler`` or ``euler_a``.
        identity: what stands for these weights in the fingerprint.
        extra: fixed LoRA files, each with its scale.

    Raises:
        UnusableBase: a component is missing.
        UnusableSettings: another sampler or schedule, or a guidance below 1.
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
            raise UnusableBase(f"the base model lacks {', '.join(missing)}: it is no complete SDXL pipeline")
        if settings.sampler not in SAMPLERS or settings.schedule not in SCHEDULES or settings.guidance < 1.0:
            raise UnusableSettings(
                f"SDXL is generated with the sampler {' or '.join(SAMPLERS)}, the schedule {' or '.join(SCHEDULES)} "
                f"and a guidance of 1 or more, not {settings.sampler}, {settings.schedule}, {settings.guidance:g}: set "
                "them in the suite (generation: {sampler: euler, schedule: normal, steps: 28, guidance: 5.0})"
            )
        from diffusers import StableDiffusionXLPipeline

        parts = {name: components[name] for name in COMPONENTS}
        parts["scheduler"] = scheduler_of(parts["scheduler"].config, settings)
        with quiet_diffusers():
            kind: Any = StableDiffusionXLPipeline
            self._pipeline = kind(**parts, add_watermarker=False)
        self._pipeline.set_progress_bar_config(disable=True)
        if components["vae"].device.type == "cuda":
            components["vae"].enable_slicing()  # one image fills a GPU; a whole batch would only fill its memory
            for name in ("unet", "vae"):
                components[name].to(memory_format=torch.channels_last)  # as its tensor cores read kernels
        folded = {name: components[name] for name in ("unet", *sorted(TEXT_MODELS))}
        super().__init__(folded, TEXT_MODELS, settings, identity=identity, extra=extra, card=card, blocks=BLOCKS)
        if self._compiled:
            components["vae"].decoder.compile(dynamic=False)
        self._fingerprint["prediction"] = parts["scheduler"].config.prediction_type

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
    ) -> SDXLGenerator:
        """A generator over components that are in memory already; they are moved in place."""
        place = pick_device(device)
        wanted = pick_dtype(dtype, place)
        for name in MODELS:
            components[name].to(place, wanted).eval().requires_grad_(False)
        return cls(components, settings, identity=identity, extra=extra, card=card)

    @classmethod
    def from_base(
        cls,
        base: SDXLBase,
        settings: GenerationSettings,
        *,
        device: str = "auto",
        dtype: str = "auto",
        extra: Sequence[tuple[Path, float]] = (),
        card: Card | None = None,
    ) -> SDXLGenerator:
        """Load a diffusers folder or a single file."""
        components = load_components(base, pick_dtype(dtype, pick_device(device)))
        return cls.from_components(
            components, settings, identity=base.identity(), device=device, dtype=dtype, extra=extra, card=card
        )

    def _encode(self, prompt: str) -> SDXLText:
        for name in ("tokenizer", "tokenizer_2"):
            tokens = len(getattr(self._pipeline, name)(prompt, truncation=False).input_ids)
            if tokens > MAX_TOKENS:
                raise PromptTooLong(
                    f"the prompt has {tokens} tokens and SDXL's text encoders take {MAX_TOKENS}; what is beyond them "
                    f"would be dropped silently. Shorten it: {prompt[:80]!r}…"
                )
        sequence, _, pooled, _ = self._pipeline.encode_prompt(
            prompt, device=self._device, num_images_per_prompt=1, do_classifier_free_guidance=False
        )
        return SDXLText(sequence, pooled)

    def _make(self, texts: Sequence[SDXLText], generators: list[torch.Generator]) -> tuple[torch.Tensor, list[bool]]:
        negative: dict[str, torch.Tensor] = {}
        if self.settings.guidance > 1.0:
            text = self._text(self.settings.negative_prompt)
            negative["negative_prompt_embeds"] = text.sequence.expand(len(texts), -1, -1)
            negative["negative_pooled_prompt_embeds"] = text.pooled.expand(len(texts), -1)
        images = self._pipeline(
            prompt_embeds=torch.cat([text.sequence for text in texts]),
            pooled_prompt_embeds=torch.cat([text.pooled for text in texts]),
            **negative,
            height=self.settings.height,
            width=self.settings.width,
            num_inference_steps=self.settings.steps,
            guidance_scale=self.settings.guidance,
            generator=generators,
            output_type="pt",
        ).images
        return images, all_finite(images)


def scheduler_of(config: Mapping[str, Any], settings: GenerationSettings) -> Any:
    """The sampler for a base: epsilon or v-prediction and zero terminal noise as the base's own configuration says.

    ``normal`` spaces timesteps evenly from the last one, ``simple`` takes every n-th from the end, as people know them.
    """
    import diffusers

    # A schedule that really ends in noise only has to start at the last timestep.
    ends_in_noise = bool(config.get("rescale_betas_zero_snr"))
    spacing = "trailing" if ends_in_noise or settings.schedule == "simple" else "linspace"
    kind = getattr(diffusers, SAMPLERS[settings.sampler])
    return kind.from_config(config, timestep_spacing=spacing)


def load_components(base: SDXLBase, dtype: torch.dtype) -> dict[str, Any]:
    """The components of a diffusers folder or of one file in the original format.

    Raises:
        UnusableBase: it could not be loaded.
    """
    if base.is_file:
        from service.generation.sdxl_loading import load_file

        return load_file(base, dtype)
    from diffusers import StableDiffusionXLPipeline

    try:
        with quiet_diffusers(), no_weight_bars():
            pipeline: Any = StableDiffusionXLPipeline.from_pretrained(
                str(base.path), torch_dtype=dtype, local_files_only=True, use_safetensors=True
            )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnusableBase(f"{base.path} could not be loaded as an SDXL pipeline: {error}") from error
    return {name: getattr(pipeline, name, None) for name in COMPONENTS}
