"""Since when the store has answered this process without a break."""

from worker.jobs.errors import StoreUnavailable
from worker.ports import Clock, JobStore


class StoreContact:
    """An outage silences every worker's heartbeats, so after one a silent lease proves nothing for
    a while. Only outages that a sweep of this process has met are known here.
    """

    def __init__(self, store: JobStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._is_lost = False
        self._regained: float | None = None

    def require(self) -> None:
        """Raises ``StoreUnavailable`` unless the store answers now."""
        try:
            self._store.ping()
        except StoreUnavailable:
            self._is_lost = True
            raise

    def answered(self) -> float | None:
        """The store has just answered: for how many seconds it has done so since the last outage,
        ``None`` if there was none.
        """
        if self._is_lost:
            self._is_lost = False
            self._regained = self._clock.monotonic()
        return None if self._regained is None else self._clock.monotonic() - self._regained
