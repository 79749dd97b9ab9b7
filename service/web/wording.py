"""Words and examples for the description, where a model does not bring its own.

The models of suites and rankings know nothing of HTTP; what their fields mean to a client is said here.
"""

from __future__ import annotations

from typing import Any

_HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
PARAMETERS: dict[str, tuple[str, Any]] = {
    "evaluation_id": ("The evaluation's id.", "8d3c4b1f0a9e"),
    "sha256": ("The image's hash, 64 hexadecimal digits.", _HASH),
    "name": ("The suite's name.", "keikana"),
    "run": ("The run's name.", "v2"),
    "item_id": ("The item's number.", 17),
    "cell_id": ("The cell's number.", 4711),
}  # fmt: skip
"""Of addresses: description and example."""

_APPEARANCE = {
    "hair_color": "Colour of the hair.",
    "hair_length": "short or long.",
    "ahoge": "Whether a strand stands up on the head.",
    "eye_color": "Colour of the eyes.",
    "outfit": "What is worn.",
    "outfits": "Everything that may be worn.",
}
FIELDS: dict[str, dict[str, str]] = {
    "Suite": {
        "name": "What evaluations name it by.",
        "version": "A changed suite is another version.",
        "description": "What it is for.",
        "characters": "Who can be in a scenario.",
        "scenarios": "One prompt each.",
        "seeds": "Every scenario is made with each of them.",
        "pinned_seeds": "Known hard ones: shown, and kept out of every rate.",
        "severities": "What a fault of each kind costs, 0..1.",
        "generation": "How pictures are made.",
    },
    "SuiteCharacter": {
        "name": "The character's name.",
        "trigger": "The word that the LoRA knows it by.",
        "attributes": "What it owns; what is left out is never judged.",
        "references": "Pictures of it, as paths beside the suite's file.",
    },
    "SuiteGeneration": {
        "steps": "Denoising steps.",
        "guidance": "Classifier-free guidance; at 1 the negative prompt is not used.",
        "sampler": "er_sde or euler.",
        "schedule": "simple.",
        "width": "Pixels, a multiple of 16.",
        "height": "Pixels, a multiple of 16.",
        "negative_prompt": "Used when guidance is not 1.",
    },
    "Scenario": {
        "name": "The scenario's name.",
        "prompt": "The complete prompt.",
        "cast": "Who must appear.",
        "pose": "The asked pose.",
        "below": "Who carries the other one.",
        "contact": "Whether bodies touch.",
        "distance": "close, middle or far.",
        "bystanders": "Whether others may be in the picture.",
        "change": "What the prompt changes about somebody.",
        "checks": "What is looked at.",
        "crossing": "Whether hands cross the other's body.",
        "variant_of": "The scenario that this one words otherwise.",
    },
    "OwnedAttributes": _APPEARANCE,
    "Changed": _APPEARANCE,
}
"""Of models, by the last part of their name: what each field means."""

EXAMPLES: dict[str, Any] = {
    "run": "v2", "epoch": 148, "scenario": "piggyback", "check": "hands", "character": "Kei", "verdict": "fails",
    "severity": "lost", "score": 0.93, "reason": "Kei's hand is lost", "detector": "hands", "version": "1",
    "status": "finished", "suite": "keikana", "base": "miniature", "use": "all", "state": "fails", "name": "keikana",
    "created_at": 1795634116.98, "finished_at": 1795634436.01, "undone_at": None, "error": None, "invalid": None,
    "image": _HASH, "evaluation": "8d3c4b1f0a9e",
    "prompt": "2girls, keichan, kanachan, hug, park", "interval": [0.07, 0.21], "bounds": [0.11, 0.16],
    "rate": 0.125, "failure_rate": 0.125, "p": 0.03, "p_adjusted": 0.06, "difference": -0.08, "seed": 7,
    "width": 1024, "height": 1024, "evidence": {"hand_box": [120, 200, 180, 260]}, "done": 0.5,
    "checks": ["cast", "hands"], "cast": ["Kei", "Kana"], "pose": "hug", "below": "Kei", "crossing": True,
    "variant_of": None, "trigger": "keichan", "seeds": [7, 13, 99], "scenarios": ["together", "hug"],
    "hair_color": "blonde", "hair_length": "long", "eye_color": "blue", "outfit": "red blazer", "ahoge": False,
    "sentences": ["Use v2 epoch 148: it fails on 12 of 96 images."], "problems": [], "changing_nothing": [],
    "keepers": [7, 99], "person": "anna", "label": "fails", "question": "Are all shadows possible?",
    "severities": {"lost": 1.0, "fused": 0.75}, "summary": ["Use v2 epoch 148."], "warnings": [], "kind": "systematic",
}  # fmt: skip
"""Of fields, by their name."""

_BY_TYPE: dict[str, Any] = {
    "integer": 12, "number": 0.25, "boolean": True, "string": "hands", "array": [], "object": {}, "null": None,
}  # fmt: skip


def example_of(field: str, schema: dict[str, Any]) -> Any:
    """An example for a field that has none: by its name, else by its type."""
    kinds = [schema["type"]] if "type" in schema else [each.get("type", "object") for each in schema.get("anyOf", [])]
    named = EXAMPLES.get(field, _BY_TYPE)
    if named is not _BY_TYPE and _fits(named, kinds):
        return named
    if "array" in kinds and field.endswith("interval"):
        return EXAMPLES["interval"]
    return _BY_TYPE[kinds[0]] if kinds else None


def _fits(value: Any, kinds: list[str]) -> bool:
    python: dict[str, Any] = {
        "integer": int,
        "number": (int, float),
        "boolean": bool,
        "string": str,
        "array": list,
        "object": dict,
    }
    if value is None:
        return "null" in kinds
    if isinstance(value, bool):
        return "boolean" in kinds
    return any(isinstance(value, python[kind]) for kind in kinds if kind in python)
