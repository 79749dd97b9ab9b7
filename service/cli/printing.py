"""What people read: tables and sentences on standard output, remarks on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from service.comparisons.service import Comparison
    from service.composer import PairReport
    from service.evaluations.requests import EvaluationRequest

_WIDTH_OF_LOGS = 140
_PROBLEMS_TOLD = 5
_FLIP_WORDS = {"clear": "fails", "minor": "slightly off"}
_MINIATURE = "The miniature shows that everything works; it is no evidence about real models."


def say(text: str) -> None:
    """A remark for people, on standard error."""
    print(f"bleedcheck: {text}", file=sys.stderr, flush=True)


def print_json(value: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    print(json.dumps(value, ensure_ascii=False, default=str))


def print_table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table with a line for its head."""
    table = Table(pad_edge=False)
    for name in head:
        table.add_column(name, overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(value)) for value in row))
    _console().print(table)


def print_board(result: Mapping[str, Any], suite: str, base: str) -> None:
    """The leaderboard, and which epoch to use and why."""
    console = _console()
    _print_entries(console, result, suite)
    for sentence in result["summary"]:
        console.print(Text(sentence))
    if base == "miniature":
        console.print(Text(_MINIATURE))


def print_comparison(found: Comparison) -> None:
    """Two sides: rates check by check, and the images that flipped."""
    console = _console()
    table = Table(title=f"{found.first.label} against {found.second.label}", title_justify="left", pad_edge=False)
    for name in ("", found.first.label, found.second.label, "difference", "95% interval", "pairs"):
        table.add_column(name, justify="left" if not name else "right")
    for each in found.differences:
        paired = each["paired_difference"]
        interval = each["paired_interval"]
        table.add_row(
            (each["check"] or "whole image").replace("_", " "),
            _percent(each["first"]["rate"]),
            _percent(each["second"]["rate"]),
            "-" if paired is None else f"{100 * paired:+.0f} points",
            "-" if interval is None else f"{100 * interval[0]:+.0f} to {100 * interval[1]:+.0f}",
            str(each["pairs"]),
        )
    console.print(table)
    console.print(Text(f"{found.flipped} of {found.pairs} pairs flipped."))
    for flip in found.flips:
        epoch = "" if flip["epoch"] is None else f", epoch {flip['epoch']}"
        first, second = (_FLIP_WORDS.get(flip[side]["state"], flip[side]["state"]) for side in ("first", "second"))
        told = f"{flip['scenario']}, seed {flip['seed']}{epoch}: {first} -> {second}"
        console.print(Text(told))


def _print_entries(console: Console, result: Mapping[str, Any], suite: str) -> None:
    from service.evaluations.executor import status_words
    from service.rankings import shown_standing  # numpy takes its time, and most commands print no leaderboard

    table = Table(
        title=f"{suite}: {status_words(result['status'], result['failed'])}", title_justify="left", pad_edge=False
    )
    poses = any(entry["pose_hits"] for entry in result["leaderboard"])
    hits = ("pose",) if poses else ()
    head = ("", "run", "epoch", "standing", "failed", "rate", "95% interval", "best", "not judged", *hits, "fails in")
    for name in head:
        table.add_column(name, justify="left" if name in ("run", "standing", "fails in") else "right")
    advice = result["recommendation"]
    leader = advice["leader"] or {}
    for rank, entry in enumerate(result["leaderboard"], start=1):
        leads = (entry["run"], entry["epoch"]) == (leader.get("run"), leader.get("epoch"))
        certain = entry["p_best"] if len(result["leaderboard"]) > 1 else None  # alone it is the best of nothing
        shown = {
            **entry,
            "p_best": certain,
            "standing": shown_standing(entry["standing"], bool(advice["tied_with"]), leads),
        }
        style = "bold" if entry["standing"] == "recommended" else None
        table.add_row(*_row(str(rank), shown, poses, result["unverified"]), style=style)
    if result["control"]:
        table.add_section()
        table.add_row(*_row("", {**result["control"], "run": "no LoRA"}, poses, result["unverified"]), style="dim")
    console.print(table)


