"""Threads that work on batches of variants while the caller's thread looks after them."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from math import inf
from threading import Event
from time import monotonic
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

#: Seconds between two looks at the caller's ``should_stop``.
LOOK_SECONDS = 0.05


class Work(Protocol):
    """Something to run in a thread. ``done`` grows while it runs."""

    @property
    def done(self) -> float:
        """How much of it is finished, in variants."""
        ...

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Run to the end, or until ``should_stop`` says yes."""
        ...


W = TypeVar("W", bound=Work)


class Crew(Generic[W]):
    """Runs work on ``threads`` threads and hands each back when it ends.

    ``on_look`` is called about twenty times a second while there is something to wait for; once
    it answers True, everything stops.
    """

    def __init__(
        self,
        threads: int,
        on_look: Callable[[], bool],
        on_end: Callable[[W], None],
    ) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="sweep")
        self._backlog = 2 * threads
        self._running: dict[Future[None], W] = {}
        self._stop = Event()
        self._looked = -inf
        self._on_look = on_look
        self._on_end = on_end

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._stop.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    @property
    def stopped(self) -> bool:
        """Whether it was told to stop."""
        return self._stop.is_set()

    @property
    def in_hand(self) -> float:
        """Variants finished in batches that have not ended."""
        finished = 0.0
        for work in self._running.values():
            finished += work.done
        return finished

    def take(self, work: W) -> None:
        """Queue some work, waiting until there is room in the queue."""
        self.look()
        if not self.stopped:
            self._running[self._pool.submit(work.run, self._stop.is_set)] = work
        while len(self._running) > self._backlog:
            self._wait()

    def works(self) -> bool:
        """Wait until some work has ended; False if there is none any more."""
        if not self._running:
            return False
        self._wait()
        return True

    def look(self) -> None:
        """Ask the caller whether to stop."""
        self._looked = monotonic()
        if self._on_look():
            self._stop.set()

    def glance(self) -> None:
        """Look, unless somebody has just done so."""
        if monotonic() - self._looked > LOOK_SECONDS:
            self.look()

    def _wait(self) -> None:
        ended, _ = wait(self._running, LOOK_SECONDS, FIRST_COMPLETED)
        for future in ended:
            work = self._running.pop(future)
            future.result()
            self._on_end(work)
        self.look()
