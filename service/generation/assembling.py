"""What a generator of any family does before its first picture: components checked, placed and made into a pipeline."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self

import torch

from service.generation.cards import Card, choose_card
from service.generation.diffusing import (
    DiffusersGenerator,
    Text,
    no_weight_bars,
    pick_device,
    pick_dtype,
    quiet_diffusers,
)
from service.generation.errors import UnusableBase, UnusableSettings
from service.generation.families import Family
from service.generation.port import GenerationSettings
from service.generation.single_frame import use_channels_last


class Identified(Protocol):
    """A base that was found on this machine."""

    def identity(self) -> str:
        """What changes whenever its weights do."""


class FamilyGenerator(DiffusersGenerator[Text]):
    """A generator over the components of one family's pipeline.

    Open it with :func:`service.generation.open_generator`, or with :meth:`from_components` for components in memory.

    Args:
        components: all that the family has, by name.
        settings: how images are made.
        identity: what stands for these weights in the fingerprint.
        extra: fixed LoRA files, each with its scale.
        card: how the models are placed; chosen by the machine if ``None``.
        device: where pictures are made; where the denoiser is if ``None``.

    Raises:
        UnusableBase: a component is missing.
        UnusableSettings: a sampler, a schedule or a guidance that the family does not have.
    """

    family: ClassVar[Family]

    def __init__(
        self,
        components: Mapping[str, Any],
        settings: GenerationSettings,
        *,
        identity: str,
        extra: Sequence[tuple[Path, float]] = (),
        card: Card | None = None,
        device: torch.device | None = None,
    ) -> None:
        family = self.family
        missing = [name for name in family.components if components.get(name) is None]
        if missing:
            raise UnusableBase(f"the base model lacks {', '.join(missing)}: it is no complete {family.title} pipeline")
        check_settings(family, settings)
        self._components = {name: components[name] for name in family.components}
        self._assemble(settings)
        if components["vae"].device.type == "cuda":
            components["vae"].enable_slicing()  # one image fills a GPU; a whole batch would only fill its memory
            self._suit_gpu()
        folded = {name: components[name] for name in (family.denoiser, *family.text_models)}
        texts = frozenset(family.text_models)
        super().__init__(
            folded, texts, settings, identity=identity, extra=extra, card=card, blocks=family.blocks, device=device
        )
        if self._compiled:
            components["vae"].decoder.compile(dynamic=False)
        self._fingerprint |= self._marks()

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
    ) -> Self:
        """A generator over components that are in memory already; they are moved, and some are converted, in place.

        Args:
            components: all that the family has, by name.
            identity: what stands for these weights in the fingerprint.
            settings, device, dtype, extra, card: as for :func:`service.generation.open_generator`.
        """
        place = pick_device(device)
        wanted = pick_dtype(dtype, place)
        card = card or choose_card("auto", str(place))
        for name in cls.family.models:
            model = components[name].eval().requires_grad_(False)
            # What the card has no room for must not go there first.
            waits = card.streams if name == cls.family.denoiser else name != "vae" and not card.keeps_text
            model.to("cpu" if waits else place)
            if model.dtype != wanted:
                model.to(wanted)
        elsewhere = place if card.streams else None
        return cls(components, settings, identity=identity, extra=extra, card=card, device=elsewhere)

    @classmethod
    def from_base(
        cls,
        base: Identified,
        settings: GenerationSettings,
        *,
        device: str = "auto",
        dtype: str = "auto",
        extra: Sequence[tuple[Path, float]] = (),
        card: Card | None = None,
    ) -> Self:
        """Load a base that was found.

        Raises:
            UnusableBase: it could not be loaded, or is incomplete.
        """
        components = cls._components_of(base, pick_dtype(dtype, pick_device(device)))
        return cls.from_components(
            components, settings, identity=base.identity(), device=device, dtype=dtype, extra=extra, card=card
        )

    @classmethod
    @abstractmethod
    def _components_of(cls, base: Any, dtype: torch.dtype) -> dict[str, Any]:
        """The components of a base, on the CPU."""

    @abstractmethod
    def _assemble(self, settings: GenerationSettings) -> None:
        """Make the pipeline out of ``self._components``."""

    def _suit_gpu(self) -> None:
        """Store weights as a GPU's tensor cores read them."""
        use_channels_last(self._components["vae"])

    def _marks(self) -> dict[str, Any]:
        """What the fingerprint says besides what it says for every family."""
        return {}


def check_settings(family: Family, settings: GenerationSettings) -> None:
    """Refuse settings that a family's pictures are not made with.

    Raises:
        UnusableSettings: the message says what to set.
    """
    fits = settings.sampler in family.samplers and settings.schedule in family.schedules
    if fits and settings.guidance >= family.least_guidance:
        return
    least = f" and a guidance of {family.least_guidance:g} or more" if family.least_guidance else ""
    raise UnusableSettings(
        f"{family.title} is generated with the sampler {' or '.join(family.samplers)}, the schedule "
        f"{' or '.join(family.schedules)}{least}, not {settings.sampler}, {settings.schedule}, {settings.guidance:g}: "
        f"set them in the suite (generation: {{{family.example}}})"
    )


def load_pipeline(folder: Path, family: Family, dtype: torch.dtype) -> dict[str, Any]:
    """The components of a folder of the family's pipeline, on the CPU, without the network.

    Raises:
        UnusableBase: it could not be loaded.
    """
    import diffusers

    kind = getattr(diffusers, family.pipeline)
    try:
        with quiet_diffusers(), no_weight_bars():
            pipeline: Any = kind.from_pretrained(str(folder), dtype=dtype, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnusableBase(f"{folder} could not be loaded as {family.title}: {error}") from error
    return {name: getattr(pipeline, name, None) for name in family.components}
