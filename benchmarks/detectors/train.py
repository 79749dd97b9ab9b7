"""``python -m benchmarks.detectors.train``: draw the training pictures, train one detector, or all of them at once."""

from __future__ import annotations

import argparse
import importlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.detectors.sets import add_pictures, pictures_flags

MODELS = ("people", "heads", "hands", "contact", "likeness", "bodies", "faces", "ends")
# Pictures or crops a step and highest learning rate on a GPU.
_SETTINGS = {
    "people": (96, 2e-3),
    "heads": (256, 2e-3),
    "hands": (128, 2e-3),
    "contact": (160, 2e-3),
    "likeness": (384, 1e-3),
    "bodies": (256, 2e-3),
    "faces": (256, 2e-3),
    "ends": (128, 2e-3),
}

# Networks that also learn from labelled generated pictures, and how much gentler one goes on than it begins.
_LABELLED = ("hands", "contact", "ends")
# Of these, what needs labelled arms' ends.
_HANDED = ("hands", "ends")
_GENTLER = 0.4


def main(arguments: list[str] | None = None) -> None:
    """Run the command line."""
    options = _parser().parse_args(arguments)
    if options.what in ("render", "all"):
        _render(options)
    if options.what == "all":
        _train_all(options)
    elif options.what != "render":
        _train(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.detectors.train", description=__doc__)
    parser.add_argument("what", choices=("render", "all", *MODELS))
    parser.add_argument("--data", type=Path, default=Path("data/detectors"), help="folder of the drawn pictures")
    parser.add_argument("--out", type=Path, default=Path("data/weights"), help="folder that gets <model>.safetensors")
    parser.add_argument("--minutes", type=float, default=5.0, help="training time, wall clock")
    parser.add_argument("--drawings", type=int, default=40_000)
    parser.add_argument("--vae", type=Path, help="a pipeline folder: also train on drawings sent through its VAE")
    parser.add_argument("--softened", type=int, default=12_000, help="how many drawings go through the VAE")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes that draw")
    parser.add_argument("--size", choices=("shipped", "nano"), default="shipped", help="nano: only to try it out")
    parser.add_argument("--batch", type=int, help="pictures or crops a step")
    parser.add_argument("--device", default=None, help="cuda or cpu; cuda where there is one")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="go on from the weights of this folder, more gently")
    add_pictures(parser)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS), help="with all: which ones")
    return parser


def _render(options: argparse.Namespace) -> None:
    from benchmarks.detectors.store import render

    render(options.data / "train", "train", options.drawings, options.workers)
    if options.vae and options.what in ("render", "all"):
        from benchmarks.detectors.soften import soften

        soften(options.data / "train", options.vae, options.softened)


def _train(options: argparse.Namespace) -> None:
    """Train one detector in this process."""
    import torch

    from benchmarks.detectors.fitting import Plan, fit
    from benchmarks.detectors.store import Drawings
    from detectors.networks import load_weights

    _render(options)
    device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(options.seed)
    if device == "cuda":
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
        torch.backends.cudnn.benchmark = options.what in ("people", "hands", "contact", "ends")
    module: Any = importlib.import_module(f"benchmarks.detectors.{options.what}")
    batch, rate = _SETTINGS[options.what]
    small = 24 if options.what in ("bodies", "faces") else 4
    batch = options.batch or (batch if device == "cuda" else small)
    started = time.monotonic()
    drawings = Drawings(options.data / "train", device, module.FIELDS)
    print(f"{options.what}: {drawings.count} drawings on {device} in {time.monotonic() - started:.0f}s", flush=True)
    size = {"people": "n"}.get(options.what, options.size)
    network = module.build(size)
    if options.start:
        network.load_state_dict(load_weights(options.start / f"{options.what}.safetensors")[0])
        rate *= _GENTLER
    network = network.to(device)
    if options.what != "likeness":
        network = network.to(memory_format=torch.channels_last)
    millions = sum(p.numel() for p in network.parameters()) / 1e6
    print(f"{options.what}: {millions:.2f} M parameters, batch {batch}", flush=True)
    more: dict[str, Any] = {}
    if options.pictures and options.what in _LABELLED:
        from benchmarks.detectors.labelled import load_labelled

        more["labelled"] = load_labelled(options.pictures, device)
        if options.what in _HANDED and not more["labelled"].handed.any():
            raise SystemExit(
                f"{options.what} learns from labelled arms' ends, and these pictures have none: add learning=FOLDER"
            )
        print(f"{options.what}: {more['labelled'].count} labelled pictures", flush=True)
    path = options.out / f"{options.what}.safetensors"
    plan = Plan(minutes=options.minutes, batch=batch, rate=rate)
    fit(
        options.what,
        network,
        module.Objective(drawings, batch, options.seed, **more),
        plan,
        lambda average, notes: module.save(path, average, notes | {"drawings": drawings.count, "device": device}),
    )
    print(f"{options.what}: {path} {path.stat().st_size / 1e6:.2f} MB", flush=True)


def _train_all(options: argparse.Namespace) -> None:
    """Train several detectors side by side, one process each; every failure is reported, none stops the others."""
    flags = ["--data", str(options.data), "--out", str(options.out), "--minutes", str(options.minutes)]
    flags += ["--drawings", str(options.drawings), "--size", options.size, "--seed", str(options.seed)]
    if options.device:
        flags += ["--device", options.device]
    for name in ("batch", "start"):
        if getattr(options, name):
            flags += [f"--{name}", str(getattr(options, name))]
    if options.pictures:
        flags += pictures_flags(options.pictures)
    logs = options.data / "logs"
    for folder in (options.out, logs):
        folder.mkdir(parents=True, exist_ok=True)
    threads = str(max(1, (os.cpu_count() or 1) // len(options.models)))
    running = {}
    for place, name in enumerate(options.models):
        command = [sys.executable, "-u", "-m", "benchmarks.detectors.train", name, *flags]
        with (logs / f"{name}.log").open("w") as log:
            running[name] = subprocess.Popen(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=os.environ | {"OMP_NUM_THREADS": threads} | _visible(place),
            )
    failed, whole = [], []
    for name, process in running.items():
        code = process.wait()
        lines = (logs / f"{name}.log").read_text().splitlines()
        whole += lines
        print("\n".join(lines[-4 if code == 0 else -25 :]), flush=True)
        if code:
            failed.append(name)
    (options.out / "training.log").write_text("\n".join(whole) + "\n")
    if set(_HANDED) <= set(options.models):
        print("ends has learnt from what the shipped hand network suspects; once the new one ships, train ends again")
    if failed:
        raise SystemExit(f"Training failed: {', '.join(failed)}; see the logs in {logs}.")


def _visible(place: int) -> dict[str, str]:
    """The GPU of one process; every one keeps the drawings in its own memory, so they take turns over the GPUs."""
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    return {"CUDA_VISIBLE_DEVICES": str(place % count)} if count > 1 else {}


if __name__ == "__main__":
    main()
