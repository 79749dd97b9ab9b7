"""Downloading one large file: resumed where it stopped, tried again, and in place only when it is whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

Progress = Callable[[int, int], None]

ATTEMPTS = 4
_WAIT_S, _LONGEST_WAIT_S = 0.5, 10.0
_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_BLOCK = 1 << 18
_NOT_SATISFIABLE = 416


class TryAgain(Exception):
    """The server is busy or closed the connection; what arrived so far is kept."""


def download(source: str, target: Path, progress: Progress | None = None, wait_s: float = _WAIT_S) -> None:
    """Download ``source`` to ``target``.

    What has arrived lies at ``target`` with ``.partial`` behind its name, its version (the server's ETag) beside it, so
    that an interrupted download goes on where it stopped, also in another process; a file that has changed on the
    server meanwhile is begun again. ``target`` itself is replaced in one step at the end.

    Args:
        source: an address.
        target: where the file goes; its folder exists.
        progress: called with (bytes so far, bytes in all; 0 if the server does not say).
        wait_s: seconds before the second attempt; doubled for each further one.

    Raises:
        OSError: the server refuses, or every attempt failed.
    """
    partial = target.with_name(target.name + ".partial")
    tries = Retrying(
        retry=retry_if_exception_type((TryAgain, httpx.TransportError)),
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_exponential_jitter(initial=wait_s, max=_LONGEST_WAIT_S, jitter=wait_s),
        reraise=True,
    )
    try:
        tries(_go_on, source, partial, progress)
    except (TryAgain, httpx.HTTPError, httpx.InvalidURL) as error:
        raise OSError(f"{error or type(error).__name__}") from error
    partial.replace(target)
    _version_of(partial).unlink(missing_ok=True)


def _version_of(partial: Path) -> Path:
    return partial.with_name(partial.name + ".etag")


def _go_on(source: str, partial: Path, progress: Progress | None) -> None:
    """One attempt at what is still missing."""
    version = _version_of(partial)
    there = partial.stat().st_size if partial.is_file() and version.is_file() else 0
    headers = {"User-Agent": "bleedcheck", "Accept-Encoding": "identity"}
    if there:
        headers |= {"Range": f"bytes={there}-", "If-Range": version.read_text()}
    with httpx.stream("GET", source, headers=headers, timeout=_TIMEOUT, follow_redirects=True) as answer:
        if answer.status_code == _NOT_SATISFIABLE:
            version.unlink(missing_ok=True)
            raise TryAgain("the server has no more of this file; it is begun again")
        if answer.status_code >= 500 or answer.status_code == 429:
            raise TryAgain(f"{source} answers {answer.status_code}")
        if answer.is_error:
            raise OSError(f"{source} answers {answer.status_code}")
        goes_on = answer.status_code == httpx.codes.PARTIAL_CONTENT
        if not goes_on:
            there = 0
        # A weak ETag may not be resumed from.
        etag = answer.headers.get("ETag", "")
        if etag and not etag.startswith("W/"):
            version.write_text(etag)
        else:
            version.unlink(missing_ok=True)
        _receive(answer, partial, there, progress)


def _receive(answer: httpx.Response, partial: Path, there: int, progress: Progress | None) -> None:
    length = int(answer.headers.get("Content-Length") or 0)
    total = there + length if length else 0
    with partial.open("ab" if there else "wb") as file:
        for block in answer.iter_bytes(_BLOCK):
            file.write(block)
            there += len(block)
            if progress:
                progress(there, total)
    if total and there < total:
        raise TryAgain(f"the connection closed after {there} of {total} bytes")
