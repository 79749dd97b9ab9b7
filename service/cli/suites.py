"""``bleedcheck suite``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from service.cli.options import DataDir, Json

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Suites: what is generated of every checkpoint and looked at.

\b
Examples:
  bleedcheck suite list
  bleedcheck suite new my-pair.yaml
  bleedcheck suite validate my-pair.yaml""",
)

_LOOKS = "What it owns, as hair_color=blonde,hair_length=long,ahoge=no,eye_color=blue,outfit=red blazer."


@app.command("list")
def list_suites(data_dir: DataDir = None, json: Json = False) -> None:
    """List the built-in suites and those that were handed in over the API.

    \b
    Examples:
      bleedcheck suite list
      bleedcheck suite list --json
    """
    from service.cli.printing import print_json, print_table
    from service.cli.working import opened
    from service.library.schemas import SuiteSummary

    with opened(data_dir) as space:
        rows = [SuiteSummary.of(known).model_dump() for known in space.library.list_all()]
    if json:
        print_json({"suites": rows})
        return
    print_table(
        ("name", "version", "scenarios", "seeds", "images a checkpoint", "characters"),
        [
            (row["name"], row["version"], len(row["scenarios"]), len(row["seeds"]), row["cells"],
             ", ".join(row["characters"]))
            for row in rows
        ],
    )  # fmt: skip


@app.command()
def show(
    suite: Annotated[str, typer.Argument(help="A suite's name, or a YAML file.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Print a suite's text; with --json, as it was read.

    \b
    Examples:
      bleedcheck suite show keikana
      bleedcheck suite show my-suite.yaml --json
    """
    from service.cli.printing import print_json
    from service.cli.working import opened
    from service.suites import load_suite

    if Path(suite).suffix in (".yaml", ".yml"):
        read, text = load_suite(suite), Path(suite).read_text(encoding="utf-8")
    else:
        with opened(data_dir) as space:
            known = space.library.get(suite)
        read, text = known.suite, known.text
    if json:
        print_json(read.model_dump(mode="json"))
    else:
        typer.echo(text, nl=not text.endswith("\n"))


@app.command()
def validate(
    file: Annotated[Path, typer.Argument(help="A YAML file.")],
    json: Json = False,
) -> None:
    """Say whether a file is a suite; every fault with its line and field. Ends with 1 if there is one.

    \b
    Examples:
      bleedcheck suite validate my-suite.yaml
      bleedcheck suite validate my-suite.yaml --json
    """
    from service.cli.printing import print_json
    from service.errors import InvalidSuite
    from service.suites import load_suite

    try:
        suite = load_suite(file)
    except InvalidSuite as error:
        if not json:
            raise
        faults = [{"line": each.line, "field": each.field, "message": each.message} for each in error.faults]
        print_json({"valid": False, "errors": faults})
        raise typer.Exit(1) from None
    if json:
        print_json({"valid": True, "errors": [], "name": suite.name, "cells": len(suite.cells())})
    else:
        typer.echo(
            f"{file} is a suite: {suite.name}, version {suite.version}, {len(suite.cells())} images a checkpoint"
        )


@app.command()
def new(
    file: Annotated[Path, typer.Argument(help="The YAML file to write.")],
    name: Annotated[str | None, typer.Option(help="The suite's name. [default: the file's]")] = None,
    first: Annotated[str | None, typer.Option(help="A character, as NAME:TRIGGER.")] = None,
    first_looks: Annotated[str | None, typer.Option(help=_LOOKS)] = None,
    second: Annotated[str | None, typer.Option(help="The other one, as NAME:TRIGGER.")] = None,
    second_looks: Annotated[str | None, typer.Option(help="The same of the other one.")] = None,
    size: Annotated[str, typer.Option(help="Size of the pictures.")] = "1024x1024",
    json: Json = False,
) -> None:
    """Write a suite for characters of your own. What the options do not say is asked for on a terminal.

    \b
    Examples:
      bleedcheck suite new my-pair.yaml
      bleedcheck suite new my-pair.yaml --first Ann:annchan --first-looks ahoge=no --second Bea:beachan
    """
    from service.cli.printing import print_json
    from service.cli.working import read_size
    from service.errors import InvalidInput
    from service.storage.files import whole_file
    from service.suites.starting import own_suite

    if file.exists():
        raise InvalidInput(f"{file} exists; give another name, or remove it first")
    asks = first is None and sys.stdin.isatty()
    if asks:
        first, first_looks = _ask("The first character")
        if typer.confirm("Is there a second character?", default=True):
            second, second_looks = _ask("The second character")
    if first is None:
        raise InvalidInput("say who is in it: --first NAME:TRIGGER, and --second NAME:TRIGGER")
    one = _person(first, first_looks)
    two = _person(second, second_looks) if second else None
    text = own_suite(name or file.stem, one, two, read_size(size))
    with whole_file(file) as written:
        written.write(text.encode())
    if json:
        print_json({"file": str(file), "name": name or file.stem})
    else:
        typer.echo(f"{file}: edit it as you like, then\n  bleedcheck evaluate ./my-run --suite {file}")


def _ask(who: str) -> tuple[str, str]:
    name = typer.prompt(f"{who}: name")
    trigger = typer.prompt(f"{who}: trigger word")
    hair = typer.prompt(f"{who}: hair colour (empty if it does not matter)", default="", show_default=False)
    length = _one_of(f"{who}: hair length", ("short", "long"))
    ahoge = _one_of(f"{who}: an ahoge", ("yes", "no"))
    eyes = typer.prompt(f"{who}: eye colour", default="", show_default=False)
    outfit = typer.prompt(f"{who}: usual clothes", default="", show_default=False)
    looks = {"hair_color": hair, "hair_length": length, "ahoge": ahoge, "eye_color": eyes, "outfit": outfit}
    return f"{name}:{trigger}", ",".join(f"{key}={value}" for key, value in looks.items() if value)


def _one_of(question: str, words: Sequence[str]) -> str:
    """One of the words, or nothing; anything else is asked for again, so that no answer before it is lost."""
    while True:
        said: str = typer.prompt(f"{question}, {' or '.join(words)}", default="", show_default=False).strip().lower()
        if said in ("", *words):
            return said
        typer.echo(f"write {' or '.join(words)}, or nothing")


def _person(text: str, looks: str | None) -> Any:
    from service.errors import InvalidInput
    from service.suites.starting import Person

    name, colon, trigger = text.partition(":")
    if not (name.strip() and colon and trigger.strip()):
        raise InvalidInput(f"{text!r} is no character; write NAME:TRIGGER, as in Ann:annchan")
    return Person(name.strip(), trigger.strip(), _attributes(looks or ""))


def _attributes(text: str) -> dict[str, Any]:
    from service.errors import InvalidInput

    words = {"yes": True, "no": False, "true": True, "false": False}
    found: dict[str, Any] = {}
    for part in filter(None, (each.strip() for each in text.split(","))):
        key, equals, value = (each.strip() for each in part.partition("="))
        if not equals or not value:
            raise InvalidInput(f"{part!r} says nothing about looks; write hair_color=blonde,hair_length=long,ahoge=no")
        if key == "ahoge" and value.lower() not in words:
            raise InvalidInput(f"ahoge={value} is neither yes nor no")
        found[key] = words[value.lower()] if key == "ahoge" else value
    return found
