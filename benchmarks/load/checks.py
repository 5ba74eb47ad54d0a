"""What must be true of the store after any load, by what it holds."""

from collections.abc import Iterator

import engine
from benchmarks.load.users import KINDS, VARIANTS, Notes, config
from worker.jobs.errors import ErrorCode
from worker.jobs.job import Job, ResultRecord
from worker.jobs.states import JobStatus
from worker.ports import Store


def broken_promises(store: Store, notes: Notes) -> Iterator[str]:
    """Every sentence is one too many."""
    digests = [engine.run_backtest(config(kind)).result_digest for kind in range(KINDS)]
    for job_id, kind in notes.jobs.items():
        seen = store.get(job_id)
        if seen is None:
            yield f"job {job_id} is gone"
            continue
        yield from _job(seen.job, store.result(job_id), digests[kind])
        if seen.job.error_code not in _reasons(job_id in notes.cancelled):
            yield f"job {job_id} failed: {seen.job.error_code} {seen.job.error_message}"
    for bundle_id in notes.bundles:
        yield from _bundle(store, bundle_id)


def _reasons(is_cancelled: bool) -> tuple[ErrorCode | None, ...]:
    return (None, ErrorCode.CANCELLED) if is_cancelled else (None,)


def _job(job: Job, result: ResultRecord | None, digest: str) -> Iterator[str]:
    if not job.status.is_final:
        yield f"job {job.job_id} is {job.status}"
    if (result is not None) != (job.status is JobStatus.COMPLETED):
        yield f"job {job.job_id} is {job.status} with{'' if result else 'out'} a result"
    if job.lease is not None:
        yield f"job {job.job_id} is held after its end"
    attempts = 1 + job.worker_losses + job.interruptions
    if job.status is JobStatus.COMPLETED and job.attempt != attempts:
        yield f"job {job.job_id} was begun {job.attempt} times, of which {attempts - 1} broke off"
    if result is not None and not result.result_digest == job.result_digest == digest:
        yield f"job {job.job_id} has another result than a calm run"


def _bundle(store: Store, bundle_id: str) -> Iterator[str]:
    seen = store.get_bundle(bundle_id)
    if seen is None:
        yield f"bundle {bundle_id} is gone"
        return
    bundle = seen.bundle
    counts = (bundle.total, bundle.completed, bundle.failed)
    if bundle.status is not JobStatus.COMPLETED or counts != (VARIANTS, VARIANTS, 0):
        yield f"bundle {bundle_id} is {bundle.status} with {counts} variants"
    for job in store.chunk_jobs(bundle_id):
        if (store.result(job.job_id) is not None) != (job.status is JobStatus.COMPLETED):
            yield f"chunk {job.job_id} is {job.status}, and its result does not fit that"
