"""A real server on a free port of this machine, and a headless browser to look at it with."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn

from service.app import create_app
from service.evaluations.executor import Models
from service.settings import Settings

NO_BROWSER = "no Chromium: install it (Debian: apt-get install chromium) or name it in BLEEDCHECK_CHROMIUM"
_QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


def find_browser() -> str | None:
    """Path of a Chromium, if this machine has one."""
    named = os.environ.get("BLEEDCHECK_CHROMIUM")
    return named or shutil.which("chromium") or shutil.which("google-chrome")


@contextmanager
def browser() -> Iterator[Any]:
    """A headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=find_browser(), args=[*_QUIET, "--disable-sync"])
        yield opened
        opened.close()


@contextmanager
def serving(settings: Settings, models: Models | None = None) -> Iterator[str]:
    """A server that listens; its address."""
    config = uvicorn.Config(create_app(settings, models), host="127.0.0.1", port=0, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 60
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        assert time.monotonic() < deadline, "the server did not start in time"
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(timeout=60)


def small_settings(folder: Path, base: Path, **given: Any) -> Settings:
    """Settings for the nano base of the tests."""
    return Settings(data_dir=folder, base=str(base), device="cpu", dtype="float32", **given)
