"""How long an ended job and its result are kept."""

from datetime import datetime, timedelta

from worker.jobs.job import JobChange


def with_expiry(change: JobChange, read_at: datetime, retention: timedelta | None) -> JobChange:
    """``change``, and if it ends the job the moment after which the record may be gone.

    ``read_at`` is the store's clock when the job was read: seconds before the end, which days do
    not notice.
    """
    status = change.get("status")
    if retention is None or status is None or not status.is_final:
        return change
    return change | JobChange(expire_at=read_at + retention)
