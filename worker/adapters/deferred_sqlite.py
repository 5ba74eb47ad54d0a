"""A job store in a SQLite file, of which a start loads no more than it needs.

A store needs SQLAlchemy, whose loading is a good part of a worker's start. What a start asks is as
a rule only that the file's tables are the newest, that the fleet is not held and that nothing is
queued; Python's own driver can tell.
"""

import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from worker.adapters.schema_revision import HEAD
from worker.jobs.job import JobChange, Snapshot
from worker.ports import Pause, Store, Wanted


def deferred_sqlite(file: Path, make: Callable[[], Store]) -> Store:
    """What ``make`` gives, made when it is needed: at once, unless the file has its tables.

    Raises:
        StoreError: as ``make`` does.
    """
    try:
        glance = _Glance(file)
    except sqlite3.Error:
        return make()
    if glance.revision() == HEAD:
        return cast("Store", DeferredSqlite(glance, make))
    glance.close()
    return make()


class _Glance:
    """Looks into a file that is there, and neither waits nor writes: no answer is no error."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(
            f"{file.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
        )

    def revision(self) -> str | None:
        """Of the tables, if they have any."""
        rows = self._rows("SELECT version_num FROM alembic_version")
        return rows[0][0] if rows else None

    def answers(self) -> bool:
        """Whether there is a table of jobs to read."""
        return self._rows("SELECT job_id FROM backtest_jobs LIMIT 1") is not None

    def takes_writes(self) -> bool:
        """Whether a transaction that writes can begin."""
        return self._rows("BEGIN IMMEDIATE") is not None and self._rows("ROLLBACK") is not None

    def nobody_has_paused(self) -> bool:
        """Whether the kill switch has never been touched."""
        return self._rows("SELECT 1 FROM backtest_switches LIMIT 1") == []

    def artifacts_mark(self) -> str | None:
        """Of the place for artifacts, if the store remembers one."""
        rows = self._rows("SELECT mark FROM backtest_places WHERE name = 'ARTIFACTS'")
        return rows[0][0] if rows else None

    def has_nothing_for(self, lane: str) -> bool:
        """Whether no job of a lane is ready to be claimed."""
        ready = "status = 'queued' AND lane = ? AND rank IS NOT NULL"
        return self._rows(f"SELECT 1 FROM backtest_jobs WHERE {ready} LIMIT 1", lane) == []

    def _rows(self, sql: str, *values: str) -> list[Any] | None:
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error:
            return None

    def close(self) -> None:
        self._connection.close()


class DeferredSqlite:
    """Answers the questions of a start itself; for all else it makes the store, and is that then.

    The second look at the queue makes it, too: by then the start is over, and the first job to
    come shall not wait for what could be loaded before.
    """

    def __init__(self, glance: _Glance, make: Callable[[], Store]) -> None:
        self._glance = glance
        self._make = make
        self._making = threading.RLock()
        self._made: Store | None = None
        self._has_looked = False

    def ping(self) -> None:
        """Raises ``StoreUnavailable`` unless the store answers."""
        with self._making:
            if self._made is None and self._glance.answers():
                return
        self._store().ping()

    def try_write(self) -> None:
        """Raises ``StoreUnavailable`` unless jobs can be written."""
        with self._making:
            if self._made is None and self._glance.takes_writes():
                return
        self._store().try_write()

    def pause(self) -> Pause:
        """The kill switch."""
        with self._making:
            if self._made is None and self._glance.nobody_has_paused():
                return Pause(is_on=False)
        return self._store().pause()

    def artifacts_mark(self) -> str | None:
        """Of the place for artifacts that belongs to this store."""
        with self._making:
            if self._made is None and (mark := self._glance.artifacts_mark()) is not None:
                return mark
        return self._store().artifacts_mark()

    def take_best(self, wanted: Wanted, decide: Callable[[Snapshot], JobChange]) -> Snapshot | None:
        """The store's; the first time, an empty queue is seen without it."""
        with self._making:
            is_first, self._has_looked = not self._has_looked, True
            if is_first and self._made is None and self._glance.has_nothing_for(wanted.lane):
                return None
        return self._store().take_best(wanted, decide)

    def close(self) -> None:
        """Give connections back; a store that nobody needed is not made for that."""
        with self._making:
            self._glance.close()
            if self._made is not None:
                self._made.close()

    def __getattr__(self, name: str) -> Any:
        """Everything else that a store does."""
        return getattr(self._store(), name)

    def _store(self) -> Store:
        with self._making:
            if self._made is None:
                self._made = self._make()
            return self._made
