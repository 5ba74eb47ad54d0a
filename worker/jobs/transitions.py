"""The state machine: each function says what one commit writes, or refuses.

Nothing here reads a clock or a store. The caller commits the change under the version of the
snapshot it was computed from, so a transition is valid exactly when nobody wrote in between.

    queued ──claim──▶ running ──complete──▶ completed
      │  ▲               │ │
      │  └─release/expire┘ └──fail──▶ failed ──replay──▶ queued
      └──reject / cancel────────────▶
"""

from datetime import datetime, timedelta

from worker.jobs.errors import ErrorCode, IllegalTransition, LeaseLost
from worker.jobs.job import Job, JobChange
from worker.jobs.lease import SERVER_TIME, Hold, Lease
from worker.jobs.rank import queue_rank
from worker.jobs.states import EnumStyle, JobStatus

CANCELLED_MESSAGE = "The job was cancelled before it finished."
WORKER_LOST_MESSAGE = (
    "The worker that ran this job stopped answering. Replay the job to run it again."
)
OVERDUE_MESSAGE = "The job ran longer than {:g} seconds and was stopped."


def admit(
    job: Job,
    *,
    now: datetime,
    engine_version: str,
    priority: int,
    lane: str,
    ageing_seconds: int,
) -> JobChange:
    """Give a queued job its place: plain status, clamped priority, stamped version, rank, lane.

    A job that has waited gets the rank that it would have had then: waiting costs it no place.
    """
    _require(job, JobStatus.QUEUED, "admitted")
    since = job.admitted_at if job.is_waiting and job.admitted_at else now
    change = JobChange(
        status=JobStatus.QUEUED,
        engine_version=engine_version,
        priority=priority,
        rank=queue_rank(since, priority, ageing_seconds),
        admitted_at=since,
        lane=lane,
        progress=0.0,
        attempt=job.attempt,
        cancel_requested=job.cancel_requested,
        interruptions=job.interruptions,
        worker_losses=job.worker_losses,
    )
    if job.enum_style is EnumStyle.DART:
        change["enum_style"] = EnumStyle.DART
    return change


def reject(job: Job, code: ErrorCode, message: str) -> JobChange:
    """End a queued job that must not run. It is listed from then on, as admission has seen it."""
    _require(job, JobStatus.QUEUED, "rejected")
    return _ended_in_queue(job, code, message)


def claim(job: Job, *, lease: Lease) -> JobChange:
    """Start an attempt: one more on the fencing token, everything of the last one cleared."""
    _require(job, JobStatus.QUEUED, "claimed")
    if not job.is_admitted:
        raise IllegalTransition(f"job {job.job_id} is not admitted yet")
    if job.cancel_requested:
        raise IllegalTransition(f"job {job.job_id} is cancelled")
    return JobChange(
        status=JobStatus.RUNNING,
        attempt=job.attempt + 1,
        lease=lease,
        started_at=SERVER_TIME,
        completed_at=None,
        error_code=None,
        error_message=None,
        progress=0.0,
        duration_ms=None,
        result_digest=None,
        expire_at=None,
    )


def beat(job: Job, hold: Hold, *, lease: Lease, progress: float) -> JobChange:
    """Renew the lease and publish progress, which never goes back within an attempt."""
    _require_hold(job, hold)
    return JobChange(lease=lease, progress=max(job.progress, min(progress, 1.0)))


def complete(job: Job, hold: Hold, *, result_digest: str, duration_ms: int) -> JobChange:
    """The engine finished. A cancellation that came too late changes nothing."""
    _require_hold(job, hold)
    return JobChange(
        status=JobStatus.COMPLETED,
        completed_at=SERVER_TIME,
        progress=1.0,
        lease=None,
        result_digest=result_digest,
        duration_ms=duration_ms,
    )


def fail(
    job: Job, hold: Hold, *, code: ErrorCode, message: str, duration_ms: int | None = None
) -> JobChange:
    """End the attempt without a result."""
    _require_hold(job, hold)
    change = _ended(code, message)
    change["duration_ms"] = duration_ms
    return change


def release(job: Job, hold: Hold) -> JobChange:
    """Give the job back because this worker shuts down; it keeps its rank, so it runs next."""
    _require_hold(job, hold)
    if job.cancel_requested:
        return _ended(ErrorCode.CANCELLED, CANCELLED_MESSAGE)
    return JobChange(
        status=JobStatus.QUEUED,
        lease=None,
        progress=0.0,
        started_at=None,
        interruptions=job.interruptions + 1,
    )


