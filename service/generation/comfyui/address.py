"""``comfyui+http://127.0.0.1:8188``, with ``;workflow=FILE`` or ``;model=NAME`` behind it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from service.generation.errors import BaseNotFound, UnusableBase

PREFIX = "comfyui+http://"
_OPTIONS = ("workflow", "model", "clip", "vae")


@dataclass(frozen=True)
class ComfyUIAddress:
    """A ComfyUI that runs on this machine, and what it should run.

    Attributes:
        host: ``127.0.0.1:8188``.
        workflow: the user's own workflow in API format; ``None`` for the built-in one.
        models: for the built-in workflow, ComfyUI's names of ``model``, ``clip`` and ``vae``, where they are said.
    """

    host: str
    workflow: Path | None
    models: tuple[tuple[str, str], ...] = ()

    def files(self) -> list[Path]:
        """The files on this side that decide the pictures."""
        return [] if self.workflow is None else [self.workflow]


def is_comfyui(base: str) -> bool:
    """Whether a base is a running ComfyUI."""
    return base.startswith(PREFIX)


def parse_address(base: str) -> ComfyUIAddress:
    """Read the address.

    Raises:
        UnusableBase: no address, not on this machine, or an unknown option.
        BaseNotFound: there is no such workflow file.
    """
    address, *parts = base.removeprefix("comfyui+").split(";")
    try:
        split = urlsplit(address)
        host, port = split.hostname or "", split.port or 80
    except ValueError as error:
        raise UnusableBase(f"{address} is no address: {error}") from error
    if not _is_loopback(host) or split.path not in ("", "/") or split.query or split.username:
        raise UnusableBase(
            f"{address} is no address of a ComfyUI on this machine, such as {PREFIX}127.0.0.1:8188. For one on another "
            f"machine open a tunnel: ssh -L 8188:127.0.0.1:8188 USER@MACHINE"
        )
    workflow: Path | None = None
    models: list[tuple[str, str]] = []
    for part in parts:
        name, _, value = part.partition("=")
        if name not in _OPTIONS or not value:
            raise UnusableBase(f"{part!r} is no part of an address; there are {', '.join(f'{o}=…' for o in _OPTIONS)}")
        if name == "workflow":
            workflow = Path(value).expanduser()
            if not workflow.is_file():
                raise BaseNotFound(f"there is no workflow file {value}")
        else:
            models.append((name, value))
    netloc = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return ComfyUIAddress(netloc, workflow, tuple(models))


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
