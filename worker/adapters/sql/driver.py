"""The statements of a job's life, on the driver's own connections from SQLAlchemy's pool.

Building and compiling a statement, and SQLAlchemy's layers around a transaction, take longer than
SQLite needs to execute it. What happens a few times for every job goes through here instead;
everything else uses the transactions of :mod:`connection`.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import sqlalchemy
from sqlalchemy import Engine, PoolProxiedConnection

from worker.adapters.sql.connection import told, unavailable
from worker.jobs.errors import OutcomeUnknown, RecordRefused

#: Connections kept ready between statements: to ask SQLAlchemy's pool for one, and to have it reset
#: afterwards, takes as long as a statement.
_AT_HAND = 4

Parameters = Sequence[Any]
Record = tuple[Any, ...]
#: The text and what fills its placeholders.
Statement = tuple[str, Parameters]


def _in_turn(cursor: Any, statements: Sequence[Statement]) -> Record | None:
    row: Record | None = cursor.execute(*statements[0]).fetchone()
    if row is not None:
        for statement in statements[1:]:
            cursor.execute(*statement)
    return row


class Driver:
    """Runs SQL with the driver's placeholders; rows are plain tuples."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        module = engine.dialect.loaded_dbapi
        self._refused: tuple[type[Exception], ...] = (module.DataError, module.IntegrityError)
        self._error: type[Exception] = module.Error
        self._embedded = engine.dialect.name == "sqlite"
        self._idle: list[PoolProxiedConnection] = []
        self._closed = False

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        """A cursor in a transaction that is committed at the end of the block.

        An exception in the block undoes it. Errors of the database become those of the store,
        ``OutcomeUnknown`` if the commit had been sent.
        """
        committing = False
        with self._connection() as pooled:
            connection: Any = pooled.dbapi_connection
            try:
                cursor = connection.cursor()
                cursor.execute("BEGIN IMMEDIATE" if self._embedded else "BEGIN")
                yield cursor
                committing = True
                cursor.execute("COMMIT")
            except BaseException as error:
                self._undo(pooled)
                meaning = self._meaning(error, lost=not pooled.is_valid and committing)
                if meaning is None:
                    raise
                raise meaning from error

    def one(self, sql: str, parameters: Parameters, *, writes: bool = False) -> Record | None:
        """The first row of a statement that is a transaction of its own.

        One that only reads is asked once more if the connection is lost meanwhile.
        """
        may_repeat = not writes
        while True:
            with self._connection() as pooled:
                connection: Any = pooled.dbapi_connection
                try:
                    row: Record | None = connection.execute(sql, parameters).fetchone()
                except Exception as error:
                    self._undo(pooled)
                    if may_repeat and self._was_lost(error, pooled):
                        may_repeat = False
                        continue
                    meaning = self._meaning(error, lost=not pooled.is_valid and writes)
                    if meaning is None:
                        raise
                    raise meaning from error
                return row

    def all_if_first(self, statements: Sequence[Statement]) -> Record | None:
        """Statements that write, in one transaction; the first row of the first one.

        If that one has none, the others are not carried out.
        """
        if len(statements) == 1:
            return self.one(*statements[0], writes=True)
        with self.transaction() as cursor:
            return _in_turn(cursor, statements)

    def locked(
        self, find: Statement, write: Callable[[Record], Sequence[Statement]]
    ) -> Record | None:
        """What ``write`` says of the row that ``find`` gives and locks, in one transaction.

        Gives the first row of the first statement; ``None`` if there was nothing to find.
        """
        if self._embedded:
            with self.transaction() as cursor:
                found = cursor.execute(*find).fetchone()
                return None if found is None else _in_turn(cursor, write(found))
        return self._locked_in_two_trips(find, write)

    def _locked_in_two_trips(
        self, find: Statement, write: Callable[[Record], Sequence[Statement]]
    ) -> Record | None:
        """With a server far away every statement waits for its answer, so BEGIN goes out together
        with the search and COMMIT with the write, which the lock lets succeed. A search whose
        connection is lost is begun anew once.
        """
        may_repeat, committing = True, False
        while True:
            with self._connection() as pooled:
                connection: Any = pooled.dbapi_connection
                try:
                    cursor = connection.cursor(binary=True)
                    with connection.pipeline():
                        connection.execute("BEGIN")
                        cursor.execute(*find)
                    found = cursor.fetchone()
                    if found is None:
                        connection.execute("COMMIT")
                        return None
                    [statement] = write(found)
                    may_repeat, committing = False, True
                    with connection.pipeline():
                        cursor.execute(*statement)
                        connection.execute("COMMIT")
                    row: Record | None = cursor.fetchone()
                except BaseException as error:
                    self._undo(pooled)
                    if may_repeat and self._was_lost(error, pooled):
                        may_repeat = False
                        continue
                    meaning = self._meaning(error, lost=not pooled.is_valid and committing)
                    if meaning is None:
                        raise
                    raise meaning from error
                return row

    @contextmanager
    def _connection(self) -> Iterator[PoolProxiedConnection]:
        pooled = self._take()
        try:
            yield pooled
        finally:
            self._give_back(pooled)

    def _take(self) -> PoolProxiedConnection:
        """The connection that was used last, if one is at hand and alive; else the pool's."""
        while True:
            try:
                pooled = self._idle.pop()
            except IndexError:
                return self._fetch()
            if self._embedded or pooled.dbapi_connection.is_usable():  # type: ignore[union-attr]  # a ServerConnection
                return pooled
            pooled.invalidate()
            pooled.close()

    def _fetch(self) -> PoolProxiedConnection:
        try:
            pooled = self._engine.raw_connection()
        except (self._error, sqlalchemy.exc.SQLAlchemyError) as error:
            raise unavailable(error) from error
        if not self._embedded:
            pooled.dbapi_connection.autocommit = True  # type: ignore[union-attr]  # psycopg's
        return pooled

    def _give_back(self, pooled: PoolProxiedConnection) -> None:
        if pooled.is_valid and not self._closed and len(self._idle) < _AT_HAND:
            self._idle.append(pooled)
        else:
            self._return(pooled)

    def _return(self, pooled: PoolProxiedConnection) -> None:
        if not self._embedded and pooled.is_valid:
            pooled.dbapi_connection.autocommit = False  # type: ignore[union-attr]  # psycopg's
        pooled.close()

    def close(self) -> None:
        """Give the connections at hand back to the pool."""
        self._closed = True
        while self._idle:
            self._return(self._idle.pop())

    def _undo(self, pooled: PoolProxiedConnection) -> None:
        """End the transaction; a connection that cannot even do that is not used again."""
        try:
            pooled.rollback()
        except self._error:
            pooled.invalidate()
        connection: Any = pooled.dbapi_connection
        if connection is not None and getattr(connection, "closed", False):
            pooled.invalidate()

    def _was_lost(self, error: BaseException, pooled: PoolProxiedConnection) -> bool:
        """Whether the connection broke, rather than the statement, after :meth:`_undo`."""
        return isinstance(error, self._error) and not pooled.is_valid

    def _meaning(self, error: BaseException, *, lost: bool) -> Exception | None:
        """What an error tells the services; ``None`` for one that passes as it is.

        ``lost``: the connection broke after the write had been sent.
        """
        if isinstance(error, (*self._refused, OverflowError, UnicodeError)):
            return RecordRefused(told(error))
        if isinstance(error, self._error):
            return OutcomeUnknown(told(error)) if lost else unavailable(error)
        return None
