"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder of the database, images and reports. [default: BLEEDCHECK_DATA_DIR or the user's own]"),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
