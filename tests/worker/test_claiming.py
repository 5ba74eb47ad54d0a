"""Claims: the best job, or exactly one, never what must not run, and never twice."""

from typing import Any

import pytest

from tests.support.admissions import POLICY, check
from tests.support.clocks import TickingClock
from tests.support.control import FragileStore
from tests.support.jobs import WANTED, a_job, a_running_job, an_admitted_job, read
from worker.jobs import transitions
from worker.jobs.errors import (
    Conflict,
    ErrorCode,
    IllegalTransition,
    OutcomeUnknown,
    StoreUnavailable,
)
from worker.jobs.job import JobChange, Snapshot
from worker.jobs.states import JobStatus
from worker.services.admission import Admission
from worker.services.claiming import Claiming, LeaseOffice


class Desk:
    def __init__(self, *, requeue_once: bool = True) -> None:
        self.clock = TickingClock()
        self.store = FragileStore(self.clock)
        self.claiming = Claiming(
            self.store,
            Admission(self.store, POLICY, check),
            LeaseOffice("worker-1", 90).new,
            WANTED,
            requeue_once=requeue_once,
        )


def test_the_lowest_rank_is_claimed_under_a_new_lease() -> None:
    desk = Desk()
    desk.store.create(an_admitted_job("late", 5))
    desk.store.create(an_admitted_job("early", 1))
    claimed = desk.claiming.best()
    assert claimed is not None
    assert (claimed.job.job_id, claimed.job.status) == ("early", JobStatus.RUNNING)
    assert claimed.job.attempt == 1
    lease = claimed.job.lease
    assert lease is not None
    assert (lease.worker_id, lease.seconds) == ("worker-1", 90)
    second = desk.claiming.best()
    assert second is not None
    assert second.job.lease is not None
    assert second.job.lease.lease_id != lease.lease_id


def test_an_empty_queue_has_nothing_to_claim() -> None:
    desk = Desk()
    desk.store.create(a_job("not-admitted"))
    desk.store.create(an_admitted_job("other-lane", lane="poll"))
    desk.store.create(an_admitted_job("other-version", engine_version="2.0.0"))
    assert desk.claiming.best() is None


def test_a_cancelled_candidate_is_ended_and_the_next_one_claimed() -> None:
    desk = Desk()
    desk.store.create(an_admitted_job("cancelled", 0, cancel_requested=True))
    desk.store.create(an_admitted_job("good", 1))
    claimed = desk.claiming.best()
    assert claimed is not None
    assert claimed.job.job_id == "good"
    ended = read(desk.store, "cancelled").job
    assert (ended.status, ended.error_code) == (JobStatus.FAILED, ErrorCode.CANCELLED)
    assert ended.attempt == 0


def test_unreadable_candidates_never_stop_the_fleet() -> None:
    desk = Desk()
    for number in range(20):
        desk.store.create(an_admitted_job(f"bad{number}", number, defects=("lease: not a map",)))
    desk.store.create(an_admitted_job("good", 99))
    claimed = desk.claiming.best()
    assert claimed is not None
    assert claimed.job.job_id == "good"
    ended = read(desk.store, "bad7").job
    assert ended.error_code is ErrorCode.INVALID_CONFIG
    assert "lease: not a map" in (ended.error_message or "")