def print_answer(result: Mapping[str, Any], request: EvaluationRequest) -> None:
    """The leaderboard, which epoch to use and why, and where the report is."""
    console = _console()
    _print_entries(console, result, request.suite.name)
    for sentence in result["summary"]:
        console.print(Text(sentence))
    for label in result["changing_nothing"]:
        console.print(Text(f"{label} changes nothing: its first image is the base model's own. Was it trained for it?"))
    if result["unverified"]:
        console.print(
            Text(
                f"Unverified: nobody has measured how often the {request.detector_profile} detectors of "
                f"{_names(result['unverified'])} are wrong on such pictures; look at them before you trust a rate."
            )
        )
    for check, reason in result["unanswered"].items():
        console.print(Text(f"{check.replace('_', ' ')} is in no rate: {reason}."))
    for note in result["notes"]:
        console.print(Text(f"Note: {note}."))
    for problem in result["problems"][:_PROBLEMS_TOLD]:
        console.print(Text(f"Went wrong: {problem} (run the same command to try again)"))
    if len(result["problems"]) > _PROBLEMS_TOLD:
        console.print(Text(f"Went wrong: {len(result['problems']) - _PROBLEMS_TOLD} more (--json lists them)"))
    if request.base == "miniature":
        console.print(Text(_MINIATURE))
    console.print(Text(f"Report: {result['report']}"), soft_wrap=True)


def print_facts(facts: Mapping[str, str]) -> None:
    """Labels and values, one below the other."""
    width = max(map(len, facts))
    for label, value in facts.items():
        print(f"{label:<{width}}  {value}")


def print_pairs(report: PairReport, out: Path) -> None:
    """What the pair composer did."""
    for pair in report.pairs:
        swapped = ", exchanged" if pair.swapped else ""
        print(f"{pair.path.name}: {pair.left.name} + {pair.right.name}{swapped}; alike {pair.similarity:.2f}")
    for path, reason in report.skipped:
        say(f"{path.parent.name}/{path.name} is left out: {reason}")
    for warning in report.warnings:
        say(warning)
    print(f"{len(report.pairs)} pictures in {out}; pairs are {report.share:.1%} of the training set")


def print_weights(rows: Sequence[Mapping[str, Any]]) -> None:
    """The manifest of model files."""
    table = Table(pad_edge=False)
    for name in ("name", "profile", "size", "licence", "there", "path or source"):
        table.add_column(name, overflow="fold")
    for row in rows:
        place = row["path"] if row["present"] else row["source"]
        about = "" if row["size_is_exact"] else "about "
        size = f"{about}{max(row['size'] / 1e6, 0.01):.3g} MB" if row["size"] else ""
        table.add_row(row["name"], row["profile"], size, row["licence"], "yes" if row["present"] else "no", place)
    console = _console()
    console.print(table)
    for profile in dict.fromkeys(row["profile"] for row in rows if not row["present"]):
        option = "" if profile == "any" else f" --profile {profile}"
        console.print(Text(f"`bleedcheck weights fetch{option}` gets what is missing of {profile}."))


def _row(rank: str, entry: Mapping[str, Any], poses: bool, unverified: Collection[str]) -> list[str]:
    measured = entry["fails"] + entry["minor"] + entry["holds"]
    return [
        rank,
        entry["run"],
        "" if entry["epoch"] is None else str(entry["epoch"]),
        entry["standing"],
        f"{entry['fails']} of {measured}",
        _percent(entry["failure_rate"]),
        _range(entry["interval"]),
        _percent(entry["p_best"]),
        str(entry["images"] - measured),
        *([_percent(entry["pose_hits"]["rate"] if entry["pose_hits"] else None)] if poses else []),
        _failing(entry["checks"], unverified),
    ]


def _failing(checks: Mapping[str, Mapping[str, Any]], unverified: Collection[str]) -> str:
    """Checks that fail on some image, the most frequent first: ``identity 5/24, hair bleed 1/24``."""
    told = []
    for name, tally in sorted(checks.items(), key=lambda item: -item[1]["fails"]):
        if tally["fails"]:
            measured = tally["fails"] + tally["minor"] + tally["holds"]
            doubt = " (unverified)" if name in unverified else ""
            told.append(f"{name.replace('_', ' ')} {tally['fails']}/{measured}{doubt}")
    return ", ".join(told)


def _names(checks: Sequence[str]) -> str:
    return ", ".join(check.replace("_", " ") for check in checks)


def _percent(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.0%}"


def _range(interval: Sequence[float] | None) -> str:
    return "-" if interval is None else f"{interval[0]:.0%} to {interval[1]:.0%}"


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else _WIDTH_OF_LOGS)
