"""Admission decides once, whoever asks and however often."""

import threading
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from tests.support.admissions import POLICY, check
from tests.support.clocks import TickingClock
from tests.support.control import FragileStore
from tests.support.jobs import a_job, a_running_job, finish, read
from worker.jobs import transitions
from worker.jobs.errors import Conflict, ErrorCode, StoreUnavailable
from worker.jobs.job import Job, JobChange, ResultRecord, Snapshot
from worker.jobs.rank import queue_rank
from worker.jobs.states import EnumStyle, JobStatus
from worker.services.admission import MAX_MESSAGE_CHARACTERS, Admission, AdmissionPolicy


class Door:
    def __init__(self, policy: AdmissionPolicy = POLICY) -> None:
        self.clock = TickingClock()
        self.store = FragileStore(self.clock)
        self.admission = Admission(self.store, policy, check)

    def admitted(self, **values: Any) -> Job:
        seen = self.store.create(a_job("j1", **values))
        return self.admission.admit(seen).job


def test_a_good_job_gets_its_place() -> None:
    job = Door().admitted(config_used={"strategyId": "wheel"})
    assert job.status is JobStatus.QUEUED
    assert job.engine_version == "1.0.0"
    assert job.lane == "push"
    assert job.admitted_at is not None
    assert job.rank == queue_rank(job.admitted_at, 0, 3600)
    assert job.attempt == 0


def test_the_place_is_by_the_stores_clock() -> None:
    door = Door()
    seen = door.store.create(a_job("j1"))
    door.clock.advance(1000)
    assert door.admission.admit(seen).job.admitted_at == seen.read_at


@pytest.mark.parametrize(
    ("asked", "most", "given"),
    [
        (9, 0, 0),
        (3, 0, 0),
        (0, 0, 0),
        (-4, 0, -4),
        (5, 9, 5),
        (12, 9, 9),
        (-50, 9, -9),
        (3, -2, -2),
    ],
)
def test_a_priority_is_kept_within_what_clients_may(asked: int, most: int, given: int) -> None:
    job = Door(replace(POLICY, max_priority=most)).admitted(priority=asked)
    assert job.priority == given
    assert job.admitted_at is not None
    assert job.rank == queue_rank(job.admitted_at, given, 3600)


@pytest.mark.parametrize(
    ("values", "code", "told"),
    [
        ({"user_id": None}, ErrorCode.MISSING_USER, "userId"),
        ({"user_id": ""}, ErrorCode.MISSING_USER, "userId"),
        ({"user_id": "  "}, ErrorCode.MISSING_USER, "userId"),
        (
            {"user_id": None, "defects": ("userId: expected text, got 5",)},
            ErrorCode.MISSING_USER,
            "userId",
        ),
        (
            {"defects": ("jobId: expected 'j1', got 'other'", "priority: expected a number")},
            ErrorCode.INVALID_CONFIG,
            "jobId: expected 'j1', got 'other'; priority: expected a number",
        ),
        ({"timeout_seconds": 0}, ErrorCode.INVALID_CONFIG, "timeoutSeconds"),
        ({"timeout_seconds": 541}, ErrorCode.INVALID_CONFIG, "1 to 540"),
        ({"engine_version": "0.9.0"}, ErrorCode.UNSUPPORTED_ENGINE_VERSION, "1.0.0, 2.0.0"),
        (
            {"config_used": {"strategyId": "magic"}},
            ErrorCode.INVALID_CONFIG,
            "strategyId: expected a known strategy, got 'magic'; parameters.dte",
        ),
        ({"cancel_requested": True}, ErrorCode.CANCELLED, "cancelled"),
        (
            {"cancel_requested": True, "config_used": {"strategyId": "magic"}},
            ErrorCode.CANCELLED,
            "cancelled",
        ),
    ],
)
def test_a_job_that_must_not_run_fails_with_its_reason(
    values: dict[str, Any], code: ErrorCode, told: str
) -> None:
    job = Door().admitted(**values)
    assert (job.status, job.error_code) == (JobStatus.FAILED, code)
    assert told in (job.error_message or "")
    assert job.completed_at is not None
    assert not job.is_admitted


@pytest.mark.parametrize("seconds", [None, 1, 540])
def test_a_timeout_within_the_limits_is_fine(seconds: int | None) -> None:
    assert Door().admitted(timeout_seconds=seconds).is_admitted


def test_a_config_of_another_deployments_version_is_judged_there() -> None:
    job = Door().admitted(engine_version="2.0.0", config_used={"strategyId": "magic"})
    assert job.is_admitted
    assert job.engine_version == "2.0.0"


def test_a_message_is_bounded() -> None:
    job = Door().admitted(defects=("x" * 10_000,))
    assert len(job.error_message or "") == MAX_MESSAGE_CHARACTERS


