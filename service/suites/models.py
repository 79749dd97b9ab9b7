"""What a suite says: characters, scenarios, seeds, generation settings and the checks that apply."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from detectors.expectations import Attributes, Change, Character, Expectation

Pose = Literal[
    "standing", "arms_up", "waving", "sitting", "apart", "together", "hug", "piggyback", "princess_carry", "lap_sit"
]
Distance = Literal["close", "middle", "far"]
CheckName = Literal[
    "cast",
    "ahoge_bleed",
    "ahoge_missing",
    "hair_bleed",
    "outfit_bleed",
    "eye_bleed",
    "fusion",
    "hands",
    "limbs",
    "identity",
    "face",
    "ghost",
    "pose",
    "follow_through",
]

SeverityName = Literal["lost", "fused", "clear", "minor"]
Cost = Annotated[float, Field(ge=0.0, le=1.0)]

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]
Text = Annotated[str, Field(min_length=1, max_length=2000, pattern=r"\S")]
Side = Annotated[int, Field(ge=64, le=4096, multiple_of=16)]
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]

CROSSING_POSES = frozenset({"piggyback", "princess_carry", "lap_sit"})
"""Poses in which a hand of one crosses the body of the other: the hardest contact."""
PAIR_POSES = frozenset({"apart", "together", "hug", "piggyback", "princess_carry", "lap_sit"})
CONTACT_CHECKS = frozenset({"fusion"})
ROLE_POSES = frozenset({"piggyback", "princess_carry", "lap_sit"})
MAX_CAST = 4

Problem = tuple[tuple[str | int, ...], str]


class RuleError(ValueError):
    """Fields that are fine alone but contradict each other: ``problems`` are (place in the suite, message)."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(message for _, message in problems))


class Strict(BaseModel):
    """No silent conversion, no unknown field, no change after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class OwnedAttributes(Strict):
    """What a character owns; an attribute that is left out is never judged.

    ``outfit`` helps to tell who is who. ``outfits`` are others that she may wear too: drift, never bleed.
    """

    hair_color: Text | None = None
    hair_length: Literal["short", "long"] | None = None
    ahoge: bool | None = None
    eye_color: Text | None = None
    outfit: Text | None = None
    outfits: tuple[Text, ...] = ()


class Changed(Strict):
    """What a prompt asks to be different about a character: other hair or other clothes."""

    hair_color: Text | None = None
    hair_length: Literal["short", "long"] | None = None
    outfit: Text | None = None

    def stated(self) -> dict[str, str]:
        """The new values by attribute."""
        return {name: value for name, value in self.model_dump().items() if value is not None}


class SuiteCharacter(Strict):
    """A character: its name, the trigger word of the LoRA, what it owns, and reference pictures."""

    name: Name
    trigger: Text
    attributes: OwnedAttributes = OwnedAttributes()
    references: tuple[Text, ...] = ()

    def to_character(self) -> Character:
        """The same character in the detectors' words."""
        return Character(self.name, self.trigger, Attributes(**self.attributes.model_dump()), self.references)


class Scenario(Strict):
    """One prompt and what its pictures have to show.

    ``prompt`` is complete: nothing is put in front of it or behind it. ``below`` names who carries or is sat upon in a
    pose with roles. ``change`` says what the prompt asks to be different from what a character owns, for
    ``follow_through``. ``bystanders`` allows people outside the cast, such as a crowd. ``crossing`` says whether hands
    cross the other one's body, where the pose does not say it rightly. ``variant_of`` names a scenario that asks for
    the same picture in other words: their hit rates are compared.
    """

    name: Name
    prompt: Text
    cast: tuple[Name, ...] = Field(min_length=1, max_length=MAX_CAST)
    pose: Pose | None = None
    below: Name | None = None
    contact: bool = False
    distance: Distance = "middle"
    bystanders: bool = False
    change: dict[Name, Changed] = Field(default_factory=dict)
    checks: tuple[CheckName, ...] = Field(min_length=1)
    crossing: bool | None = None
    variant_of: Name | None = None

    @property
    def has_crossing(self) -> bool:
        """Whether hands cross the other one's body: as the suite says, else as the pose does."""
        return self.pose in CROSSING_POSES if self.crossing is None else self.crossing


