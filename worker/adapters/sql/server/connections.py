"""A connection that waits for the server's answers for a bounded time, and knows when to doubt."""

import select
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import psycopg
from psycopg.rows import TupleRow
from sqlalchemy import Connection

#: The server ends a statement sooner. Only one that is frozen or gone does not answer for so long.
ANSWER_SECONDS = 15.0
#: An idle connection that is asked whether it lives has this long to say so.
ASK_SECONDS = 5.0
#: A connection that answered this lately is not asked, unless something has arrived on it.
TRUSTED_SECONDS = 5.0
#: psycopg looks this often for Ctrl-C while it waits.
_INTERVAL_SECONDS = 0.1

Answer = TypeVar("Answer")


class NoAnswer(psycopg.OperationalError):
    """The server did not answer in time; the connection is closed."""


class Losses:
    """When a connection of a group was last found dead: the others are then doubtful, too."""

    def __init__(self) -> None:
        self.last_at = float("-inf")

    def add(self) -> None:
        self.last_at = time.monotonic()


class _Pipeline(psycopg.Pipeline):
    """psycopg's, without the flush that it sends behind the synchronization at the end.

    The server sends everything at a synchronization anyway. A message behind that one stops its
    clock for idle transactions, and the locks of a client that vanished would stay.
    """

    def _exit_gen(self) -> Generator[Any, Any, None]:
        try:
            self._enqueue_sync()
            yield from self._communicate_gen()
        finally:
            yield from self._fetch_gen(flush=False)


class ServerConnection(psycopg.Connection[TupleRow]):
    """psycopg's, with a bound on each wait for an answer.

    The operating system reports a peer that is gone; a server or a pooler that is stopped still
    acknowledges whatever it is sent.
    """

    #: ``None``: as long as it takes.
    answer_seconds: float | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.losses = Losses()
        self._heard_at = time.monotonic()
        self._arrivals = select.poll()
        self._arrivals.register(self.fileno(), select.POLLIN)

    def wait(
        self,
        gen: Generator[Any, Any, Answer],
        interval: float = _INTERVAL_SECONDS,
        timeout: float | None = None,
    ) -> Answer:
        """Every statement, commit and rollback waits in here."""
        if timeout is not None:
            # Whoever waits for a time only, for notifications, expects none.
            return super().wait(gen, interval, timeout)
        began = time.monotonic()
        try:
            answer = super().wait(gen, interval, self.answer_seconds)
        except psycopg.Error as error:
            if self._took_too_long(began) and not self.closed:
                # The answer may still come, and would be taken for that of the next statement.
                self.close()
                self.losses.add()
                raise NoAnswer(f"no answer within {self.answer_seconds:g} s") from error
            if self.closed:
                self.losses.add()
            raise
        self._heard_at = time.monotonic()
        return answer

    @contextmanager
    def pipeline(self) -> Iterator[psycopg.Pipeline]:
        """Statements in this block go out together."""
        if self._pipeline is None:
            self._pipeline = _Pipeline(self)
        with super().pipeline() as pipeline:
            yield pipeline

    def is_usable(self) -> bool:
        """Whether a statement may be sent. The server is asked only where there is doubt: after
        some idle time, or when something has arrived unasked, such as the end of the connection.
        """
        if self.closed or self._heard_at < self.losses.last_at:
            return False
        if time.monotonic() - self._heard_at < TRUSTED_SECONDS and not self._arrivals.poll(0):
            return True
        return self._answers()

    def _answers(self) -> bool:
        usual, was_autocommit = self.answer_seconds, self.autocommit
        self.answer_seconds = ASK_SECONDS
        try:
            # Else the question would begin a transaction.
            self.autocommit = True
            self.execute("SELECT 1")
            self.autocommit = was_autocommit
        except psycopg.Error:
            self.losses.add()
            return False
        finally:
            self.answer_seconds = usual
        return True

    def _took_too_long(self, began: float) -> bool:
        bound = self.answer_seconds
        return bound is not None and time.monotonic() - began >= bound


@contextmanager
def unbounded(connection: Connection) -> Iterator[None]:
    """Wait in this block as long as it takes, for statements that have no limit at the server."""
    driver: Any = connection.connection.driver_connection
    usual, driver.answer_seconds = driver.answer_seconds, None
    try:
        yield
    finally:
        driver.answer_seconds = usual
