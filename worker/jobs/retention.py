"""How long an ended job, its result and an ended bundle are kept."""

from datetime import datetime, timedelta

from worker.jobs.bundle import BundleChange
from worker.jobs.job import JobChange, Snapshot
from worker.jobs.states import JobStatus

#: A chunk job is kept at least so long: its bundle needs it until the last of the others has ended.
CHUNK_RETENTION = timedelta(days=30)

#: A record without its result is kept so much longer, as artifacts are: whoever asks hears that the
#: result has expired, not that there never was one.
RECORD_OUTLIVES = timedelta(days=7)


def with_expiry(seen: Snapshot, change: JobChange, retention: timedelta | None) -> JobChange:
    """``change``, and if it ends the job the moment after which the record may be gone.

    That is counted from when the job was read on the store's clock: seconds before the end, which
    days do not notice.
    """
    if retention is not None and seen.job.is_chunk:
        retention = max(retention, CHUNK_RETENTION)
    expire_at = _expiry(change.get("status"), seen.read_at, retention)
    return change if expire_at is None else change | JobChange(expire_at=expire_at)


def bundle_with_expiry(
    change: BundleChange, read_at: datetime, retention: timedelta | None
) -> BundleChange:
    """The same for a bundle."""
    expire_at = _expiry(change.get("status"), read_at, retention)
    return change if expire_at is None else change | BundleChange(expire_at=expire_at)


def _expiry(
    status: JobStatus | None, read_at: datetime, retention: timedelta | None
) -> datetime | None:
    if retention is None or status is None or not status.is_final:
        return None
    return read_at + retention
