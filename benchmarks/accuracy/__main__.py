"""Command line of the accuracy benchmark."""

from __future__ import annotations

import argparse
import json
from typing import Any

from benchmarks.accuracy.measure import summary
from benchmarks.accuracy.running import measure


def markdown(result: dict[str, Any]) -> str:
    """The tables for RESULTS.md."""

    def row(name: str, f: dict[str, Any]) -> str:
        def number(value: float | None) -> str:
            return "-" if value is None else f"{value:.3f}"

        def span(interval: Any) -> str:
            return "" if interval is None else f" [{interval[0]:.3f}, {interval[1]:.3f}]"

        precision = number(f["precision"]) + span(f["precision_interval"])
        recall = number(f["recall"]) + span(f["interval"])
        cells = (name, precision, recall, number(f["f1"]), f"{f['positives']} of {f['n']}", f["not_measurable"])
        return "| " + " | ".join(str(cell) for cell in cells) + " |"

    lines = ["| check | precision | recall | F1 | faults of n | not measurable |", "|---|---|---|---|---|---|"]
    lines += [row(name, f) for name, f in result["checks"].items()]
    lines += ["", f"Person masks: mAP50 at least {result['people_mask_map50']:.3f}.", ""]
    lines += ["| hard case | precision | recall | F1 | faults of n | not measurable |", "|---|---|---|---|---|---|"]
    lines += [row(f"{tag}: {name}", f) for tag, found in result["hard_cases"].items() for name, f in found.items()]
    return "\n".join(lines)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1, help="another seed gives another independent series of drawings")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args()
    result = summary(measure(options.images, options.seed, options.workers))
    print(json.dumps(result) if options.json else markdown(result))


if __name__ == "__main__":
    main()
