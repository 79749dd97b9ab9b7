"""Images from Anima: diffusers' own pipeline, text encoded once per prompt, checkpoints folded into kept weights."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from service.checkpoints import Adapter, Folder, FoldReport, file_sha256, load_adapter
from service.errors import Conflict
from service.generation.bases import Base
from service.generation.er_sde import FlowMatchERSDEScheduler, simple_schedule
from service.generation.errors import PromptTooLong, UnusableBase, UnusableSettings
from service.generation.images import invalid_reason
from service.generation.original import AnimaFiles
from service.generation.port import GENERATOR_VERSION, GeneratedImage, GenerationSettings, ImageRequest
from service.generation.single_frame import use_single_frame

MODELS = ("transformer", "text_encoder", "text_conditioner", "vae")
COMPONENTS = (*MODELS, "tokenizer", "t5_tokenizer", "scheduler")
TEXT_MODELS = frozenset({"text_encoder", "text_conditioner"})
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

_TEXT_STEPS = ("text_encoder", "denoise.text_conditioning")


class AnimaGenerator:
    """The :class:`service.generation.port.Generator` for Anima.

    The base is loaded once. Every checkpoint is folded into its weights from a kept copy, over the fixed extra LoRAs.
    Each image has one CPU generator, seeded with its seed, for the initial latents and all step noise. Open it with
    :func:`service.generation.open_generator`, or with :meth:`from_components` for components in memory.
    """

    def __init__(
        self,
        components: Mapping[str, Any],
        settings: GenerationSettings,
        *,
        identity: str,
        extra: Sequence[tuple[Path, float]] = (),
    ) -> None:
        missing = [name for name in COMPONENTS if components.get(name) is None]
        if missing:
            raise UnusableBase(f"the base model lacks {', '.join(missing)}: it is no complete Anima pipeline")
        self.settings = settings
        self._components = {name: components[name] for name in COMPONENTS}
        transformer = components["transformer"]
        self._device, self._dtype = transformer.device, transformer.dtype
        use_single_frame(components["vae"])
        shift = components["scheduler"].config.shift
        self._scheduler = FlowMatchERSDEScheduler(shift=shift) if settings.sampler == "er_sde" else None
        with _quiet_diffusers():
            self._text_pipeline, self._image_pipeline = self._pipelines()

        self._folder = Folder({name: components[name] for name in ("transformer", *sorted(TEXT_MODELS))})
        self._extra = [(load_adapter(path), scale) for path, scale in extra]
        self._fingerprint = {
            "generator": GENERATOR_VERSION,
            "base": identity,
            "extra": [{"sha256": file_sha256(path), "scale": scale} for path, scale in extra],
            "dtype": str(self._dtype).removeprefix("torch."),
            "device": _device_class(self._device),
            "settings": {name: value for name, value in asdict(settings).items() if name != "batch_size"},
            "libraries": _library_versions(),
        }
        if self._fills_batches:
            self._fingerprint["batch_size"] = settings.batch_size
        self._control_texts: dict[str, torch.Tensor] = {}
        self.use(None)

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
    ) -> AnimaGenerator:
        """A generator over components that are in memory already; they are moved, and the VAE is converted, in place.

        Args:
            components: the seven of :data:`COMPONENTS`, by name.
            identity: what stands for these weights in the fingerprint.
            settings, device, dtype, extra: as for :func:`service.generation.open_generator`.
        """
        place = _device(device)
        wanted = _dtype(dtype, place)
        for name in MODELS:
            model = components[name].to(place).eval().requires_grad_(False)
            if model.dtype != wanted:
                model.to(wanted)
        return cls(components, settings, identity=identity, extra=extra)

    @classmethod
    def from_base(
        cls,
        base: Base | AnimaFiles,
        settings: GenerationSettings,
        *,
        device: str = "auto",
        dtype: str = "auto",
        extra: Sequence[tuple[Path, float]] = (),
    ) -> AnimaGenerator:
        """Load a diffusers folder, a hub model, or single files."""
        place = _device(device)
        components = _load(base, _dtype(dtype, place))
        return cls.from_components(
            components, settings, identity=base.identity(), device=device, dtype=dtype, extra=extra
        )

    @property
    def _fills_batches(self) -> bool:
        """Whether a short batch is filled up to the full size.

        A GPU picks other kernels for other batch sizes, and in 16 bits that shows. On a CPU the difference stays far
        below one grey level, and filling would only cost time.
        """
        return bool(self._device.type != "cpu")

    def fingerprint(self) -> dict[str, Any]:
        """Everything except checkpoint, scale, prompt and seed that determines the pixels.

        The batch size is part of it only where it shows (see ``_fills_batches``).
        """
        return dict(self._fingerprint)

    def use(self, checkpoint: Path | None, scale: float = 1.0) -> None:
        """Fold a checkpoint into the base in place of the last one; ``None`` is the control.

        Args:
            checkpoint: a LoRA file in any format :mod:`service.checkpoints` reads.
            scale: its strength; 0.0 is the control to the bit.

        Raises:
            UnmappedKeys: tensors of the file have no place in the base; call ``use`` again before generating.
        """
        self._ready = False
        self.use_adapter(None if checkpoint is None else load_adapter(checkpoint), scale)

    def use_adapter(self, adapter: Adapter | None, scale: float = 1.0) -> FoldReport:
        """:meth:`use` for an adapter that is loaded already.

        Returns:
            How many tensors were used, of the extra files and this one, and how many weights they changed.
        """
        self._ready = False
        swept = [] if adapter is None else [(adapter, scale)]
        report = self._folder.fold([*self._extra, *swept])
        trains_text = adapter is not None and scale != 0.0 and bool(TEXT_MODELS & set(adapter.components))
        self._texts = {} if trains_text else self._control_texts
        self._ready = True
        return report

    def generate(self, requests: Sequence[ImageRequest]) -> list[GeneratedImage]:
        """One image per request, in order, in batches of the settings' size.

        Raises:
            PromptTooLong: a prompt has too many tokens; no image was made.
            Conflict: the last ``use`` failed.
        """
        if not self._ready:
            raise Conflict("the last checkpoint could not be used: call use() again before generating")
        for request in requests:
            self._text(request.prompt)
        size = self.settings.batch_size
        batches = [requests[start : start + size] for start in range(0, len(requests), size)]
        return list(itertools.chain.from_iterable(self._batch(batch) for batch in batches))

    def _batch(self, requests: Sequence[ImageRequest]) -> list[GeneratedImage]:
        size = self.settings.batch_size if self._fills_batches else len(requests)
        filled = [*requests, *[requests[-1]] * (size - len(requests))]
        generators = [torch.Generator("cpu").manual_seed(request.seed) for request in filled]
        negative = None
        if self.settings.guidance != 1.0:
            negative = self._text(self.settings.negative_prompt).expand(size, -1, -1)
        if self._scheduler is not None:
            self._scheduler.set_generators(generators)
        made = self._image_pipeline(
            prompt_embeds=torch.cat([self._text(request.prompt) for request in filled]),
            negative_prompt_embeds=negative,
            height=self.settings.height,
            width=self.settings.width,
            num_inference_steps=self.settings.steps,
            sigmas=simple_schedule(self.settings.steps),
            generator=generators,
            output_type="pt",
            output=["latents", "images"],
        )
        pixels, finite = _to_pixels(made["images"], made["latents"])
        return [GeneratedImage(image, invalid_reason(image, ok)) for image, ok in zip(pixels, finite, strict=True)][
            : len(requests)
        ]

    def _text(self, prompt: str) -> torch.Tensor:
        """A prompt's conditioning, (1, minimum sequence, width); encoded on first use, alone."""
        if prompt not in self._texts:
            self._texts[prompt] = self._encode(prompt)
        return self._texts[prompt]

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

    def _pipelines(self) -> tuple[Any, Any]:
        """diffusers' text-to-image workflow in two pipelines over the same components: text, then images."""
        from diffusers import AnimaAutoBlocks, ClassifierFreeGuidance
        from diffusers.modular_pipelines import SequentialPipelineBlocks

        whole: Any = AnimaAutoBlocks()
        steps = dict(whole.get_workflow("text2image").sub_blocks)
        text = {name: steps.pop(name) for name in _TEXT_STEPS}
        pipelines = []
        # The text half encodes one prompt at a time, so it is told that there is no negative one.
        for blocks, guidance in ((text, 1.0), (steps, self.settings.guidance)):
            named = {name.replace(".", "_"): block for name, block in blocks.items()}
            for block in named.values():
                if hasattr(block, "set_progress_bar_config"):
                    block.set_progress_bar_config(disable=True)
            pipeline = SequentialPipelineBlocks.from_blocks_dict(named).init_pipeline()
            parts = {**self._components, "guider": ClassifierFreeGuidance(guidance_scale=guidance)}
            if self._scheduler is not None:
                parts["scheduler"] = self._scheduler
            expected = {spec.name for spec in pipeline.blocks.expected_components}
            pipeline.update_components(**{name: part for name, part in parts.items() if name in expected})
            pipelines.append(pipeline)
        return pipelines[0], pipelines[1]


