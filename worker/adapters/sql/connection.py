"""Engines for SQLite and PostgreSQL, transactions, and what their errors mean to a caller."""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy
from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.exc import (
    DatabaseError,
    DataError,
    DBAPIError,
    InterfaceError,
    InvalidatePoolError,
    StatementError,
)

from worker.jobs.errors import (
    OutcomeUnknown,
    RecordRefused,
    StoreError,
    StoreRefuses,
    StoreUnavailable,
)

if TYPE_CHECKING:
    from worker.adapters.sql.server import Pooler

Answer = TypeVar("Answer")

#: Of SQLite. A server's limits are in :mod:`server`.
_LOCK_SECONDS = 5
_POOL_SECONDS = 5
#: Between two looks at a file that others have locked.
_LOOK_SECONDS = 0.01

#: No right (PostgreSQL 42501), a standby or a read-only transaction (25006), a full disk (53100).
_REFUSALS = ("42501", "25006", "53100", "SQLITE_READONLY", "SQLITE_FULL")

_NO_ANSWER = (DatabaseError, InterfaceError, sqlalchemy.exc.TimeoutError)


def connect(url: str, *, role: str = "command", pooler: "Pooler" = "none") -> Engine:
    """An engine whose waits are bounded. A SQLite file and its directory are made if need be.

    ``role`` is what a server shows of this process; ``pooler`` what stands before the server.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(url, parsed.database)
    if parsed.get_backend_name() == "postgresql":
        return _postgresql(url, role, pooler)
    raise ValueError(f"no store for {parsed.get_backend_name()} databases")


def read(engine: Engine, query: Callable[[Connection], Answer]) -> Answer:
    """What ``query`` reads, asked once more if the connection is lost meanwhile."""
    try:
        try:
            return _read_once(engine, query)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
            return _read_once(engine, query)
    except _NO_ANSWER as error:
        raise unavailable(error) from error


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
        raise (OutcomeUnknown(told(error)) if committing else unavailable(error)) from error
    except StatementError as error:
        if error.orig is None or isinstance(error.orig, (ValueError, TypeError, OverflowError)):
            raise RecordRefused(told(error)) from error
        raise


def _read_once(engine: Engine, query: Callable[[Connection], Answer]) -> Answer:
    with engine.connect() as connection:
        return query(connection)


def _postgresql(url: str, role: str, pooler: "Pooler") -> Engine:
    from worker.adapters.sql.server import Losses, ServerConnection, open_connection
    from worker.adapters.sql.server.arguments import connect_arguments

    engine = sqlalchemy.create_engine(
        url, hide_parameters=True, pool_timeout=_POOL_SECONDS, pool_size=5, max_overflow=15
    )
    arguments = connect_arguments(url, role)
    losses = Losses()

    @event.listens_for(engine, "do_connect")
    def open_one(_dialect: Any, _record: Any, _args: Any, given: Any) -> ServerConnection:
        context = {"context": given.get("context")}
        opened = open_connection(arguments | context, pooler=pooler, losses=losses)
        opened.autocommit = False
        return opened

    @event.listens_for(engine, "checkout")
    def replace_dead(connection: ServerConnection, _record: Any, _proxy: Any) -> None:
        if not connection.is_usable():
            raise InvalidatePoolError

    return engine


def _sqlite(url: str, database: str | None) -> Engine:
    if not database or database == ":memory:":
        raise ValueError("a SQLite store needs a file: sqlite:///path/to/file.db")
    _require_database_file(Path(database))
    engine = sqlalchemy.create_engine(
        url,
        hide_parameters=True,
        pool_timeout=_POOL_SECONDS,
        pool_size=5,
        max_overflow=15,
        connect_args={"timeout": _LOCK_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, _record: Any) -> None:
        # The driver must not open transactions by itself: its plain BEGIN would take the write
        # lock late, and fail at once instead of waiting when somebody else has written.
        connection.isolation_level = None
        _begin_log(connection)
        connection.execute("PRAGMA synchronous=NORMAL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("backtest_writes"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _begin_log(connection: Any) -> None:
    """Write ahead from now on. SQLite itself does not wait for others that do the same to a new
    file at this moment.
    """
    until = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_LOOK_SECONDS)
        else:
            return


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


def unavailable(error: BaseException) -> StoreUnavailable:
    """What an error means after which nothing was written: no answer, or a refusal."""
    cause = getattr(error, "orig", None) or error
    code = getattr(cause, "sqlstate", None) or getattr(cause, "sqlite_errorname", None) or ""
    kind = StoreRefuses if code.startswith(_REFUSALS) else StoreUnavailable
    return kind(told(error))


def told(error: BaseException) -> str:
    """The first line of what a database or its driver says."""
    cause = getattr(error, "orig", None) or error
    first_line = (str(cause).strip() or type(cause).__name__).splitlines()[0]
    return f"the database says: {first_line}"
