"""What every generator over diffusers has in common: kept weights, folding, one text encoding a prompt, batches."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch

from service.checkpoints import Adapter, Folder, FoldReport, file_sha256, load_adapter
from service.errors import Conflict
from service.generation.cards import Card, choose_card
from service.generation.errors import CardTooSmall, PromptTooLong, UnusableSettings
from service.generation.images import invalid_reason
from service.generation.placing import compile_blocks, is_large, place_models, placing_marks, read_ahead, visiting
from service.generation.port import GENERATOR_VERSION, GeneratedImage, GenerationSettings, ImageRequest
from service.generation.sending import Fetching, Staging

logger = logging.getLogger(__name__)

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
Text = TypeVar("Text")


class DiffusersGenerator(ABC, Generic[Text]):
    """A :class:`service.generation.port.Generator` whose models are in this process.

    The base is loaded once. Every checkpoint is folded into its weights from a kept copy, over the fixed extra LoRAs.
    Each image has one CPU generator, seeded with its seed, for all its noise.

    Args:
        folded: the components that LoRA files may change, by name.
        text_models: those of them that make the text.
        settings: how images are made.
        identity: what stands for the base's weights in the fingerprint.
        extra: fixed LoRA files, each with its scale.
        card: how the models are placed; chosen by the machine if ``None``.
        blocks: names of the denoiser's repeated block classes, for compiling; without any nothing is compiled.
        device: where pictures are made, if the denoiser waits elsewhere.
    """

    def __init__(
        self,
        folded: Mapping[str, torch.nn.Module],
        text_models: frozenset[str],
        settings: GenerationSettings,
        *,
        identity: str,
        extra: Sequence[tuple[Path, float]] = (),
        card: Card | None = None,
        blocks: Sequence[str] = (),
        device: torch.device | None = None,
    ) -> None:
        self.settings = settings
        denoiser = next(model for name, model in folded.items() if name not in text_models)
        self._device: torch.device = device or next(denoiser.parameters()).device
        self._dtype: torch.dtype = next(denoiser.parameters()).dtype
        self._text_models = text_models
        self.card = card or choose_card("auto", str(self._device))
        self._texts_on_demand = [] if self.card.keeps_text else [folded[name] for name in text_models]
        self._compiled = bool(blocks) and self.card.compiles and self._device.type == "cuda" and is_large(denoiser)
        place_models(denoiser, self._texts_on_demand, self.card, self._device)
        if self._compiled:
            compile_blocks(denoiser, blocks)
        self._at_once = settings.batch_size
        self._loader = ThreadPoolExecutor(1, "checkpoints")
        # A denoiser that waits in the computer's memory is folded there.
        sends = self._device.type == "cuda" and not self.card.streams
        self._staging = Staging(torch.cuda.Stream(self._device)) if sends else None
        self._ahead: tuple[Path, Future[Adapter]] | None = None
        self._folder = Folder(folded, keep_on_device=self.card.keeps_base)
        self._extra = [(load_adapter(path), scale) for path, scale in extra]
        self._fingerprint = {
            "generator": GENERATOR_VERSION,
            "base": identity,
            "extra": [{"sha256": file_sha256(path), "scale": scale} for path, scale in extra],
            "dtype": str(self._dtype).removeprefix("torch."),
            "device": device_class(self._device),
            "settings": {name: value for name, value in asdict(settings).items() if name != "batch_size"},
            "libraries": library_versions(),
        }
        self._fingerprint |= placing_marks(self.card, self._device, self._compiled)
        if self._fills_batches:
            self._fingerprint["batch_size"] = settings.batch_size
        self._control_texts: dict[str, Text] = {}
        self.use(None)

    @property
    def _text_device(self) -> torch.device:
        """Where prompts are read."""
        return torch.device("cpu") if self.card.reads_on_cpu else self._device

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
        self.use_adapter(None if checkpoint is None else self._load(checkpoint), scale)

    def prefetch(self, checkpoint: Path) -> None:
        """Begin to read the checkpoint that comes next; on a GPU it is copied there while images are made."""
        after = None
        if self._staging is not None:
            after = torch.cuda.Event()
            after.record(torch.cuda.current_stream(self._device))
        self._ahead = (checkpoint, self._loader.submit(read_ahead, checkpoint, self._staging, after))

    def _load(self, checkpoint: Path) -> Adapter:
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead[0] == checkpoint:
            try:
                return ahead[1].result()
            except torch.OutOfMemoryError:
                # The card has no room for a whole file beside its pictures; layer by layer it has.
                torch.cuda.empty_cache()
        return load_adapter(checkpoint)

    def use_adapter(self, adapter: Adapter | None, scale: float = 1.0) -> FoldReport:
        """:meth:`use` for an adapter that is loaded already.

        Returns:
            How many tensors were used, of the extra files and this one, and how many weights they changed.
        """
        self._ready = False
        if self.card.streams and self._device.type == "cuda":
            # Its weights are changed in the computer's memory, which batches that were begun may still read.
            torch.cuda.synchronize(self._device)
        swept = [] if adapter is None else [(adapter, scale)]
        report = self._folder.fold([*self._extra, *swept])
        trains_text = adapter is not None and scale != 0.0 and bool(self._text_models & set(adapter.components))
        self._texts = {} if trains_text else self._control_texts
        self._ready = True
        return report

    def generate(self, requests: Sequence[ImageRequest]) -> list[GeneratedImage]:
        """One image per request, in order, in batches of the settings' size.

        Raises:
            PromptTooLong, CardTooSmall, Conflict: see :meth:`launch`.
        """
        return self.launch(requests)()

    def launch(self, requests: Sequence[ImageRequest]) -> Callable[[], list[GeneratedImage]]:
        """Begin with one image per request, in batches of the settings' size. On a GPU this waits for none of them.

        Where the card's memory does not suffice for a batch, it is made again in halves, and so are all that follow.
        Memory is taken when a batch is begun, so that it is known here already.

        Returns:
            What waits for the images and gives them in order. Another thread may call it, while this one goes on to
            :meth:`use` and the next launch: the card does everything in the order in which it was begun.

        Raises:
            PromptTooLong: a prompt has too many tokens; no image was begun.
            CardTooSmall: not even one picture fits.
            Conflict: the last ``use`` failed.
        """
        if not self._ready:
            raise Conflict("the last checkpoint could not be used: call use() again before generating")
        for request in requests:
            self._text(request.prompt)
        begun: list[tuple[Fetching, int]] = []
        left = list(requests)
        while left:
            batch = left[: self._at_once]
            try:
                begun.append((self._batch(batch), len(batch)))
                left = left[len(batch) :]
            except torch.OutOfMemoryError as error:
                self._halve(error)
        return lambda: [image for fetching, count in begun for image in fetched(fetching, count)]

    def foresee(self, prompts: Sequence[str]) -> None:
        """Encode prompts while nothing else is at work; what is wrong with one is told by :meth:`launch`.

        Text models are launched layer by layer, and wait for the card several times. Between two batches the card would
        stand still meanwhile, the longer as detectors share the interpreter then. Where the checkpoint in use trains a
        text model nothing is encoded: others will not need it.
        """
        new = [prompt for prompt in dict.fromkeys(prompts) if prompt not in self._texts]
        if not new or self._texts is not self._control_texts:
            return
        # Where the card is too full for that, each batch reads its own.
        with suppress(torch.OutOfMemoryError), visiting(self._texts_on_demand, self._text_device):  # one visit for all
            for prompt in new:
                with suppress(PromptTooLong):
                    self._texts[prompt] = self._encode(prompt)

    @property
    def at_once(self) -> int:
        """Images that are generated together now: as the settings say, or less where the card's memory was short."""
        return self._at_once

    @property
    def halved(self) -> str | None:
        """What happened, in words, if they are fewer than the settings say."""
        if self._at_once == self.settings.batch_size:
            return None
        return (
            f"the card's memory did not suffice for {self.settings.batch_size} images at once: {self._at_once} were "
            "made at a time, whose pixels may differ by a little from those of larger batches"
        )

    def _halve(self, error: torch.OutOfMemoryError) -> None:
        """Make half as many images at once from now on.

        Raises:
            CardTooSmall: it was one already.
        """
        # The traceback holds the tensors of the failed batch.
        error.__traceback__ = None
        if self._at_once == 1:
            raise CardTooSmall(
                f"the card has no room for one picture of {self.settings.width} x {self.settings.height} "
                f"({str(error).splitlines()[0]}): close what else uses it, take smaller pictures (--size) or a setting "
                f"for a smaller card (--card; this is {self.card.name})"
            ) from None
        self._at_once = (self._at_once + 1) // 2
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        logger.warning("out of memory on the card: %d images are made at once from now on", self._at_once)

    def _batch(self, requests: Sequence[ImageRequest]) -> Fetching:
        size = self._at_once if self._fills_batches else len(requests)
        filled = [*requests, *[requests[-1]] * (size - len(requests))]
        generators = [torch.Generator("cpu").manual_seed(request.seed) for request in filled]
        return Fetching(*self._make([self._text(request.prompt) for request in filled], generators))

    def _text(self, prompt: str) -> Text:
        """A prompt's conditioning; encoded on first use, alone."""
        if prompt not in self._texts:
            with visiting(self._texts_on_demand, self._text_device):
                self._texts[prompt] = self._encode(prompt)
        return self._texts[prompt]

    @abstractmethod
    def _encode(self, prompt: str) -> Text:
        """Encode one prompt.

        Raises:
            PromptTooLong: it has too many tokens.
        """

    @abstractmethod
    def _make(self, texts: Sequence[Text], generators: list[torch.Generator]) -> tuple[torch.Tensor, torch.Tensor]:
        """Denoise and decode one batch.

        Returns:
            Images (batch, 3, height, width) in 0..1, and whether each was free of NaN and infinity (batch,), both where
            they were made.
        """


