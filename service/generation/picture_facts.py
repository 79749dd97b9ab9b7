"""What a picture that was made elsewhere says about itself: prompt, seed and LoRA, as A1111 and ComfyUI write them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.errors import UnreadableImage

SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")
_MAX_TEXT = 1 << 20
_MAX_DEPTH = 20
_LORA_TAG = re.compile(r"<lora:([^:>]+)(?::[^>]*)?>")
_SEED = re.compile(r"\bSeed: (\d+)")
_EXIF_COMMENT = 0x9286


@dataclass(frozen=True)
class PictureFacts:
    """What is known about a picture; ``None`` is not known.

    Attributes:
        prompt: the positive prompt, without LoRA tags.
        seed: the seed.
        lora: name of the LoRA file, as written.
    """

    prompt: str | None = None
    seed: int | None = None
    lora: str | None = None


def read_facts(path: Path) -> PictureFacts:
    """Read a picture's own words. The picture itself is not decoded.

    Raises:
        UnreadableImage: the file is no readable picture.
    """
    from PIL import Image

    try:
        with Image.open(path) as image:
            words = {key: text for key, text in image.info.items() if isinstance(text, str)}
            comment = image.getexif().get_ifd(0x8769).get(_EXIF_COMMENT)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UnreadableImage(f"{path} is no readable image: {error}") from error
    if "parameters" not in words and isinstance(comment, bytes):
        words["parameters"] = _exif_text(comment)
    if words.get("parameters"):
        return from_parameters(words["parameters"][:_MAX_TEXT])
    if words.get("prompt"):
        return from_graph(words["prompt"][:_MAX_TEXT])
    return PictureFacts()


def from_parameters(text: str) -> PictureFacts:
    """Read A1111's ``parameters``: the prompt, a line ``Negative prompt:``, and a line of settings.

    >>> from_parameters("1girl <lora:kk-000012:1>\\nNegative prompt: bad\\nSteps: 8, Seed: 7, Size: 64x64")
    PictureFacts(prompt='1girl', seed=7, lora='kk-000012')
    """
    head = re.split(r"\n(?:Negative prompt:|Steps: )", text, maxsplit=1)[0]
    seeds = _SEED.findall(text[len(head) :])  # the settings come last: a negative prompt may hold any words
    tag = _LORA_TAG.search(head)
    prompt = re.sub(r"\s+", " ", _LORA_TAG.sub("", head)).strip(" ,")
    return PictureFacts(prompt or None, int(seeds[-1]) if seeds else None, tag[1] if tag else None)


def from_graph(text: str) -> PictureFacts:
    """Read the graph that ComfyUI writes as ``prompt``: the sampler's seed, its positive text, the LoRA before it."""
    try:
        graph = json.loads(text)
    except (ValueError, RecursionError):
        return PictureFacts()
    nodes = {key: node for key, node in graph.items() if _is_node(node)} if isinstance(graph, dict) else {}
    for node in nodes.values():
        inputs = node["inputs"]
        if {"positive", "model"} <= inputs.keys():
            seed = next((inputs[key] for key in ("seed", "noise_seed") if isinstance(inputs.get(key), int)), None)
            prompt = _follow(nodes, inputs["positive"], "text")
            return PictureFacts(prompt.strip() if prompt else None, seed, _follow(nodes, inputs["model"], "lora_name"))
    return PictureFacts()


def _is_node(node: Any) -> bool:
    return isinstance(node, dict) and isinstance(node.get("inputs"), dict)


def _follow(nodes: dict[str, Any], link: Any, wanted: str, depth: int = 0) -> str | None:
    """The first text of that name on the way up a link."""
    if depth > _MAX_DEPTH or not (isinstance(link, list) and link and str(link[0]) in nodes):
        return None
    inputs = nodes[str(link[0])]["inputs"]
    if isinstance(inputs.get(wanted), str):
        return str(inputs[wanted])
    found = (_follow(nodes, each, wanted, depth + 1) for each in inputs.values())
    return next((each for each in found if each), None)


def _exif_text(comment: bytes) -> str:
    kind, content = comment[:8], comment[8:]
    encoding = "utf-16-be" if kind.startswith(b"UNICODE") else "utf-8"
    return content.decode(encoding, "replace").strip("\0 ")
