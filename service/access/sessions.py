"""The pages' login: a signed cookie that names a key by its id, so that revoking the key ends the session."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from itsdangerous import BadSignature, URLSafeTimedSerializer

from service.errors import StorageFailed

COOKIE = "bleedcheck_session"
LIFE_S = 7 * 24 * 3600
_FILE = "session-secret"


class Sessions:
    """Signs and reads session cookies with a secret that lies in the data folder, readable by its owner alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._signer: URLSafeTimedSerializer | None = None

    def issue(self, key_id: str) -> str:
        """A cookie's value for whoever has shown that key."""
        return str(self._open().dumps({"key": key_id}))

    def read(self, value: str) -> str | None:
        """The key's id in a cookie's value; ``None`` if it was not signed here or is older than :data:`LIFE_S`."""
        try:
            content = self._open().loads(value, max_age=LIFE_S)
        except BadSignature:
            return None
        return content["key"] if isinstance(content, dict) and isinstance(content.get("key"), str) else None

    def _open(self) -> URLSafeTimedSerializer:
        if self._signer is None:
            self._signer = URLSafeTimedSerializer(_secret(self._folder / _FILE), salt="session")
        return self._signer


def _secret(path: Path) -> str:
    """The secret in a file, made with the first use; of two processes that make it, one wins."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}-{secrets.token_hex(8)}")
        if not path.is_file():
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(48))
            try:
                os.link(temporary, path)  # unlike a rename, it does not replace the other process's secret
            except FileExistsError:
                pass
            finally:
                temporary.unlink()
        return path.read_text()
    except OSError as error:
        raise StorageFailed(f"cannot keep the sessions' secret at {path}: {error.strerror or error}") from error
