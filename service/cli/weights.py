"""The commands around the detectors' model files."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.options import Json

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""The detectors' model files: what there is, where it comes from, and fetching what is not shipped.

\b
Examples:
  bleedcheck weights list
  bleedcheck weights fetch --profile anime""",
)


@app.command("list")
def list_weights(
    profile: Annotated[str | None, typer.Option(help="Only the files of this detector profile.")] = None,
    json: Json = False,
) -> None:
    """List every model file with its licence, size, and whether it is there.

    \b
    Examples:
      bleedcheck weights list
      bleedcheck weights list --profile anime --json
    """
    from detectors.profiles import profile_of
    from detectors.weights import listing
    from service.cli.printing import print_json, print_weights

    chosen = profile_of(profile) if profile else None
    rows = [row for row in listing() if chosen is None or row["name"] in (*chosen.weights, *chosen.optional)]
    if json:
        print_json({"weights": rows})
    else:
        print_weights(rows)


@app.command("fetch")
def fetch_weights(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME", help="From the list; by default all of the profile.")
    ] = None,
    profile: Annotated[str, typer.Option(help="Detector profile whose files are fetched.")] = "miniature",
    json: Json = False,
) -> None:
    """Fetch model files that are not shipped, check their hashes, and keep them in the user's cache.

    A download that was interrupted goes on where it stopped. Where nobody publishes a hash, the one of the first
    download is recorded, and the file must stay the same.

    \b
    Examples:
      bleedcheck weights fetch
      bleedcheck weights fetch --profile anime
      bleedcheck weights fetch hand_landmarker
    """
    from detectors.profiles import profile_of
    from detectors.weights import entry, listing
    from service.cli.printing import print_json
    from service.cli.working import fetch_all

    for name in names or ():
        entry(name)  # an unknown one is refused before any is fetched
    chosen = profile_of(profile)
    ours = (*chosen.weights, *chosen.optional)
    wanted = names or [row["name"] for row in listing() if row["name"] in ours and not row["present"]]
    paths = fetch_all(wanted) if wanted else {}
    if json:
        print_json({"fetched": paths})
    else:
        for name, path in paths.items():
            typer.echo(f"{name}: {path}")
        if not paths:
            typer.echo(f"every model file of the profile {profile} is there")


@app.command("path")
def weights_path(
    name: Annotated[str | None, typer.Argument(help="A name from the list; the folder of all if left out.")] = None,
    json: Json = False,
) -> None:
    """Print where fetched files go, or one file; put them there by hand where there is no network.

    \b
    Examples:
      cp hand_landmarker.task "$(bleedcheck weights path)"
      bleedcheck weights path wd_tagger
    """
    from detectors.weights import cache_folder, entry, place
    from service.cli.printing import print_json

    path = place(entry(name)) if name else cache_folder() / "weights"
    if json:
        print_json({"name": name, "path": str(path), "present": path.exists()})
    else:
        typer.echo(path)


@app.command("trust")
def trust_weights(
    name: Annotated[str, typer.Argument(help="A name from the list.")],
    json: Json = False,
) -> None:
    """Take a model file as it is from now on, after you have replaced it on purpose.

    \b
    Examples:
      bleedcheck weights trust anime_head
      bleedcheck weights trust wd_tagger --json
    """
    from detectors.weights import entry, find, record
    from service.cli.printing import print_json

    sha256 = record(entry(name), find(name))
    if json:
        print_json({"name": name, "sha256": sha256})
    else:
        typer.echo(f"{name}: sha256 {sha256}")
