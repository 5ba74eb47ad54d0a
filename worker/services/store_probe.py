"""Whether the store does what this process needs of it, for those who decide about its traffic."""

import logging
import threading
from typing import Protocol

from worker.jobs.errors import StoreRefuses, StoreUnavailable
from worker.ports import Clock

logger = logging.getLogger(__name__)

#: A write is tried at most once in this time.
WRITE_SECONDS = 30.0


class Probed(Protocol):
    """A store, as far as it is asked here."""

    def ping(self) -> None: ...
    def try_write(self) -> None: ...


class StoreProbe:
    """Reads at every question. A store may answer and still refuse every write, after a failover to
    a replica or without the right to it, so a write that leaves nothing behind is tried, too.
    """

    def __init__(self, store: Probed, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._tried_at = float("-inf")
        self._refused: StoreUnavailable | None = None
        self._told: str | None = None

    def fault(self) -> str | None:
        """Why the store cannot be used now, as whoever asks may know it; ``None`` if it can.

        An outage is told without the address that does not answer. That is in the log, which has
        each change once.
        """
        with self._lock:
            trouble = self._find()
            cause = None if trouble is None else trouble.sentence
            before, self._told = self._told, cause
        if cause is not None and cause != before:
            logger.error("not ready: %s", cause, extra={"event": "not_ready"})
        elif cause is None and before is not None:
            logger.info("ready again", extra={"event": "ready_again"})
        return cause if trouble is None or isinstance(trouble, StoreRefuses) else trouble.said

    def _find(self) -> StoreUnavailable | None:
        try:
            self._store.ping()
        except StoreUnavailable as error:
            return error
        now = self._clock.monotonic()
        if now - self._tried_at >= WRITE_SECONDS:
            self._tried_at = now
            self._refused = None
            try:
                self._store.try_write()
            except StoreUnavailable as error:
                self._refused = error
        return self._refused
