"""Claiming: a worker takes the best job of the queue, or exactly the one a person named."""

import logging
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

from worker.jobs import transitions
from worker.jobs.changes import changed
from worker.jobs.errors import (
    Conflict,
    ErrorCode,
    IllegalTransition,
    OutcomeUnknown,
    StoreUnavailable,
)
from worker.jobs.job import Job, JobChange, Snapshot
from worker.jobs.lease import SERVER_TIME, Lease
from worker.jobs.states import JobStatus
from worker.ports import JobStore, Wanted
from worker.services.admission import Admission, shorten

logger = logging.getLogger(__name__)

#: How often a claim of one named job is tried again after somebody else wrote it.
MAX_TRIES = 5

LeaseFactory = Callable[[datetime], Lease]


class LeaseOffice:
    """Makes the leases of one worker, each with an id of its own."""

    def __init__(self, worker_id: str, seconds: int) -> None:
        self._worker_id = worker_id
        self._seconds = seconds

    def new(self, read_at: datetime) -> Lease:
        """A lease that starts now, on the store's clock."""
        return Lease(
            lease_id=secrets.token_hex(16),
            worker_id=self._worker_id,
            heartbeat_at=SERVER_TIME,
            seconds=self._seconds,
            expires_at=read_at + timedelta(seconds=self._seconds),
        )


class Claiming:
    """The service of one worker."""

    def __init__(
        self,
        store: JobStore,
        admission: Admission,
        new_lease: LeaseFactory,
        wanted: Wanted,
        *,
        requeue_once: bool = True,
        paused: Callable[[], bool] = lambda: False,
    ) -> None:
        """``paused`` is the kill switch: while it is on the queue has nothing for this worker."""
        self._paused = paused
        self._store = store
        self._admission = admission
        self._new_lease = new_lease
        self._wanted = wanted
        self._requeue_once = requeue_once

    def best(self) -> Snapshot | None:
        """Claim the first job of the queue; ``None`` when nothing is left for this worker.

        A candidate that must not run is ended on the way, one that has no place in the queue is
        given one, and the next one is tried.
        """
        while not self._paused():
            taken = self._take()
            if taken is None or taken.job.status is JobStatus.RUNNING:
                return taken
            if taken.job.status is JobStatus.FAILED:
                logger.info(
                    "job ended instead of claimed",
                    extra={
                        "event": "job_refused",
                        "job_id": taken.job.job_id,
                        "error_code": taken.job.error_code,
                    },
                )
        return None

    def exactly(self, seen: Snapshot) -> Snapshot:
        """Claim this job for a person who asked for it, in one write.

        A queued job is admitted if need be, a failed one is replayed, one whose worker is gone is
        taken over. The answer is running under our lease, or has ended (it must not run).

        Raises:
            IllegalTransition: it runs elsewhere, is completed, needs another engine version, or
                is gone.
        """
        for _ in range(MAX_TRIES):
            lease = self._new_lease(seen.read_at)
            change = self._start(seen, lease)
            try:
                return self._store.commit(seen, change)
            except Conflict:
                pass
            except OutcomeUnknown:
                mine = self._mine(seen.job.job_id, lease)
                if mine is not None:
                    return mine
                raise
            again = self._store.get(seen.job.job_id)
            if again is None:
                raise IllegalTransition(f"job {seen.job.job_id} is gone")
            seen = again
        raise IllegalTransition(f"job {seen.job.job_id} keeps changing; try again")

    def _take(self) -> Snapshot | None:
        tried: list[tuple[str, Lease]] = []

        def decide(seen: Snapshot) -> JobChange:
            if seen.job.cancel_requested:
                return transitions.reject(
                    seen.job, ErrorCode.CANCELLED, transitions.CANCELLED_MESSAGE
                )
            if seen.job.defects:
                return transitions.reject(
                    seen.job,
                    ErrorCode.INVALID_CONFIG,
                    shorten(f"The job is not valid: {'; '.join(seen.job.defects)}."),
                )
            if not seen.job.is_admitted:
                # Firestore sorts a null rank that somebody wrote as if it were one, and first.
                return self._admission.decide(seen.job, seen.read_at)
            lease = self._new_lease(seen.read_at)
            tried.append((seen.job.job_id, lease))
            return transitions.claim(seen.job, lease=lease)

        try:
            return self._store.take_best(self._wanted, decide)
        except OutcomeUnknown:
            mine = self._mine(*tried[-1]) if tried else None
            if mine is not None:
                return mine
            raise StoreUnavailable("a claim was not confirmed") from None

    def _mine(self, job_id: str, lease: Lease) -> Snapshot | None:
        """After a write without an answer: the job, if it runs under this lease."""
        seen = self._store.get(job_id)
        held = seen.job.lease if seen is not None else None
        return seen if held is not None and held.lease_id == lease.lease_id else None

    def _start(self, seen: Snapshot, lease: Lease) -> JobChange:
        """Everything that leads from the job's state to our claim, as one change."""
        change = JobChange()
        job = seen.job

        def then(step: JobChange) -> Job:
            change.update(step)
            return changed(job, step, seen.read_at)

        if job.status is JobStatus.COMPLETED:
            raise IllegalTransition(f"job {job.job_id} is completed")
        if job.status is JobStatus.RUNNING:
            job = then(
                transitions.expire(job, read_at=seen.read_at, requeue_once=self._requeue_once)
            )
            if job.error_code is ErrorCode.CANCELLED:
                return change
        if job.status is JobStatus.FAILED:
            job = then(self._admission.replay(job, seen.read_at, counted=False))
        elif not job.is_admitted:
            job = then(self._admission.decide(job, seen.read_at))
        elif job.cancel_requested:
            job = then(transitions.reject(job, ErrorCode.CANCELLED, transitions.CANCELLED_MESSAGE))
        if job.status is JobStatus.FAILED:
            return change
        if job.engine_version not in self._wanted.engine_versions:
            raise IllegalTransition(
                f"job {job.job_id} asks for engine version {job.engine_version}; this worker runs "
                f"{', '.join(self._wanted.engine_versions)}"
            )
        then(transitions.claim(job, lease=lease))
        # Whatever system its owner's jobs are left to, this one runs here and is swept here.
        change["lane"] = self._wanted.lane
        return change
