"""What a profile is: which models look at a picture, and by which method each check is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from detectors.checks.base import Check
from detectors.errors import MissingWeights
from detectors.expectations import Expectation
from detectors.thresholds import Thresholds
from detectors.weights import entry, place, verify

if TYPE_CHECKING:
    from detectors.context import Context

Image = NDArray[np.uint8]


class Sees(Protocol):
    """The loaded models of a profile."""

    def look(self, images: Sequence[Image], expectations: Sequence[Expectation]) -> list[Context]:
        """The shared intermediate results of each image of a batch: (H, W, 3) RGB, 8 bit, of any size."""


@dataclass(frozen=True)
class Clip:
    """An open_clip model that takes the place of the profile's own.

    Attributes:
        model: open_clip's name of the architecture, such as ``ViT-B-32``.
        weights: its weights, a safetensors file.
    """

    model: str
    weights: Path


@dataclass(frozen=True)
class Method:
    """How a profile answers one check.

    Attributes:
        how: the models and the method, in one line for people.
        models: names of the weights that the answer depends on.
        measured: where its error on pictures of the profile's own domain is measured; empty if it is not, and then its
            rates are *unverified*.
    """

    how: str
    models: tuple[str, ...] = ()
    measured: str = ""


@dataclass(frozen=True)
class Setting:
    """What a profile's models are opened with; ``files`` are by name, optional ones only if they are there."""

    files: Mapping[str, Path]
    thresholds: Thresholds
    device: str = "cpu"
    clip: Clip | None = None


@dataclass(frozen=True)
class Profile:
    """A set of models for one kind of picture.

    Attributes:
        name: what it is called on the command line.
        domain: the pictures it is made for, in words.
        methods: how each check is answered; a check that is not among them is not measurable.
        checks: the detectors that give the answers.
        opens: loads the models.
        weights: names of the weights it cannot do without.
        optional: names of weights it uses where they are.
        missing: why a check of the list is not measurable, by check.
        bases: base models whose pictures are the profile's own domain; empty if any may be.
        clip: name of the weights that an open_clip model of the user's choice takes the place of.
    """

    name: str
    domain: str
    methods: Mapping[str, Method]
    checks: tuple[type[Check], ...]
    opens: Callable[[Setting], Sees]
    weights: tuple[str, ...]
    optional: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    bases: tuple[str, ...] = ()
    clip: str = ""

    @property
    def ships(self) -> bool:
        """Whether its weights come with the package."""
        return all(entry(name).shipped for name in self.weights)

    def locate(self, folder: Path | None, clip: bool = False) -> dict[str, Path]:
        """Where its weights lie, each the file that was published or used before.

        Args:
            folder: a folder to take them from instead of their usual places; optional files may be missing in it.
            clip: whether a CLIP model of the user's choice takes the place of the profile's own.

        Raises:
            MissingWeights: some are not there; names all of them, with what to do.
            ChangedWeights: one is another file than it was.
        """
        needed = tuple(name for name in self.weights if not (clip and name == self.clip))
        found = {name: self._place(name, folder) for name in (*needed, *self.optional)}
        absent = [name for name in needed if not found[name].is_file()]
        if absent:
            raise MissingWeights(self._complaint({name: found[name] for name in absent}))
        there = {name: path for name, path in found.items() if path.is_file()}
        for name, path in there.items():
            verify(entry(name), path)
        return there

    def _place(self, name: str, folder: Path | None) -> Path:
        item = entry(name)
        inside = folder / item.file if folder else place(item)
        if not inside.is_file() and item.instead and inside.with_name(item.instead).is_file():
            return inside.with_name(item.instead)
        return inside if inside.is_file() or name not in self.optional else place(item)

    def _complaint(self, absent: Mapping[str, Path]) -> str:
        items = {name: entry(name) for name in absent}
        if self.ships:
            paths = ", ".join(str(path) for path in absent.values())
            return f"the detector weights are not there: {paths}; put the files there"
        lines = [f"\n  {item.source} as {absent[name]}" for name, item in items.items()]
        return (
            f"the profile {self.name} lacks {len(absent)} of its {len(self.weights)} model files; run `bleedcheck "
            f"weights fetch --profile {self.name}`, or save by hand:{''.join(lines)}"
        )


def unverified(profile: Profile, base: str | None = None) -> tuple[str, ...]:
    """The checks whose error was never measured on pictures of this kind, so that their rates must say so.

    Args:
        profile: the profile that answers.
        base: the base model the pictures come from, if known; with a foreign one nothing is verified.
    """
    foreign = bool(profile.bases) and base is not None and base not in profile.bases
    return tuple(name for name, method in profile.methods.items() if foreign or not method.measured)
