"""The kill switch: one record in the store that holds the whole fleet.

While it is on nothing is rung for and nothing is claimed; jobs stay queued and keep their places,
and what runs goes on to its end.
"""

import threading

from worker.jobs.errors import StoreUnavailable
from worker.ports import Clock, Switches

#: A switch that was read this lately is not read again.
CACHE_SECONDS = 10.0
#: With a store that is away, what was read last counts as long as this.
STALE_SECONDS = 30.0


class KillSwitch:
    """Reads the switch for one process."""

    def __init__(self, switches: Switches, clock: Clock) -> None:
        self._switches = switches
        self._clock = clock
        self._lock = threading.Lock()
        self._is_on = False
        self._read_at = float("-inf")

    def is_on(self) -> bool:
        """Raises ``StoreUnavailable`` if nobody can tell."""
        with self._lock:
            now = self._clock.monotonic()
            age = now - self._read_at
            if age < CACHE_SECONDS:
                return self._is_on
            try:
                self._is_on = self._switches.pause().is_on
            except StoreUnavailable:
                if age >= STALE_SECONDS:
                    raise
                return self._is_on
            self._read_at = now
            return self._is_on
