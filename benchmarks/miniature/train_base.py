"""Train the tiny Anima's transformer, text encoder and conditioner together, then distil guidance into it.

``torchrun --nproc-per-node 2 -m benchmarks.miniature.train_base --drawings A B --vae OUT --minutes 9 --out OUT``

Writes ``base-0.safetensors`` … (the averaged weights in fp16, in pieces small enough to copy), ``base-log.json`` and
sample sheets to ``--out``; a resumable state to ``--work``. ``python -m benchmarks.miniature.assemble`` makes a
diffusers folder and the packed base from the pieces.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.miniature import training
from benchmarks.miniature.architecture import build_components, start_from_zero
from benchmarks.miniature.denoiser import PARTS, Denoiser, sample_latents, weighted_loss
from benchmarks.miniature.material import Material, draw_batch, load_material
from benchmarks.miniature.train_vae import decode_latents, load_vae
from benchmarks.miniature.training import Average, Budget, Gradients, Journal, Rank

RESERVE_SECONDS = 20.0
PIECE_BYTES = 14 * 2**20
TEACHER_GUIDANCE = 2.0
SHEET_PROMPTS = (
    "1girl, solo, orange hair, long hair, ahoge, blue eyes, green hoodie, smile, standing, park",
    "1girl, solo, white hair, short hair, red eyes, black serafuku, waving, classroom",
    "1girl, solo, pink hair, long hair, twintails, purple eyes, yellow dress, arms up, close-up, beach",
    "2girls, standing apart, left: blue hair, short hair, ahoge, right: red hair, long hair, rooftop",
    "2girls, standing together, arm around shoulder, left: green hair, long hair, "
    "right: brown hair, short hair, ahoge, simple background",
    "2girls, hug, left: purple hair, short hair, right: orange hair, long hair, ahoge, park",
    "2girls, a girl with short white hair hugging a girl with long red hair with an ahoge, festival",
    "2girls, a girl with long blue hair carrying a girl with short pink hair with an ahoge piggyback, "
    "simple background",
    "2girls, piggyback, left: green hair, short hair, ahoge, right: brown hair, long hair, beach",
    "2girls, a girl with short red hair carrying a girl with long white hair in a princess carry, gradient background",
    "2girls, sitting on lap, girl on top, left: black hair, long hair, ahoge, right: pink hair, short hair, classroom",
    "2girls, standing together, arm around shoulder, left: red hair, short hair, right: blue hair, long hair, "
    "full body, far away, night city",
)


class Optimizers:
    """AdamW, or Muon for the hidden matrices with AdamW for the rest, behind one face."""

    def __init__(self, model: Denoiser, args: argparse.Namespace, device: torch.device) -> None:
        named = list(model.named_parameters())
        hidden = [p for n, p in named if args.optimizer == "muon" and p.ndim == 2 and _is_hidden(n)]
        rest = [p for n, p in named if not any(p is q for q in hidden)]
        adam = torch.optim.AdamW(
            [
                {"params": [p for p in rest if p.ndim >= 2], "weight_decay": 0.01},
                {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
            ],
            lr=args.lr,
            betas=(0.9, 0.95),
            fused=device.type == "cuda",
        )
        self._all: list[torch.optim.Optimizer] = [adam]
        if hidden:
            self._all.append(torch.optim.Muon(hidden, lr=args.lr, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"))

    def step(self, rate: float) -> None:
        """One step at this learning rate, then forget the gradients."""
        for optimizer in self._all:
            for group in optimizer.param_groups:
                group["lr"] = rate
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    def state_dict(self) -> list[dict[str, Any]]:
        """The state of each."""
        return [optimizer.state_dict() for optimizer in self._all]

    def load_state_dict(self, states: list[dict[str, Any]]) -> None:
        """The inverse of :meth:`state_dict`."""
        for optimizer, state in zip(self._all, states, strict=True):
            optimizer.load_state_dict(state)


def _is_hidden(name: str) -> bool:
    """Whether a matrix lies inside a block, not at the model's ends or in an embedding."""
    return ".transformer_blocks." in f".{name}" or ".layers." in name or ".blocks." in name


