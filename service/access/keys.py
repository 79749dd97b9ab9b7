"""API keys: made once, shown once, kept as a hash."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from enum import StrEnum

from service.access import repository
from service.database.engine import Database
from service.database.models import ApiKey
from service.errors import Conflict, InvalidInput, NotFound, Unauthorized

PREFIX = "bck"
_ID_BYTES = 4
_SECRET_BYTES = 32


class Scope(StrEnum):
    """What a key allows: to look, or also to change things."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True)
class Caller:
    """Who sends a request. ``key_id`` is ``None`` where no key is asked for."""

    key_id: str | None
    scope: Scope

    @property
    def may_write(self) -> bool:
        """Whether it may change things."""
        return self.scope is Scope.WRITE


ANYBODY = Caller(None, Scope.WRITE)
"""Whoever reaches a server that listens on loopback only."""


class KeyRing:
    """The keys of one data folder.

    Args:
        database: where their hashes are kept.
        given: one more key with the scope ``write``, from the operator's environment.
    """

    def __init__(self, database: Database, given: str | None = None) -> None:
        self._database = database
        self._given = given

    def create(self, name: str, scope: Scope) -> tuple[ApiKey, str]:
        """Make a key.

        Returns:
            Its row, and the key itself, which can be read only now.

        Raises:
            InvalidInput: the name is empty or longer than 100 characters.
        """
        if not 1 <= len(name.strip()) <= 100:
            raise InvalidInput("give the key a name of 1 to 100 characters that says who uses it")
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        row = ApiKey(id=secrets.token_hex(_ID_BYTES), name=name.strip(), scope=scope.value, secret_hash=_hash(secret))
        with self._database.transaction() as session:
            session.add(row)
        return row, f"{PREFIX}_{row.id}_{secret}"

    def list_all(self) -> list[ApiKey]:
        """Every key ever made, oldest first, revoked ones too."""
        with self._database.reading() as session:
            return list(repository.list_keys(session))

    def revoke(self, key_id: str) -> ApiKey:
        """End a key; requests and sessions that use it are refused from now on.

        Raises:
            NotFound: there is no such key.
            Conflict: it is revoked already.
        """
        with self._database.transaction() as session:
            row = repository.find_key(session, key_id)
            if row is None:
                raise NotFound(f"there is no key {key_id!r}; `bleedcheck keys list` shows them")
            if row.revoked_at is not None:
                raise Conflict(f"key {key_id} is revoked already")
            row.revoked_at = time.time()
            return row

    def any_valid(self) -> bool:
        """Whether anybody could come in."""
        if self._given:
            return True
        with self._database.reading() as session:
            return repository.count_valid(session) > 0

    def caller(self, key: str) -> Caller:
        """Who presents a key.

        A secret has 256 random bits, so that one round of SHA-256 protects it: there is nothing to guess.

        Raises:
            Unauthorized: it is no key, or was revoked.
        """
        if self._given is not None and hmac.compare_digest(_hash(key), _hash(self._given)):
            return Caller("given", Scope.WRITE)
        prefix, _, rest = key.partition("_")
        key_id, _, secret = rest.partition("_")
        row = self._valid(key_id) if prefix == PREFIX else None
        if row is None or not hmac.compare_digest(row.secret_hash, _hash(secret)):
            raise Unauthorized("this key is not known here; ask the operator for one (`bleedcheck keys create`)")
        return Caller(row.id, Scope(row.scope))

    def caller_of_id(self, key_id: str) -> Caller | None:
        """Who a key's id belongs to, for a session that was opened with the key; ``None`` once it is revoked."""
        if key_id == "given":
            return Caller("given", Scope.WRITE) if self._given else None
        row = self._valid(key_id)
        return Caller(row.id, Scope(row.scope)) if row else None

    def _valid(self, key_id: str) -> ApiKey | None:
        with self._database.reading() as session:
            row = repository.find_key(session, key_id)
        return row if row is not None and row.revoked_at is None else None


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
