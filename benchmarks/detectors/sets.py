"""The labelled sets that there are to learn from: what is labelled, and which pictures settle thresholds."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

from benchmarks.labelling.cells import LabelledCell, read_cells
from benchmarks.labelling.ends import LabelledEnd, read_ends, read_labelled_ends
from benchmarks.labelling.labels import read_labels

SETS = Path(__file__).parents[1] / "labelling" / "sets"
LEARNING, FUSED = "learning", "fused"
VALIDATION_SEEDS = {LEARNING: 7004, FUSED: 7105}
"""Pictures of a set's own seed settle thresholds; its others are trained on."""
SUITE = SETS / LEARNING / "suite.yaml"
"""The scenarios of all of these sets."""
Pictures = Mapping[str, Path]
"""Name of a set -> folder of its pictures."""
Answers = tuple[dict[str, str], list[LabelledEnd] | None]
"""Answers about one picture, and its arms' ends; ``None`` where nobody labelled any."""


def labelled_cells(name: str = LEARNING, *, validation: bool) -> list[LabelledCell]:
    """A set's pictures that settle thresholds, or all its others."""
    cells = read_cells(SETS / name / "cells.json")
    return [cell for cell in cells if (cell.seed == VALIDATION_SEEDS[name]) == validation]


def read_answers(name: str = LEARNING) -> dict[int, Answers]:
    """A set's labels by picture number."""
    faults, ends = SETS / name / "faults.csv", SETS / name / "ends.jsonl"
    if ends.is_file():
        return {
            number: (row, labelled) for number, (row, labelled) in read_labelled_ends(faults, read_ends(ends)).items()
        }
    return {number: (row, None) for number, row in read_labels(faults).items()}


def add_pictures(parser: argparse.ArgumentParser, *, required: bool = False) -> None:
    """Let a command line say where the pictures of labelled sets are: ``--pictures learning=FOLDER fused=FOLDER``."""
    parser.add_argument(
        "--pictures",
        nargs="+",
        type=_folder,
        action=_Folders,
        required=required,
        metavar="SET=FOLDER",
        help=f"generated pictures of labelled sets ({', '.join(VALIDATION_SEEDS)}); a folder alone is {LEARNING}'s",
    )


def pictures_flags(pictures: Pictures) -> list[str]:
    """The same command line again."""
    return ["--pictures", *(f"{name}={folder}" for name, folder in pictures.items())]


class _Folders(argparse.Action):
    def __call__(self, parser: object, options: argparse.Namespace, values: object, option: str | None = None) -> None:
        """Keep the pairs as a mapping."""
        setattr(options, self.dest, dict(values))  # type: ignore[call-overload]


def _folder(text: str) -> tuple[str, Path]:
    name, found, folder = text.rpartition("=")
    name = name if found else LEARNING
    if name not in VALIDATION_SEEDS:
        raise argparse.ArgumentTypeError(f"{name!r} is no labelled set to learn from: {', '.join(VALIDATION_SEEDS)}")
    if not Path(folder).is_dir():
        raise argparse.ArgumentTypeError(f"{folder} is no folder with the pictures of {name}")
    return name, Path(folder)