def fetched(fetching: Fetching, count: int) -> list[GeneratedImage]:
    """The first images of a batch, once they are here, looked at."""
    pixels, finite = fetching.wait()
    pairs = list(zip(pixels, finite, strict=True))[:count]
    return [GeneratedImage(image, invalid_reason(image, ok)) for image, ok in pairs]


def pick_device(name: str) -> torch.device:
    """The device of that name.

    Raises:
        UnusableSettings: it cannot be used here.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        known = name.partition(":")[0] in ("cpu", "cuda", "mps")  # of any other name torch lists two dozen it knows
        why = f": {str(error).splitlines()[0]}" if known else ""
        raise UnusableSettings(
            f"device {name!r} cannot be used here{why}; write auto, cpu, cuda, cuda:1 or mps"
        ) from error
    return device


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """The dtype of that name.

    Raises:
        UnusableSettings: there is none.
    """
    if name == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if name not in DTYPES:
        raise UnusableSettings(f"dtype {name!r} is not known; use auto, {', '.join(DTYPES)}")
    return DTYPES[name]


def device_class(device: torch.device) -> str:
    """``cpu``, or the GPU's model: other models give slightly other pixels."""
    return f"cuda {torch.cuda.get_device_name(device)}" if device.type == "cuda" else device.type


def library_versions() -> dict[str, str]:
    """Versions of the libraries that make the pixels."""
    import diffusers
    import transformers

    return {"torch": torch.__version__, "diffusers": diffusers.__version__, "transformers": transformers.__version__}


@contextmanager
def quiet_diffusers() -> Iterator[None]:
    """No notes about guiders being experimental and schedulers being of a new type."""
    from diffusers.utils import logging as diffusers_logging

    before = diffusers_logging.get_verbosity()
    diffusers_logging.set_verbosity_error()
    try:
        yield
    finally:
        diffusers_logging.set_verbosity(before)


@contextmanager
def no_weight_bars() -> Iterator[None]:
    """No progress bar of transformers' in the middle of ours."""
    from transformers.utils import logging as transformers_logging

    shown = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            transformers_logging.enable_progress_bar()