def expire(
    job: Job, *, read_at: datetime, requeue_once: bool, answering: float | None = None
) -> JobChange:
    """Take the job from a worker whose lease ran out on the store's clock.

    ``answering``: for how many seconds the store has answered since it last did not, ``None`` if it
    always has. A worker that fell silent before gets the time of its lease to be heard again, and
    is not counted as lost.
    """
    _require(job, JobStatus.RUNNING, "reclaimed")
    if job.lease is not None and not job.lease.is_expired(read_at):
        raise IllegalTransition(f"job {job.job_id} is held by a worker that still answers")
    by_outage = (
        job.lease is not None
        and answering is not None
        and job.lease.has_been_silent_for(answering, read_at)
    )
    if by_outage and job.lease is not None and (answering or 0.0) < job.lease.seconds:
        raise IllegalTransition(f"the worker of job {job.job_id} may not have been able to answer")
    if job.cancel_requested:
        return _ended(ErrorCode.CANCELLED, CANCELLED_MESSAGE)
    losses = job.worker_losses + (not by_outage)
    if not requeue_once or losses > 1:
        change = _ended(ErrorCode.WORKER_LOST, WORKER_LOST_MESSAGE)
        change["worker_losses"] = losses
        return change
    return JobChange(
        status=JobStatus.QUEUED,
        lease=None,
        progress=0.0,
        started_at=None,
        worker_losses=losses,
        interruptions=job.interruptions + by_outage,
    )


def hold_back(admitted: JobChange) -> JobChange:
    """The same admission without rank and lane: the job waits outside the queue."""
    return admitted | JobChange(rank=None, lane=None)


def time_out(job: Job, *, read_at: datetime, limit: float, slack: float) -> JobChange:
    """End a job that has run ``slack`` seconds longer than its ``limit``, on the store's clock.

    Its worker, which still renews the lease, loses it and writes nothing more. A job whose lease
    ran out is :func:`expire`'s.
    """
    _require(job, JobStatus.RUNNING, "timed out")
    if job.lease is not None and job.lease.is_expired(read_at):
        raise IllegalTransition(f"job {job.job_id} is held by nobody who could stop it")
    if job.started_at is None or read_at - job.started_at <= timedelta(seconds=limit + slack):
        raise IllegalTransition(f"job {job.job_id} still has time")
    if job.cancel_requested:
        return _ended(ErrorCode.CANCELLED, CANCELLED_MESSAGE)
    return _ended(ErrorCode.TIMEOUT, OVERDUE_MESSAGE.format(limit))


def request_cancel(job: Job) -> JobChange | None:
    """End a queued job, ask a running one to stop; ``None`` when the job has already ended."""
    if job.status is JobStatus.QUEUED:
        change = _ended_in_queue(job, ErrorCode.CANCELLED, CANCELLED_MESSAGE)
        change["cancel_requested"] = True
        return change
    if job.status is JobStatus.RUNNING:
        return None if job.cancel_requested else JobChange(cancel_requested=True)
    return None


def replay(job: Job, *, now: datetime, ageing_seconds: int) -> JobChange:
    """Put a failed job back at a person's explicit wish, with a new place in the queue."""
    _require(job, JobStatus.FAILED, "replayed")
    return JobChange(
        status=JobStatus.QUEUED,
        rank=queue_rank(now, job.priority, ageing_seconds),
        admitted_at=now,
        cancel_requested=False,
        worker_losses=0,
        completed_at=None,
        started_at=None,
        error_code=None,
        error_message=None,
        progress=0.0,
        duration_ms=None,
        result_digest=None,
        lease=None,
        expire_at=None,
    )


def _ended(code: ErrorCode, message: str) -> JobChange:
    return JobChange(
        status=JobStatus.FAILED,
        completed_at=SERVER_TIME,
        error_code=code,
        error_message=message,
        lease=None,
        result_digest=None,
    )


def _ended_in_queue(job: Job, code: ErrorCode, message: str) -> JobChange:
    change = _ended(code, message)
    if job.admitted_at is None:
        change["admitted_at"] = SERVER_TIME
    return change


def _require(job: Job, status: JobStatus, verb: str) -> None:
    if job.status is not status:
        raise IllegalTransition(
            f"job {job.job_id} is {job.status}; only a {status} job can be {verb}"
        )


def _require_hold(job: Job, hold: Hold) -> None:
    lease_id = job.lease.lease_id if job.lease else None
    if (
        job.status is not JobStatus.RUNNING
        or job.attempt != hold.attempt
        or lease_id != hold.lease_id
    ):
        raise LeaseLost(f"attempt {hold.attempt} of job {hold.job_id} lost its lease")
