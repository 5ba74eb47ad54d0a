"""How long an ended job, its result, an ended bundle and their artifacts are kept."""

from datetime import datetime, timedelta

from worker.jobs.bundle import Bundle, BundleChange, BundleSnapshot
from worker.jobs.errors import IllegalTransition
from worker.jobs.job import Job, JobChange, ResultRecord, Snapshot
from worker.jobs.states import JobStatus

#: A chunk job goes with its bundle. If that is gone, it is kept so much longer than other jobs.
CHUNK_OUTLIVES = timedelta(days=30)

#: A record is kept so much longer than its result, and artifacts as long as the record: a request
#: for the result is answered "expired" meanwhile, not "unknown".
RECORD_OUTLIVES = timedelta(days=7)


def with_expiry(seen: Snapshot, change: JobChange, retention: timedelta | None) -> JobChange:
    """``change``, and if it ends the job the moment after which the record may be gone.

    That is counted from when the job was read on the store's clock: seconds before the end, which
    days do not notice.
    """
    if retention is not None and seen.job.is_chunk:
        retention += CHUNK_OUTLIVES
    expire_at = _expiry(change.get("status"), seen.read_at, retention)
    return change if expire_at is None else change | JobChange(expire_at=expire_at)


def expiry_of_result(job: Job, change: JobChange, result: ResultRecord) -> datetime | None:
    """When the result that is written with ``change`` expires: with its job.

    A chunk job's result never expires by itself: its bundle refers to the artifacts in it.
    """
    if job.is_chunk:
        return None
    return change.get("expire_at") or result.expire_at


def bundle_with_expiry(
    change: BundleChange, read_at: datetime, retention: timedelta | None
) -> BundleChange:
    """``change``, and if it ends the bundle the moment after which its record may be gone."""
    expire_at = _expiry(change.get("status"), read_at, retention)
    return change if expire_at is None else change | BundleChange(expire_at=expire_at)


def end_of_record(seen: Snapshot | BundleSnapshot) -> datetime | None:
    """Until when the record of an ended job or bundle is kept; ``None`` for ever.

    It and its artifacts may be removed once that is over: by then nothing refers to them.
    """
    record: Job | Bundle = seen.job if isinstance(seen, Snapshot) else seen.bundle
    if record.expire_at is None or not record.status.is_final:
        return None
    return record.expire_at + RECORD_OUTLIVES


def is_over(seen: Snapshot | BundleSnapshot) -> bool:
    """Whether the time of the record has passed on the store's clock."""
    end = end_of_record(seen)
    return end is not None and end < seen.read_at


def keep_longer(seen: Snapshot) -> JobChange:
    """Put off the end of a chunk job whose bundle is still there.

    Raises:
        IllegalTransition: its time is not over.
    """
    if not is_over(seen):
        raise IllegalTransition(f"job {seen.job.job_id} is still kept")
    return JobChange(expire_at=seen.read_at + CHUNK_OUTLIVES)


def _expiry(
    status: JobStatus | None, read_at: datetime, retention: timedelta | None
) -> datetime | None:
    if retention is None or status is None or not status.is_final:
        return None
    return read_at + retention
