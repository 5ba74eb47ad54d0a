"""Engines for SQLite and PostgreSQL, transactions, and what their errors mean to a caller."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.exc import (
    DatabaseError,
    DataError,
    InterfaceError,
    InvalidatePoolError,
    StatementError,
)

from worker.jobs.errors import OutcomeUnknown, RecordRefused, StoreError, StoreUnavailable

_CONNECT_SECONDS = 5
_LOCK_SECONDS = 5
_STATEMENT_SECONDS = 10
#: A connection that was used this lately is not asked whether it still lives.
TRUSTED_SECONDS = 5

_NO_ANSWER = (DatabaseError, InterfaceError, sqlalchemy.exc.TimeoutError)


def connect(url: str) -> Engine:
    """An engine whose waits are bounded. A SQLite file and its directory are made if need be."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(url, parsed.database)
    if parsed.get_backend_name() == "postgresql":
        engine = sqlalchemy.create_engine(
            url,
            hide_parameters=True,
            pool_timeout=_CONNECT_SECONDS,
            pool_size=5,
            max_overflow=15,
            connect_args={
                "connect_timeout": _CONNECT_SECONDS,
                "options": f"-c lock_timeout={_LOCK_SECONDS}s "
                f"-c statement_timeout={_STATEMENT_SECONDS}s -c timezone=UTC",
            },
        )
        _ask_idle_connections(engine)
        return engine
    raise ValueError(f"no store for {parsed.get_backend_name()} databases")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for a single SELECT."""
    try:
        with engine.connect() as connection:
            yield connection
    except _NO_ANSWER as error:
        raise StoreUnavailable(told(error)) from error


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """One transaction, committed at the end of the block and undone by an exception in it."""
    committing = False
    try:
        with (
            engine.connect().execution_options(backtest_writes=True) as connection,
            connection.begin() as transaction,
        ):
            yield connection
            committing = True
            transaction.commit()
    except DataError as error:
        raise RecordRefused(told(error)) from error
    except _NO_ANSWER as error:
        raise (OutcomeUnknown if committing else StoreUnavailable)(told(error)) from error
    except StatementError as error:
        if error.orig is None or isinstance(error.orig, (ValueError, TypeError, OverflowError)):
            raise RecordRefused(told(error)) from error
        raise


def _sqlite(url: str, database: str | None) -> Engine:
    if not database or database == ":memory:":
        raise ValueError("a SQLite store needs a file: sqlite:///path/to/file.db")
    _require_database_file(Path(database))
    engine = sqlalchemy.create_engine(
        url,
        hide_parameters=True,
        pool_timeout=_CONNECT_SECONDS,
        pool_size=5,
        max_overflow=15,
        connect_args={"timeout": _LOCK_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver must not open transactions by itself: its plain BEGIN would take the write
        # lock late, and fail at once instead of waiting when somebody else has written.
        connection.isolation_level = None
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("backtest_writes"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _require_database_file(path: Path) -> None:
    """SQLite itself says of most of this only that it is "unable to open database file".

    A file that is there is not opened but by SQLite: closing it would undo the locks that other
    connections of this process have on it.
    """
    if path.is_dir():
        raise StoreError(f"{path}: expected a SQLite database, got a directory")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.touch()
    except OSError as error:
        raise StoreError(
            f"{path}: expected a place where a file can be made, got: {error.strerror}"
        ) from error
    try:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA schema_version")
    except sqlite3.OperationalError:
        # Locked, perhaps; whoever uses the store will hear of it.
        return
    except sqlite3.DatabaseError as error:
        raise StoreError(f"{path}: expected a SQLite database, got: {error}") from error


def _ask_idle_connections(engine: Engine) -> None:
    """Replace connections that died while nobody used them. To ask at every use, as the pool would
    do by itself, costs a round trip for each transaction.
    """

    @event.listens_for(engine, "checkin")
    def remember(_connection: Any, record: Any) -> None:
        record.info["used_at"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ask(connection: Any, record: Any, _proxy: Any) -> None:
        idle = time.monotonic() - record.info.get("used_at", time.monotonic())
        if idle < TRUSTED_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error


def told(error: BaseException) -> str:
    """The first line of what a database or its driver says."""
    cause = getattr(error, "orig", None) or error
    first_line = (str(cause).strip() or type(cause).__name__).splitlines()[0]
    return f"the database says: {first_line}"
