"""Command line of the speed benchmark."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from benchmarks.detectors.cases import case_of
from benchmarks.scoring_speed.plain import Watch, score_files, watched
from detectors import Expectation, open_detectors


def measure(images: int, seed: int, device: str, batch: int, rounds: int) -> dict[str, Any]:
    """Both ways on the same files, in turns, so that other work on the machine hits both; the best round counts.

    Seconds of CPU time are counted beside the clock: on a machine that others use they say more.

    Args:
        images: how many drawings of the test split, saved as PNG.
        seed: of the series of drawings.
        device: torch device.
        batch: pictures that ours hands over together; the plain way takes one.
        rounds: how often each way scores all files.
    """
    with tempfile.TemporaryDirectory(prefix="bleedcheck-speed-") as folder:
        paths, expectations = _files(Path(folder), images, seed)
        ways = {}
        for name, size in (("ours", batch), ("plain", 1)):
            detectors, watch = open_detectors(device=device), Watch(device=device)
            detectors.look([_first(paths)], expectations[:1])  # loads the networks
            models = watched(detectors, watch, singly=name == "plain")
            reads = models if name == "plain" else 1
            ways[name] = (detectors, watch, size, reads)
            score_files(detectors, paths[:batch], expectations[:batch], size, reads, Watch(device=device))
            watch.seconds.clear()
        taken: dict[str, list[tuple[float, float]]] = {"ours": [], "plain": []}
        for number in range(rounds):
            for name, (detectors, watch, size, reads) in ways.items():
                taken[name].append(score_files(detectors, paths, expectations, size, reads, watch))
                print(f"round {number + 1} of {rounds}: {name} {images / taken[name][-1][0]:.2f}/s", file=sys.stderr)
    ours, plain = (images / min(seconds for seconds, _ in taken[name]) for name in ("ours", "plain"))
    work = {name: min(cpu for _, cpu in taken[name]) / images for name in taken}
    return {
        "ours": ours,
        "plain": plain,
        "ratio": ours / plain,
        "cpu_seconds_an_image": work,
        "cpu_ratio": work["plain"] / work["ours"],
        "images": images,
        "device": device,
        "batch": batch,
        "models": ways["plain"][3],
        "rounds": {name: [images / seconds for seconds, _ in each] for name, each in taken.items()},
        "shares": {name: _shares(watch) for name, (_, watch, _, _) in ways.items()},
    }


def _files(folder: Path, images: int, seed: int) -> tuple[list[Path], list[Expectation]]:
    paths, expectations = [], []
    for index in range(images):
        case = case_of("test", index, seed)
        paths.append(folder / f"{index}.png")
        Image.fromarray(case.image).save(paths[-1])
        expectations.append(case.expectation)
    return paths, expectations


def _first(paths: list[Path]) -> Any:
    from detectors.pictures import read_picture

    return read_picture(paths[0])


def _shares(watch: Watch) -> dict[str, float]:
    total = sum(watch.seconds.values())
    return {name: round(seconds / total, 4) for name, seconds in sorted(watch.seconds.items(), key=_last)}


def _last(item: tuple[str, float]) -> float:
    return -item[1]


def markdown(result: dict[str, Any]) -> str:
    """The tables for RESULTS.md."""
    lines = [
        f"ours {result['ours']:.2f} images/s, plain {result['plain']:.2f} images/s, ratio {result['ratio']:.2f}; "
        f"CPU seconds an image {result['cpu_seconds_an_image']['ours']:.3f} and "
        f"{result['cpu_seconds_an_image']['plain']:.3f}, ratio {result['cpu_ratio']:.2f}",
        "",
        "| part | ours | plain |",
        "|---|---|---|",
    ]
    ours, plain = result["shares"]["ours"], result["shares"]["plain"]
    lines += [f"| {name} | {ours.get(name, 0):.1%} | {plain.get(name, 0):.1%} |" for name in {**ours, **plain}]
    return "\n".join(lines)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scoring_speed", description=__doc__)
    parser.add_argument("--images", type=int, default=64)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args()
    result = measure(options.images, options.seed, options.device, options.batch, options.rounds)
    print(json.dumps(result) if options.json else markdown(result))


if __name__ == "__main__":
    main()