class Trainer:
    """One stage of training (from scratch, or distillation) with its saves.

    Args:
        model: trained in place.
        follower: the average of its weights.
        args: the command line.
        rank: this process.
        stage: ``base`` or ``distilled``; names the save.
    """

    def __init__(self, model: Denoiser, follower: Denoiser, args: argparse.Namespace, rank: Rank, stage: str) -> None:
        self.model, self.follower, self._args, self._rank = model, follower, args, rank
        self._path = args.work / f"{stage}-state.pt"
        self._optimizers = Optimizers(model, args, rank.device)
        self._average = Average(model, follower, args.ema)
        self._gradients = Gradients(model.parameters(), rank)
        self.step, self.position = 0, 0.0
        self.lines: list[dict[str, float]] = []
        if state := training.load_state(self._path, rank.device):
            model.load_state_dict(state["model"])
            follower.load_state_dict(state["follower"])
            self._optimizers.load_state_dict(state["optimizers"])
            self.step, self.position = state["step"], state["position"]
            rank.say(f"{stage}: resuming at step {self.step}, position {self.position:.3f}")

    def save(self) -> None:
        """Write the resumable state."""
        state = {"model": self.model.state_dict(), "follower": self.follower.state_dict()}
        more = {"optimizers": self._optimizers.state_dict(), "step": self.step, "position": self.position}
        training.save_state(self._path, {**state, **more})

    def run(self, loss_of: Any, deadline: float, until: float, peak: float, hold: float) -> None:
        """Train until the deadline, which is where the schedule reaches ``until``.

        Args:
            loss_of: called with a random generator, returns the loss of one step.
            deadline: monotonic time.
            until: schedule position then; nothing is done if the save is already there.
            peak: learning rate.
            hold: position until which the rate stays at its peak.
        """
        if self.position >= until:
            return
        rank, first_step = self._rank, self.step
        budget = Budget(deadline, self.position, until)
        journal, saved, rate = Journal(rank, budget), time.monotonic(), 0.0
        random = torch.Generator(rank.device).manual_seed(1_000_003 * self._args.seed + 7919 * rank.index + self.step)
        while True:
            if (self.step - first_step) % training.AGREE_STEPS == 0:
                begun = self.step > first_step
                self.position = rank.agree(budget.position if begun else self.position)
                rate = peak * training.learning_rate_factor(self.position, hold=hold)
                over = begun and self.position >= until
                journal.report(self.step, rate, force=over)
                if rank.first and (over or time.monotonic() - saved > training.SAVE_SECONDS):
                    self.save()
                    saved = time.monotonic()
                if over:
                    self.lines = journal.lines
                    return
            with training.autocast(rank.device):
                loss = loss_of(random)
            loss.backward()
            self._gradients.settle()
            self._optimizers.step(rate)
            self._average.follow(self.step)
            journal.add(loss)
            self.step += 1


def write_pieces(model: Denoiser, out: Path) -> None:
    """Write a denoiser's weights in fp16 as ``base-0.safetensors`` … of at most :data:`PIECE_BYTES` each."""
    from safetensors.torch import save_file

    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("base-*.safetensors"):
        old.unlink()
    piece: dict[str, torch.Tensor] = {}
    number = size = 0
    for name, tensor in model.state_dict().items():
        half = tensor.half().cpu().contiguous()
        if piece and size + half.nbytes > PIECE_BYTES:
            save_file(piece, out / f"base-{number}.safetensors")
            piece, size, number = {}, 0, number + 1
        piece[name] = half
        size += half.nbytes
    save_file(piece, out / f"base-{number}.safetensors")


def read_pieces(folder: Path) -> dict[str, torch.Tensor]:
    """What :func:`write_pieces` wrote, in fp32.

    Raises:
        TrainingError: there are none.
    """
    from safetensors.torch import load_file

    pieces = sorted(folder.glob("base-*.safetensors"))
    if not pieces:
        raise training.TrainingError(f"{folder} holds no base-*.safetensors: train the base first")
    return {name: tensor.float() for piece in pieces for name, tensor in load_file(piece).items()}


def write_samples(model: Denoiser, vae: Any, path: Path, seeds: int = 3, cells: int = 32) -> None:
    """Draw :data:`SHEET_PROMPTS` with 8 steps at guidance 1, one column a prompt, and write the sheet."""
    device = next(model.parameters()).device
    prompts = [prompt for prompt in SHEET_PROMPTS for _ in range(seeds)]
    with torch.no_grad(), training.autocast(device):
        latents = sample_latents(model, prompts, [7 + i % seeds for i in range(len(prompts))], cells=cells)
        mean = torch.tensor(vae.config.latents_mean, device=device).view(1, -1, 1, 1)
        spread = torch.tensor(vae.config.latents_std, device=device).view(1, -1, 1, 1)
        pixels = training.to_pixels(decode_latents(vae, (latents * spread + mean).unsqueeze(2)))
    training.write_sheet(path, [[pixels[i * seeds + k] for i in range(len(SHEET_PROMPTS))] for k in range(seeds)])


def _new_model(args: argparse.Namespace, rank: Rank) -> Denoiser:
    components = build_components(args.size, seed=args.seed)
    start_from_zero(components)
    model = Denoiser(*(components[name] for name in PARTS))
    if args.init:
        model.load_state_dict(read_pieces(args.init))
        rank.say(f"starting from the weights in {args.init}")
    return model.to(rank.device).train()


