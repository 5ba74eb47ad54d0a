"""A doorbell that is put up when it is first rung.

A worker that is called, runs one job and is gone again rings nobody, and a broker's client takes
as long to load as everything else of the worker together.
"""

import threading
from collections.abc import Callable

from worker.jobs.errors import DoorbellUnavailable
from worker.ports import Doorbell, Ring


class DeferredDoorbell:
    """Makes its doorbell at the first ring, whichever thread that comes from."""

    def __init__(self, make: Callable[[], Doorbell]) -> None:
        self._make = make
        self._making = threading.Lock()
        self._bell: Doorbell | None = None

    def ring(self, ring: Ring) -> None:
        with self._making:
            if self._bell is None:
                self._bell = self._made()
        self._bell.ring(ring)

    def _made(self) -> Doorbell:
        try:
            return self._make()
        except Exception as error:
            raise DoorbellUnavailable(
                f"there is no doorbell to ring: {type(error).__name__}: {error}"
            ) from error

    def close(self) -> None:
        if self._bell is not None:
            self._bell.close()
