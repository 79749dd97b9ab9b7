"""A workflow with places for prompt, seed, LoRA and size.

A place is either a value written as ``{prompt}``, ``{negative}``, ``{seed}``, ``{lora}``, ``{strength}``, ``{width}``,
``{height}``, ``{steps}``, ``{cfg}`` in the API-format JSON (``{prompt}`` also inside a longer text), or a node whose
title in ComfyUI is ``bleedcheck: prompt``, ``negative``, ``seed``, ``lora``, ``size`` or ``output``. Prompt, seed and
LoRA are needed. For the control the LoRA node is taken out, and its neighbours are joined.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.errors import UnreadableImage
from service.generation.errors import UnusableBase

MAX_WORKFLOW_BYTES = 5_000_000
TITLE = "bleedcheck:"
Graph = dict[str, dict[str, Any]]

# What a node of that title has to take, and under which name ComfyUI's nodes take it.
_TITLED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "prompt": {"prompt": ("text", "prompt", "string", "value", "text_g", "text_l")},
    "negative": {"negative": ("text", "prompt", "string", "value", "text_g", "text_l")},
    "seed": {"seed": ("seed", "noise_seed", "value")},
    "lora": {"lora": ("lora_name",), "strength": ("strength_model", "strength_clip", "strength")},
    "size": {"width": ("width",), "height": ("height",)},
}
_PLACES = ("prompt", "negative", "seed", "lora", "strength", "width", "height", "steps", "cfg")
_NEEDED = ("prompt", "seed", "lora")


@dataclass(frozen=True)
class Workflow:
    """A checked workflow.

    Attributes:
        graph: node id to node, with ``{place}`` texts where values go.
        output: the node whose image counts; ``None`` where the workflow must have exactly one.
        lora_node: the node that loads the swept LoRA.
    """

    graph: Graph
    output: str | None
    lora_node: str

    @property
    def has_size(self) -> bool:
        """Whether the size can be set from outside."""
        return {"width", "height"} <= places_of(self.graph)

    def fill(self, values: Mapping[str, Any], *, with_lora: bool) -> Graph:
        """The graph to queue.

        Args:
            values: of the places.
            with_lora: without it the LoRA node is bypassed, as for the control.
        """
        graph = copy.deepcopy(self.graph)
        if not with_lora:
            graph = bypassed(graph, self.lora_node)
        for node in graph.values():
            node["inputs"] = {name: _filled(value, values) for name, value in node["inputs"].items()}
        return graph


def read_workflow(path: Path) -> Workflow:
    """Read a workflow that was saved with ComfyUI's "Export (API)".

    Raises:
        UnusableBase: it is none, or lacks a place.
    """
    try:
        if path.stat().st_size > MAX_WORKFLOW_BYTES:
            raise UnusableBase(f"{path.name} is larger than {MAX_WORKFLOW_BYTES} bytes, which no workflow needs")
        graph = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UnusableBase(f"{path} cannot be read as JSON: {error}") from error
    if isinstance(graph, dict) and {"nodes", "links"} <= set(graph):
        raise UnusableBase(f"{path.name} is a workflow for ComfyUI's editor: save it with Workflow > Export (API)")
    return make_workflow(graph, path.name)


def make_workflow(graph: Any, name: str) -> Workflow:
    """Check a graph and find its places.

    Raises:
        UnusableBase: see :func:`read_workflow`.
    """
    if not isinstance(graph, dict) or not graph or not all(_is_node(node) for node in graph.values()):
        raise UnusableBase(f"{name} is no workflow in API format: a table of nodes with class_type and inputs")
    graph = copy.deepcopy(graph)
    output: str | None = None
    for identifier, node in graph.items():
        title = str((node.get("_meta") or {}).get("title", "")).strip().lower()
        if not title.startswith(TITLE):
            continue
        role = title.removeprefix(TITLE).strip()
        if role == "output":
            output = identifier
        elif role in _TITLED:
            _mark(node, role, name)
        else:
            raise UnusableBase(f"{name}: a node is titled {title!r}; there are {', '.join((*_TITLED, 'output'))}")
    places = places_of(graph)
    missing = [place for place in _NEEDED if place not in places]
    if missing:
        raise UnusableBase(
            f"{name} has no place for {', '.join(missing)}: title the node in ComfyUI '{TITLE} {missing[0]}' and "
            f"export again, or write '{{{missing[0]}}}' as the value"
        )
    loaders = [identifier for identifier, node in graph.items() if "{lora}" in map(str, node["inputs"].values())]
    if len(loaders) != 1:
        raise UnusableBase(f"{name} has {len(loaders)} nodes that take the LoRA's name; there must be one")
    return Workflow(graph, output, loaders[0])


def places_of(graph: Graph) -> set[str]:
    """The places that a graph has."""
    texts = [value for node in graph.values() for value in node["inputs"].values() if isinstance(value, str)]
    return {place for place in _PLACES if any(f"{{{place}}}" in text for text in texts)}


def bypassed(graph: Graph, identifier: str) -> Graph:
    """The graph without one loader: whatever took its model or clip takes what the loader took."""
    inputs = graph[identifier]["inputs"]
    sources = {0: inputs.get("model"), 1: inputs.get("clip")}
    kept = {each: node for each, node in graph.items() if each != identifier}
    for node in kept.values():
        for name, value in node["inputs"].items():
            if _is_link(value) and str(value[0]) == identifier:
                source = sources.get(value[1])
                if source is None:
                    raise UnusableBase(f"output {value[1]} of the LoRA node cannot be bypassed for the control")
                node["inputs"][name] = source
    return kept


def anima_graph(models: Mapping[str, str], extra: list[tuple[str, float]], sampler: str, schedule: str) -> Graph:
    """The built-in text-to-image workflow for Anima.

    Args:
        models: ComfyUI's names of ``model``, ``clip`` and ``vae``.
        extra: fixed LoRA files under the swept one, by ComfyUI's names, with their strengths.
        sampler: ComfyUI's name of it.
        schedule: likewise.
    """
    graph: Graph = {
        "model": _node("UNETLoader", unet_name=models["model"], weight_dtype="default"),
        "clip": _node("CLIPLoader", clip_name=models["clip"], type="stable_diffusion"),
        "vae": _node("VAELoader", vae_name=models["vae"]),
    }
    source = "model"
    for number, (name, strength) in enumerate(extra):
        graph[f"extra{number}"] = _node(
            "LoraLoaderModelOnly", model=[source, 0], lora_name=name, strength_model=strength
        )
        source = f"extra{number}"
    return graph | {
        "lora": _node("LoraLoaderModelOnly", model=[source, 0], lora_name="{lora}", strength_model="{strength}"),
        "positive": _node("CLIPTextEncode", clip=["clip", 0], text="{prompt}"),
        "negative": _node("CLIPTextEncode", clip=["clip", 0], text="{negative}"),
        "size": _node("EmptyLatentImage", width="{width}", height="{height}", batch_size=1),
        "sampler": _node(
            "KSampler",
            model=["lora", 0],
            positive=["positive", 0],
            negative=["negative", 0],
            latent_image=["size", 0],
            seed="{seed}",
            steps="{steps}",
            cfg="{cfg}",
            sampler_name=sampler,
            scheduler=schedule,
            denoise=1.0,
        ),
        "decode": _node("VAEDecode", samples=["sampler", 0], vae=["vae", 0]),
        "save": _node("SaveImage", images=["decode", 0], filename_prefix="bleedcheck/image"),
    }


def pick_image(outputs: Mapping[str, Any], output: str | None) -> Mapping[str, Any]:
    """The one image among a finished workflow's outputs.

    Raises:
        UnreadableImage: there is none, or there are several.
    """
    chosen = {output: outputs.get(output, {})} if output is not None else outputs
    images = [image for made in chosen.values() for image in made.get("images") or []]
    saved = [image for image in images if image.get("type") == "output"] or images
    if len(saved) != 1:
        raise UnreadableImage(
            f"the workflow made {len(saved)} images instead of one: set its batch size to 1, and if it saves several, "
            f"title the node that counts '{TITLE} output'"
        )
    image: Mapping[str, Any] = saved[0]
    return image


def _mark(node: dict[str, Any], role: str, name: str) -> None:
    for place, inputs in _TITLED[role].items():
        taken = [each for each in inputs if each in node["inputs"] and not _is_link(node["inputs"][each])]
        if not taken and place != "strength":
            raise UnusableBase(
                f"{name}: the node '{TITLE} {role}' ({node['class_type']}) has no own input {' or '.join(inputs)}"
            )
        # Both strengths follow the one scale; of other inputs the first fitting one is meant.
        for each in taken if place in ("strength", "prompt", "negative") else taken[:1]:
            node["inputs"][each] = f"{{{place}}}"


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    if not isinstance(value, str):
        return value
    for place, own in values.items():
        if value == f"{{{place}}}":
            return own
    # One pass: a prompt that itself speaks of {seed} stays as it is.
    for place in ("prompt", "negative"):
        if f"{{{place}}}" in value and place in values:
            return value.replace(f"{{{place}}}", str(values[place]))
    return value


def _node(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def _is_node(node: Any) -> bool:
    return isinstance(node, dict) and isinstance(node.get("class_type"), str) and isinstance(node.get("inputs"), dict)


def _is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str | int) and isinstance(value[1], int)