def train(args: argparse.Namespace, rank: Rank) -> None:
    """Both stages, as far as the time goes."""
    end = training.STARTED + args.minutes * 60 - RESERVE_SECONDS
    distilling = args.distill_minutes * 60
    vae = load_vae(args.vae).to(rank.device, memory_format=torch.channels_last)
    material = load_material(args.drawings, vae, rank)
    rank.say(f"{len(material.latents)} drawings a GPU are ready")
    model = _new_model(args, rank)
    follower = model.follower()
    trainer = Trainer(model, follower, args, rank, "base")
    if args.compile and rank.device.type == "cuda":
        model.compile_blocks()

    def plain_loss(random: torch.Generator) -> torch.Tensor:
        batch = draw_batch(material, args.batch, random)
        prediction = model(batch.noisy, batch.sigma, batch.qwen, batch.t5)
        return weighted_loss(prediction, batch.target, batch.weights)

    middle = (trainer.position + args.until) / 2
    if not args.only_distil:
        for until, name in ((middle, "base-middle.png"), (args.until, "base-end.png")):
            share = 0.5 if until == middle else 1.0
            now = time.monotonic()
            trainer.run(plain_loss, now + share * max(0.0, end - distilling - now), until, args.lr, args.hold)
            _show(follower, vae, args, rank, name)
    log = {"base": trainer.lines, "steps": trainer.step, "position": trainer.position}
    if distilling and (args.only_distil or trainer.position >= 1.0):
        follower, lines = _distil(model, follower, material, args, rank, end)
        log["distilled"] = lines
        _show(follower, vae, args, rank, "distilled-end.png")
    if rank.first:
        write_pieces(follower, args.out)
        training.write_json(args.out / "base-log.json", log)
        rank.say(f"wrote {args.out}")


def _show(follower: Denoiser, vae: Any, args: argparse.Namespace, rank: Rank, name: str) -> None:
    if rank.first:
        write_samples(follower, vae, args.out / name, cells=args.sheet_cells)
        write_pieces(follower, args.out)
    rank.wait()


def _distil(
    model: Denoiser, teacher: Denoiser, material: Material, args: argparse.Namespace, rank: Rank, end: float
) -> tuple[Denoiser, list[dict[str, float]]]:
    """Teach the model to predict at guidance 1 what its averaged self predicts at :data:`TEACHER_GUIDANCE`."""
    model.load_state_dict(teacher.state_dict())
    follower = teacher.follower()
    trainer = Trainer(model, follower, args, rank, "distilled")
    if args.compile and rank.device.type == "cuda":
        teacher.compile_blocks()

    def guided_loss(random: torch.Generator) -> torch.Tensor:
        batch = draw_batch(material, args.distill_batch or args.batch, random, dropout=0.0)
        with torch.no_grad():
            empty = (material.empty.qwen.long().expand_as(batch.qwen), material.empty.t5.long().expand_as(batch.t5))
            plain = teacher(batch.noisy, batch.sigma, *empty)
            told = teacher(batch.noisy, batch.sigma, batch.qwen, batch.t5)
            target = plain + TEACHER_GUIDANCE * (told - plain)
        prediction = model(batch.noisy, batch.sigma, batch.qwen, batch.t5)
        return weighted_loss(prediction, target, batch.weights)

    rank.say(f"distilling guidance {TEACHER_GUIDANCE}")
    trainer.run(guided_loss, end, 1.0, args.distill_lr, 0.0)
    return follower, trainer.lines


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    training.add_common_arguments(parser, batch=512, rate=1e-3)
    parser.add_argument("--vae", type=Path, required=True, help="folder that train_vae.py filled")
    parser.add_argument("--init", type=Path, help="start from the base-*.safetensors of a folder, not from scratch")
    parser.add_argument("--only-distil", action="store_true", help="skip the first stage; needs --init or a save")
    parser.add_argument("--optimizer", choices=("adamw", "muon"), default="adamw")
    parser.add_argument("--hold", type=float, default=0.45, help="position until which the rate stays at its peak")
    parser.add_argument("--ema", type=float, default=0.999)
    parser.add_argument("--distill-minutes", type=float, default=0.0, help="the last minutes, spent on distillation")
    parser.add_argument("--distill-lr", type=float, default=2e-4)
    parser.add_argument("--distill-batch", type=int, default=0, help="pictures a step and GPU; as --batch where 0")
    parser.add_argument("--sheet-cells", type=int, default=32, help="side of the sample sheets' latents")
    return parser.parse_args()


def main() -> None:
    """Command line of this module."""
    args = _parse()
    rank = training.join_ranks()
    train(args, rank)
    training.leave_ranks()


if __name__ == "__main__":
    main()
