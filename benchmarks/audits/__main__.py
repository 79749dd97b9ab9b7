"""Command line of the audits' benchmark."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.audits import generated, miniature, simulated
from benchmarks.audits.scoring import score
from benchmarks.labelling.shipped import judge_shipped

LABELS = (30, 100, 300)
PARTS = ("simulated", "miniature", "generated")


def measure(seed: int, quick: bool, images: int, parts: Sequence[str], pictures: Path) -> dict[str, Any]:
    """Everything that ``--json`` prints."""
    rng = np.random.default_rng(seed)
    repetitions = 20 if quick else 200
    result: dict[str, Any] = {"seed": seed, "repetitions": repetitions, "images": images}
    if "simulated" in parts:
        result["simulated"] = {
            f"{rates}, {error} error": score(simulated.maker(rates, error), LABELS, repetitions, rng)
            for rates in simulated.RATES
            for error in simulated.ERRORS
        }
    runs = {}
    if "miniature" in parts:
        runs["miniature"] = {f"{name} error": run for name, run in miniature.judged(images, seed).items()}
    if "generated" in parts:
        runs["generated"] = {"the detectors' own error": generated.as_run(judge_shipped(pictures))}
    for part, named in runs.items():
        result[part] = {
            name: {
                "epochs": miniature.machine_rates(run),
                **score(miniature.maker(run), LABELS, repetitions, rng),
            }
            for name, run in named.items()
        }
    return result


def markdown(result: dict[str, Any]) -> str:
    """The tables for RESULTS.md."""
    head = (
        "| run | labels | error of a rate before | after | by its own labels alone | coverage | "
        "all checkpoints before | after | coverage | ppi-python's own | warned |"
    )
    lines = [head, "|" + "---|" * 11]
    for part in PARTS:
        for name, rows in result.get(part, {}).items():
            lines += [_row(f"{part}: {name}", labels, rows[str(labels)]) for labels in LABELS]
    for name, rows in {**result.get("miniature", {}), **result.get("generated", {})}.items():
        told = rows["epochs"]
        spans = [
            f"{machine:.3f} / {true:.3f} / {error:.3f}"
            for machine, true, error in zip(told["machine"], told["true"], told["error"], strict=True)
        ]
        lines += ["", f"{name}: machine / true rate / share of wrong verdicts, epoch by epoch: {', '.join(spans)}."]
    return "\n".join(lines)


def _row(name: str, labels: int, row: dict[str, Any]) -> str:
    def number(value: float | None) -> str:
        return "-" if value is None else f"{value:.3f}"

    def share(value: dict[str, Any] | None) -> str:
        return (
            "-" if value is None else f"{value['share']:.2f} [{value['interval'][0]:.2f}, {value['interval'][1]:.2f}]"
        )

    cells = (
        name,
        labels,
        number(row["error_before"]),
        number(row["error_after"]),
        number(row["error_by_own_labels"]),
        share(row["coverage"]),
        number(row["pooled_error_before"]),
        number(row["pooled_error_after"]),
        share(row["pooled_coverage"]),
        share(row["normal_coverage"]),
        share(row["warned"]),
    )
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audits", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions and drawings")
    parser.add_argument("--images", type=int, help="test drawings for each of four epochs")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument(
        "--pictures", type=Path, default=Path("data/labelled"), help="where labelled pictures are, or get made"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args(arguments)
    images = options.images or (4 if options.quick else 40)
    result = measure(options.seed, options.quick, images, options.parts, options.pictures)
    print(json.dumps(result) if options.json else markdown(result))


if __name__ == "__main__":
    main()