class SuiteGeneration(Strict):
    """How pictures are made. The defaults are the Turbo settings at the miniature's size."""

    steps: int = Field(default=8, ge=1, le=200)
    guidance: float = Field(default=1.0, ge=0.0, le=30.0)
    sampler: Name = "er_sde"
    schedule: Name = "simple"
    width: Side = 256
    height: Side = 256
    negative_prompt: str = Field(default="", max_length=2000)


class Suite(Strict):
    """A suite file: which pictures to make of every checkpoint, and what to look at in them.

    ``pinned_seeds`` are known hard ones: they are drawn and shown, and kept out of every rate. ``severities`` say what
    one image costs by its worst fault, 0 to 1; those left out keep their usual cost.
    """

    name: Name
    version: int = Field(ge=1)
    description: str = Field(default="", max_length=2000)
    characters: tuple[SuiteCharacter, ...] = Field(min_length=1)
    scenarios: tuple[Scenario, ...] = Field(min_length=1, max_length=200)
    seeds: tuple[Seed, ...] = Field(min_length=1, max_length=1000)
    pinned_seeds: tuple[Seed, ...] = Field(default=(), max_length=100)
    severities: dict[SeverityName, Cost] = Field(default_factory=dict)
    generation: SuiteGeneration = SuiteGeneration()

    @model_validator(mode="after")
    def _rules(self) -> Self:
        problems = [
            *_duplicates(self),
            *_scenario_problems(self),
            *_variant_problems(self),
            *_pinned_problems(self),
        ]
        if problems:
            raise RuleError(problems)
        return self

    @property
    def checks(self) -> tuple[str, ...]:
        """Every check that a scenario asks for, in alphabetical order."""
        return tuple(sorted({check for scenario in self.scenarios for check in scenario.checks}))

    def scenario(self, name: str) -> Scenario:
        """The scenario of that name.

        Raises:
            KeyError: if the suite has none; the message lists those it has.
        """
        for scenario in self.scenarios:
            if scenario.name == name:
                return scenario
        raise KeyError(
            f"suite {self.name} has no scenario {name!r}; it has {', '.join(s.name for s in self.scenarios)}"
        )

    def expectation(self, scenario_name: str) -> Expectation:
        """What a picture of that scenario should show, in the detectors' words.

        Raises:
            KeyError: if the suite has no such scenario.
        """
        scenario = self.scenario(scenario_name)
        characters = {character.name: character.to_character() for character in self.characters}
        return Expectation(
            cast=tuple(characters[name] for name in scenario.cast),
            pose=scenario.pose,
            contact=scenario.contact,
            distance=scenario.distance,
            checks=scenario.checks,
            others=tuple(other for name, other in characters.items() if name not in scenario.cast),
            below=scenario.below,
            changes=tuple(
                Change(name, attribute, value)
                for name, changed in scenario.change.items()
                for attribute, value in changed.stated().items()
            ),
            bystanders=scenario.bystanders,
        )

    def cells(self) -> list[tuple[Scenario, int]]:
        """Every (scenario, seed) of one checkpoint, in the suite's own order, by scenario, pinned seeds last."""
        seeds = list(dict.fromkeys((*self.seeds, *self.pinned_seeds)))
        return [(scenario, seed) for scenario in self.scenarios for seed in seeds]

    def override(self, **settings: Any) -> Suite:
        """The same suite with other generation settings, such as ``width=1024, height=1024`` for full-size Anima.

        Raises:
            pydantic.ValidationError: if a setting is unknown or out of range.
        """
        generation = {**self.generation.model_dump(), **settings}
        return self.model_copy(update={"generation": SuiteGeneration.model_validate(generation)})

    @property
    def content_hash(self) -> str:
        """SHA-256 (hex) of everything that decides pictures and findings.

        The description does not count, nor does the layout of the file. Reference pictures count by their bytes, so
        that the hash is the same wherever they lie.
        """
        content = self.model_dump(mode="json", exclude={"description"})
        for character in content["characters"]:
            character["references"] = [_file_hash(Path(path)) for path in character["references"]]
        canonical = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _duplicates(suite: Suite) -> list[Problem]:
    columns: list[tuple[str, str, list[Any]]] = [
        ("characters", "name", [character.name for character in suite.characters]),
        ("characters", "trigger", [character.trigger.casefold() for character in suite.characters]),
        ("scenarios", "name", [scenario.name for scenario in suite.scenarios]),
        ("seeds", "", list(suite.seeds)),
        ("pinned_seeds", "", list(suite.pinned_seeds)),
    ]
    return [
        ((field, index, *([key] if key else [])), f"{value!r} is there twice")
        for field, key, values in columns
        for index, value in enumerate(values)
        if value in values[:index]
    ]


