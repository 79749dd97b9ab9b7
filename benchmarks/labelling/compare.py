"""The detectors against labels on generated pictures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.accuracy.measure import Counts, answer_of, figures
from benchmarks.detectors.answers import BLEED, HERSELF
from benchmarks.labelling.assigning import ANSWERS, ATTRIBUTES, KANA, KEI, KINDS, WhoIsWho, cast_by_labels, side_of
from benchmarks.labelling.cells import LabelledCell
from benchmarks.labelling.labels import BROKEN, SIDES, UNSURE, Row, completed
from detectors import DetectorSet, Finding, Verdict
from detectors.context import Context, Person
from detectors.expectations import Character, Expectation, changed
from detectors.vocabulary import AHOGE_STATES, EYE_COLORS, HAIR_COLORS, HAIR_LENGTHS
from service.rankings import wilson
from service.suites import Suite

READINGS = {
    "hair": ("hair_color", HAIR_COLORS),
    "length": ("hair_length", HAIR_LENGTHS),
    "ahoge": ("ahoge", AHOGE_STATES),
    "eyes": ("eye_color", EYE_COLORS),
}
"""Question about one person -> the head network's own question, and its answers in order."""
Contest = tuple[str, int | None]
_AHOGE_TRUTH = {
    "ahoge_bleed": {"none": "holds", "tuft": "minor", "ahoge": "fails"},
    "ahoge_missing": {"none": "fails", "tuft": "minor", "ahoge": "holds"},
}
_LIMBS_TRUTH = {"whole": "holds", "extra": "fails", "missing": "fails"}
BODY_FIGURES = (
    ("fusion", "fusion", ("fails",)),
    ("hands", "hands", BROKEN),
    ("hands_lost", "hands", ("lost",)),
    ("hands_fused", "hands", ("fused",)),
    ("limbs", "limbs", ("fails",)),
)
"""(name, check, what is positive) of bodies and hands, also told run by run."""


@dataclass
class Compared:
    """What was counted.

    Attributes:
        counts: verdicts against truth, by check.
        readings: (question, label, what the head network says) by count.
        pictures: how many were compared.
        heads: labelled people, and how many of them have a head that was read.
        who: who is who, and the kind of assignment.
        verdicts: (run, epoch) -> for each picture, (verdict, whether it really fails) of every labelled finding.
    """

    counts: Counts = field(default_factory=Counts)
    readings: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    pictures: int = 0
    heads: tuple[int, int] = (0, 0)
    who: WhoIsWho = field(default_factory=WhoIsWho)
    verdicts: dict[Contest, list[list[tuple[Verdict, bool]]]] = field(default_factory=dict)

    def add(self, label: Row, context: Context, findings: Sequence[Finding], contest: Contest = ("", None)) -> None:
        """Count one picture of a checkpoint (run, epoch)."""
        self.pictures += 1
        label = completed(label)
        self.who.add(label, context)
        picture: list[tuple[Verdict, bool]] = []
        for check, character, truth in truths(label, context):
            for finding in findings:
                if (finding.check, finding.character) == (check, character):
                    for tag in {"", contest[0]}:
                        self.counts.answers[tag, check, truth, answer_of(finding)] += 1
                    picture.append((finding.verdict, truth in ("fails", *BROKEN)))
        self.verdicts.setdefault(contest, []).append(picture)
        for finding in findings:
            if finding.check == "pose" and label["pose"] not in (UNSURE, "solo") and "came_out" in finding.evidence:
                self.readings["pose", label["pose"], str(finding.evidence["came_out"])] += 1
        seen = from_left(context.people)
        labelled = [side for side in SIDES if label[f"{side}_hair"] != "absent"]
        read = len(seen) == len(labelled)
        self.heads = (self.heads[0] + len(labelled), self.heads[1] + len(labelled) * read)
        if not read:
            return
        for side, person in zip(labelled, seen, strict=True):
            for question, (name, words) in READINGS.items():
                wanted = label[f"{side}_{question}"]
                if wanted != UNSURE and person.head is not None:
                    answer = words[int(np.argmax(person.head.answers[name]))]
                    self.readings[question, wanted, answer] += 1


def from_left(people: Sequence[Person]) -> list[Person]:
    """Those with a head that was read, by where the head is."""
    seen = [person for person in people if person.head is not None and person.head.answers]
    return sorted(seen, key=lambda person: person.head.box[0] + person.head.box[2] if person.head else 0.0)


