"""Command line of the accuracy benchmark."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.accuracy.measure import summary
from benchmarks.accuracy.overlays import keep_worst
from benchmarks.accuracy.running import measure
from benchmarks.detectors.sampling import Split
from benchmarks.labelling.labels import LabelFault
from benchmarks.miniature.scenes import DISTANCES, PAIR_POSES, SOLO_POSES

STYLES: dict[str, Split] = {"held-out": "test", "trained": "validation", "fresh": "fresh", "fresh2": "fresh2"}
HANDS = ("lost", "fused", "minor", "holds", "hidden", "not_measurable")
OUTCOMES = ("clear", "swap", "blend", "dominance", "drift")


def number(value: float | None, digits: int = 3) -> str:
    """A number for a table."""
    return "-" if value is None else f"{value:.{digits}f}"


def span(interval: Any, digits: int = 3) -> str:
    """An interval for a table."""
    return "" if not interval else f" [{interval[0]:.{digits}f}, {interval[1]:.{digits}f}]"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of a Markdown table, an empty one at the end."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return [*lines, *("| " + " | ".join(row) + " |" for row in rows), ""]


def markdown(result: dict[str, Any]) -> str:
    """The tables for RESULTS.md."""
    alarms = result["false_alarms_per_1000_clean"]
    rows = []
    for name, f in result["checks"].items():
        alarm = alarms.get(name)
        rows.append(
            [
                name,
                number(f["precision"]) + span(f["precision_interval"]),
                number(f["recall"]) + span(f["interval"]),
                number(f["f1"]) + span(f["f1_interval"]),
                f"{f['positives']} of {f['n']}" + ("" if f["enough"] else " (few)"),
                number(f["blind_share"]) + span(f["blind_interval"]),
                number(alarm["rate"], 1) + span(alarm["interval"], 1) if alarm else "",
            ]
        )
    head = (
        "check",
        "precision",
        "recall",
        "F1",
        "faults of n",
        "not measurable",
        "false alarms per 1,000 clean pictures",
    )
    lines = table(head, rows)
    agreement = result["assignment_agreement"]
    lines += [
        f"Person masks: mAP50 at least {result['people_mask_map50']:.3f}. Kind of assignment right: "
        f"{number(agreement['share'])}{span(agreement['interval'])} of {agreement['n']}.",
        "",
        *_splits(result, (*SOLO_POSES, *PAIR_POSES), "F1 by pose"),
        *_splits(result, DISTANCES, "F1 by distance"),
        *_splits(result, tuple(t for t in result["splits"] if t not in (*SOLO_POSES, *PAIR_POSES, *DISTANCES)),
                 "F1 among near misses"),
        *_confusions(result),
    ]  # fmt: skip
    return "\n".join(lines)


def _splits(result: dict[str, Any], tags: Sequence[str], title: str) -> list[str]:
    rows = []
    for name in result["checks"]:
        cells = []
        for tag in tags:
            f = result["splits"][tag].get(name)
            cells.append("" if f is None or not f["positives"] else f"{number(f['f1'], 2)} ({f['positives']})")
        rows.append([name, *cells])
    return table((f"{title} (faults)", *tags), rows)


def _confusions(result: dict[str, Any]) -> list[str]:
    hands = [[truth, *(str(result["confusion"].get(f"hands: {truth}", {}).get(a, 0)) for a in HANDS if a != "hidden")]
             for truth in HANDS[:-1]]  # fmt: skip
    kinds = [
        [truth, *(str(result["assignment"].get(f"{truth}: {given}", 0)) for given in OUTCOMES)] for truth in OUTCOMES
    ]
    poses = sorted({key.split(": ")[0] for key in result["poses"]} | {key.split(": ")[1] for key in result["poses"]})
    read = [[truth, *(str(result["poses"].get(f"{truth}: {said}", "")) for said in poses)] for truth in poses]
    reliability = [
        [check, *(next((f"{b['true_share']:.2f} ({b['n']})" for b in bins if b["bin"] == k), "") for k in range(10))]
        for check, bins in result["reliability"].items()
    ]
    return [
        *table(("hands: truth", *(f"said {a}" for a in HANDS if a != "hidden")), hands),
        *table(("assignment: truth", *(f"said {a}" for a in OUTCOMES)), kinds),
        *table(("pose: drawn", *(f"said {pose}" for pose in poses)), read),
        *table(("share of true faults (n) by score", *(f"{k / 10:.1f}" for k in range(10))), reliability),
    ]


def generated(options: argparse.Namespace) -> None:
    """Judge labelled pictures of checkpoints; those that are missing are made first."""
    from benchmarks.labelling.compare import markdown as table
    from benchmarks.labelling.compare import summary as counted
    from benchmarks.labelling.shipped import judge_broken, judge_shipped

    pictures = options.pictures or Path("data/labelled" if options.set == "generated" else "data/broken")
    if options.set == "generated":
        compared = judge_shipped(pictures)
    else:
        runs = {name: Path(folder) for name, _, folder in (text.partition("=") for text in options.run)}
        compared = judge_broken(pictures, runs)
    result = counted(compared)
    print(json.dumps(result) if options.json else table(result))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1, help="another seed gives another independent series of drawings")
    parser.add_argument(
        "--styles",
        choices=tuple(STYLES),
        default="held-out",
        help="trained: new drawings in the styles and before the backgrounds that networks were trained on; fresh: in "
        "held-out styles before backgrounds that nobody had seen when the networks were made; fresh2: before three "
        "others with thin things, for networks that were made once fresh had been seen",
    )
    parser.add_argument(
        "--set",
        choices=("drawn", "generated", "broken"),
        default="drawn",
        help="what is judged; broken: pictures of runs that were trained on broken ones, for hands and bodies",
    )
    parser.add_argument("--pictures", type=Path, help="generated and broken: where the pictures are, or get made")
    parser.add_argument(
        "--run", action="append", default=[], metavar="NAME=FOLDER", help="broken: files that are not in the set"
    )
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--overlays", type=Path, help="folder for pictures of the worst 20 mistakes of each check")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    parser.add_argument("--out", type=Path, help="also write the JSON object to this file")
    options = parser.parse_args()
    if options.set != "drawn":
        try:
            generated(options)
        except LabelFault as fault:
            parser.error(str(fault))
        return
    split = STYLES[options.styles]
    if split == "validation" and options.seed == 0:
        parser.error("seed 0 of the trained styles has settled the thresholds; take another --seed")
    result = summary(measure(options.images, options.seed, options.workers, options.overlays, split))
    if options.overlays:
        result["mistakes"] = keep_worst(options.overlays)
    if options.out:
        options.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result) if options.json else markdown(result))


if __name__ == "__main__":
    main()
