"""``bleedcheck serve`` and ``bleedcheck doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import Base, DataDir, Device, Dtype, Json, With

app = typer.Typer(rich_markup_mode=None)

KEEP_ALIVE_S = 75
"""How long a connection without a request stays open. The clock runs from when an answer was handed to the system, not
from when the client has read it: with the usual 5 s a slow client on a large answer finds its connection broken."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. [default: 8000]")] = None,
    base: Base = None,
    with_: With = None,
    device: Device = None,
    dtype: Dtype = None,
    allow_folder: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="Folder whose files clients may register by path. Several are fine."),
    ] = None,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST", help="Host name to answer to, besides loopback's; clients then need a key."),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Serve the API and the pages; evaluations are worked on in the background.

    On this machine alone no key is needed. With another --host clients need one, and without any key the server does
    not start.

    \b
    Examples:
      bleedcheck serve
      bleedcheck serve --port 9000 --data-dir ./data --allow-folder /runs
      bleedcheck keys create --name team && bleedcheck serve --host 0.0.0.0
    """
    import uvicorn

    from service.app import check_keys, create_app
    from service.cli.working import make_settings
    from service.evaluations.workspace import Workspace
    from service.web.logs import configure_logs

    settings = make_settings(
        data_dir,
        host=host,
        port=port,
        base=base,
        extra_loras=tuple(with_) if with_ else None,
        device=device,
        dtype=dtype,
        allowed_folders=tuple(allow_folder) if allow_folder else None,
        allowed_hosts=tuple(allow_host) if allow_host else None,
    )
    space = Workspace(settings)
    try:
        check_keys(space)
    finally:
        space.close()
    configure_logs()
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_S,
    )


@app.command()
def doctor(
    base: Base = None,
    profile: Annotated[str | None, typer.Option(help="Detector profile.")] = None,
    data_dir: DataDir = None,
    json: Json = False,
) -> None:
    """Say what this machine has and what is missing, and how to get it. Ends with 1 if something needed is missing.

    \b
    Examples:
      bleedcheck doctor
      bleedcheck doctor --base ./anima --json
    """
    from service.cli.checkup import examine
    from service.cli.printing import print_json, print_table
    from service.cli.working import make_settings

    findings = examine(make_settings(data_dir, base=base, detector_profile=profile))
    missing = [each for each in findings if each.state == "missing"]
    if json:
        print_json({"ok": not missing, "findings": [each.to_json() for each in findings]})
    else:
        print_table(
            ("state", "what", "what to do"), [(each.state, f"{each.name}: {each.told}", each.cure) for each in findings]
        )
    raise typer.Exit(1 if missing else 0)
