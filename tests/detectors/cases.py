"""Kei and Kana drawn with a fault, and what was asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from benchmarks.miniature.drawing import draw
from benchmarks.miniature.scenes import CONTACT_POSES, KANA, KEI, Failure, Look, Scene
from detectors import Attributes, Change, Character, Expectation, Verdict
from detectors.context import Context
from detectors.findings import Finding
from detectors.opening import DetectorSet

CHECKS = (
    "cast", "ahoge_bleed", "ahoge_missing", "hair_bleed", "eye_bleed", "outfit_bleed", "fusion", "hands",
    "identity", "face", "pose", "follow_through",
)  # fmt: skip
PAIR = (KEI, KANA)
ROLE_POSES = ("piggyback", "princess carry", "lap sit")


def character(name: str, look: Look) -> Character:
    outfit = f"{look.outfit_color} {look.outfit}"
    return Character(name, name, Attributes(look.hair_color, look.hair_length, look.ahoge, look.eye_color, outfit))


BOTH = (character("kei", KEI), character("kana", KANA))


def expectation(scene: Scene, cast: Sequence[Character] = BOTH, changes: Sequence[Change] = ()) -> Expectation:
    """What was asked for: the cast, as many of it as the pose is for, with Kei below; every check that applies."""
    pose = scene.pose
    checks = CHECKS if changes else CHECKS[:-1]
    return Expectation(
        tuple(cast),
        pose.replace(" ", "_"),
        pose in CONTACT_POSES,
        scene.distance,
        checks,
        others=tuple(each for each in BOTH if each not in cast),
        below="kei" if pose in ROLE_POSES else None,
        changes=tuple(changes),
    )


def scene(pose: str, *faults: tuple[str, int], people: Sequence[Look] = PAIR) -> Scene:
    return Scene(tuple(people), pose, failures=tuple(Failure(kind, person) for kind, person in faults))


class Judged:
    """One scene with several seeds, looked at together."""

    def __init__(
        self,
        opened: DetectorSet,
        scene: Scene,
        seeds: Sequence[int],
        cast: Sequence[Character] = BOTH,
        changes: Sequence[Change] = (),
    ):
        self.drawings = [draw(replace(scene, seed=seed)) for seed in seeds]
        images = [drawing.image for drawing in self.drawings]
        self.contexts: list[Context] = opened.look(images, [expectation(scene, cast, changes)] * len(images))
        self.findings: list[list[Finding]] = [opened.judge(context) for context in self.contexts]

    def found(self, check: str, name: str | None = None) -> list[Finding]:
        """The findings of a check about a character, seed by seed."""
        return [one for image in self.findings for one in image if (one.check, one.character) == (check, name)]

    def share(self, verdict: Verdict, check: str, name: str | None = None) -> float:
        """How many of the seeds got a verdict."""
        verdicts = [one.verdict for one in self.found(check, name)]
        assert len(verdicts) == len(self.drawings)
        return verdicts.count(verdict) / len(verdicts)
