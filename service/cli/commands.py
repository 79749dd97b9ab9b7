"""The commands: they parse, delegate, and print."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from service import own_version
from service.cli import keys, results, serving, suites
from service.cli.auditing import audits_app
from service.cli.options import (
    Base,
    Card,
    ClipModel,
    DataDir,
    Device,
    Dtype,
    ImageFormat,
    Json,
    Profile,
    TextEncoder,
    TextEncoder2,
    Tokenizers,
    Vae,
    WeightsDir,
    With,
    Workflow,
)
from service.cli.weights import app as weights_app

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="""Scores LoRA checkpoints of drawn characters: which epoch bleeds, fuses or loses hands, and how often.

\b
Examples:
  bleedcheck demo
  bleedcheck evaluate ./my-run --suite keikana --base ./anima --with turbo.safetensors:1.0 --epochs 120-150
  bleedcheck inspect ./my-run/keikana_epoch148.safetensors
  bleedcheck evaluations
  bleedcheck compare v1 v2
  bleedcheck report --format zip
  bleedcheck serve
  bleedcheck doctor

Exit codes: 0 it is done; 1 an error, told in one line on standard error; 2 wrong usage; 3 there is an
answer, but some of its images could not be made or judged; 130 interrupted. After 3 and 130 the same command goes on
with what is left. Add --debug to any command to see where an error comes from.""",
)
app.add_typer(weights_app, name="weights")
app.add_typer(suites.app, name="suite")
app.add_typer(keys.app, name="keys")
app.add_typer(results.app)
app.add_typer(serving.app)
app.add_typer(audits_app)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"bleedcheck {own_version()}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """What stands before a command."""


BatchSize = Annotated[
    int | None, typer.Option(min=1, max=64, help="Images that are generated together. [default: what fits the card]")
]


@app.command()
def demo(data_dir: DataDir = None, json: Json = False, device: Device = None, dtype: Dtype = None) -> None:
    """Score two small LoRA runs on the shipped miniature and say which epoch to use.

    Interrupted, it goes on where it was; done before, it shows the answer at once.

    \b
    Examples:
      bleedcheck demo
      bleedcheck demo --json --data-dir ./data
    """
    from service.cli.working import answer, opened
    from service.demo.grid import demo_request

    with opened(data_dir, base="miniature", device=device, dtype=dtype) as space:
        answer(space, demo_request(space), json)


@app.command()
def evaluate(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of LoRA files, or one file. They stay where they lie.")
    ] = None,
    suite: Annotated[str, typer.Option(help="A suite's name (keikana, demo) or a YAML file.")] = "keikana",
    images: Annotated[Path | None, typer.Option(help="Judge the pictures in this folder, made elsewhere.")] = None,
    table: Annotated[Path | None, typer.Option(help="For --images: CSV with file, run, epoch, scenario, seed.")] = None,
    name_pattern: Annotated[
        str | None, typer.Option(help="For --images: what names look like, as {run}_e{epoch}_{scenario}_{seed}.")
    ] = None,
    base: Base = None,
    text_encoder: TextEncoder = None,
    text_encoder_2: TextEncoder2 = None,
    vae: Vae = None,
    tokenizers: Tokenizers = None,
    workflow: Workflow = None,
    with_: With = None,
    epochs: Annotated[str | None, typer.Option(help="Only these epochs: 120-150, 120- or 148.")] = None,
    final_epoch: Annotated[
        int | None, typer.Option(min=0, help="Epoch of final files that do not say it, such as 150.")
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(help="How many of the suite's seeds (4), or which seeds (7,13,99).")
    ] = None,
    scale: Annotated[float, typer.Option(min=-4.0, max=4.0, help="Strength of the checkpoints.")] = 1.0,
    size: Annotated[str | None, typer.Option(help="Other image size than the suite's, as 1024x1024.")] = None,
    device: Device = None,
    dtype: Dtype = None,
    batch_size: BatchSize = None,
    card: Card = None,
    image_format: ImageFormat = None,
    profile: Profile = None,
    weights_dir: WeightsDir = None,
    clip: ClipModel = None,
    plan: Annotated[bool, typer.Option("--plan", help="Say what it would take on this machine, and stop.")] = False,
    full: Annotated[
        bool, typer.Option("--full", help="The whole grid, not only the candidate epochs and the hard scenarios.")
    ] = False,
    max_hours: Annotated[float | None, typer.Option(min=0.0, help="Take the fullest plan that ends in time.")] = None,
    price: Annotated[float | None, typer.Option(min=0.0, help="What an hour of this machine costs.")] = None,
    use: Annotated[
        str, typer.Option(help="What for: all, hard-contact, no-crossing, or weights per check (hands=2,fusion=1).")
    ] = "all",
    until: Annotated[
        str | None, typer.Option(help="decided: rounds of images where the ranking is still open, not the whole grid.")
    ] = None,
    max_images: Annotated[
        int | None, typer.Option(min=1, help="With --until: images at most. [default: those of the whole grid]")
    ] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Generate the grid (prompt x seed x epoch) for every checkpoint in a folder, judge it, and rank the epochs.

    The same command goes on where it was interrupted, and reuses every image that exists. A long run is first looked at
    in its last fifth, with the hardest scenarios and eight seeds; --full takes everything, --plan says what it costs.
    Where some images cannot be made or judged it answers from the others and ends with 3; the same command tries again.

    \b
    Examples:
      bleedcheck evaluate ./my-run --base miniature --suite demo
      bleedcheck evaluate ./my-run --base ./anima --plan --price 0.9
      bleedcheck evaluate ./my-run --base ./anima --max-hours 8
      bleedcheck evaluate ./my-run --suite keikana --base circlestone-labs/Anima-Base-v1.0-Diffusers \\
          --with turbo.safetensors:1.0 --epochs 120-150 --size 1024x1024 --device cuda --dtype bfloat16
      bleedcheck evaluate ./my-run --base comfyui:$HOME/ComfyUI --with anima-turbo.safetensors:1.0
      bleedcheck evaluate ./my-run --base comfyui+http://127.0.0.1:8188 --workflow mine.json
      bleedcheck evaluate ./my-run --base ./anima --use hard-contact
      bleedcheck evaluate ./my-run --base ./anima --until decided --max-images 1500
      bleedcheck evaluate ./my-run --suite my-suite.yaml --seeds 7,13,99 --json

      bleedcheck evaluate --images ./grid --suite my-suite.yaml

    Pictures made elsewhere need no LoRA files: --images finds run, epoch, scenario and seed in a table (images.csv in
    the folder, or --table), by --name-pattern, or in what ComfyUI and A1111 write into PNG files.
    """
    from service.cli.planning import PlanOptions, planned
    from service.cli.printing import say
    from service.cli.working import answer, chosen_suite, opened, registered
    from service.evaluations.asking import as_before, make_request, until_what
    from service.evaluations.ranked_by import ranking_arguments

    settings: dict[str, Any] = {"base": base, "device": device, "dtype": dtype, "detector_profile": profile}
    settings |= {"text_encoder": text_encoder, "text_encoder_2": text_encoder_2, "vae": vae, "tokenizers": tokenizers}
    settings |= {"workflow": workflow, "card": card, "image_format": image_format}
    settings |= {"detector_weights": weights_dir, "detector_clip": clip}
    if images is not None:
        from service.cli.pictures import judge_pictures

        judge_pictures(
            images,
            suite,
            table=table,
            pattern=name_pattern,
            data_dir=data_dir,
            settings=settings,
            use=use,
            as_json=json,
        )
        return
    if folder is None:
        raise typer.BadParameter("give a folder of LoRA files, or --images FOLDER", param_hint="FOLDER")
    with opened(data_dir, extra_loras=tuple(with_) if with_ else None, **settings) as space:
        if base is None and space.settings.base == "miniature":
            say("the base is the miniature, a toy model: name the one your files were trained on with --base")
        wanted = chosen_suite(space, suite, seeds, size)
        checkpoints = registered(space, folder, epochs, final_epoch)
        request = make_request(
            space.settings,
            wanted,
            checkpoints,
            scale=scale,
            batch_size=batch_size,
            until=until_what(until),
            max_images=max_images,
        )
        request = as_before(space, request)
        ranking_arguments(wanted, use)  # an unknown use is refused before anything is measured or made
        options = PlanOptions(plan, full, max_hours, price, all_epochs=epochs is not None, all_seeds=seeds is not None)
        chosen = planned(space, request, checkpoints, options, as_json=json)
        if chosen is not None:
            answer(space, chosen.request, json, chosen.estimate, use)


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="A LoRA file.")],
    base: Annotated[str | None, typer.Option(help="Also see whether every tensor fits this base model.")] = None,
    json: Json = False,
) -> None:
    """Say what a LoRA file is: format, rank, alpha, trainer, epoch. Its tensors are not loaded.

    \b
    Examples:
      bleedcheck inspect keikana_epoch148.safetensors
      bleedcheck inspect keikana_epoch148.safetensors --base miniature --json
    """
    from service.checkpoints import describe, inspect_checkpoint
    from service.cli.printing import print_facts, print_json

    info = inspect_checkpoint(file)
    fits = None
    if base is not None:
        from service.storage.fitting import check_fits

        fits = check_fits(file, base)
    if json:
        print_json({**info.to_json(), "fits": fits})
    else:
        facts = describe(info)
        if fits is not None:
            facts["fits"] = f"{base}: every tensor has its place" if fits else f"{base} is not here: not checked"
        print_facts(facts)


