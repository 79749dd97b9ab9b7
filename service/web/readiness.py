"""What a working server needs."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from sqlalchemy import select

from service.database.engine import Database
from service.errors import BleedcheckError

ROOM_BYTES = 256 << 20
"""Less than this much free space is too little to go on."""


def look(database: Database, folder: Path) -> dict[str, str]:
    """``database`` and ``disk``, each with "ok" or a sentence that says what is wrong."""
    return {"database": _database(database), "disk": disk(folder)}


def disk(folder: Path) -> str:
    """Whether a folder can be written and has room: "ok" or what is wrong."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".ready-") as file:
            file.write(b"x")
            file.flush()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return f"{folder} cannot be written: {error.strerror or error}"
    return "ok" if free >= ROOM_BYTES else f"only {free >> 20} MB are free at {folder}"


def _database(database: Database) -> str:
    try:
        with database.reading() as session:
            session.execute(select(1))
    except BleedcheckError as error:
        return str(error)
    return "ok"
