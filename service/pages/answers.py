"""What the page of an evaluation shows, drawn from the leaderboard as the API gives it: the same numbers in both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.rankings import CONTROL, how_sure, percent, shown_standing
from service.rankings.schemas import RunOut
from service.reports.keepers import Baking, bakings
from service.reports.wording import check_label

Entry = Mapping[str, Any]
"""A checkpoint of the leaderboard's JSON."""


USES = (
    ("all", "everything in the suite"),
    ("hard-contact", "hard contact with crossing hands"),
    ("no-crossing", "standing, hugs and solo"),
)
"""What checkpoints can be wanted for, by the name the leaderboard takes."""


ENDINGS = {
    "leader": "Decided: use this checkpoint",
    "tie": "A tie: take any of them",
    "budget spent": "The budget is spent, best guess",
}
"""How an evaluation in rounds ended."""


CAUSE_WORDS = {
    "systematic": "systematic: this checkpoint",
    "occasional": "occasional: the seed",
    "base": "the base: fails without the LoRA too",
}


@dataclass(frozen=True)
class Loss:
    """What a checkpoint loses images on: a check, on whom, and how often."""

    check: str
    character: str | None
    images: int

    @property
    def text(self) -> str:
        """In words, such as ``hands (Kei)``."""
        return f"{check_label(self.check)}{f' ({self.character})' if self.character else ''}"


@dataclass(frozen=True)
class BoardRow:
    """A checkpoint on the leaderboard: its place, how it stands to the recommended one, and what it loses on.

    ``out``: it was dropped from a race, has fewer images than those that stayed, and therefore no place.
    """

    rank: int
    label: str
    entry: Entry
    standing: str
    comparison: Mapping[str, Any] | None
    losses: tuple[Loss, ...]
    chosen: bool
    out: bool = False

    @property
    def measured(self) -> int:
        """Images with a verdict."""
        return measured(self.entry)


@dataclass(frozen=True)
class RateTable:
    """Checkpoints down, something they are counted by across; a place that does not apply is ``None``."""

    key: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[Mapping[str, Any] | None, ...]], ...]
    """Label, ``chosen`` or ``control`` or nothing, and a tally for each column."""


