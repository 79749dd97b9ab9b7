"""``bleedcheck keys``."""

from __future__ import annotations

import time
from typing import Annotated, Literal

import typer

from service.cli.options import DataDir, Json

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="""Keys that let clients in, needed as soon as the server listens for others than this machine.

\b
Examples:
  bleedcheck keys create --name laptop
  bleedcheck keys list""",
)


@app.command()
def create(
    name: Annotated[str, typer.Option(help="Who uses it.")],
    scope: Annotated[Literal["read", "write"], typer.Option(help="Only look, or also change things.")] = "write",
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Make a key and print it. It can be read only now: what is kept is its hash.

    \b
    Examples:
      bleedcheck keys create --name laptop
      bleedcheck keys create --name dashboard --scope read --json
    """
    from service.access.keys import Scope
    from service.cli.printing import print_json, say
    from service.cli.working import opened

    with opened(data_dir) as space:
        row, key = space.keys.create(name, Scope(scope))
    if json:
        print_json({"id": row.id, "name": row.name, "scope": row.scope, "key": key})
    else:
        say("keep it safe, it is shown only now; send it as Authorization: Bearer KEY, or log in with it")
        typer.echo(key)


@app.command("list")
def list_keys(data_dir: DataDir = None, json: Json = False) -> None:
    """List the keys there are, revoked ones too. The keys themselves are not kept.

    \b
    Examples:
      bleedcheck keys list
      bleedcheck keys list --json
    """
    from service.cli.printing import print_json, print_table
    from service.cli.working import opened

    with opened(data_dir) as space:
        rows = space.keys.list_all()
    if json:
        fields = ("id", "name", "scope", "created_at", "revoked_at")
        print_json({"keys": [{field: getattr(row, field) for field in fields} for row in rows]})
        return
    if not rows:
        typer.echo("no keys yet; `bleedcheck keys create --name NAME` makes one")
        return
    print_table(
        ("id", "name", "scope", "made", "revoked"),
        [(row.id, row.name, row.scope, _day(row.created_at), _day(row.revoked_at)) for row in rows],
    )


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="The key's id, from the list.")],
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """End a key, and every session that was opened with it.

    \b
    Examples:
      bleedcheck keys revoke 5b0b6f0f
      bleedcheck keys revoke 5b0b6f0f --json
    """
    from service.cli.printing import print_json
    from service.cli.working import opened

    with opened(data_dir) as space:
        row = space.keys.revoke(key)
    if json:
        print_json({"id": row.id, "revoked_at": row.revoked_at})
    else:
        typer.echo(f"{row.id} ({row.name}) is revoked")


def _day(moment: float | None) -> str:
    return "" if moment is None else time.strftime("%Y-%m-%d %H:%M", time.localtime(moment))