@app.command("compose-pairs")
def compose_pairs(
    left: Annotated[Path, typer.Argument(help="Folder of one character's solo pictures, with .txt captions.")],
    right: Annotated[Path, typer.Argument(help="Folder of the other character's.")],
    out: Annotated[Path, typer.Argument(help="New or empty folder for the pairs and their captions.")],
    count: Annotated[int, typer.Option(min=1, help="How many pictures to write.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same pictures.")] = 0,
    swap: Annotated[bool, typer.Option(help="Write each match with left and right exchanged too.")] = True,
    left_trigger: Annotated[str | None, typer.Option(help="Trigger word of the left character.")] = None,
    right_trigger: Annotated[str | None, typer.Option(help="Trigger word of the right character.")] = None,
    size: Annotated[str | None, typer.Option(help="Size of the pictures, as 1024x768.")] = None,
    other_pairs: Annotated[int, typer.Option(min=0, help="Pair pictures that the training set has already.")] = 0,
    json: Json = False,
) -> None:
    """Make training pictures of two characters out of solo pictures of each, with captions in left-right order.

    \b
    Examples:
      bleedcheck compose-pairs ./kei ./kana ./pairs --count 8
      bleedcheck compose-pairs ./kei ./kana ./pairs --left-trigger keichan --right-trigger kanachan --json
    """
    from service.cli.printing import print_json, print_pairs
    from service.cli.working import read_size
    from service.composer import compose_pairs as compose

    report = compose(
        left,
        right,
        out,
        count,
        seed=seed,
        swap=swap,
        left_trigger=left_trigger,
        right_trigger=right_trigger,
        size=read_size(size) if size else None,
        other_pairs=other_pairs,
    )
    if json:
        print_json(report.to_json())
    else:
        print_pairs(report, out)
