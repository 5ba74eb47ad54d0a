"""What a job or a bundle looks like after a change, for stores that do not read it back."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from worker.jobs.bundle import Bundle, BundleChange
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


def changed_bundle(bundle: Bundle, change: BundleChange, now: datetime) -> Bundle:
    """The same for a bundle."""
    values: dict[str, Any] = {
        name: now if isinstance(value, ServerTime) else value for name, value in change.items()
    }
    return replace(bundle, **values)