def _to_pixels(images: torch.Tensor, latents: torch.Tensor) -> tuple[list[NDArray[Any]], list[bool]]:
    """Images (batch, 3, height, width) in 0..1 as uint8 arrays, and whether image and latents were finite."""
    finite = torch.isfinite(images).flatten(1).all(dim=1) & torch.isfinite(latents).flatten(1).all(dim=1)
    levels = torch.nan_to_num(images.float(), nan=0.0).mul(255.0).round().clamp(0, 255)
    pixels = levels.to(torch.uint8).permute(0, 2, 3, 1).cpu().contiguous().numpy()
    return list(pixels), [bool(ok) for ok in finite.cpu()]


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
        with _quiet_diffusers():
            pipeline = ModularPipeline.from_pretrained(base.source, revision=base.revision)
        with _no_weight_bars():
            pipeline.load_components(dtype=dtype)
    except (OSError, ValueError) as error:
        raise UnusableBase(f"{base.source} could not be loaded as a modular diffusers pipeline: {error}") from error
    if type(pipeline).__name__ != "AnimaModularPipeline":
        raise UnusableBase(f"{base.source} is a {type(pipeline).__name__}; only Anima pipelines can be used so far")
    components = {name: getattr(pipeline, name, None) for name in COMPONENTS}
    missing = [name for name, component in components.items() if component is None]
    if missing:
        raise UnusableBase(
            f"{base.source} is incomplete: {', '.join(missing)} could not be loaded (see the warnings above). Download "
            "the base again, or correct the paths in its modular_model_index.json"
        )
    return components


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UnusableSettings(f"device {name!r} cannot be used here: {str(error).splitlines()[0]}") from error
    return device


def _dtype(name: str, device: torch.device) -> torch.dtype:
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if name not in DTYPES:
        raise UnusableSettings(f"dtype {name!r} is not known; use auto, {', '.join(DTYPES)}")
    return DTYPES[name]


def _device_class(device: torch.device) -> str:
    """``cpu``, or the GPU's model: other models give slightly other pixels."""
    return f"cuda {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


@contextmanager
def _quiet_diffusers() -> Iterator[None]:
    """No notes about guiders being experimental and schedulers being of a new type."""
    from diffusers.utils import logging as diffusers_logging

    before = diffusers_logging.get_verbosity()
    diffusers_logging.set_verbosity_error()
    try:
        yield
    finally:
        diffusers_logging.set_verbosity(before)


@contextmanager
def _no_weight_bars() -> Iterator[None]:
    """No progress bar of transformers' in the middle of ours."""
    from transformers.utils import logging as transformers_logging

    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()


def _library_versions() -> dict[str, str]:
    import diffusers
    import transformers

    return {"torch": torch.__version__, "diffusers": diffusers.__version__, "transformers": transformers.__version__}
