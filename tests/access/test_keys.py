"""Keys: made once, kept as a hash, ended for good."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.access.keys import KeyRing, Scope
from service.access.sessions import Sessions
from service.database.engine import Database
from service.errors import Conflict, InvalidInput, NotFound, Unauthorized


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(f"sqlite:///{tmp_path / 'bleedcheck.db'}")
    yield opened
    opened.close()


def test_a_key_opens_and_its_secret_is_not_kept(database: Database, tmp_path: Path) -> None:
    ring = KeyRing(database)
    assert not ring.any_valid()
    row, key = ring.create("laptop", Scope.READ)
    caller = ring.caller(key)
    assert (caller.key_id, caller.scope, caller.may_write) == (row.id, Scope.READ, False)
    assert ring.any_valid()
    secret = key.rpartition("_")[2] if key.count("_") == 2 else key.split("_", 2)[2]
    for file in tmp_path.iterdir():
        assert secret.encode() not in file.read_bytes()


def test_a_revoked_key_is_refused(database: Database) -> None:
    ring = KeyRing(database)
    row, key = ring.create("laptop", Scope.WRITE)
    ring.revoke(row.id)
    with pytest.raises(Unauthorized):
        ring.caller(key)
    assert ring.caller_of_id(row.id) is None
    assert not ring.any_valid()
    with pytest.raises(Conflict):
        ring.revoke(row.id)
    with pytest.raises(NotFound):
        ring.revoke("00000000")


@pytest.mark.parametrize("wrong", ["", "bck", "bck_", "bck_00000000_x", "nonsense", "ü_ü_ü"])
def test_nothing_else_opens(database: Database, wrong: str) -> None:
    ring = KeyRing(database)
    ring.create("laptop", Scope.WRITE)
    with pytest.raises(Unauthorized):
        ring.caller(wrong)


def test_a_key_with_another_secret_is_refused(database: Database) -> None:
    ring = KeyRing(database)
    row, key = ring.create("laptop", Scope.WRITE)
    with pytest.raises(Unauthorized):
        ring.caller(key[:-1] + ("A" if key[-1] != "A" else "B"))
    with pytest.raises(Unauthorized):
        ring.caller(f"bck_{row.id}_")


def test_the_operators_own_key_writes(database: Database) -> None:
    ring = KeyRing(database, "a-key-from-the-environment")
    assert ring.any_valid()
    assert ring.caller("a-key-from-the-environment").may_write
    with pytest.raises(Unauthorized):
        ring.caller("another-key-from-nowhere")


@pytest.mark.parametrize("name", ["", "  ", "x" * 101])
def test_a_key_needs_a_name(database: Database, name: str) -> None:
    with pytest.raises(InvalidInput):
        KeyRing(database).create(name, Scope.READ)


def test_a_session_is_signed_and_survives_a_restart(tmp_path: Path) -> None:
    cookie = Sessions(tmp_path).issue("abcd1234")
    assert Sessions(tmp_path).read(cookie) == "abcd1234"
    assert Sessions(tmp_path).read(cookie[:-2] + "xx") is None
    assert Sessions(tmp_path / "elsewhere").read(cookie) is None
    assert (tmp_path / "session-secret").stat().st_mode & 0o077 == 0
