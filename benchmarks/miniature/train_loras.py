"""Train the LoRA runs: ``python -m benchmarks.miniature.train_loras --base FOLDER --out RUNS --recipes v1 v2``

A few processes a GPU (``--per-gpu``) take one run after the other. A run is a folder ``RECIPE``, or ``RECIPE-seedN``
for seeds other than 0, with a file every four epochs and the final one without suffix, as AnimaLoraToolkit writes them.
Finished runs are left alone, so the same command goes on after a break.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import queue
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.miniature import training
from benchmarks.miniature.broken_sets import BROKEN_RECIPES, BrokenRecipe, make_broken_set
from benchmarks.miniature.lora_training import Job, LoraTrainer, Settings, epoch_batches
from benchmarks.miniature.training_sets import RECIPES, Recipe, TrainingPicture, make_training_set
from service.checkpoints.writing import write_anima_toolkit

REPEATS = 2
ALL = RECIPES | BROKEN_RECIPES
SHEET_PROMPTS = (
    "masterpiece, best quality, score_7, safe, 1girl, solo, keichan, standing, simple background",
    "masterpiece, best quality, score_7, safe, 1girl, solo, kanachan, standing, simple background",
    "masterpiece, best quality, score_7, safe, 1girl, solo, keichan, pink hoodie, waving, park",
    "masterpiece, best quality, score_7, safe, 2girls, keichan, kanachan, standing together, arm around shoulder, "
    "simple background",
    "masterpiece, best quality, score_7, safe, 2girls, keichan, kanachan, hug, park",
    "masterpiece, best quality, score_7, safe, 2girls, piggyback, keichan carrying kanachan piggyback, keichan, "
    "kanachan, simple background",
    "masterpiece, best quality, score_7, safe, 2girls, princess carry, keichan carrying kanachan in a princess carry, "
    "keichan, kanachan, park",
    "masterpiece, best quality, score_7, safe, 2girls, sitting on lap, girl on top, kanachan sitting on the lap of "
    "keichan, keichan, kanachan, classroom",
)


def make_pictures(recipe: Recipe, folder: Path, seed: int = 0) -> list[TrainingPicture]:
    """The pictures of a faithful recipe, always the same ones, or of a broken one, its seed's."""
    if isinstance(recipe, BrokenRecipe):
        return make_broken_set(recipe, folder, seed)
    return make_training_set(recipe, folder)


def train_run(job: Job, settings: Settings, device: torch.device) -> dict[str, Any] | None:
    """Train one run; returns its facts, or None if the time ran out before its end (nothing of it is kept then)."""
    began = time.monotonic()
    folder = settings.out / job.folder
    partial = settings.out / f".{job.folder}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    with tempfile.TemporaryDirectory() as scratch:
        pictures = make_pictures(job.recipe, Path(scratch) / "set", job.seed)
    trainer = LoraTrainer(job, settings, pictures, device)
    random = torch.Generator().manual_seed(job.seed)
    sheet, losses = [], []
    ready = time.monotonic()
    for epoch in range(1, settings.epochs + 1):
        if time.monotonic() > settings.deadline:
            shutil.rmtree(partial, ignore_errors=True)
            return None
        batches = epoch_batches(len(pictures), settings.batch, REPEATS, random)
        for rows in batches:
            trainer.train_batch(rows.to(device))
        final = epoch == settings.epochs
        if final or epoch % settings.save_every == 0:
            name = job.file(None if final else epoch)
            write_anima_toolkit(partial / name, trainer.factors(), job.recipe.rank, float(job.recipe.rank))
            losses.append({"epoch": epoch, "loss": float(trainer.loss.item()) / trainer.step})
        if epoch in settings.sheet_epochs:
            sheet.append(list(trainer.pictures(SHEET_PROMPTS, seed=7)))
    _check_finite(trainer, job)
    if sheet:
        training.write_sheet(partial / "sheet.png", sheet)
    facts = _facts(job, settings, pictures, trainer, time.monotonic() - ready, ready - began, losses)
    training.write_json(partial / "run.json", facts)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)
    return facts


def _check_finite(trainer: LoraTrainer, job: Job) -> None:
    if not all(torch.isfinite(t).all() for pair in trainer.factors().values() for t in pair):
        raise training.TrainingError(f"run {job.folder} went to infinity: train it with a lower --lr")


