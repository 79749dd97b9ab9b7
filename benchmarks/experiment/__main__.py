"""Command line of the experiment."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from benchmarks.experiment.findings import read_findings, write_findings
from benchmarks.experiment.grid import Job, Setup, outcomes_of, read_rows, run_grid, write_rows
from benchmarks.experiment.tables import differences, hand_table, leaderboard_table, rates_by_epoch
from service.suites import load_suite

# The user's two runs, then one factor at a time: rank alone, pair pictures (and more of Kei) alone.
PAIRS = (("v1", "v2"), ("v1", "v1-rank8"), ("v2-rank4", "v2"), ("v1", "v2-rank4"), ("v1-rank8", "v2"))
BANDS = ((4, 20), (24, 40), (44, 80), (84, 116), (120, 136), (140, 150))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.experiment", description=__doc__)
    parser.add_argument("--run", action="append", default=[], metavar="NAME=FOLDER", help="a run and its checkpoints")
    parser.add_argument("--base", default="miniature")
    parser.add_argument("--suite", default="keikana")
    parser.add_argument("--scenarios", nargs="+", help="names of scenarios; all of the suite where not given")
    parser.add_argument("--seeds", type=int, default=16, help="how many of the suite's seeds")
    parser.add_argument("--epochs", type=int, nargs="+", help="only these epochs")
    parser.add_argument("--final-epoch", type=int, default=150, help="epoch of the file without a suffix")
    parser.add_argument("--devices", nargs="+", default=["auto"])
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument(
        "--keep", nargs="*", default=[], metavar="SCENARIO:EPOCH", help="keep pictures from an epoch on"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--tables", action="store_true", help="only write the tables of outcomes that exist")
    parser.add_argument("--pack", type=Path, metavar="FILE", help="only pack outcomes that exist into a small table")
    parser.add_argument("--fact", action="append", default=[], metavar="NAME=TEXT", help="with --pack: how it was made")
    parser.add_argument("--findings", type=Path, metavar="FILE", help="only write the tables of packed findings")
    return parser.parse_args()


def plan(args: argparse.Namespace) -> list[Job]:
    """One job for each checkpoint, and the control."""
    from service.checkpoints import scan_folder

    suite = load_suite(args.suite)
    scenarios = tuple(args.scenarios or [s.name for s in suite.scenarios])
    seeds = tuple(suite.seeds[: args.seeds])
    jobs = [Job("control", None, None, scenarios, seeds)]
    for text in args.run:
        name, folder = text.split("=", 1)
        for info in scan_folder(Path(folder), final_epochs=args.final_epoch):
            if args.epochs is None or info.epoch in args.epochs:
                jobs.append(Job(name, info.epoch, info.path, scenarios, seeds))
    return jobs


def main() -> None:
    """Run the grid and print the tables."""
    args = _parse()
    args.out.mkdir(parents=True, exist_ok=True)
    rows_path = args.out / "outcomes.jsonl"
    if args.pack:
        write_findings(args.pack, read_rows(rows_path), dict(text.split("=", 1) for text in args.fact))
        print(f"{args.pack}: {args.pack.stat().st_size} bytes")
        return
    if not args.tables and not args.findings:
        keep = tuple((scenario, int(epoch)) for scenario, epoch in (text.split(":") for text in args.keep))
        setup = Setup(args.base, args.suite, tuple(args.devices), args.batch, args.out, keep)
        started = time.monotonic()
        rows = run_grid(plan(args), setup, args.workers)
        write_rows(rows_path, rows)
        print(f"{len(rows)} images in {time.monotonic() - started:.0f} s", flush=True)
    outcomes = outcomes_of(read_findings(args.findings)[1] if args.findings else read_rows(rows_path))
    runs = sorted({o.run for o in outcomes} - {"control"})
    seeds = tuple(load_suite(args.suite).seeds[:8])
    parts = [
        "### Rates by epoch",
        rates_by_epoch(outcomes, runs, BANDS),
        "### Leaderboard",
        leaderboard_table(outcomes),
    ]
    for run in runs:
        parts += [f"### Kei's hands, piggyback, {run}", hand_table(outcomes, run, "piggyback", "Kei", seeds)]
    epochs = sorted({o.epoch for o in outcomes if o.epoch})
    for first, second in PAIRS:
        if first in runs and second in runs:
            for low, high in ((4, 40), (84, 136), (140, 150)):
                band = [e for e in epochs if low <= e <= high]
                parts += [
                    f"### {second} against {first}, epochs {low}-{high}",
                    differences(outcomes, first, second, band),
                ]
    text = "\n\n".join(parts) + "\n"
    (args.out / "tables.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