def truths(label: Row, context: Context) -> list[tuple[str, str | None, str]]:
    """(check, character, right answer) for every check that the labels answer and the scenario asks for."""
    cast = [character.name for character in context.expectation.cast]
    found: list[tuple[str, str | None, str]] = []
    if there := cast_by_labels(label, context.expectation):
        found.append(("cast", None, there))
    if label["fusion"] != UNSURE:
        found.append(("fusion", None, "fails" if label["fusion"] == "yes" else "holds"))
    for check, name in (("ahoge_bleed", KEI), ("ahoge_missing", KANA)):
        state = label.get(f"{side_of(label, name, cast)}_ahoge", UNSURE)
        if name in cast and state in _AHOGE_TRUTH[check]:
            found.append((check, name, _AHOGE_TRUTH[check][state]))
    for character in context.expectation.cast:
        side = side_of(label, character.name, cast)
        if side is not None:
            found += _worn(label, side, character, context.expectation)
            if label[f"{side}_hands"] not in (UNSURE, "absent"):
                found.append(("hands", character.name, label[f"{side}_hands"]))
            if label.get(f"{side}_limbs", UNSURE) in _LIMBS_TRUTH:
                found.append(("limbs", character.name, _LIMBS_TRUTH[label[f"{side}_limbs"]]))
    asked = context.expectation
    if label["pose"] != UNSURE and label["people"] == str(len(cast)) and label["fusion"] == "no" and len(cast) > 1:
        if label["pose"] != asked.pose:
            found.append(("pose", None, "fails"))
        elif asked.below is None:  # who carries whom is not labelled
            found.append(("pose", None, "holds"))
    return found


def _worn(label: Row, side: str, character: Character, expectation: Expectation) -> list[tuple[str, str | None, str]]:
    """What the labels say about bleed, identity and following, by the definitions the drawings are judged by."""
    seen = {attribute: label[f"{side}_{question}"] for attribute, question in ATTRIBUTES.items()}
    asked = expectation.changed(character.name)
    found: list[tuple[str, str | None, str]] = []
    for check, attributes in BLEED.items():
        if any(seen[name] == UNSURE for name in attributes):
            continue
        foreign = {name: _foreign(character, expectation, name) for name in attributes}
        if any(foreign.values()):
            bled = any(seen[name] in foreign[name] for name in attributes)
            found.append((check, character.name, "fails" if bled else "holds"))
    if UNSURE in seen.values():
        return found
    own = _share(seen, character, expectation)
    nearest = max((_share(seen, rival, expectation) for rival in expectation.rivals(character.name)), default=0.0)
    if own <= HERSELF or nearest > own:
        found.append(("identity", character.name, "fails"))
    elif own == 1.0:
        found.append(("identity", character.name, "holds"))
    missed = [name for name, word in asked.items() if seen[name] != word]
    if asked:
        kept = all(seen[name] in character.attributes.values(name) for name in missed)
        found.append(("follow_through", character.name, "holds" if not missed else "fails" if kept else "minor"))
    return found


def _foreign(character: Character, expectation: Expectation, attribute: str) -> set[str]:
    """Values of an attribute that somebody else of the suite owns, and neither she nor the prompt."""
    own = {*character.attributes.values(attribute), expectation.changed(character.name).get(attribute)}
    return {v for rival in expectation.rivals(character.name) for v in rival.attributes.values(attribute)} - own


def _share(seen: Mapping[str, str], character: Character, expectation: Expectation) -> float:
    """Share of a character's attributes, as asked for, that are seen."""
    attributes = changed(character.attributes, expectation.changed(character.name))
    return sum(word in attributes.values(name) for name, word in seen.items()) / len(seen)


def compare(
    cells: Sequence[LabelledCell],
    labels: Mapping[int, Row],
    pictures: Path,
    detectors: DetectorSet,
    suite: Suite,
    batch: int = 8,
) -> Compared:
    """Judge every labelled picture and count."""
    compared = Compared()
    wanted = [cell for cell in cells if cell.number in labels]
    for start in range(0, len(wanted), batch):
        part = wanted[start : start + batch]
        images = [np.asarray(Image.open(pictures / cell.name).convert("RGB")) for cell in part]
        contexts = detectors.look(images, [suite.expectation(cell.scenario) for cell in part])
        for cell, context in zip(part, contexts, strict=True):
            compared.add(labels[cell.number], context, detectors.judge(context), (cell.run, cell.epoch))
    return compared


def by_checkpoint(compared: Compared) -> list[dict[str, Any]]:
    """For each checkpoint how many pictures fail by the labels and by the machine, on the labelled findings."""
    rows = []
    for (run, epoch), pictures in compared.verdicts.items():
        judged = [picture for picture in pictures if picture]
        true = sum(any(fails for _, fails in picture) for picture in judged)
        said = sum(any(verdict is Verdict.FAILS for verdict, _ in picture) for picture in judged)
        facts = {"run": run, "epoch": epoch, "pictures": len(judged)}
        rows.append({**facts, "labelled": true, "interval": wilson(true, len(judged)), "machine": said})
    return sorted(rows, key=lambda row: row["labelled"] / max(row["pictures"], 1))


def order_agrees(rows: Sequence[Mapping[str, Any]]) -> float | None:
    """Kendall's tau-b between the checkpoints' order by the labels and by the machine."""
    from scipy.stats import kendalltau

    if len(rows) < 2:
        return None
    true, said = ([row[name] / max(row["pictures"], 1) for row in rows] for name in ("labelled", "machine"))
    tau = float(kendalltau(true, said).statistic)
    return None if np.isnan(tau) else tau


