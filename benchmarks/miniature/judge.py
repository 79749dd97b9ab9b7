"""How well the tiny Anima draws what it is asked: ``python -m benchmarks.miniature.judge --images 128 --seed 7 --json``

Prompts are captions of random scenes nobody trained on. The judges are the detectors' people, head and body networks,
trained on drawings; the same judges look at the drawings of the same scenes, so their own error stands beside.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.miniature.captions import caption
from benchmarks.miniature.drawing import draw
from benchmarks.miniature.scenes import Look, Scene, sample_scene
from benchmarks.miniature.training import write_sheet
from detectors import Expectation, open_detectors
from detectors.checks.pose import pose_odds
from detectors.vocabulary import AHOGE_STATES, EYE_COLORS, HAIR_COLORS, HAIR_LENGTHS
from service.generation import GenerationSettings, ImageRequest, open_generator
from service.rankings import wilson

WORDS = {"hair_color": HAIR_COLORS, "hair_length": HAIR_LENGTHS, "eye_color": EYE_COLORS}
Counts = dict[str, list[bool]]


def people_left_to_right(scene: Scene) -> tuple[Look, ...]:
    """The asked people as they should stand in the picture."""
    return scene.people[::-1] if scene.flipped else scene.people


def compare(scene: Scene, text: str, context: Any) -> list[tuple[str, bool]]:
    """What one picture got right, as (question, answer) pairs; eyes only where the caption names them."""
    wanted = people_left_to_right(scene)
    seen = sorted((p for p in context.people if p.head), key=lambda p: p.head.box[0] + p.head.box[2])
    answers = [("person count", len(context.people) == len(wanted))]
    if len(seen) != len(wanted):
        return answers
    odds = pose_odds(seen, [False] * len(seen))
    answers.append(("pose", max(odds, key=lambda name: odds[name]) == scene.pose.replace(" ", "_")))
    for place, (look, person) in enumerate(zip(wanted, seen, strict=True)):
        for question, words in WORDS.items():
            if question == "eye_color" and f"{look.eye_color} eyes" not in text:
                continue
            answer = words[int(np.argmax(person.head.answers[question]))]
            answers.append(
                (f"{question.replace('_', ' ')}, {('left', 'right')[place]}", answer == getattr(look, question))
            )
        worn = AHOGE_STATES[int(np.argmax(person.head.answers["ahoge"]))] == "ahoge"
        answers.append(("ahoge where asked" if look.ahoge else "ahoge where not asked", worn))
    return answers


def judge_pictures(scenes: Sequence[Scene], texts: Sequence[str], pictures: Sequence[NDArray[np.uint8]]) -> Counts:
    """Answers of all pictures by question."""
    counts: Counts = defaultdict(list)
    contexts = open_detectors().look(pictures, [Expectation(cast=()) for _ in pictures])
    for scene, text, context in zip(scenes, texts, contexts, strict=True):
        for question, answer in compare(scene, text, context):
            counts[question].append(answer)
            if question in ("person count", "pose"):
                counts[f"{question}, {scene.pose}"].append(answer)
    return counts


def rates(counts: Counts) -> dict[str, dict[str, Any]]:
    """Share of yes answers with its Wilson interval."""
    return {
        question: {"rate": float(np.mean(answers)), "interval": wilson(sum(answers), len(answers)), "n": len(answers)}
        for question, answers in sorted(counts.items())
    }


def main() -> None:
    """Command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=128)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--base", default="miniature")
    parser.add_argument("--sheet", type=Path, help="also write the first 40 pictures as a PNG")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args()
    rng = np.random.default_rng((args.seed, 2**20))  # a stream that no training uses
    scenes = [sample_scene(rng) for _ in range(args.images)]
    texts = [caption(scene, rng) for scene in scenes]
    generator = open_generator(args.base, GenerationSettings())
    pictures: list[NDArray[np.uint8]] = []
    for start in range(0, len(texts), 4):
        part = [ImageRequest(text, start + i) for i, text in enumerate(texts[start : start + 4])]
        pictures += [image.pixels for image in generator.generate(part)]
        print(f"\r{len(pictures)}/{len(texts)} pictures", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    result = {
        "generated": rates(judge_pictures(scenes, texts, pictures)),
        "drawn": rates(judge_pictures(scenes, texts, [draw(scene).image for scene in scenes])),
    }
    if args.sheet:
        write_sheet(args.sheet, [pictures[i : i + 8] for i in range(0, min(40, len(pictures) - 7), 8)])
    if args.json:
        print(json.dumps(result))
        return
    print("| question | generated | the same judge on drawings | n |\n|---|---|---|---|")
    for question, found in result["generated"].items():
        low, high = found["interval"] or (float("nan"), float("nan"))
        drawn = result["drawn"].get(question, {"rate": float("nan")})["rate"]
        print(f"| {question} | {found['rate']:.3f} [{low:.3f}, {high:.3f}] | {drawn:.3f} | {found['n']} |")


if __name__ == "__main__":
    main()
