"""What the sweep, the quotas and the metrics ask of the memory store."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from worker.jobs.errors import ErrorCode
from worker.jobs.job import Job
from worker.jobs.lanes import OWN_LANES
from worker.jobs.states import JobStatus
from worker.ports import Backlog, Fleet


class MemoryOverview(ABC):
    """Looks at all jobs, one by one: the plainest statement of what each question means."""

    @abstractmethod
    def _all(self) -> tuple[list[Job], datetime]:
        """Every job, and the store's clock."""

    def expired_leases(self, *, limit: int) -> Sequence[str]:
        jobs, now = self._all()
        return [job.job_id for job in _running(jobs) if _is_silent(job, now)][:limit]

    def overdue(self, *, longest: float, slack: float, limit: int) -> Sequence[str]:
        jobs, now = self._all()
        return [
            job.job_id
            for job in _running(jobs)
            if job.started_at is not None
            and now - job.started_at
            > timedelta(seconds=min(longest, job.timeout_seconds or longest) + slack)
        ][:limit]

    def cancelled_in_queue(self, *, limit: int) -> Sequence[str]:
        jobs, _ = self._all()
        return [
            job.job_id
            for job in jobs
            if job.status is JobStatus.QUEUED
            and job.cancel_requested
            and (job.lane in OWN_LANES or job.rank is None)
        ][:limit]

    def unadmitted(self, *, limit: int) -> Sequence[str]:
        jobs, _ = self._all()
        return [
            job.job_id
            for job in jobs
            if job.status is JobStatus.QUEUED and job.rank is None and job.admitted_at is None
        ][:limit]

    def waiting_users(self, *, limit: int, after: str = "") -> Sequence[str]:
        jobs, _ = self._all()
        users = {job.user_id for job in jobs if job.is_waiting and job.user_id}
        return sorted(user for user in users if user > after)[:limit]

    def waiting_of(self, user_id: str, *, limit: int) -> Sequence[str]:
        jobs, _ = self._all()
        own = [
            (-job.priority, job.admitted_at, job.job_id)
            for job in jobs
            if job.is_waiting and job.user_id == user_id
        ]
        return [job_id for *_, job_id in sorted(own)][:limit]

    def failed(self, code: ErrorCode, since: timedelta, *, limit: int) -> Sequence[str]:
        jobs, now = self._all()
        found = [
            (job.completed_at, job.job_id)
            for job in jobs
            if job.status is JobStatus.FAILED
            and job.error_code is code
            and job.completed_at is not None
            and job.completed_at > now - since
            and not job.is_chunk
        ]
        return [job_id for _, job_id in sorted(found)][:limit]

    def backlog(self, lane: str, engine_version: str) -> Backlog | None:
        jobs, now = self._all()
        claimable = [
            (job.admitted_at or now, job.job_id)
            for job in _claimable(jobs)
            if job.lane == lane and job.engine_version == engine_version
        ]
        if not claimable:
            return None
        since, oldest_id = min(claimable)
        return Backlog(
            jobs=len(claimable), oldest_id=oldest_id, waited=(now - since).total_seconds()
        )

    def queued_of(self, user_id: str) -> int:
        jobs, _ = self._all()
        return sum(
            job.user_id == user_id
            and job.status is JobStatus.QUEUED
            and job.admitted_at is not None
            and not job.is_chunk
            for job in jobs
        )

    def active_of(self, user_id: str) -> int:
        jobs, _ = self._all()
        return sum(
            job.user_id == user_id
            and (
                job.status is JobStatus.RUNNING
                or (job.status is JobStatus.QUEUED and job.rank is not None)
            )
            for job in jobs
        )

    def bars_of(self, user_id: str, since: datetime) -> int:
        jobs, _ = self._all()
        return sum(
            job.bars or 0
            for job in jobs
            if job.user_id == user_id and job.admitted_at is not None and job.admitted_at > since
        )

    def fleet(self, since: timedelta) -> Fleet:
        jobs, now = self._all()
        claimable = [job for job in _claimable(jobs) if job.lane in OWN_LANES]
        running = list(_running(jobs))
        oldest = min((job.admitted_at or now for job in claimable), default=now)
        return Fleet(
            queued=Counter(job.priority for job in claimable),
            waiting=sum(job.is_waiting for job in jobs),
            running=len(running),
            expired_leases=sum(_is_silent(job, now) for job in running),
            oldest_seconds=(now - oldest).total_seconds(),
            ended=Counter(
                (job.status, job.error_code)
                for job in jobs
                if job.status.is_final
                and job.completed_at is not None
                and job.completed_at > now - since
            ),
        )


def _running(jobs: Sequence[Job]) -> Iterator[Job]:
    return (job for job in jobs if job.status is JobStatus.RUNNING and job.lane in OWN_LANES)


def _claimable(jobs: Sequence[Job]) -> Iterator[Job]:
    return (job for job in jobs if job.status is JobStatus.QUEUED and job.rank is not None)


def _is_silent(job: Job, now: datetime) -> bool:
    return job.lease is None or job.lease.is_expired(now)
