"""A doorbell inside one process: no broker, just an event on which the drain waits."""

import threading

from worker.ports import Ring


class LocalDoorbell:
    """Rings wake whoever waits; the queue itself is the store, so nothing is kept of a ring."""

    def __init__(self) -> None:
        self._rung = threading.Event()

    def ring(self, ring: Ring) -> None:  # noqa: ARG002 - which job rang does not matter here
        self._rung.set()

    def wait(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for a ring; whether one came.

        The caller looks at the queue after either answer: a ring that arrives between the two
        steps here is served by that look.
        """
        rung = self._rung.wait(timeout)
        self._rung.clear()
        return rung

    def close(self) -> None:
        """Wake the waiter a last time, so that it can see that it shall stop."""
        self._rung.set()
