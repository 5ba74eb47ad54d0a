"""Everything that was ever written about jobs, and what must be true of it."""

from dataclasses import dataclass, field
from itertools import pairwise

from worker.jobs.errors import ErrorCode
from worker.jobs.job import Job, ResultRecord
from worker.jobs.states import JobStatus

#: From which state to which a job may go in one write; the same state is always allowed.
ALLOWED = {
    (JobStatus.QUEUED, JobStatus.RUNNING),
    (JobStatus.QUEUED, JobStatus.FAILED),
    (JobStatus.RUNNING, JobStatus.QUEUED),
    (JobStatus.RUNNING, JobStatus.COMPLETED),
    (JobStatus.RUNNING, JobStatus.FAILED),
    (JobStatus.FAILED, JobStatus.QUEUED),
    # A person's replay of a job whose cause of failure is still there, and one that runs at once.
    (JobStatus.FAILED, JobStatus.FAILED),
    (JobStatus.FAILED, JobStatus.RUNNING),
}


@dataclass
class History:
    """The states of each job in the order in which they were committed."""

    states: dict[str, list[Job]] = field(default_factory=dict)
    replays: dict[str, int] = field(default_factory=dict)
    by_hand: set[str] = field(default_factory=set)

    def wrote(self, job: Job) -> None:
        self.states.setdefault(job.job_id, []).append(job)

    def replayed(self, job_id: str) -> None:
        self.replays[job_id] = self.replays.get(job_id, 0) + 1

    def queued_by_hand(self, job_id: str) -> None:
        """From now on this job may leave ``completed``, which nobody else may let it."""
        self.by_hand.add(job_id)

    def check(self, stored: dict[str, Job], results: dict[str, ResultRecord | None]) -> None:
        """Everything that can be said of the whole, of the records as they stand now."""
        for job_id, states in self.states.items():
            assert stored[job_id] == states[-1], f"{job_id} was written by somebody unheard"
            _check_steps(states, by_hand=job_id in self.by_hand)
            _check_ends(states, self.replays.get(job_id, 0))
            _check_result(states, results[job_id])


def _check_steps(states: list[Job], *, by_hand: bool) -> None:
    for before, after in pairwise(states):
        if by_hand and (before.status, after.status) == (JobStatus.COMPLETED, JobStatus.QUEUED):
            continue
        told = f"{before.job_id}: {before.status} → {after.status}"
        assert before.status is after.status or (before.status, after.status) in ALLOWED, told
        claimed = after.status is JobStatus.RUNNING and _lease_id(before) != _lease_id(after)
        assert after.attempt == before.attempt + claimed, f"{told}: attempt"
        if after.status is before.status is JobStatus.RUNNING and not claimed:
            assert after.progress >= before.progress, f"{told}: progress went back"
        if after.status is JobStatus.RUNNING:
            assert after.lease is not None
            by_person = before.status is JobStatus.FAILED
            started = claimed and not by_person
            assert not (started and before.cancel_requested), f"{told}: started though cancelled"
        else:
            assert after.lease is None, f"{told}: somebody holds what does not run"
        if before.status is JobStatus.COMPLETED:
            assert after == before, f"{told}: written after its end"


def _lease_id(job: Job) -> str | None:
    return None if job.lease is None else job.lease.lease_id


def _check_ends(states: list[Job], replays: int) -> None:
    """One end for each attempt that has one; only a replay leads out of ``failed``."""
    back = sum(
        before.status is JobStatus.FAILED and after.status is not JobStatus.FAILED
        for before, after in pairwise(states)
    )
    assert back <= replays, f"{states[0].job_id} was started again by nobody"
    losses = max(job.worker_losses for job in states)
    assert losses <= 2, f"{states[0].job_id} was put back after a second loss"


def _check_result(states: list[Job], result: ResultRecord | None) -> None:
    job = states[-1]
    assert (result is not None) == (job.status is JobStatus.COMPLETED), (
        f"{job.job_id} is {job.status} and has {'a' if result else 'no'} result"
    )
    if result is not None:
        assert result.result_digest == job.result_digest
        assert job.completed_at is not None
        assert job.error_code is None
    if job.status is JobStatus.FAILED:
        assert job.error_code in ErrorCode
        assert job.completed_at is not None