@pytest.mark.parametrize("happened", [True, False])
def test_a_claim_without_an_answer_is_looked_up(
    happened: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk()
    desk.store.create(an_admitted_job("j1"))
    real = desk.store._write

    def unheard(record: Any, change: JobChange) -> Snapshot:
        if happened:
            real(record, change)
        raise OutcomeUnknown("deadline")

    monkeypatch.setattr(desk.store, "_write", unheard)
    if happened:
        claimed = desk.claiming.best()
        assert claimed is not None
        assert claimed.job.status is JobStatus.RUNNING
        assert claimed.job == read(desk.store, "j1").job
    else:
        with pytest.raises(StoreUnavailable):
            desk.claiming.best()
        assert read(desk.store, "j1").job.status is JobStatus.QUEUED


def test_an_unconfirmed_claim_that_somebody_else_won_is_not_ours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    desk = Desk()
    a_running_job(desk.store)
    second = desk.store.create(an_admitted_job("j2", 1))

    def unheard(*_: object) -> Snapshot:
        raise OutcomeUnknown("deadline")

    monkeypatch.setattr(desk.store, "commit", unheard)
    with pytest.raises(OutcomeUnknown):
        desk.claiming.exactly(second)


def test_exactly_one_job_is_admitted_and_claimed_in_one_write() -> None:
    desk = Desk()
    seen = desk.store.create(a_job("j1", priority=5))
    claimed = desk.claiming.exactly(seen).job
    assert claimed.status is JobStatus.RUNNING
    assert claimed.is_admitted
    assert (claimed.lane, claimed.engine_version, claimed.priority) == ("push", "1.0.0", 0)
    assert read(desk.store, "j1").version == seen.version + 1


def test_a_replay_clears_the_past_in_the_same_write() -> None:
    desk = Desk()
    running = a_running_job(desk.store)
    change = transitions.fail(
        running.job, running.job.hold(), code=ErrorCode.TIMEOUT, message="too long"
    )
    failed = desk.store.commit(running, change)
    claimed = desk.claiming.exactly(failed)
    assert claimed.version == failed.version + 1
    assert claimed.job.status is JobStatus.RUNNING
    assert claimed.job.attempt == 2
    assert (claimed.job.error_code, claimed.job.error_message) == (None, None)
    assert claimed.job.completed_at is None


@pytest.mark.parametrize("requeue_once", [True, False])
def test_a_job_of_a_dead_worker_is_taken_over(requeue_once: bool) -> None:
    desk = Desk(requeue_once=requeue_once)
    a_running_job(desk.store)
    desk.clock.advance(91)
    claimed = desk.claiming.exactly(read(desk.store, "j1")).job
    assert (claimed.status, claimed.attempt) == (JobStatus.RUNNING, 2)


def test_a_live_lease_is_respected() -> None:
    desk = Desk()
    running = a_running_job(desk.store)
    desk.clock.advance(89)
    with pytest.raises(IllegalTransition):
        desk.claiming.exactly(read(desk.store, "j1"))
    assert read(desk.store, "j1").version == running.version


def test_a_cancelled_job_is_ended_not_claimed() -> None:
    desk = Desk()
    seen = desk.store.create(an_admitted_job("j1", cancel_requested=True))
    ended = desk.claiming.exactly(seen).job
    assert (ended.status, ended.error_code) == (JobStatus.FAILED, ErrorCode.CANCELLED)
    assert ended.attempt == 0


def test_a_reader_that_comes_late_looks_again() -> None:
    desk = Desk()
    seen = desk.store.create(an_admitted_job("j1"))
    desk.store.commit(seen, JobChange(interruptions=1))
    assert desk.claiming.exactly(seen).job.status is JobStatus.RUNNING


def test_a_reader_that_comes_too_late_is_told() -> None:
    desk = Desk()
    seen = desk.store.create(an_admitted_job("j1"))
    desk.claiming.best()
    with pytest.raises(IllegalTransition):
        desk.claiming.exactly(seen)


def test_a_job_that_vanished_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    seen = desk.store.create(an_admitted_job("j1"))
    desk.store.fail("commit", error=Conflict("j1"))
    monkeypatch.setattr(desk.store, "get", lambda _: None)
    with pytest.raises(IllegalTransition, match="gone"):
        desk.claiming.exactly(seen)


def test_a_job_that_keeps_changing_is_given_up() -> None:
    desk = Desk()
    seen = desk.store.create(an_admitted_job("j1"))
    desk.store.fail("commit", error=Conflict("j1"))
    with pytest.raises(IllegalTransition, match="keeps changing"):
        desk.claiming.exactly(seen)
