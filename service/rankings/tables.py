"""Seed by epoch: one check in one scenario, image by image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from detectors.findings import Severity
from service.rankings.outcomes import CellOutcome, Judgement, State, judge


@dataclass(frozen=True)
class SeedTable:
    """What became of one check, for every seed (row) and epoch (column) of one run and scenario.

    ``words`` maps (seed, epoch) to ``holds``, ``minor``, ``fails``, ``fused``, ``lost``, ``not measurable`` or
    ``invalid``; a cell without an image, or whose image was not asked this check, is absent.
    """

    run: str
    scenario: str
    check: str
    character: str | None
    seeds: tuple[int, ...]
    epochs: tuple[int | None, ...]
    words: Mapping[tuple[int, int | None], str]

    def rows(self) -> list[list[str]]:
        """The table as text, a header first; an absent cell is a dash."""
        header = ["seed", *("-" if epoch is None else f"epoch {epoch}" for epoch in self.epochs)]
        return [
            header,
            *([str(seed), *(self.words.get((seed, epoch), "-") for epoch in self.epochs)] for seed in self.seeds),
        ]

    def to_json(self) -> dict[str, Any]:
        """The table as plain JSON values, one list of words per seed."""
        return {
            "run": self.run,
            "scenario": self.scenario,
            "check": self.check,
            "character": self.character,
            "epochs": list(self.epochs),
            "seeds": {str(seed): [self.words.get((seed, epoch)) for epoch in self.epochs] for seed in self.seeds},
        }


def seed_table(
    outcomes: Iterable[CellOutcome], run: str, scenario: str, check: str, character: str | None = None
) -> SeedTable:
    """Lay one check out by seed and epoch, such as the hands in the piggyback.

    Seeds keep the order in which they first appear; epochs ascend, an unknown epoch last.
    """
    words: dict[tuple[int, int | None], str] = {}
    seeds: dict[int, None] = {}
    epochs: set[int | None] = set()
    for outcome in outcomes:
        if (outcome.run, outcome.scenario) != (run, scenario):
            continue
        seeds[outcome.seed] = None
        epochs.add(outcome.epoch)
        asked = any(row.check == check and character in (None, row.character) for row in outcome.findings)
        if asked or outcome.invalid or check in outcome.expected:
            words[outcome.seed, outcome.epoch] = state_word(judge(outcome, check, character))
    ordered = sorted(epochs, key=lambda epoch: (epoch is None, epoch or 0))
    return SeedTable(run, scenario, check, character, tuple(seeds), tuple(ordered), words)


def state_word(judgement: Judgement) -> str:
    """One word for people: a failure is called by its kind where it has one."""
    if judgement.state is State.FAILS and judgement.severity in (Severity.LOST, Severity.FUSED):
        return str(judgement.severity)
    return judgement.state.replace("_", " ")
