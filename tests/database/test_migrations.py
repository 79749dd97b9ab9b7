"""The migrations build exactly the tables that the models describe, and processes can start at the same time."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from service.database.engine import Database
from service.database.models import Base, Run
from service.errors import StorageFailed


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'new' / 'bleedcheck.db'}"


def test_migrations_and_models_agree(tmp_path: Path) -> None:
    database = Database(url(tmp_path))
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []
    database.close()


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    for _ in range(2):
        database = Database(url(tmp_path))
        with database.transaction() as session:
            session.add(Run(name=f"run {len(list(session.execute(text('select 1 from runs'))))}"))
        database.close()
    database = Database(url(tmp_path))
    with database.reading() as session:
        assert session.execute(text("select name from runs order by id")).scalars().all() == ["run 0", "run 1"]
    database.close()


def test_sqlite_is_set_up_for_readers_beside_a_writer(tmp_path: Path) -> None:
    database = Database(url(tmp_path))
    with database.reading() as session:
        assert session.execute(text("pragma journal_mode")).scalar() == "wal"
        assert session.execute(text("pragma foreign_keys")).scalar() == 1
    with database.transaction() as writer:
        writer.add(Run(name="unseen"))
        writer.flush()
        with database.reading() as reader:
            assert reader.execute(text("select count(*) from runs")).scalar() == 0
    database.close()


def test_a_transaction_is_all_or_nothing(tmp_path: Path) -> None:
    database = Database(url(tmp_path))

    def half() -> None:
        with database.transaction() as session:
            session.add(Run(name="half"))
            session.flush()
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        half()
    with database.reading() as session:
        assert session.execute(text("select count(*) from runs")).scalar() == 0
    database.close()


def test_writers_wait_for_each_other(tmp_path: Path) -> None:
    database = Database(url(tmp_path))

    def write(start: int) -> None:
        for number in range(start, start + 20):
            with database.transaction() as session:
                session.add(Run(name=str(number)))

    threads = [threading.Thread(target=write, args=(20 * index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as session:
        assert session.execute(text("select count(*) from runs")).scalar() == 80
    database.close()


def test_processes_that_start_together_migrate_once(tmp_path: Path) -> None:
    code = f"from service.database.engine import Database; Database({url(tmp_path)!r}).close()"
    processes = [subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2]) for _ in range(3)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    database = Database(url(tmp_path))
    with database.reading() as session:
        assert session.execute(text("select count(*) from alembic_version")).scalar() == 1
    database.close()


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "new").write_text("a file where the folder should be")
    with pytest.raises(StorageFailed, match="cannot make the data folder"):
        Database(url(tmp_path))


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "bleedcheck.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(StorageFailed, match="cannot be used"):
        Database(url(tmp_path))
