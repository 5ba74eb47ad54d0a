"""A doorbell for processes that share a SQLite file: whoever commits, rings."""

import threading
import time
from pathlib import Path

from worker.ports import Ring

#: How often the file is looked at. A look takes some microseconds.
LOOK_SECONDS = 0.02

_Mark = tuple[tuple[int, int] | None, ...]


class FileDoorbell:
    """Rings of this process wake at once, those of others when their commit reaches the file.

    A waiter is also woken by commits that add nothing to the queue, its own among them.
    """

    def __init__(self, file: Path) -> None:
        self._files = (file, file.with_name(f"{file.name}-wal"))
        self._rung = threading.Event()
        self._seen = self._mark()

    def ring(self, ring: Ring) -> None:  # noqa: ARG002 - which job rang does not matter here
        self._rung.set()

    def wait(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds for a ring; whether one came.

        The caller looks at the queue after either answer: what is committed between the two steps
        here is served by that look.
        """
        until = time.monotonic() + timeout
        while not self._rung.is_set() and self._mark() == self._seen:
            left = until - time.monotonic()
            if left <= 0 or self._rung.wait(min(LOOK_SECONDS, left)):
                break
        before, self._seen = self._seen, self._mark()
        rung = self._rung.is_set() or self._seen != before
        self._rung.clear()
        return rung

    def close(self) -> None:
        """Wake the waiter a last time, so that it can see that it shall stop."""
        self._rung.set()

    def _mark(self) -> _Mark:
        return tuple(_stamp(file) for file in self._files)


def _stamp(file: Path) -> tuple[int, int] | None:
    try:
        state = file.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size