@dataclass(frozen=True)
class Answer:
    """Everything the page says about the results there are so far."""

    board: Mapping[str, Any]
    chosen: BoardRow | None
    rows: tuple[BoardRow, ...]
    control: Entry | None
    tied: int
    tables: tuple[RateTable, ...]
    chart: Mapping[str, Any]
    audits: Mapping[str, Any] | None = None

    @property
    def sentences(self) -> list[str]:
        """The answer in words; the sentence that only names the checkpoint is the page's heading instead.

        An evaluation in rounds begins with how it ended, and that is no heading.
        """
        said: list[str] = self.board.get("summary") or self.board["recommendation"]["sentences"]
        ended = (self.board.get("decision") or {}).get("sentences", [])
        return [*ended, *said[len(ended) + 1 :]] if self.chosen else said

    @property
    def kicker(self) -> str:
        """How sure the answer is, in a few words."""
        decision = self.board.get("decision")
        if self.chosen is None:
            return "No recommendation yet"
        if decision is not None:
            return ENDINGS.get(decision["ended"], "Not decided yet, best so far")
        leads = _leader(self.board["recommendation"]) == _key(self.chosen.entry)
        return how_sure(self.tied, leads, self.alone)

    @property
    def use(self) -> str:
        """What the checkpoints are wanted for."""
        return str(self.board.get("use", "all"))

    @property
    def alone(self) -> bool:
        """Whether there is one checkpoint only, which is sure to be the best of them and says nothing."""
        return len(self.rows) == 1

    @property
    def certainty(self) -> float | None:
        """Probability that the recommended checkpoint costs least, 0..1."""
        return self.chosen.entry.get("p_best") if self.chosen and not self.alone else None

    @property
    def causes(self) -> list[Mapping[str, Any]]:
        """Whose fault the recommended checkpoint's failures are: the most frequent failures first."""
        return sorted(self.board.get("causes", ()), key=lambda each: -each["rate"])

    @property
    def good_pictures(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Per scenario, how often the recommended checkpoint gives a picture without any fault; hardest first."""
        found = self.chosen.entry.get("good_pictures", {}) if self.chosen else {}
        return sorted(found.items(), key=lambda item: item[1]["chance"] if item[1]["chance"] is not None else 2.0)

    @property
    def bakings(self) -> tuple[Baking, ...]:
        """Run by run, how looks lock and whether asked changes are still followed."""
        runs = {run: RunOut.model_validate(part) for run, part in self.board.get("by_run", {}).items()}
        return bakings(runs, _key(self.chosen.entry) if self.chosen else None)

    @property
    def worse(self) -> list[BoardRow]:
        """Checkpoints that fail more often than chance explains."""
        return [row for row in self.rows if row.standing == "worse"]

    @property
    def judged(self) -> int:
        """Checkpoints' images with a verdict."""
        return sum(row.measured for row in self.rows)


def build_answer(board: Mapping[str, Any]) -> Answer:
    """From the leaderboard's JSON to what the page shows."""
    advice = board["recommendation"]
    rows = _rows(board["leaderboard"], advice, board.get("decision"))
    by_training = sorted(rows, key=lambda row: (row.entry["run"], row.entry["epoch"] is None, row.entry["epoch"] or 0))
    return Answer(
        board=board,
        chosen=next((row for row in rows if row.chosen), None),
        rows=rows,
        control=board["control"],
        tied=len(advice["tied_with"]),
        tables=_tables(by_training, board["control"]),
        chart=_chart(by_training, board["control"], board.get("onsets", ())),
        audits=board.get("audits"),
    )


def label_of(entry: Entry) -> str:
    """What people call a checkpoint: ``v2 epoch 140``."""
    if entry["run"] == CONTROL:
        return "no LoRA"
    return str(entry["run"]) if entry["epoch"] is None else f"{entry['run']} epoch {entry['epoch']}"


def measured(tally: Mapping[str, Any]) -> int:
    """Images with a verdict."""
    return int(tally["fails"] + tally["minor"] + tally["holds"])


def _rows(
    entries: Sequence[Entry], advice: Mapping[str, Any], decision: Mapping[str, Any] | None
) -> tuple[BoardRow, ...]:
    chosen, leader = _key(advice), _leader(advice)
    tied = bool(advice["tied_with"])
    comparisons = {_key(each): each for each in advice["comparisons"]}
    racing = [_key(each) for each in (decision or {}).get("still_in", ())]  # none before the first round is done
    rows = []
    for rank, entry in enumerate(entries, start=1):
        key = _key(entry)
        comparison = comparisons.get(key)
        standing = shown_standing(str(entry["standing"]), tied, key == leader)
        out = bool(racing) and key not in racing
        rows.append(BoardRow(rank, label_of(entry), entry, standing, comparison, _losses(entry), key == chosen, out))
    return tuple(rows)


def _leader(advice: Mapping[str, Any]) -> tuple[Any, Any] | None:
    """The one with the lowest rate of those that may be recommended."""
    leader = advice.get("leader")
    return _key(leader) if leader else None


def _key(entry: Entry) -> tuple[Any, Any]:
    return entry["run"], entry["epoch"]


def _losses(entry: Entry) -> tuple[Loss, ...]:
    """Failures by check and, where the check is about somebody, by character: most frequent first."""
    people = {
        (check, name): tally
        for name, part in entry.get("characters", {}).items()
        for check, tally in part["checks"].items()
    }
    known = {check for check, _ in people}
    counted = [Loss(check, name, tally["fails"]) for (check, name), tally in people.items()]
    counted += [Loss(check, None, tally["fails"]) for check, tally in entry["checks"].items() if check not in known]
    return tuple(
        sorted((loss for loss in counted if loss.images), key=lambda loss: (-loss.images, loss.check, loss.text))
    )


def _tables(rows: Sequence[BoardRow], control: Entry | None) -> tuple[RateTable, ...]:
    lines = [(row.label, "chosen" if row.chosen else "", row.entry) for row in rows]
    if control:
        lines.append((label_of(control), "control", control))
    checks = _names(entry["checks"] for _, _, entry in lines)
    scenarios = _names(entry["scenarios"] for _, _, entry in lines)
    people = sorted(
        {
            (check, name)
            for _, _, entry in lines
            for name, part in entry["characters"].items()
            for check in part["checks"]
        }
    )
    return (
        _table(
            "checks", "By check", [check_label(name) for name in checks], lines, lambda e: _pick(e["checks"], checks)
        ),
        _table("scenarios", "By scenario", scenarios, lines, lambda e: _pick(e["scenarios"], scenarios)),
        _table(
            "characters",
            "By character",
            [f"{check_label(check)}, {name}" for check, name in people],
            lines,
            lambda e: [e["characters"].get(name, {"checks": {}})["checks"].get(check) for check, name in people],
        ),
    )


def _table(
    key: str, title: str, columns: Sequence[str], lines: Sequence[tuple[str, str, Entry]], pick: Any
) -> RateTable:
    return RateTable(key, title, tuple(columns), tuple((name, kind, tuple(pick(entry))) for name, kind, entry in lines))


def _names(parts: Iterable[Mapping[str, Any]]) -> list[str]:
    return sorted({name for part in parts for name in part})


def _pick(part: Mapping[str, Any], names: Sequence[str]) -> list[Any]:
    return [part.get(name) for name in names]


def _chart(rows: Sequence[BoardRow], control: Entry | None, onsets: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Per run its epochs, and for each of them rate, both ends of the interval, failures and judged images by check.

    ``""`` stands for the whole image. Nothing is drawn where nothing was measured.
    """
    runs: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if row.entry["epoch"] is not None:
            point = {"epoch": row.entry["epoch"], "chosen": row.chosen, "rates": _rates(row.entry)}
            runs.setdefault(row.entry["run"], []).append(point)
    checks = _names(row.entry["checks"] for row in rows)
    return {
        "runs": [{"name": name, "points": points} for name, points in runs.items()],
        "control": _rates(control) if control else {},
        "checks": [{"name": name, "label": check_label(name)} for name in checks],
        "onsets": [
            {"run": each["run"], "check": each["check"], "epoch": each["epoch"], "mode": each["mode"]}
            for each in onsets
            if each["scenario"] is None
        ],
        "summary": _summary(rows),
    }


def _rates(entry: Entry) -> dict[str, list[float]]:
    parts = {"": {**entry, "rate": entry["failure_rate"]}, **entry["checks"]}
    return {
        name: [part["rate"], *part["interval"], part["fails"], measured(part)]
        for name, part in parts.items()
        if part["rate"] is not None and part["interval"] is not None
    }


def _summary(rows: Sequence[BoardRow]) -> str:
    """The chart in a sentence, for those who do not see it."""
    known = [row for row in rows if row.entry["failure_rate"] is not None]
    if not known:
        return "Nothing has been judged yet."
    low = min(known, key=lambda row: row.entry["failure_rate"])
    high = max(known, key=lambda row: row.entry["failure_rate"])
    return (
        f"Failure rate over epochs, lowest {percent(low.entry['failure_rate'])} at {low.label}, "
        f"highest {percent(high.entry['failure_rate'])} at {high.label}. The table below has every figure."
    )