def summary(compared: Compared) -> dict[str, Any]:
    """Everything that ``--json`` prints: figures by check, and how often a head was read as it was labelled."""
    names = ("cast", "fusion", *_AHOGE_TRUTH, *BLEED, "identity", "pose", "follow_through")
    checks = {check: figures(compared.counts, check, ["fails"]) for check in names}
    checks |= {name: figures(compared.counts, check, positive) for name, check, positive in BODY_FIGURES}
    checks |= compared.who.checks()
    readings = {}
    for question in (*READINGS, "pose"):
        rows = {(wanted, answer): n for (q, wanted, answer), n in compared.readings.items() if q == question}
        right, n = sum(count for (wanted, answer), count in rows.items() if wanted == answer), sum(rows.values())
        wrong = {f"{wanted} read as {answer}": count for (wanted, answer), count in rows.items() if wanted != answer}
        readings[question] = {
            "right": right,
            "n": n,
            "interval": wilson(right, n),
            "wrong": dict(sorted(wrong.items())),
        }
    return {
        "images": compared.pictures,
        "people_labelled": compared.heads[0],
        "people_read": compared.heads[1],
        "checks": checks,
        "runs": {
            run: {name: figures(compared.counts, check, positive, run) for name, check, positive in BODY_FIGURES}
            for run in sorted({run for run, _ in compared.verdicts} - {""})
        },
        "hands": {
            f"{t}: {a}": n for (tag, c, t, a), n in sorted(compared.counts.answers.items()) if c == "hands" and not tag
        },
        "assignment": compared.who.summary(),
        "readings": readings,
        "checkpoints": (ranked := by_checkpoint(compared)),
        "order": order_agrees(ranked),
    }


def markdown(result: Mapping[str, Any]) -> str:
    """The tables for RESULTS.md."""
    number, span = _number, _span
    head = ["precision | recall | F1 | faults of n | not measurable |", "---|---|---|---|---|"]

    def told(name: str, f: Mapping[str, Any]) -> str:
        parts = (("precision", "precision_interval"), ("recall", "interval"), ("f1", "f1_interval"))
        values = " | ".join(number(f[value]) + span(f[interval]) for value, interval in parts)
        few = "" if f["enough"] else " (few)"
        return f"| {name} | {values} | {f['positives']} of {f['n']}{few} | {f['not_measurable']} |"

    lines = ["| check | " + head[0], "|---|" + head[1]]
    lines += [told(name, f) for name, f in result["checks"].items() if f["n"]]
    lines += ["", "| run and check | " + head[0], "|---|" + head[1]]
    lines += [told(f"{run}: {name}", f) for run, each in result["runs"].items() for name, f in each.items() if f["n"]]
    lines += ["", "Hands, label: verdict, count: " + ", ".join(f"{words} {n}" for words, n in result["hands"].items())]
    lines += _assignment(result["assignment"])
    lines += ["", "| read on heads | right | wrong |", "|---|---|---|"]
    for name, f in result["readings"].items():
        wrong = "; ".join(f"{words}: {count}" for words, count in f["wrong"].items()) or "none"
        share = number(f["right"] / f["n"] if f["n"] else None) + span(f["interval"])
        lines.append(f"| {name} | {share}, {f['right']} of {f['n']} | {wrong} |")
    lines += ["", "| checkpoint | pictures | fail by the labels | by the machine |", "|---|---|---|---|"]
    for row in result["checkpoints"]:
        name = row["run"] if row["epoch"] is None else f"{row['run']} epoch {row['epoch']}"
        n = max(row["pictures"], 1)
        true = number(row["labelled"] / n) + span(row["interval"])
        lines.append(f"| {name} | {row['pictures']} | {true} | {number(row['machine'] / n)} |")
    lines += ["", f"Order of the checkpoints, labels against machine: Kendall's tau {number(result['order'])}."]
    return "\n".join(lines)


def _assignment(told: Mapping[str, Any]) -> list[str]:
    """Who is who, in words and as a table of kinds."""
    kei, kind = told["kei"], told["kind"]
    lines = [
        "",
        f"Who is Kei, of two of whom the labels say it: right {_number(kei['share'])}{_span(kei['interval'])} of "
        f"{kei['n']}, the other one {kei['wrong']}, unmatched {kei['unmatched']}. Kind of assignment: right "
        f"{_number(kind['share'])}{_span(kind['interval'])} of {kind['n']}; of {told['left_out']} pictures the labels "
        "leave open whether they are clear.",
        "",
        "| assignment: truth | " + " | ".join(f"said {answer}" for answer in ANSWERS) + " |",
        "|---|" + "---|" * len(ANSWERS),
    ]
    for truth in KINDS:
        cells = (str(told["kinds"].get(f"{truth}: {answer}", 0)) for answer in ANSWERS)
        lines.append(f"| {truth} | " + " | ".join(cells) + " |")
    return lines


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _span(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}]"
