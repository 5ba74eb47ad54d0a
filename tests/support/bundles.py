"""Bundles and chunk jobs as tests need them."""

from datetime import timedelta
from typing import Any

from tests.support.jobs import ADMITTED_AT, CONFIG, a_result, claim_best
from worker.jobs import transitions
from worker.jobs.bundle import Bundle, BundleChange, BundleSnapshot
from worker.jobs.chunks import Chunk, chunk_job_id, ranges
from worker.jobs.job import Artifact, Job, JobChange, Snapshot
from worker.jobs.lease import SERVER_TIME
from worker.jobs.states import JobStatus
from worker.ports import Store

GRID = {"parameters.fast": [5, 10], "parameters.slow": [20, 30, 40]}

ROWS = Artifact(uri="memory://rows", rows=6, sha256="1" * 64)


def a_bundle(bundle_id: str = "b1", **values: Any) -> Bundle:
    """A queued bundle of six variants that admission has not seen."""
    given = {"bundle_id": bundle_id, "user_id": "ann", "base_config": CONFIG}
    if "variants" not in values:
        given["parameter_grid"] = GRID
    return Bundle(**(given | values))


def a_chunk_job(seen: BundleSnapshot, number: int, chunk: Chunk, **values: Any) -> Job:
    """A claimable chunk job."""
    created_at = seen.bundle.created_at
    assert created_at is not None
    return Job(
        **{
            "job_id": chunk_job_id(seen.bundle.bundle_id, created_at, number),
            "user_id": seen.bundle.user_id,
            "bundle_id": seen.bundle.bundle_id,
            "variants": chunk.to_map(),
            "engine_version": "1.0.0",
            "lane": "push",
            "rank": ADMITTED_AT.timestamp(),
            "admitted_at": ADMITTED_AT,
            "bars": 100 * chunk.count,
        }
        | values
    )


def expansion(
    seen: BundleSnapshot, size: int = 2, total: int = 6
) -> tuple[BundleChange, list[Job]]:
    """What the commit of an expansion writes."""
    jobs = [a_chunk_job(seen, number, chunk) for number, chunk in enumerate(ranges(total, size))]
    change = BundleChange(
        status=JobStatus.RUNNING,
        engine_version="1.0.0",
        lane="push",
        admitted_at=ADMITTED_AT + timedelta(seconds=1),
        started_at=SERVER_TIME,
        total=total,
        chunk_size=size,
        chunks=len(jobs),
    )
    return change, jobs


def an_expanded_bundle(
    store: Store, bundle_id: str = "b1", *, size: int = 2, total: int = 6, **values: Any
) -> BundleSnapshot:
    """A running bundle with its chunk jobs."""
    seen = store.create_bundle(a_bundle(bundle_id, **values))
    change, jobs = expansion(seen, size, total)
    return store.commit_bundle(seen, change, jobs)


def finish_chunk(store: Store, running: Snapshot, completed: int, failed: int) -> Snapshot:
    """Complete a chunk job as a worker does: counts in ``variants``, artifacts in the result."""
    result = a_result(running.job.job_id, backtest_result={}, artifacts={"variants": ROWS})
    change = transitions.complete(
        running.job, running.job.hold(), result_digest=result.result_digest, duration_ms=5
    )
    counts = {**(running.job.variants or {}), "completed": completed, "failed": failed}
    return store.commit(running, change | JobChange(variants=counts), result)


def claim_chunk(store: Store) -> Snapshot:
    """The next chunk job, running."""
    claimed = claim_best(store)
    assert claimed is not None
    assert claimed.job.is_chunk
    return claimed


def read_bundle(store: Store, bundle_id: str = "b1") -> BundleSnapshot:
    """The bundle as it stands in the store now."""
    seen = store.get_bundle(bundle_id)
    assert seen is not None
    return seen
