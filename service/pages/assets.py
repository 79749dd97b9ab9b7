"""The pages' own files: style, scripts, and plotly from its installed package. Nothing comes from elsewhere."""

from __future__ import annotations

import hashlib
import mimetypes
from functools import cache
from importlib import resources
from pathlib import Path

from service.errors import NotFound

PREFIX = "/static"
_OWN = Path(str(resources.files("service.pages") / "static"))
_DESIGN = Path(str(resources.files("service.reports") / "templates" / "report.css"))


@cache
def files() -> dict[str, Path]:
    """Every file there is, by the name it is asked for by.

    The report's style sheet is served as ``design.css``: one design for the pages and for the report that is kept.
    """
    import plotly

    known = {path.name: path for path in sorted(_OWN.iterdir()) if path.is_file()}
    known["design.css"] = _DESIGN
    known["plotly.min.js"] = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
    return known


def find(name: str) -> Path:
    """The file of that name.

    Raises:
        NotFound: there is none.
    """
    path = files().get(name)
    if path is None:
        raise NotFound(f"there is no file {name[:80]!r} among the pages' own")
    return path


@cache
def mark(name: str) -> str:
    """Hash of a file's content, for its address: what an address names never changes.

    Raises:
        NotFound: there is no such file.
    """
    return hashlib.sha256(find(name).read_bytes()).hexdigest()[:16]


def address(name: str) -> str:
    """Where a page finds a file of that name.

    Raises:
        NotFound: there is no such file.
    """
    return f"{PREFIX}/{name}?v={mark(name)}"


def media_type(name: str) -> str:
    """What kind of file it is."""
    return {".js": "text/javascript", ".css": "text/css"}.get(Path(name).suffix) or (
        mimetypes.guess_type(name)[0] or "application/octet-stream"
    )
