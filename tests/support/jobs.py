"""Jobs, leases and claims as tests need them."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from worker.jobs import transitions
from worker.jobs.job import Job, JobChange, ResultRecord, Snapshot
from worker.jobs.lease import SERVER_TIME, Lease
from worker.ports import JobStore, Wanted

CONFIG = {
    "strategyId": "smaCross",
    "symbol": "SPY",
    "startDate": "2020-01-02",
    "endDate": "2020-12-31",
    "startingCapital": 100_000.0,
    "parameters": {"fast": 10, "slow": 20},
}

ADMITTED_AT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)

WANTED = Wanted(lane="push", engine_versions=("1.0.0",))


def a_job(job_id: str, **values: Any) -> Job:
    """A queued job that admission has not seen."""
    return Job(**{"job_id": job_id, "user_id": "ann", "config_used": CONFIG} | values)


def an_admitted_job(job_id: str, place: float = 0.0, **values: Any) -> Job:
    """A queued job whose turn comes by ``place``, lowest first."""
    admitted = {
        "engine_version": "1.0.0",
        "lane": "push",
        "rank": ADMITTED_AT.timestamp() + place,
        "admitted_at": ADMITTED_AT + timedelta(seconds=place),
    }
    return a_job(job_id, **(admitted | values))


def a_lease(worker_id: str = "worker-1", seconds: int = 90) -> Lease:
    return Lease(
        lease_id=secrets.token_hex(8),
        worker_id=worker_id,
        heartbeat_at=SERVER_TIME,
        seconds=seconds,
    )


def claim_best(
    store: JobStore, wanted: Wanted = WANTED, *, worker_id: str = "worker-1", seconds: int = 90
) -> Snapshot | None:
    def decide(seen: Snapshot) -> JobChange:
        return transitions.claim(seen.job, lease=a_lease(worker_id, seconds))

    return store.take_best(wanted, decide)


def a_running_job(store: JobStore, job_id: str = "j1", *, seconds: int = 90) -> Snapshot:
    """A job as it stands right after its first claim."""
    store.create(an_admitted_job(job_id))
    running = claim_best(store, seconds=seconds)
    assert running is not None
    assert running.job.job_id == job_id
    return running


def a_result(job_id: str, **values: Any) -> ResultRecord:
    return ResultRecord(
        **{
            "job_id": job_id,
            "user_id": "ann",
            "engine_version": "1.0.0",
            "result_digest": "sha256:1",
            "summary_digest": "sha256:2",
            "backtest_result": {
                "totalReturn": 0.25,
                "equityCurve": [100.0, 125.0],
                "equityTimestamps": ["2020-01-02T00:00:00Z", "2020-01-03T00:00:00Z"],
                "cycles": [],
                "metrics": {"sharpe": None, "tradeCount": 2},
            },
        }
        | values
    )


def finish(store: JobStore, running: Snapshot, **values: Any) -> Snapshot:
    """Complete an attempt with a result in the same commit."""
    result = a_result(running.job.job_id, **values)
    change = transitions.complete(
        running.job, running.job.hold(), result_digest=result.result_digest, duration_ms=1200
    )
    return store.commit(running, change, result)


def read(store: JobStore, job_id: str) -> Snapshot:
    """The job as it stands in the store now."""
    seen = store.get(job_id)
    assert seen is not None
    return seen
