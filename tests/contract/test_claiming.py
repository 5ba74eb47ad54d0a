"""The queue: who is next, for whom, and that it is one worker only."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from tests.support.jobs import (
    WANTED,
    a_job,
    a_lease,
    an_admitted_job,
    claim_best,
    read,
)
from tests.support.patience import PATIENCE_SECONDS
from worker.jobs import transitions
from worker.jobs.errors import Conflict, ErrorCode
from worker.jobs.job import JobChange, Snapshot
from worker.jobs.states import JobStatus
from worker.ports import JobStore, Wanted

CROWD = 64


def test_an_empty_queue_gives_nothing(store: JobStore) -> None:
    assert claim_best(store) is None


def test_a_claim_starts_an_attempt(store: JobStore) -> None:
    created = store.create(an_admitted_job("j1"))

    claimed = claim_best(store, worker_id="w7", seconds=45)

    assert claimed is not None
    job = claimed.job
    assert (job.job_id, job.status, job.attempt, job.progress) == ("j1", JobStatus.RUNNING, 1, 0.0)
    assert job.lease is not None
    assert (job.lease.worker_id, job.lease.seconds) == ("w7", 45)
    after = read(store, "j1").read_at
    assert job.started_at is not None
    assert isinstance(job.lease.heartbeat_at, datetime)
    assert created.read_at <= job.started_at <= after
    assert created.read_at <= job.lease.heartbeat_at <= after


def test_a_claim_answers_what_get_reads(store: JobStore) -> None:
    store.create(an_admitted_job("j1"))

    claimed = claim_best(store)

    seen = read(store, "j1")
    assert claimed is not None
    assert (seen.job, seen.version) == (claimed.job, claimed.version)


def test_the_lowest_rank_is_next(store: JobStore) -> None:
    for job_id, place in [("third", 30.5), ("first", -3600.25), ("second", 30.25)]:
        store.create(an_admitted_job(job_id, place))

    order = [claimed.job.job_id for claimed in iter(lambda: claim_best(store), None)]

    assert order == ["first", "second", "third"]


def test_jobs_of_equal_rank_are_all_taken(store: JobStore) -> None:
    for number in range(5):
        store.create(an_admitted_job(f"j{number}", 0.0))

    taken = {claimed.job.job_id for claimed in iter(lambda: claim_best(store), None)}

    assert taken == {"j0", "j1", "j2", "j3", "j4"}


def test_a_job_that_is_not_admitted_is_never_taken(store: JobStore) -> None:
    store.create(a_job("j1", engine_version="1.0.0", lane="push"))

    assert claim_best(store) is None


def test_a_worker_takes_only_its_lane(store: JobStore) -> None:
    store.create(an_admitted_job("polled", 0, lane="poll"))
    store.create(an_admitted_job("legacy", 1, lane="legacy"))
    store.create(an_admitted_job("pushed", 2, lane="push"))

    taken = claim_best(store)

    assert taken is not None
    assert taken.job.job_id == "pushed"
    assert claim_best(store) is None


def test_a_worker_takes_only_the_engine_versions_it_reproduces(store: JobStore) -> None:
    store.create(an_admitted_job("new", 0, engine_version="2.0.0"))
    store.create(an_admitted_job("old", 1, engine_version="1.0.0"))
    store.create(an_admitted_job("older", 2, engine_version="0.9.0"))
    both = Wanted(lane="push", engine_versions=("0.9.0", "1.0.0"))

    order = [claimed.job.job_id for claimed in iter(lambda: claim_best(store, both), None)]

    assert order == ["old", "older"]


@pytest.mark.parametrize("status", [JobStatus.RUNNING, JobStatus.COMPLETED, JobStatus.FAILED])
def test_only_queued_jobs_are_taken(store: JobStore, status: JobStatus) -> None:
    store.create(an_admitted_job("j1", status=status))

    assert claim_best(store) is None


def test_a_candidate_may_be_ended_instead_of_started(store: JobStore) -> None:
    store.create(an_admitted_job("j1", 0, cancel_requested=True))
    store.create(an_admitted_job("j2", 1))

    def decide(seen: Snapshot) -> JobChange:
        assert seen.job.cancel_requested
        return transitions.reject(seen.job, ErrorCode.CANCELLED, "Cancelled.")

    ended = store.take_best(WANTED, decide)

    assert ended is not None
    assert (ended.job.job_id, ended.job.status) == ("j1", JobStatus.FAILED)
    assert read(store, "j1").job.error_code is ErrorCode.CANCELLED
    following = claim_best(store)
    assert following is not None
    assert following.job.job_id == "j2"


def test_a_decision_that_raises_writes_nothing(store: JobStore) -> None:
    store.create(an_admitted_job("j1"))
    before = read(store, "j1")

    def decide(seen: Snapshot) -> JobChange:
        raise LookupError(seen.job.job_id)

    with pytest.raises(LookupError):
        store.take_best(WANTED, decide)

    after = read(store, "j1")
    assert (after.job, after.version) == (before.job, before.version)
    assert claim_best(store) is not None


def test_of_many_claimers_of_one_job_exactly_one_wins(store: JobStore) -> None:
    store.create(an_admitted_job("j1"))
    start = threading.Barrier(CROWD)

    def claim(number: int) -> Snapshot | None:
        start.wait(PATIENCE_SECONDS)
        return claim_best(store, worker_id=f"w{number}")

    with ThreadPoolExecutor(CROWD) as crowd:
        outcomes = list(crowd.map(claim, range(CROWD)))

    (winner,) = [outcome for outcome in outcomes if outcome is not None]
    seen = read(store, "j1").job
    assert seen.attempt == 1
    assert seen.lease == winner.job.lease


def test_of_many_claimers_with_one_snapshot_exactly_one_wins(store: JobStore) -> None:
    seen = store.create(an_admitted_job("j1"))
    start = threading.Barrier(CROWD)

    def claim(number: int) -> Snapshot | None:
        start.wait(PATIENCE_SECONDS)
        try:
            return store.commit(seen, transitions.claim(seen.job, lease=a_lease(f"w{number}")))
        except Conflict:
            return None

    with ThreadPoolExecutor(CROWD) as crowd:
        outcomes = list(crowd.map(claim, range(CROWD)))

    (winner,) = [outcome for outcome in outcomes if outcome is not None]
    assert read(store, "j1").job.lease == winner.job.lease


def test_a_crowd_empties_the_queue_without_doubles_and_without_leaving_any(
    store: JobStore,
) -> None:
    """Nobody goes home while a claimable job remains, however often others were faster."""
    jobs, workers = 30, 8
    for number in range(jobs):
        store.create(an_admitted_job(f"j{number}", float(number // 10)))

    def work(number: int) -> list[str]:
        return [
            claimed.job.job_id
            for claimed in iter(lambda: claim_best(store, worker_id=f"w{number}"), None)
        ]

    with ThreadPoolExecutor(workers) as crowd:
        taken = Counter(job_id for ids in crowd.map(work, range(workers)) for job_id in ids)

    assert taken == Counter(f"j{number}" for number in range(jobs))