def test_a_dart_client_is_remembered() -> None:
    assert Door().admitted(enum_style=EnumStyle.DART).enum_style is EnumStyle.DART


def test_an_unknown_id_is_none() -> None:
    assert Door().admission.admit_id("nobody") is None


def test_admitting_twice_writes_once() -> None:
    door = Door()
    door.store.create(a_job("j1"))
    first = door.admission.admit_id("j1")
    second = door.admission.admit_id("j1")
    assert first is not None
    assert second is not None
    assert second.version == first.version
    assert second.job == first.job


def test_a_stale_reader_does_not_admit_again() -> None:
    door = Door()
    seen = door.store.create(a_job("j1"))
    first = door.admission.admit(seen)
    door.clock.advance(60)
    assert door.admission.admit(seen).job == first.job


@pytest.mark.parametrize("state", ["running", "completed", "failed"])
def test_other_states_are_left_alone(state: str) -> None:
    door = Door()
    seen = a_running_job(door.store)
    if state == "completed":
        seen = finish(door.store, seen)
    elif state == "failed":
        change = transitions.fail(
            seen.job, seen.job.hold(), code=ErrorCode.TIMEOUT, message="too long"
        )
        seen = door.store.commit(seen, change)
    after = door.admission.admit_id("j1")
    assert after is not None
    assert after.version == seen.version


def test_many_at_once_admit_one_job_once() -> None:
    door = Door()
    seen = door.store.create(a_job("j1"))
    together = threading.Barrier(8)
    ranks: list[float | None] = []

    def admit() -> None:
        together.wait()
        ranks.append(door.admission.admit(seen).job.rank)

    threads = [threading.Thread(target=admit) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ranks) == 8
    assert len(set(ranks)) == 1


class ContestedStore(FragileStore):
    """Somebody else writes before each commit."""

    def commit(
        self,
        seen: Snapshot,
        change: JobChange,
        result: ResultRecord | None = None,
        *,
        by: datetime | None = None,
    ) -> Snapshot:
        del seen, change, result, by
        raise Conflict("j1")


def test_endless_conflicts_leave_the_job_to_others() -> None:
    store = ContestedStore(TickingClock())
    seen = store.create(a_job("j1"))
    assert not Admission(store, POLICY, check).admit(seen).job.is_admitted


def test_a_cancellation_between_reading_and_writing_counts() -> None:
    door = Door()
    seen = door.store.create(a_job("j1"))
    door.store.commit(seen, JobChange(cancel_requested=True))
    assert door.admission.admit(seen).job.error_code is ErrorCode.CANCELLED


def test_an_outage_is_the_callers_to_see() -> None:
    door = Door()
    seen = door.store.create(a_job("j1"))
    door.store.fail("commit")
    with pytest.raises(StoreUnavailable):
        door.admission.admit(seen)
    door.store.away.clear()
    assert read(door.store, "j1").version == seen.version


def test_a_replayed_job_has_a_new_place_and_no_past() -> None:
    door = Door()
    running = a_running_job(door.store)
    change = transitions.fail(
        running.job, running.job.hold(), code=ErrorCode.WORKER_LOST, message="lost"
    )
    change["worker_losses"] = 2
    failed = door.store.commit(running, change)
    door.clock.advance(60)
    again = door.store.commit(failed, door.admission.replay(failed.job, door.clock.now())).job
    assert again.status is JobStatus.QUEUED
    assert (again.error_code, again.error_message, again.completed_at) == (None, None, None)
    assert again.worker_losses == 0
    assert again.attempt == 1
    assert again.rank is not None
    assert failed.job.rank is not None
    assert again.rank > failed.job.rank


def test_a_replay_of_a_job_that_was_never_admitted_admits_it() -> None:
    door = Door()
    seen = door.store.create(a_job("j1"))
    failed = door.store.commit(
        seen, transitions.reject(seen.job, ErrorCode.QUOTA_EXCEEDED, "too many")
    )
    again = door.store.commit(failed, door.admission.replay(failed.job, door.clock.now())).job
    assert (again.status, again.lane, again.engine_version) == (JobStatus.QUEUED, "push", "1.0.0")


def test_a_replay_of_a_job_that_is_still_wrong_keeps_it_failed_and_unranked() -> None:
    door = Door()
    door.admitted(config_used={"strategyId": "magic"})
    failed = read(door.store, "j1")
    again = door.store.commit(failed, door.admission.replay(failed.job, door.clock.now())).job
    assert (again.status, again.error_code) == (JobStatus.FAILED, ErrorCode.INVALID_CONFIG)
    assert again.completed_at is not None
    assert not again.is_admitted