def _scenario_problems(suite: Suite) -> list[Problem]:
    triggers = {character.name: character.trigger for character in suite.characters}
    problems: list[Problem] = []
    for index, scenario in enumerate(suite.scenarios):
        place: tuple[str | int, ...] = ("scenarios", index)
        for member, name in enumerate(scenario.cast):
            if name not in triggers:
                known = ", ".join(triggers)
                problems.append(((*place, "cast", member), f"no character is called {name!r}; there are {known}"))
        if len(set(scenario.cast)) < len(scenario.cast):
            problems.append(((*place, "cast"), "names a character twice"))
        for name, trigger in triggers.items():
            written = _has_word(scenario.prompt, trigger)
            if written != (name in scenario.cast):
                fault = (
                    "has the trigger of a character outside the cast" if written else "lacks the trigger of its cast"
                )
                problems.append(((*place, "prompt"), f"{fault}: {trigger!r} of {name}"))
        rules = [*_pose_problems(scenario), *_change_problems(scenario)]
        problems += [((*place, *field), message) for field, message in rules]
    return problems


def _variant_problems(suite: Suite) -> list[Problem]:
    problems: list[Problem] = []
    known = {scenario.name: scenario for scenario in suite.scenarios}
    for index, scenario in enumerate(suite.scenarios):
        place = ("scenarios", index, "variant_of")
        original = known.get(scenario.variant_of or scenario.name)
        if original is None or scenario.variant_of == scenario.name:
            problems.append((place, f"no other scenario is called {scenario.variant_of!r}"))
        elif scenario.variant_of and original.variant_of:
            problems.append((place, f"{original.name!r} is itself a variant: name {original.variant_of!r}"))
        elif original.pose != scenario.pose:
            problems.append((place, f"{original.name!r} asks for another pose, so this is no variant of it"))
    return problems


def _pinned_problems(suite: Suite) -> list[Problem]:
    return [
        (("pinned_seeds", index), f"{seed} is among the seeds too; a pinned seed is in no rate: keep it in one list")
        for index, seed in enumerate(suite.pinned_seeds)
        if seed in suite.seeds
    ]


def _pose_problems(scenario: Scenario) -> list[Problem]:
    problems: list[Problem] = []
    if scenario.pose in PAIR_POSES and len(scenario.cast) < 2:
        problems.append((("pose",), f"{scenario.pose!r} needs two characters in the cast"))
    if scenario.contact and len(scenario.cast) < 2:
        problems.append((("contact",), "contact needs two characters in the cast"))
    if scenario.below and scenario.pose not in ROLE_POSES:
        problems.append((("below",), f"only {', '.join(sorted(ROLE_POSES))} have somebody below"))
    elif scenario.below and scenario.below not in scenario.cast:
        problems.append((("below",), f"{scenario.below!r} is not in the cast"))
    if "pose" in scenario.checks and scenario.pose is None:
        problems.append((("checks", scenario.checks.index("pose")), "'pose' needs the scenario to name a pose"))
    for index, check in enumerate(scenario.checks):
        if check in scenario.checks[:index]:
            problems.append((("checks", index), f"{check!r} is there twice"))
        if check in CONTACT_CHECKS and not scenario.contact:
            problems.append(
                (("checks", index), f"{check!r} looks at bodies that touch: set contact: true or leave it out")
            )
    return problems


def _change_problems(scenario: Scenario) -> list[Problem]:
    problems: list[Problem] = []
    for name, changed in scenario.change.items():
        if name not in scenario.cast:
            problems.append((("change", name), f"{name!r} is not in the cast"))
        if not changed.stated():
            problems.append((("change", name), "says nothing that changes"))
    if "follow_through" in scenario.checks and not scenario.change:
        index = scenario.checks.index("follow_through")
        problems.append((("checks", index), "'follow_through' needs change: to say what the prompt asks for"))
    return problems


def _has_word(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None
