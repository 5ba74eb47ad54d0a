"""A doorbell over PostgreSQL: the commit that lets a job into the queue tells all listeners."""

import logging
import threading
import time

import psycopg

from worker.adapters.sql.server import Pooler, PoolerMismatch, open_connection
from worker.adapters.sql.server.arguments import connect_arguments
from worker.adapters.sql.statements import CHANNEL
from worker.ports import Ring

logger = logging.getLogger(__name__)

#: How long a listener waits for a notification before it looks whether it shall stop.
_LOOK_SECONDS = 0.25
#: A server that has nothing to tell is asked this often whether it is still there.
_ASK_SECONDS = 10.0
#: How long a waiter that ends waits for its listener, which may be connecting.
_JOIN_SECONDS = 5.0
#: Pause before a lost connection is made again. Meanwhile the waiter polls.
_RETRY_SECONDS = 2.0


class NotifyDoorbell:
    """Listens from the first ``wait`` on, so that a process that only rings opens no connection.

    Behind a pooler that shares sessions nobody can listen: its waiter wakes after its time.
    """

    def __init__(self, url: str, pooler: Pooler = "none") -> None:
        self._url = url
        self._pooler = pooler
        self._rung = threading.Event()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def ring(self, ring: Ring) -> None:  # noqa: ARG002 - which job rang does not matter here
        """Wakes this process; the others have heard of the job when it was committed."""
        self._rung.set()

    def wait(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for a ring; whether one came.

        The caller looks at the queue after either answer: a ring that arrives between the two
        steps here is served by that look.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
            self._thread.start()
        rung = self._rung.wait(timeout)
        self._rung.clear()
        return rung

    def close(self) -> None:
        """Wake the waiter a last time, and stop listening."""
        self._closed.set()
        self._rung.set()
        if self._thread is not None:
            self._thread.join(_LOOK_SECONDS + _JOIN_SECONDS)

    def _run(self) -> None:
        if self._pooler == "transaction":
            logger.warning(
                "not listening for new jobs: a pooler in transaction mode passes no notifications "
                "on; the queue is looked at every JOB_POLL_INTERVAL_SECONDS",
                extra={"event": "listen_impossible"},
            )
            return
        while not self._closed.is_set():
            try:
                self._listen()
            except (psycopg.Error, PoolerMismatch) as error:
                logger.warning(
                    "not listening for new jobs: %s",
                    str(error).strip().splitlines()[0],
                    extra={"event": "listen_failed"},
                )
                self._closed.wait(_RETRY_SECONDS)

    def _listen(self) -> None:
        arguments = connect_arguments(self._url, "listener")
        with open_connection(arguments, pooler=self._pooler) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            # Whatever was committed before this moment was not heard.
            self._rung.set()
            ask_at = time.monotonic() + _ASK_SECONDS
            while not self._closed.is_set():
                for _ in connection.notifies(timeout=_LOOK_SECONDS):
                    self._rung.set()
                    if self._closed.is_set():
                        return
                if time.monotonic() >= ask_at:
                    connection.execute("SELECT 1")
                    ask_at = time.monotonic() + _ASK_SECONDS
