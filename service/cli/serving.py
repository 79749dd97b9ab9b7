"""``bleedcheck serve`` and ``bleedcheck doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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

if TYPE_CHECKING:
    from service.settings import Settings

app = typer.Typer(rich_markup_mode=None)

KEEP_ALIVE_S = 75
"""How long a connection without a request stays open. The clock runs from when an answer was handed to the system, not
from when the client has read it: with the usual 5 s a slow client on a large answer finds its connection broken."""


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on. [default: 127.0.0.1]")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on. [default: 8000]")] = None,
    base: Base = None,
    text_encoder: TextEncoder = None,
    text_encoder_2: TextEncoder2 = None,
    vae: Vae = None,
    tokenizers: Tokenizers = None,
    workflow: Workflow = None,
    with_: With = None,
    device: Device = None,
    dtype: Dtype = None,
    card: Card = None,
    image_format: ImageFormat = None,
    profile: Profile = None,
    weights_dir: WeightsDir = None,
    clip: ClipModel = None,
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
      bleedcheck serve --base comfyui:$HOME/ComfyUI --with anima-turbo.safetensors:1.0
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
        text_encoder=text_encoder,
        text_encoder_2=text_encoder_2,
        vae=vae,
        tokenizers=tokenizers,
        workflow=workflow,
        extra_loras=tuple(with_) if with_ else None,
        device=device,
        dtype=dtype,
        card=card,
        image_format=image_format,
        detector_profile=profile,
        detector_weights=weights_dir,
        detector_clip=clip,
        allowed_folders=tuple(allow_folder) if allow_folder else None,
        allowed_hosts=tuple(allow_host) if allow_host else None,
    )
    if settings.work:  # elsewhere the workers have the base
        _check_base(settings)
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


def _check_base(settings: Settings) -> None:
    """See that the base and its fixed LoRAs can be used, before people hand in files for it.

    A name on the hub is left for the first evaluation, which fetches it, and a ComfyUI may be started later.

    Raises:
        BaseNotFound, UnusableBase, InvalidInput: they cannot; the message says what to do.
    """
    from service.evaluations.requests import parse_extra
    from service.generation.bases import find_base
    from service.generation.comfyui import is_comfyui, parse_address
    from service.generation.hub import HUB_NAME
    from service.generation.original import lora_folder
    from service.settings import IMAGES_PREFIX

    for text in settings.extra_loras:
        parse_extra(text, lora_folder(settings.base))
    if is_comfyui(settings.base):
        parse_address(settings.whole_base)
    elif not settings.base.startswith(IMAGES_PREFIX) and (
        Path(settings.base).exists() or not HUB_NAME.fullmatch(settings.base)
    ):
        find_base(settings.whole_base)


@app.command()
def doctor(
    base: Base = None,
    text_encoder: TextEncoder = None,
    text_encoder_2: TextEncoder2 = None,
    vae: Vae = None,
    tokenizers: Tokenizers = None,
    workflow: Workflow = None,
    device: Device = None,
    card: Card = None,
    profile: Profile = None,
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

    settings = make_settings(
        data_dir,
        base=base,
        text_encoder=text_encoder,
        text_encoder_2=text_encoder_2,
        vae=vae,
        tokenizers=tokenizers,
        workflow=workflow,
        device=device,
        card=card,
        detector_profile=profile,
    )
    findings = examine(settings)
    missing = [each for each in findings if each.state == "missing"]
    if json:
        print_json({"ok": not missing, "findings": [each.to_json() for each in findings]})
    else:
        print_table(
            ("state", "what", "what to do"), [(each.state, f"{each.name}: {each.told}", each.cure) for each in findings]
        )
    raise typer.Exit(1 if missing else 0)
