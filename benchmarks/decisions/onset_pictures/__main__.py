"""Command line: make the pictures, lay them out for the eye, and hold what was seen against the findings.

``python -m benchmarks.decisions.onset_pictures pictures --out FOLDER`` makes pictures and sheets; what is seen on them
is written into ``seen.csv`` beside this module, a row a picture and check, before anybody knows the epochs;
``python -m benchmarks.decisions.onset_pictures count`` holds that against the committed findings.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.decisions.onset_pictures.counting import SEEN, count, markdown
from benchmarks.decisions.onset_pictures.looks import LOOKS, cells_to_see
from benchmarks.labelling.cells import Contender, write_cells


def main(arguments: list[str] | None = None) -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decisions.onset_pictures", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    pictures = commands.add_parser("pictures", help="make the pictures that are not there yet, and the sheets")
    pictures.add_argument("--out", type=Path, required=True)
    pictures.add_argument("--batch", type=int, default=4)
    counted = commands.add_parser("count", help="hold what was seen against the findings")
    counted.add_argument("--seen", type=Path, default=SEEN)
    options = parser.parse_args(arguments)
    if options.command == "count":
        print(markdown(count(options.seen)))
    else:
        _make(options.out, options.batch)
    return 0


def _make(out: Path, batch: int) -> None:
    from benchmarks.labelling.pictures import make_pictures, write_sheets
    from service.checkpoints import scan_folder
    from service.miniature import runs_folder
    from service.storage.files import sha256_of
    from service.suites import load_suite

    runs = {name: runs_folder() / name for name in dict.fromkeys(look.run for look in LOOKS)}
    contenders = [
        Contender(name, info.epoch, info.path.name, sha256_of(info.path))
        for name, folder in runs.items()
        for info in scan_folder(folder, final_epochs=150)
    ]
    cells = cells_to_see(contenders, load_suite("keikana"))
    for done in make_pictures(cells, runs, out / "pictures", "miniature", "cpu", batch):
        print(f"\r{done}/{len(cells)} pictures", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    write_cells(out / "cells.json", cells)
    for path in write_sheets(cells, out / "pictures", out / "sheets", per_sheet=16, columns=4, side=400):
        print(path)


if __name__ == "__main__":
    sys.exit(main())
