"""Opening the database, bringing it up to date, and short transactions on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.orm import Session

from service.errors import StorageFailed

BUSY_TIMEOUT_S = 30.0
MIGRATIONS = Path(__file__).parent / "migrations"


class Database:
    """One database, brought up to date when it is opened.

    Args:
        url: an SQLAlchemy URL; the folder of an SQLite file is made if it is missing.

    Raises:
        StorageFailed: the database cannot be opened or written.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        path = make_url(url).database
        self._is_sqlite = make_url(url).get_backend_name() == "sqlite"
        if self._is_sqlite and path:
            try:
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StorageFailed(f"cannot make the data folder {Path(path).parent}: {error.strerror}") from error
        self.engine = self._open()
        with _storage_errors():
            self._upgrade()

    def _open(self) -> Engine:
        if not self._is_sqlite:
            return create_engine(self.url, pool_pre_ping=True)
        engine = create_engine(self.url, connect_args={"timeout": BUSY_TIMEOUT_S})
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    def _upgrade(self) -> None:
        """Run the migrations that this database has not seen; two processes starting at once wait for each other."""
        from alembic import command
        from alembic.config import Config

        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
        with self.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session whose changes are committed at the end, or not at all.

        It takes SQLite's write lock at once, so keep it short and never generate or detect inside.
        """
        with _storage_errors(), Session(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session on one consistent state of the database, which blocks no writer."""
        engine = self.engine.execution_options(only_reads=True)
        with _storage_errors(), Session(engine, expire_on_commit=False) as session:
            yield session

    def close(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def _configure_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin below, not when the driver thinks they should
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Connection) -> None:
    only_reads = connection.get_execution_options().get("only_reads", False)
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")


@contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        # The plain class is a file that is no database; its other children, such as a broken constraint, are our bugs.
        if not isinstance(error, OperationalError) and type(error) is not DatabaseError:
            raise
        raise StorageFailed(f"the database cannot be used: {error.orig}") from error
