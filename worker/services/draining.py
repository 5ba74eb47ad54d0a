"""Answering a ring: claim and run the best jobs of the queue, one after the other."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from worker import logs
from worker.jobs.errors import DoorbellUnavailable, LeaseLost, StoreUnavailable
from worker.jobs.job import Job, Snapshot
from worker.jobs.states import JobStatus
from worker.ports import Clock, Doorbell, Ring
from worker.services.claiming import Claiming
from worker.services.readiness import NotReady
from worker.services.run_job import Runner
from worker.services.waiting import Waiting

logger = logging.getLogger(__name__)


class ShuttingDown(Exception):
    """This process takes no more work; somebody else will be rung."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrainLimits:
    """Seconds since the ring arrived: until when the first job may be claimed (a full run must
    still fit the ack deadline), and until when another one.
    """

    first: float
    further: float


class Drain:
    """The service of one worker, which runs one job at a time: whoever comes second waits."""

    def __init__(
        self,
        *,
        claiming: Claiming,
        runner: Runner,
        waiting: Waiting,
        doorbell: Doorbell,
        clock: Clock,
        limits: DrainLimits,
        shutdown: threading.Event,
        require_ready: Callable[[], None] = lambda: None,
        on_ended: Callable[[Job], object] = lambda _: None,
    ) -> None:
        """``require_ready`` is called before each claim; ``on_ended`` hears of each job that has
        left this worker.
        """
        self._require_ready = require_ready
        self._on_ended = on_ended
        self._claiming = claiming
        self._runner = runner
        self._waiting = waiting
        self._doorbell = doorbell
        self._clock = clock
        self._limits = limits
        self._shutdown = shutdown
        self._slot = threading.Lock()

    def drain(self, arrived_at: float, rang: Job | None = None) -> int:
        """Run jobs until the queue is empty or the time is up; how many were claimed.

        ``arrived_at`` is the monotonic clock when the ring came. Whoever leaves before the queue
        was seen empty rings for the rest.

        Raises:
            ShuttingDown: before the queue was empty.
            NotReady: this process can run nothing now.
            StoreUnavailable: the store does not answer.
        """
        with self._slot:
            count = 0
            last = rang
            while not self._shutdown.is_set():
                now = self._clock.monotonic()
                if now - arrived_at > (self._limits.further if count else self._limits.first):
                    self._ring_for_the_rest(last)
                    return count
                self._require_ready()
                claimed = self._claiming.best()
                if claimed is None:
                    return count
                last = self._run(claimed, now)
                count += 1
            raise ShuttingDown

    def run_exactly(self, seen: Snapshot) -> Job:
        """Run this one job now, as far as it may run.

        Raises:
            ShuttingDown, NotReady, StoreUnavailable: as :meth:`drain`.
            IllegalTransition: see :meth:`Claiming.exactly`.
            LeaseLost: the job went to another worker while it ran here.
        """
        with self._slot:
            if self._shutdown.is_set():
                raise ShuttingDown
            self._require_ready()
            claimed_at = self._clock.monotonic()
            claimed = self._claiming.exactly(seen)
            if claimed.job.status is not JobStatus.RUNNING:
                return claimed.job
            ended = self._runner.run(claimed, claimed_at).job
            self._ring_after(ended)
            if ended.status is JobStatus.QUEUED:
                raise ShuttingDown
            return ended

    def ring(self, job: Job) -> None:
        """Ring; if that fails, the sweep will."""
        try:
            self._doorbell.ring(
                Ring(
                    job_id=job.job_id,
                    engine_version=job.engine_version or "",
                    traceparent=job.traceparent or logs.current_traceparent(),
                )
            )
        except DoorbellUnavailable as error:
            logger.warning(
                "could not ring: %s",
                error,
                extra={"event": "ring_failed", "job_id": job.job_id},
            )

    def _run(self, claimed: Snapshot, claimed_at: float) -> Job:
        try:
            ended = self._runner.run(claimed, claimed_at).job
        except LeaseLost:
            return claimed.job
        self._ring_after(ended)
        return ended

    def _ring_after(self, ended: Job) -> None:
        """For the job if it was given back, and for what its end lets into the queue."""
        if ended.status is JobStatus.QUEUED:
            self.ring(ended)
        for job in self._waiting.after(ended):
            self.ring(job)
        self._on_ended(ended)

    def _ring_for_the_rest(self, last: Job | None) -> None:
        if last is not None:
            self.ring(last)


@runtime_checkable
class Bell(Doorbell, Protocol):
    """A doorbell on which somebody in this process can wait, whoever rings it."""

    def wait(self, timeout: float) -> bool:
        """Whether it rang within ``timeout`` seconds."""

    def close(self) -> None:
        """Wake the waiter a last time."""


#: After an error the queue is looked at again this soon, then after twice the time, and so on.
RETRY_SECONDS = 1.0


class LocalDrain:
    """Drains in a thread of this process, for installations without a broker.

    A ring of this process wakes it at once; the queue is also looked at every ``poll_seconds``,
    for jobs that other processes submitted. After an error it does not wait that long.
    """

    def __init__(
        self,
        drain: Drain,
        bell: Bell,
        clock: Clock,
        shutdown: threading.Event,
        poll_seconds: float = 1.0,
    ) -> None:
        self._drain = drain
        self._bell = bell
        self._clock = clock
        self._shutdown = shutdown
        self._poll_seconds = poll_seconds
        self._thread = threading.Thread(target=self._run, name="local-drain", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def join(self, timeout: float) -> None:
        """Wait for the thread after ``shutdown`` was set."""
        self._bell.close()
        self._thread.join(timeout)

    def _run(self) -> None:
        failures = 0
        while not self._shutdown.is_set():
            try:
                self._drain.drain(self._clock.monotonic())
                failures = 0
            except ShuttingDown:
                return
            except NotReady:
                failures += 1
            except StoreUnavailable as error:
                failures += 1
                logger.warning("%s", error.sentence, extra={"event": "store_down"})
            except Exception:
                failures += 1
                logger.exception("draining failed", extra={"event": "drain_failed"})
            self._bell.wait(self._pause(failures))

    def _pause(self, failures: int) -> float:
        """Seconds until the next look, after so many that failed in a row."""
        if not failures:
            return self._poll_seconds
        return min(self._poll_seconds, RETRY_SECONDS * 2.0 ** min(failures - 1, 10))
