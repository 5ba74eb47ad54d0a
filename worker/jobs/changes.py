"""What a job looks like after a change, for stores that do not read it back."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from worker.jobs.job import Job, JobChange
from worker.jobs.lease import Lease, ServerTime


def changed(job: Job, change: JobChange, now: datetime) -> Job:
    """``job`` with ``change`` applied; ``now`` stands wherever the store's clock was asked for."""
    values: dict[str, Any] = dict(change)
    for name, value in values.items():
        if isinstance(value, ServerTime):
            values[name] = now
        elif isinstance(value, Lease) and isinstance(value.heartbeat_at, ServerTime):
            values[name] = replace(value, heartbeat_at=now)
    return replace(job, **values)
