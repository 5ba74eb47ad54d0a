"""Keeps a running job's lease: one thread that owns every write between claim and finish.

A beat renews the lease, publishes progress and, because it is guarded, learns of everything that
others wrote: a cancellation, or that the job is no longer ours. Whatever stops the run is decided
here and asked for by the engine at the edges of its chunks.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from worker.jobs import transitions
from worker.jobs.errors import Conflict, LeaseLost, StoreUnavailable
from worker.jobs.job import Job, Snapshot
from worker.jobs.lease import SERVER_TIME, Hold, Lease
from worker.jobs.states import JobStatus
from worker.ports import Clock, JobStore

logger = logging.getLogger(__name__)

#: At most one write of progress in this time.
PROGRESS_SECONDS = 1.0
#: After a beat without an answer the next one does not wait for its turn.
RETRY_SECONDS = 5.0
#: The thread looks this often whether something is due.
TICK_SECONDS = 0.25
#: Without an answered beat a worker stops this long before its lease can be taken over.
SAFETY_SECONDS = 15.0
#: A beat that is still on its way when the run ends may take this long.
JOIN_SECONDS = 10.0
#: A beat that meets foreign writes reads and tries again this often before the next tick.
MAX_TRIES = 3


class StopReason(StrEnum):
    """Why the engine was asked to stop."""

    CANCELLED = "cancelled"
    TIMEOUT = "timeout"
    SHUTDOWN = "shutdown"
    LEASE_LOST = "lease_lost"
    STALLED = "stalled"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperTiming:
    """Seconds. ``stall``: without progress for this long the attempt ends."""

    heartbeat: float
    lease: float
    timeout: float
    stall: float

    @property
    def trust(self) -> float:
        """How long after the last answered beat the lease is surely still ours."""
        return max(self.lease - SAFETY_SECONDS, self.lease / 2)


class LeaseKeeper:
    """Guards one attempt.

    ``start`` and ``stop`` are for the thread that runs the job, ``report`` and ``should_stop`` for
    the engine's. ``tick`` is one look at everything that may be due.
    """

    def __init__(
        self,
        store: JobStore,
        claimed: Snapshot,
        *,
        claimed_at: float,
        clock: Clock,
        timing: KeeperTiming,
        shutdown: threading.Event,
        on_beat: Callable[[], None],
    ) -> None:
        """``claimed_at``: the monotonic clock just before the claim was sent. ``on_beat`` is called
        after each beat that the store confirmed.
        """
        self._store = store
        self._seen = claimed
        self._hold = claimed.job.hold()
        self._clock = clock
        self._timing = timing
        self._shutdown = shutdown
        self._on_beat = on_beat
        self._started = clock.monotonic()
        self._renewable = self._renewable_until(claimed, claimed_at, self._started)
        self._answered = claimed_at
        self._attempted = claimed_at
        self._unanswered = False
        self._moved = self._started
        self._progress = claimed.job.progress
        self._reason: StopReason | None = None
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lease-keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> Snapshot:
        """End the beats; the job as last seen, for the write that ends the attempt.

        Raises:
            LeaseLost: it is not ours to end.
        """
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(JOIN_SECONDS)
        if self._thread.is_alive():
            self._set(StopReason.LEASE_LOST)
        if self.reason is StopReason.LEASE_LOST:
            raise LeaseLost(f"attempt {self._hold.attempt} of job {self._hold.job_id}")
        return self._seen

    def abandon(self) -> None:
        """End the beats without asking anything; safe to call at any time."""
        self._stopping.set()

    @property
    def reason(self) -> StopReason | None:
        """Why the run has to stop, ``None`` while it may go on."""
        return self._reason

    @property
    def answered(self) -> float:
        """The monotonic clock just before the last beat that the store confirmed."""
        return self._answered

    def report(self, fraction: float) -> None:
        """Progress of the engine, 0 to 1; only ever grows."""
        if fraction > self._progress:
            self._progress = min(fraction, 1.0)
            self._moved = self._clock.monotonic()

    def should_stop(self) -> bool:
        """Asked by the engine. Does not wait for the keeper's own thread, which may hang."""
        self._judge(self._clock.monotonic())
        return self._reason is not None

    def tick(self) -> None:
        """Judge the limits, and beat if one is due."""
        now = self._clock.monotonic()
        self._judge(now)
        if self._reason is StopReason.LEASE_LOST:
            return
        since = now - self._attempted
        moved = self._progress > self._seen.job.progress
        if (
            since >= self._timing.heartbeat
            or (self._unanswered and since >= RETRY_SECONDS)
            or (moved and since >= PROGRESS_SECONDS)
        ):
            self._beat()

    def _run(self) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            try:
                self.tick()
            except Exception:
                logger.exception(
                    "a heartbeat failed unexpectedly",
                    extra={"event": "heartbeat_error", "job_id": self._hold.job_id},
                )

    def _judge(self, now: float) -> None:
        if now - self._answered >= self._timing.trust:
            self._set(StopReason.LEASE_LOST)
        elif self._shutdown.is_set():
            self._set(StopReason.SHUTDOWN)
        elif now - self._started >= self._timing.timeout:
            self._set(StopReason.TIMEOUT)
        elif now - self._moved >= self._timing.stall:
            self._set(StopReason.STALLED)

    def _set(self, reason: StopReason) -> None:
        """The first reason stays, but nothing outweighs a lost lease."""
        with self._lock:
            if self._reason is None or reason is StopReason.LEASE_LOST:
                self._reason = reason

    def _beat(self) -> None:
        self._attempted = self._clock.monotonic()
        self._unanswered = True
        try:
            for _ in range(MAX_TRIES):
                if self._write():
                    self._unanswered = False
                    self._on_beat()
                    return
                self._reread()
        except LeaseLost:
            self._set(StopReason.LEASE_LOST)
        except StoreUnavailable as error:
            logger.warning(
                "heartbeat not confirmed: %s",
                error,
                extra={"event": "heartbeat_unconfirmed", "job_id": self._hold.job_id},
            )

    def _write(self) -> bool:
        """Renew the lease while it is surely ours. The write may be on its way for long: it waits
        for a connection, then for a lock. So the store judges the moment once more where it writes.
        """
        sent = self._clock.monotonic()
        if sent - self._answered >= self._timing.trust:
            raise LeaseLost(f"attempt {self._hold.attempt} of job {self._hold.job_id}")
        change = transitions.beat(
            self._seen.job, self._hold, lease=self._renewed(), progress=self._progress
        )
        try:
            self._seen = self._store.commit(self._seen, change, by=self._renewable)
        except Conflict:
            return False
        self._answered = sent
        self._renewable = self._renewable_until(self._seen, sent, self._clock.monotonic())
        return True

    def _renewable_until(self, written: Snapshot, sent: float, heard: float) -> datetime:
        """The moment of the store's clock until which a lease that was just written is trusted.

        The store wrote it between ``sent`` and ``heard`` of the monotonic clock, and trust counts
        from ``sent``.
        """
        return written.read_at + timedelta(seconds=self._timing.trust - (heard - sent))

    def _reread(self) -> None:
        """A beat was refused: find out whether the job is still ours, and what others wrote."""
        seen = self._store.get(self._hold.job_id)
        if seen is None or not _holds(seen.job, self._hold) or seen.read_at > self._renewable:
            raise LeaseLost(f"attempt {self._hold.attempt} of job {self._hold.job_id}")
        self._seen = seen
        if seen.job.cancel_requested:
            self._set(StopReason.CANCELLED)

    def _renewed(self) -> Lease:
        lease = self._seen.job.lease
        assert lease is not None, "a job that is held has a lease"
        expires = self._clock.now() + timedelta(seconds=lease.seconds)
        return replace(lease, heartbeat_at=SERVER_TIME, expires_at=expires)


def _holds(job: Job, hold: Hold) -> bool:
    return job.status is JobStatus.RUNNING and job.lease is not None and job.hold() == hold
