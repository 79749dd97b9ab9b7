"""The :class:`service.generation.port.Generator` that lets a ComfyUI make the images."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from service.checkpoints.header import read_header
from service.errors import CheckpointChanged, UnreadableImage
from service.generation.comfyui.address import ComfyUIAddress
from service.generation.comfyui.client import ComfyUIClient, ComfyUILost, WorkflowFailed
from service.generation.comfyui.workflow import Workflow, anima_graph, make_workflow, pick_image, read_workflow
from service.generation.errors import BaseNotFound, UnusableBase
from service.generation.images import invalid_reason
from service.generation.port import GENERATOR_VERSION, GeneratedImage, GenerationSettings, ImageRequest, Pixels

logger = logging.getLogger(__name__)

LONGEST_QUEUE = 16
"""With more workflows than this waiting, anybody's, nothing is added."""
_LOOK_AGAIN_S = 1.0
_FOLDERS = {"model": "diffusion_models", "clip": "text_encoders", "vae": "vae"}
_USUAL = {"model": "anima", "clip": "qwen_3_06b", "vae": "qwen_image_vae"}
_LOSSLESS = ("PNG", "WEBP")


class ComfyUIGenerator:
    """Queues one workflow an image; a ComfyUI makes them one after the other.

    Noise is ComfyUI's own: the same seed gives other pictures than our own generator.

    Args:
        address: of the ComfyUI.
        settings: size, and for the built-in workflow (or places ``{steps}``, ``{cfg}``) the rest.
        extra: fixed LoRA files under the swept one; they must lie in ComfyUI's folder too.

    Raises:
        ComfyUILost: it does not answer.
        BaseNotFound, UnusableBase: a model or a LoRA is not in its folders, or the workflow cannot be used.
    """

    def __init__(
        self,
        address: ComfyUIAddress,
        settings: GenerationSettings,
        extra: Sequence[tuple[Path, float]] = (),
        client: ComfyUIClient | None = None,
    ) -> None:
        self.settings = settings
        self._client = client or ComfyUIClient(address.host)
        self._system = self._client.get("/system_stats") or {}
        if address.workflow is not None:
            if extra:
                raise UnusableBase("put the fixed LoRA into your workflow: --with works with the built-in one only")
            self._workflow = read_workflow(address.workflow)
        else:
            self._workflow = self._built_in(dict(address.models), extra)
        self._lora: tuple[str, float] | None = None

    def use(self, checkpoint: Path | None, scale: float = 1.0) -> None:
        """See :meth:`service.generation.port.Generator.use`.

        Raises:
            BaseNotFound: ComfyUI has no such LoRA; the message says where to put it.
            CheckpointChanged: it has another file of that name.
        """
        lora = None if checkpoint is None or scale == 0.0 else (self._name_of(checkpoint), scale)
        self._lora = lora

    def generate(self, requests: Sequence[ImageRequest]) -> list[GeneratedImage]:
        """See :meth:`service.generation.port.Generator.generate`.

        Raises:
            WorkflowFailed: ComfyUI refused the workflow or a node failed; nothing of ours stays in its queue.
            ComfyUILost: it went away for longer than two minutes.
            UnreadableImage: what it made is no single lossless image of the size that was asked for.
        """
        graphs = [self._workflow.fill(self._values(request), with_lora=self._lora is not None) for request in requests]
        queued: list[str] = []
        try:
            self._wait_for_room()
            for graph in graphs:
                queued.append(self._client.queue(graph))
            made = []
            for place, graph in enumerate(graphs):
                made.append(self._fetch(queued, place, graph))
            return made
        except BaseException:
            self._client.cancel(queued)
            raise

    def fingerprint(self) -> dict[str, Any]:
        """The workflow, ComfyUI's version and device. It tells models by name only, so they count by name."""
        system = self._system.get("system") or {}
        devices = self._system.get("devices") or [{}]
        return {
            "generator": f"comfyui {GENERATOR_VERSION}",
            "base": f"ComfyUI {system.get('comfyui_version', 'of unknown version')}",
            "workflow": {identifier: _essence(node) for identifier, node in self._workflow.graph.items()},
            "device": str(devices[0].get("name", "unknown")),
            "torch": str(system.get("pytorch_version", "unknown")),
            "settings": {name: value for name, value in asdict(self.settings).items() if name != "batch_size"},
        }

    def _values(self, request: ImageRequest) -> dict[str, Any]:
        name, scale = self._lora or ("", 0.0)
        return {
            "prompt": request.prompt,
            "negative": self.settings.negative_prompt,
            "seed": request.seed,
            "lora": name,
            "strength": scale,
            "width": self.settings.width,
            "height": self.settings.height,
            "steps": self.settings.steps,
            "cfg": self.settings.guidance,
        }

    def _wait_for_room(self) -> None:
        told = False
        while (waiting := self._client.waiting()) > LONGEST_QUEUE:
            if not told:
                logger.warning("ComfyUI has %d workflows to do: waiting until there are fewer", waiting)
                told = True
            time.sleep(_LOOK_AGAIN_S)

    def _fetch(self, queued: list[str], place: int, graph: Mapping[str, Any]) -> GeneratedImage:
        nodes = dict(graph)

        def on_step(step: int, steps: int) -> None:
            logger.info("ComfyUI: image %d of %d, step %d of %d", place + 1, len(queued), step, steps)

        try:
            outputs = self._client.wait(queued[place], nodes, on_step)
        except ComfyUILost:
            # It came back without our workflow: ask once more; if it is gone for good, this fails as well.
            queued[place] = self._client.queue(nodes)
            outputs = self._client.wait(queued[place], nodes, on_step)
        try:
            picked = pick_image(outputs, self._workflow.output)
        except UnreadableImage as error:
            if not self._client.why_not():
                raise
            raise WorkflowFailed(f"ComfyUI ran the workflow only in part: {self._client.why_not()}") from error
        pixels = self._checked(self._client.image(picked))
        return GeneratedImage(pixels, invalid_reason(pixels))

    def _checked(self, content: bytes) -> Pixels:
        from PIL import Image

        try:
            with Image.open(BytesIO(content), formats=("PNG", "WEBP", "JPEG")) as image:
                if image.format not in _LOSSLESS:
                    raise UnreadableImage(
                        "the workflow saves JPEG, which changes what detectors see: save PNG (the node SaveImage)"
                    )
                size = (self.settings.width, self.settings.height)
                if image.size != size:
                    hint = ":" if self._workflow.has_size else ": give the size node the title 'bleedcheck: size', or"
                    raise UnreadableImage(
                        f"ComfyUI's image is {image.width}x{image.height}, and {size[0]}x{size[1]} was asked for"
                        f"{hint} set --size {image.width}x{image.height}"
                    )
                return np.asarray(image.convert("RGB"))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise UnreadableImage(f"ComfyUI's image cannot be read: {error}") from error

    def _built_in(self, said: Mapping[str, str], extra: Sequence[tuple[Path, float]]) -> Workflow:
        models = {part: said.get(part) or self._only(part) for part in _FOLDERS}
        fixed = [(self._name_of(path), scale) for path, scale in extra]
        graph = anima_graph(models, fixed, self.settings.sampler, self.settings.schedule)
        return make_workflow(graph, "the built-in workflow")

    def _only(self, part: str) -> str:
        """ComfyUI's only model of a kind that looks like Anima's."""
        there = self._client.get(f"/models/{_FOLDERS[part]}") or []
        found = [name for name in there if _USUAL[part] in name.lower()]
        if len(found) != 1:
            raise UnusableBase(
                f"ComfyUI has {len(found)} files in models/{_FOLDERS[part]} whose name has {_USUAL[part]}"
                f"{': ' + ', '.join(found) if found else ''}. Say which behind the address, as in ;{part}=NAME, or use "
                "your own workflow"
            )
        return str(found[0])

    def _name_of(self, path: Path) -> str:
        """ComfyUI's name of a LoRA file: the one that ends like its path."""
        there = [str(name) for name in self._client.get("/models/loras") or []]
        same = [name for name in there if PurePosixPath(name.replace("\\", "/")).name == path.name]
        if not same:
            raise BaseNotFound(
                f"ComfyUI has no LoRA {path.name}: copy or link the run's folder into ComfyUI/models/loras (or name "
                "it in extra_model_paths.yaml) and run the same command again"
            )
        closest = sorted(same, key=lambda name: -_common_end(name, path))
        if len(same) > 1 and _common_end(closest[0], path) == _common_end(closest[1], path):
            raise UnusableBase(f"ComfyUI has several LoRAs {path.name} ({', '.join(same)}): rename the others")
        self._compare(closest[0], path)
        return closest[0]

    def _compare(self, name: str, path: Path) -> None:
        """ComfyUI shows a file's metadata: enough to notice another file of the same name, not to prove it the same."""
        theirs = self._client.get("/view_metadata/loras", filename=name)
        if isinstance(theirs, dict) and theirs != read_header(path).metadata:
            raise CheckpointChanged(
                f"ComfyUI's {name} is another file than {path}: their metadata differ. Copy the file there again"
            )


def _common_end(name: str, path: Path) -> int:
    ours, theirs = path.parts[::-1], PurePosixPath(name.replace("\\", "/")).parts[::-1]
    return next((n for n, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs)))


def _essence(node: Mapping[str, Any]) -> dict[str, Any]:
    """A node without its title and place on the canvas."""
    return {"class_type": node["class_type"], "inputs": node["inputs"]}
