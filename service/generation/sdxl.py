"""Images from the SDXL family: Illustrious, NoobAI and others, with their epsilon or v-prediction schedule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from service.generation.assembling import FamilyGenerator, load_pipeline
from service.generation.clip_tokenizers import MAX_TOKENS
from service.generation.diffusing import quiet_diffusers
from service.generation.errors import PromptTooLong
from service.generation.families import SDXL, Family
from service.generation.port import GenerationSettings
from service.generation.sdxl_files import SDXLBase
from service.generation.sending import all_finite

SAMPLERS = {"euler": "EulerDiscreteScheduler", "euler_a": "EulerAncestralDiscreteScheduler"}


@dataclass(frozen=True)
class SDXLText:
    """A prompt's conditioning: (1, 77, width of both encoders) and the second encoder's pooled (1, width)."""

    sequence: torch.Tensor
    pooled: torch.Tensor


class SDXLGenerator(FamilyGenerator[SDXLText]):
    """The generator for SDXL, with sampler ``euler`` or ``euler_a``."""

    family: ClassVar[Family] = SDXL

    def _assemble(self, settings: GenerationSettings) -> None:
        from diffusers import StableDiffusionXLPipeline

        self._scheduler = scheduler_of(self._components["scheduler"].config, settings)
        with quiet_diffusers():
            kind: Any = StableDiffusionXLPipeline
            self._pipeline = kind(**self._components | {"scheduler": self._scheduler}, add_watermarker=False)
        self._pipeline.set_progress_bar_config(disable=True)

    def _suit_gpu(self) -> None:
        for name in ("unet", "vae"):
            self._components[name].to(memory_format=torch.channels_last)

    def _marks(self) -> dict[str, Any]:
        return {"prediction": self._scheduler.config.prediction_type}

    @classmethod
    def _components_of(cls, base: SDXLBase, dtype: torch.dtype) -> dict[str, Any]:
        if base.is_file:
            from service.generation.sdxl_loading import load_file

            return load_file(base, dtype)
        return load_pipeline(base.path, SDXL, dtype)

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

    def _make(self, texts: Sequence[SDXLText], generators: list[torch.Generator]) -> tuple[torch.Tensor, torch.Tensor]:
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
