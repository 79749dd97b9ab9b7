"""Command line of the labelling."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from benchmarks.labelling.cells import CONTROL, Contender, choose_cells, read_cells, write_cells
from benchmarks.labelling.labels import agreement, joined, read_labels


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    commands = {
        "plan": _plan,
        "pictures": _pictures,
        "ends": _ends,
        "sheets": _sheets,
        "agree": _agree,
        "compare": _compare,
    }
    return commands[options.command](options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.labelling", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    plan = commands.add_parser("plan", help="list the pictures to label")
    plan.add_argument("--run", action="append", required=True, metavar="NAME=FOLDER")
    plan.add_argument("--epochs", type=int, nargs="+", help="only these epochs")
    plan.add_argument("--final-epoch", type=int, default=150)
    plan.add_argument("--suite", default="keikana")
    plan.add_argument("--scenarios", nargs="+", required=True)
    plan.add_argument("--first-seed", type=int, default=5001)
    plan.add_argument("--seeds", type=int, default=9)
    plan.add_argument("--no-control", dest="control", action="store_false", help="leave out the base without a LoRA")
    plan.add_argument("--cells", type=Path, required=True, help="the list to write")
    pictures = commands.add_parser("pictures", help="make the listed pictures; those that exist stay")
    pictures.add_argument("--cells", type=Path, required=True)
    pictures.add_argument("--run", action="append", default=[], metavar="NAME=FOLDER")
    pictures.add_argument("--base", default="miniature")
    pictures.add_argument("--device", default="auto")
    pictures.add_argument("--batch", type=int, default=4)
    pictures.add_argument("--out", type=Path, required=True)
    ends = commands.add_parser(
        "ends", help="list the arms' ends that the hand network suspects, to be labelled one by one"
    )
    ends.add_argument("--cells", type=Path, required=True)
    ends.add_argument("--pictures", type=Path, required=True)
    ends.add_argument("--suite", default="keikana")
    ends.add_argument("--device", default="cpu")
    ends.add_argument("--out", type=Path, required=True, help="the list to write")
    sheets = commands.add_parser("sheets", help="lay the pictures out, enlarged")
    sheets.add_argument("--cells", type=Path, required=True)
    sheets.add_argument("--pictures", type=Path, required=True)
    sheets.add_argument("--numbers", type=int, nargs="+", help="only these pictures")
    sheets.add_argument("--ends", type=Path, help="mark these arms' ends with letters")
    sheets.add_argument("--out", type=Path, required=True)
    compare = commands.add_parser("compare", help="hold the detectors against the labels")
    compare.add_argument("--cells", type=Path, required=True)
    compare.add_argument("--labels", type=Path, nargs="+", required=True, help="files of answers, together")
    compare.add_argument("--pictures", type=Path, required=True)
    compare.add_argument("--suite", default="keikana")
    compare.add_argument("--device", default="cpu")
    compare.add_argument("--json", action="store_true")
    agree = commands.add_parser("agree", help="compare two rounds of labels")
    agree.add_argument("first", type=Path)
    agree.add_argument("second", type=Path)
    agree.add_argument("--json", action="store_true")
    return parser


def _folders(texts: list[str]) -> dict[str, Path]:
    return {name: Path(folder) for name, _, folder in (text.partition("=") for text in texts)}


def _plan(options: argparse.Namespace) -> int:
    from service.checkpoints import scan_folder
    from service.storage.files import sha256_of
    from service.suites import load_suite

    contenders = [Contender(CONTROL, None)] if options.control else []
    for name, folder in _folders(options.run).items():
        for info in scan_folder(folder, final_epochs=options.final_epoch):
            if options.epochs is None or info.epoch in options.epochs:
                contenders.append(Contender(name, info.epoch, info.path.name, sha256_of(info.path)))
    seeds = range(options.first_seed, options.first_seed + options.seeds)
    cells = choose_cells(contenders, load_suite(options.suite), options.scenarios, seeds)
    write_cells(options.cells, cells)
    print(f"{len(cells)} pictures of {len(contenders)} contenders: {options.cells}")
    return 0


def _pictures(options: argparse.Namespace) -> int:
    from benchmarks.labelling.pictures import make_pictures

    cells = read_cells(options.cells)
    runs = _folders(options.run)
    for done in make_pictures(cells, runs, options.out, options.base, options.device, options.batch):
        print(f"\r{done}/{len(cells)} pictures", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return 0


def _ends(options: argparse.Namespace) -> int:
    from benchmarks.labelling.ends import suspect, write_ends
    from detectors import open_detectors
    from service.suites import load_suite

    detectors = open_detectors(device=options.device)
    found = suspect(read_cells(options.cells), options.pictures, detectors, load_suite(options.suite))
    print(f"{write_ends(options.out, found)} ends")
    return 0


def _sheets(options: argparse.Namespace) -> int:
    from benchmarks.labelling.ends import read_ends
    from benchmarks.labelling.pictures import write_sheets

    wanted = set(options.numbers or ())
    cells = [cell for cell in read_cells(options.cells) if not wanted or cell.number in wanted]
    ends = read_ends(options.ends) if options.ends else None
    for path in write_sheets(cells, options.pictures, options.out, ends=ends):
        print(path)
    return 0


def _compare(options: argparse.Namespace) -> int:
    from benchmarks.labelling.compare import compare, markdown, summary
    from detectors import open_detectors
    from service.suites import load_suite

    cells, labels = read_cells(options.cells), joined([read_labels(path) for path in options.labels])
    detectors = open_detectors(device=options.device)
    result = summary(compare(cells, labels, options.pictures, detectors, load_suite(options.suite)))
    print(json.dumps(result) if options.json else markdown(result))
    return 0


def _agree(options: argparse.Namespace) -> int:
    found = agreement(read_labels(options.first), read_labels(options.second))
    if options.json:
        print(json.dumps([asdict(each) for each in found]))
        return 0
    print("| question | same | 95 % interval | kappa | not sure |\n|---|---|---|---|---|")
    for each in found:
        span = "-" if each.interval is None else f"{each.interval[0]:.2f} to {each.interval[1]:.2f}"
        kappa = "-" if each.kappa is None else f"{each.kappa:.2f}"
        print(f"| {each.question} | {each.same} of {each.n} | {span} | {kappa} | {each.unsure} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
