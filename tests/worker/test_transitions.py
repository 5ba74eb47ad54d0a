"""The state machine on its own: every state, every step, and who may take it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from worker.jobs import transitions
from worker.jobs.changes import changed
from worker.jobs.errors import ErrorCode, IllegalTransition, LeaseLost
from worker.jobs.job import Job, JobChange
from worker.jobs.lease import SERVER_TIME, Hold, Lease
from worker.jobs.states import EnumStyle, JobStatus

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
LEASE = Lease(lease_id="l1", worker_id="w1", heartbeat_at=NOW, seconds=90)
HOLD = Hold("j1", 3, "l1")

QUEUED = Job(job_id="j1", user_id="ann", rank=1.0, lane="push", attempt=2)
RUNNING = replace(QUEUED, status=JobStatus.RUNNING, attempt=3, lease=LEASE, progress=0.5)
COMPLETED = replace(QUEUED, status=JobStatus.COMPLETED, attempt=3, progress=1.0)
FAILED = replace(
    QUEUED, status=JobStatus.FAILED, attempt=3, error_code=ErrorCode.TIMEOUT, error_message="Late."
)
ALL = {"queued": QUEUED, "running": RUNNING, "completed": COMPLETED, "failed": FAILED}

Step = Callable[[Job], JobChange | None]


def admit(job: Job) -> JobChange:
    return transitions.admit(
        job, now=NOW, engine_version="1.0.0", priority=2, lane="push", ageing_seconds=3600
    )


def reject(job: Job) -> JobChange:
    return transitions.reject(job, ErrorCode.INVALID_CONFIG, "No.")


def claim(job: Job) -> JobChange:
    return transitions.claim(job, lease=replace(LEASE, lease_id="l2"))


def beat(job: Job, progress: float = 0.75, hold: Hold = HOLD) -> JobChange:
    renewed = replace(LEASE, heartbeat_at=SERVER_TIME)
    return transitions.beat(job, hold, lease=renewed, progress=progress)


def complete(job: Job, hold: Hold = HOLD) -> JobChange:
    return transitions.complete(job, hold, result_digest="sha256:1", duration_ms=5)


def fail(job: Job, hold: Hold = HOLD) -> JobChange:
    return transitions.fail(job, hold, code=ErrorCode.TIMEOUT, message="Late.", duration_ms=5)


def release(job: Job, hold: Hold = HOLD) -> JobChange:
    return transitions.release(job, hold)


def expire(job: Job, after: float = 91.0, requeue_once: bool = True) -> JobChange:
    read_at = NOW + timedelta(seconds=after)
    return transitions.expire(job, read_at=read_at, requeue_once=requeue_once)


def replay(job: Job) -> JobChange:
    return transitions.replay(job, now=NOW, ageing_seconds=3600)


LEGAL: list[tuple[Step, str, JobStatus]] = [
    (admit, "queued", JobStatus.QUEUED),
    (reject, "queued", JobStatus.FAILED),
    (claim, "queued", JobStatus.RUNNING),
    (complete, "running", JobStatus.COMPLETED),
    (fail, "running", JobStatus.FAILED),
    (release, "running", JobStatus.QUEUED),
    (expire, "running", JobStatus.QUEUED),
    (replay, "failed", JobStatus.QUEUED),
]


@pytest.mark.parametrize(("step", "origin", "target"), LEGAL)
def test_legal_steps_lead_where_they_should(step: Step, origin: str, target: JobStatus) -> None:
    change = step(ALL[origin])

    assert change is not None
    assert change["status"] is target


@pytest.mark.parametrize(
    ("step", "origin"),
    [
        (step, origin)
        for step, legal, _ in [*LEGAL, (beat, "running", JobStatus.RUNNING)]
        for origin in ALL
        if origin != legal
    ],
)
def test_every_other_step_is_refused(step: Step, origin: str) -> None:
    with pytest.raises((IllegalTransition, LeaseLost)) as refused:
        step(ALL[origin])

    assert "j1" in str(refused.value)


@pytest.mark.parametrize("step", [beat, complete, fail, release])
@pytest.mark.parametrize("hold", [Hold("j1", 2, "l1"), Hold("j1", 4, "l1"), Hold("j1", 3, "other")])
def test_only_the_holder_of_attempt_and_lease_writes(step: Any, hold: Hold) -> None:
    with pytest.raises(LeaseLost):
        step(RUNNING, hold=hold)


@pytest.mark.parametrize("step", [beat, complete, fail, release])
def test_a_running_job_without_a_lease_is_nobodys(step: Step) -> None:
    with pytest.raises(LeaseLost):
        step(replace(RUNNING, lease=None))


class TestAdmission:
    def test_the_place_in_the_queue(self) -> None:
        change = admit(Job(job_id="j1", priority=9, interruptions=1))

        assert change["rank"] == NOW.timestamp() - 2 * 3600
        assert (change["priority"], change["lane"], change["engine_version"]) == (
            2,
            "push",
            "1.0.0",
        )
        assert change["admitted_at"] == NOW
        assert "enum_style" not in change

    def test_a_dart_clients_style_is_remembered(self) -> None:
        assert admit(Job(job_id="j1", enum_style=EnumStyle.DART))["enum_style"] is EnumStyle.DART

    def test_admitting_does_not_touch_counts_of_earlier_attempts(self) -> None:
        change = admit(Job(job_id="j1", attempt=4, interruptions=2, worker_losses=1))

        assert (change["attempt"], change["interruptions"], change["worker_losses"]) == (4, 2, 1)

    def test_a_rejected_job_is_listed_from_then_on(self) -> None:
        assert reject(Job(job_id="j1"))["admitted_at"] is SERVER_TIME
        assert "admitted_at" not in reject(Job(job_id="j1", admitted_at=NOW))


class TestClaim:
    def test_a_claim_counts_up_and_clears_the_last_attempt(self) -> None:
        stained = replace(
            QUEUED,
            error_code=ErrorCode.TIMEOUT,
            error_message="Late.",
            completed_at=NOW,
            progress=0.9,
            duration_ms=7,
            result_digest="sha256:0",
        )

        job = changed(stained, claim(stained), NOW)

        assert job.attempt == stained.attempt + 1
        assert job.lease is not None
        assert job.lease.lease_id == "l2"
        assert (job.error_code, job.error_message, job.completed_at) == (None, None, None)
        assert (job.progress, job.duration_ms, job.result_digest) == (0.0, None, None)
        assert job.started_at == NOW

    def test_a_job_without_rank_is_not_claimed(self) -> None:
        with pytest.raises(IllegalTransition, match="not admitted"):
            claim(replace(QUEUED, rank=None))

    def test_a_cancelled_job_is_not_claimed(self) -> None:
        with pytest.raises(IllegalTransition, match="cancelled"):
            claim(replace(QUEUED, cancel_requested=True))


class TestBeat:
    @pytest.mark.parametrize(
        ("told", "shown"), [(0.75, 0.75), (0.25, 0.5), (0.5, 0.5), (1.5, 1.0), (-1.0, 0.5)]
    )
    def test_progress_is_monotone_and_at_most_one(self, told: float, shown: float) -> None:
        assert beat(RUNNING, told)["progress"] == shown

    def test_a_beat_writes_the_lease_and_progress_alone(self) -> None:
        assert set(beat(RUNNING)) == {"lease", "progress"}


class TestEnd:
    def test_complete(self) -> None:
        job = changed(RUNNING, complete(RUNNING), NOW)

        assert (job.status, job.progress, job.lease) == (JobStatus.COMPLETED, 1.0, None)
        assert (job.completed_at, job.result_digest, job.duration_ms) == (NOW, "sha256:1", 5)

    def test_a_late_cancellation_does_not_undo_completion(self) -> None:
        late = replace(RUNNING, cancel_requested=True)

        assert complete(late)["status"] is JobStatus.COMPLETED

    def test_fail(self) -> None:
        job = changed(RUNNING, fail(RUNNING), NOW)

        assert (job.status, job.error_code, job.error_message) == (
            JobStatus.FAILED,
            ErrorCode.TIMEOUT,
            "Late.",
        )
        assert (job.completed_at, job.lease, job.duration_ms) == (NOW, None, 5)


class TestBackToTheQueue:
    def test_release_counts_an_interruption_and_keeps_the_place(self) -> None:
        job = changed(RUNNING, release(RUNNING), NOW)

        assert (job.status, job.interruptions, job.worker_losses) == (JobStatus.QUEUED, 1, 0)
        assert (job.rank, job.attempt, job.lease, job.started_at) == (1.0, 3, None, None)

    def test_release_has_no_limit(self) -> None:
        often = replace(RUNNING, interruptions=1000)

        assert release(often)["status"] is JobStatus.QUEUED

    @pytest.mark.parametrize("step", [release, expire])
    def test_nothing_requeues_a_cancelled_job(self, step: Step) -> None:
        change = step(replace(RUNNING, cancel_requested=True))

        assert change is not None
        assert (change["status"], change["error_code"]) == (
            JobStatus.FAILED,
            ErrorCode.CANCELLED,
        )

    def test_the_first_loss_requeues(self) -> None:
        job = changed(RUNNING, expire(RUNNING), NOW)

        assert (job.status, job.worker_losses, job.lease) == (JobStatus.QUEUED, 1, None)

    def test_the_second_loss_ends(self) -> None:
        job = changed(RUNNING, expire(replace(RUNNING, worker_losses=1)), NOW)

        assert (job.status, job.error_code) == (JobStatus.FAILED, ErrorCode.WORKER_LOST)
        assert job.worker_losses == 2

    def test_the_first_loss_ends_where_nothing_is_to_be_requeued(self) -> None:
        change = expire(RUNNING, requeue_once=False)

        assert (change["status"], change["error_code"], change["worker_losses"]) == (
            JobStatus.FAILED,
            ErrorCode.WORKER_LOST,
            1,
        )

    @pytest.mark.parametrize("after", [0.0, 89.0, 90.0])
    def test_a_living_worker_keeps_its_job(self, after: float) -> None:
        with pytest.raises(IllegalTransition, match="still answers"):
            expire(RUNNING, after)

    def test_a_running_job_without_a_lease_can_be_reclaimed(self) -> None:
        assert expire(replace(RUNNING, lease=None), 0.0)["status"] is JobStatus.QUEUED

    def test_replay_clears_what_the_failure_left(self) -> None:
        failed = replace(
            FAILED,
            priority=3,
            cancel_requested=True,
            worker_losses=2,
            completed_at=NOW,
            expire_at=NOW,
        )

        job = changed(failed, replay(failed), NOW)

        assert (job.status, job.rank) == (JobStatus.QUEUED, NOW.timestamp() - 3 * 3600)
        assert (job.cancel_requested, job.worker_losses, job.attempt) == (False, 0, 3)
        assert (job.error_code, job.error_message, job.completed_at, job.expire_at) == (
            None,
            None,
            None,
            None,
        )


class TestCancel:
    def test_a_queued_job_ends_at_once(self) -> None:
        change = transitions.request_cancel(QUEUED)

        assert change is not None
        assert (change["status"], change["error_code"], change["cancel_requested"]) == (
            JobStatus.FAILED,
            ErrorCode.CANCELLED,
            True,
        )

    def test_a_running_job_is_asked_to_stop_once(self) -> None:
        assert transitions.request_cancel(RUNNING) == {"cancel_requested": True}
        assert transitions.request_cancel(replace(RUNNING, cancel_requested=True)) is None

    @pytest.mark.parametrize("ended", [COMPLETED, FAILED])
    def test_a_job_that_has_ended_is_left_alone(self, ended: Job) -> None:
        assert transitions.request_cancel(ended) is None


@given(st.lists(st.floats(-1, 2), max_size=20))
def test_progress_grows_whatever_is_told(told: list[float]) -> None:
    job, shown = RUNNING, [RUNNING.progress]
    for progress in told:
        job = changed(job, beat(job, progress), NOW)
        shown.append(job.progress)

    assert shown == sorted(shown)
    assert shown[-1] <= 1.0


class AnyLife(RuleBasedStateMachine):
    """Whatever happens to a job, in whatever order, what holds of one life holds of all."""

    @initialize()
    def create(self) -> None:
        self.job = Job(job_id="j1", user_id="ann")
        self.attempts = [0]
        self.leases = 0

    def take(self, change: JobChange | None) -> None:
        if change is not None:
            self.job = changed(self.job, change, NOW)
            self.attempts.append(self.job.attempt)

    def is_(self, status: JobStatus) -> bool:
        return self.job.status is status

    @precondition(lambda self: self.is_(JobStatus.QUEUED))
    @rule()
    def admit(self) -> None:
        self.take(admit(self.job))

    @precondition(lambda self: self.is_(JobStatus.QUEUED))
    @rule()
    def reject(self) -> None:
        self.take(reject(self.job))

    @precondition(
        lambda self: (
            self.is_(JobStatus.QUEUED) and self.job.is_admitted and not self.job.cancel_requested
        )
    )
    @rule()
    def claim(self) -> None:
        self.leases += 1
        self.take(transitions.claim(self.job, lease=replace(LEASE, lease_id=f"l{self.leases}")))

    @precondition(lambda self: self.is_(JobStatus.RUNNING))
    @rule(step=st.sampled_from([complete, fail, release]))
    def end(self, step: Callable[[Job, Hold], JobChange]) -> None:
        self.take(step(self.job, self.job.hold()))

    @precondition(lambda self: self.is_(JobStatus.RUNNING))
    @rule()
    def expire(self) -> None:
        self.take(expire(self.job))

    @precondition(lambda self: self.is_(JobStatus.FAILED))
    @rule()
    def replay(self) -> None:
        self.take(replay(self.job))

    @rule()
    def cancel(self) -> None:
        self.take(transitions.request_cancel(self.job))

    @invariant()
    def a_lease_exists_exactly_while_running(self) -> None:
        assert (self.job.lease is not None) == self.is_(JobStatus.RUNNING)

    @invariant()
    def an_error_exists_exactly_on_failed_jobs(self) -> None:
        assert (self.job.error_code is not None) == self.is_(JobStatus.FAILED)
        assert (self.job.error_message is not None) == self.is_(JobStatus.FAILED)

    @invariant()
    def a_digest_exists_exactly_on_completed_jobs(self) -> None:
        assert (self.job.result_digest is not None) == self.is_(JobStatus.COMPLETED)

    @invariant()
    def a_time_of_ending_exists_exactly_on_ended_jobs(self) -> None:
        assert (self.job.completed_at is not None) == self.job.status.is_final

    @invariant()
    def the_fencing_token_only_grows(self) -> None:
        assert self.attempts == sorted(self.attempts)

    @invariant()
    def a_queued_job_is_not_cancelled(self) -> None:
        assert not (self.is_(JobStatus.QUEUED) and self.job.cancel_requested)


TestAnyLife = AnyLife.TestCase