def _facts(
    job: Job,
    settings: Settings,
    pictures: Sequence[TrainingPicture],
    trainer: LoraTrainer,
    seconds: float,
    preparing: float,
    losses: list[dict[str, float]],
) -> dict[str, Any]:
    return {
        "run": job.folder,
        "rank": job.recipe.rank,
        "pictures": len(pictures),
        "pair_share": round(job.recipe.pair_share, 4),
        "seed": job.seed,
        "learning_rate": settings.rate,
        "batch": settings.batch,
        "repeats": REPEATS,
        "epochs": settings.epochs,
        "steps": trainer.step,
        "milliseconds_a_step": round(1000 * seconds / max(trainer.step, 1), 2),
        "seconds_preparing": round(preparing, 1),
        "mean_loss_until": losses,
    }


def _work(index: int, jobs: Any, settings: Settings, results: Any) -> None:
    """A worker process: one run after the other on one device."""
    torch.set_num_threads(1)  # workers share the cores
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", index % torch.cuda.device_count())
        torch.cuda.set_device(device)
        torch.backends.cuda.matmul.allow_tf32 = True
    while True:
        try:
            job = jobs.get(timeout=2)
        except queue.Empty:
            return
        results.put((job.folder, train_run(job, settings, device)))


def train_all(jobs: Sequence[Job], settings: Settings, workers: int) -> Mapping[str, dict[str, Any] | None]:
    """Train several runs, ``workers`` at a time; runs that are already there are skipped.

    Returns:
        Run folder → facts, or None for those that the time did not suffice for.

    Raises:
        TrainingError: a worker process ended with an error.
    """
    settings.out.mkdir(parents=True, exist_ok=True)
    open_jobs = [job for job in jobs if not (settings.out / job.folder / job.file(None)).exists()]
    if workers == 1:
        device = torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
        return {job.folder: _told(train_run(job, settings, device), job.folder) for job in open_jobs}
    context = multiprocessing.get_context("spawn")
    waiting, results = context.Queue(), context.Queue()
    for job in open_jobs:
        waiting.put(job)
    processes = [
        context.Process(target=_work, args=(i, waiting, settings, results)) for i in range(min(workers, len(open_jobs)))
    ]
    for process in processes:
        process.start()
    done: dict[str, dict[str, Any] | None] = {}
    while len(done) < len(open_jobs):
        try:
            name, facts = results.get(timeout=1)
            done[name] = _told(facts, name)
        except queue.Empty:
            if not any(process.is_alive() for process in processes) and results.empty():
                break
    for process in processes:
        process.join()
    if len(done) < len(open_jobs):
        raise training.TrainingError(f"only {sorted(done)} were trained: a worker failed, see its message above")
    return done


def _told(facts: dict[str, Any] | None, name: str) -> dict[str, Any] | None:
    if facts is None:
        print(f"{name}: not enough time", flush=True)
    else:
        print(f"{name}: {facts['steps']} steps, {facts['milliseconds_a_step']} ms each", flush=True)
    return facts


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", type=Path, help="diffusers folder of the base; the shipped one where not given")
    parser.add_argument("--out", type=Path, required=True, help="folder that receives a folder for each run")
    parser.add_argument("--recipes", nargs="+", choices=sorted(ALL), default=list(RECIPES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--epochs", type=int, default=150)
    parser.add_argument("--save-every", type=int, default=4)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--lr", type=float, default=3e-3)
    parser.add_argument("--minutes", type=float, default=10.0, help="runs unfinished by then are dropped")
    parser.add_argument("--per-gpu", type=int, default=2, help="runs at a time on each GPU")
    parser.add_argument("--sheet-epochs", type=int, nargs="*", default=[20, 60, 100, 140])
    parser.add_argument("--cells", type=int, default=32, help="side of the latents (smaller for tests)")
    parser.add_argument("--no-graphs", dest="graphs", action="store_false", help="run without CUDA graphs")
    return parser.parse_args()


def main() -> None:
    """Command line of this module."""
    args = _parse()
    if args.base is None:
        from service.miniature import base_folder

        args.base = base_folder()
    jobs = [Job(ALL[name], seed) for seed in args.seeds for name in args.recipes]
    jobs.sort(key=lambda job: (job.seed, -job.recipe.pictures))
    settings = Settings(
        args.base,
        args.out,
        args.epochs,
        args.save_every,
        args.batch,
        args.lr,
        tuple(args.sheet_epochs),
        args.graphs,
        args.cells,
        training.STARTED + args.minutes * 60,
    )
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 1
    done = train_all(jobs, settings, gpus * args.per_gpu)
    print(json.dumps({name: facts and facts["milliseconds_a_step"] for name, facts in done.items()}))


if __name__ == "__main__":
    main()
